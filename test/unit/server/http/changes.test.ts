/** Change feeds by HTTP: what a node refuses. Sockets and streams are in test/e2e. */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FeedsAnswer } from '../../../../server/api/index.ts';
import { FeedStream } from '../../../../server/http/feed-stream.ts';
import { Wake } from '../../../../server/http/wake.ts';
import { StorageError, type ChangeFeed, type FeedChange, type FeedPage } from '../../../../sync/index.ts';
import { documentLimitsOf, limitsOf } from '../../../../server/limits.ts';
import { completeOptions } from '../../../../server/config.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';
import { openFeedNode } from '../../sync/feed-fixture.ts';

let app: TestApp;
beforeAll(async () => {
  const limits = { ...limitsOf(completeOptions({ data: 'unused' })), feeds: 2 };
  app = await openTestApp({ limits, documentLimits: documentLimitsOf(limits) });
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());

const feeds = (): FeedsAnswer => app.context.feeds.status();

test('[FE5] one feed more than there may be is refused, until one ends', async () => {
  const open = [1, 2].map(() => app.send('GET', '/v1/app/x/changes?since=now&wait=60'));
  while (feeds().open < 2) await new Promise((resolve) => setImmediate(resolve));
  const refused = await app.send('GET', '/v1/app/_changes?wait=0');
  expect(refused.statusCode).toBe(503);
  expect(refused.headers['retry-after']).toBe('1');
  expect(refused.json()).toMatchObject({ code: 'HTTP_FEEDS_EXHAUSTED', retryable: true });
  await app.send('PUT', '/v1/app/x/docs/a', {});
  for (const { body } of await Promise.all(open)) expect(body).toContain('"id":"a"');
  expect(feeds()).toEqual({ open: 0, bufferedBytes: 0 });
  expect((await app.send('GET', '/v1/app/_changes?wait=0')).statusCode).toBe(200);
});

test('[FE3] a feed that is refused takes no place', async () => {
  for (const query of ['since=x', 'include=x', 'wait=400', 'heartbeat=0']) {
    expect((await app.send('GET', `/v1/app/x/changes?${query}`)).statusCode).toBe(400);
  }
  expect(feeds().open).toBe(0);
  expect(app.context.replica.database('app').tail).toBe(null);
});

test('[FE7] a feed that cannot begin is refused, and one that cannot go on ends with the problem', async () => {
  const node = await openFeedNode();
  const other = await openTestApp({ replica: node.replica });
  await other.send('PUT', '/v1/app/x/docs/a', {});
  node.damaged.add('j');
  expect((await other.send('GET', '/v1/app/x/changes')).json()).toMatchObject({ status: 503, code: 'STORAGE_CORRUPT' });
  expect(other.context.feeds.status().open).toBe(0);
  await other.close();
  const feed = {
    cursor: 'after',
    isEnded: false,
    read: () => Promise.reject(new StorageError('STORAGE_CORRUPT', 'damaged')),
    close: () => undefined,
  } as unknown as ChangeFeed;
  const { health } = app.context;
  const parts = { feed, first: null, start: 'before', database: node.database, health, wake: new Wake() };
  const options = { documents: false, conflicts: false, onlyConflicts: false, limit: Infinity, waitMs: null };
  for (const [events, pattern] of [
    [false, /^\{"error":\{.*"code":"STORAGE_CORRUPT".*\}\}\n$/],
    [true, /\nevent: problem\ndata: \{.*"code":"STORAGE_CORRUPT".*\}\n\n$/],
  ] as const) {
    const raw = new PassThrough();
    await new FeedStream(raw as unknown as ServerResponse, parts, { ...options, events, heartbeatMs: 1000 }).run(
      () => {},
    );
    expect(String(raw.read())).toMatch(pattern);
    expect(raw.writableEnded).toBe(true);
  }
});

test('[FE4] a change leaves in the turn in which it is told', async () => {
  const left: string[] = [];
  const write = (chunk: Buffer, _encoding: string, done: () => void): void => {
    left.push(String(chunk));
    done();
  };
  const socket = new Duplex({ read: () => {}, write }) as Socket;
  const raw = new ServerResponse(new IncomingMessage(socket));
  raw.assignSocket(socket);
  raw.writeHead(200);
  const change = { cursor: 'after', collection: 'x', id: 'a', etag: null, json: null, conflicts: 0 } as FeedChange;
  const seen: string[] = [];
  const feed = {
    cursor: 'after',
    isEnded: false,
    // Asked for more right after it was written: what Node sends at the end of the turn has not left then.
    read(): Promise<FeedPage> {
      seen.push(left.join(''));
      this.isEnded = seen.length === 3;
      return Promise.resolve({ changes: this.isEnded ? [] : [change] });
    },
    close: () => undefined,
  };
  const { health, replica } = app.context;
  const parts = { first: null, start: 'before', database: replica.database('app'), health, wake: new Wake() };
  const options = { events: false, documents: false, conflicts: false, onlyConflicts: false, limit: Infinity };
  await new FeedStream(
    raw,
    { ...parts, feed: feed as unknown as ChangeFeed },
    {
      ...options,
      waitMs: null,
      heartbeatMs: 1000,
    },
  ).run(() => {});
  expect(seen.map((text) => text.split('"id":"a"').length - 1)).toEqual([0, 1, 2]);
});
