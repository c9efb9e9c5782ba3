/** Change feeds by HTTP: what a node refuses. Sockets and streams are in test/e2e. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FeedsAnswer } from '../../../../server/api/index.ts';
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

test('[FE7] a feed that cannot go on ends with the problem', async () => {
  const node = await openFeedNode();
  const other = await openTestApp({ replica: node.replica });
  await other.send('PUT', '/v1/app/x/docs/a', {});
  node.damaged.add('j');
  const lines = await other.send('GET', '/v1/app/x/changes');
  expect([lines.statusCode, JSON.parse(lines.body)]).toMatchObject([200, { error: { code: 'STORAGE_CORRUPT' } }]);
  const events = await other.send('GET', '/v1/app/x/changes', undefined, { accept: 'text/event-stream' });
  expect(events.body).toMatch(/\nevent: problem\ndata: \{.*"code":"STORAGE_CORRUPT".*\}\n\n$/);
  expect(other.context.feeds.status().open).toBe(0);
  await other.close();
});
