import { connect } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import type { AtollNode } from '../../server/index.ts';
import type { FeedsAnswer } from '../../server/api/index.ts';
import { FeedClient, type FeedLine } from '../helper/feed-client.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
const clients: FeedClient[] = [];
afterAll(async () => {
  for (const client of clients) client.close();
  await nodes.close();
});

const JSON_BODY = { 'content-type': 'application/json' };

async function send(node: AtollNode, method: string, path: string, body?: object): Promise<Response> {
  const answer = await fetch(`${node.url}/v1/${path}`, {
    method,
    ...(body && { headers: JSON_BODY, body: JSON.stringify(body) }),
  });
  expect(answer.status, path).toBeLessThan(300);
  return answer;
}

async function openNode(): Promise<AtollNode> {
  const node = await nodes.open();
  await send(node, 'PUT', 'app');
  return node;
}

function follow(node: AtollNode, path: string, headers?: Record<string, string>): FeedClient {
  const client = new FeedClient(`${node.url}/v1/${path}`, headers);
  clients.push(client);
  return client;
}

async function writeLines(node: AtollNode, lines: readonly string[]): Promise<void> {
  const answer = await fetch(`${node.url}/v1/app/x/bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  expect(await answer.text()).not.toContain('"error"');
}

const linesOf = (text: string): FeedLine[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FeedLine);

const feedsOf = async (node: AtollNode): Promise<FeedsAnswer> =>
  ((await (await fetch(`${node.url}/v1/_cluster`)).json()) as { feeds: FeedsAnswer }).feeds;

describe('lines', () => {
  test('[FE1] a feed tells cursor, collection, id, etag, whether it was deleted, and the document if asked', async () => {
    const node = await openNode();
    const written = (await (await send(node, 'PUT', 'app/x/docs/a%2F1', { n: 'ä\u2028' })).json()) as { etag: string };
    await send(node, 'PUT', 'app/y/docs/b', { n: 2 });
    const feed = follow(node, 'app/_changes?include=doc');
    await feed.until(({ changes }) => changes.length === 2);
    const response = await feed.response;
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toBe('application/x-ndjson');
    expect(response.headers['session-token']).toMatch(/./);
    await send(node, 'DELETE', 'app/x/docs/a%2F1');
    await feed.until(({ changes }) => changes.length === 3);
    const [first, , last] = feed.changes;
    expect(Object.keys(first!)).toEqual(['cursor', 'collection', 'id', 'etag', 'deleted', 'doc']);
    expect(first).toMatchObject({
      collection: 'x',
      id: 'a/1',
      deleted: false,
      doc: { n: 'ä\u2028' },
      etag: written.etag,
    });
    expect(last).toMatchObject({ collection: 'x', id: 'a/1', deleted: true });
    expect(last!.doc).toBe(undefined);
    expect(new Set(feed.changes.map(({ cursor }) => cursor)).size).toBe(3);
    feed.close();
    const rest = await (await send(node, 'GET', `app/_changes?wait=0&since=${feed.changes[1]!.cursor}`)).text();
    expect(linesOf(rest)).toEqual([last]);
  });

  test('[FE3] a long poll ends with the first changes, or after its time; limit and since=now do as they say', async () => {
    const node = await openNode();
    for (let i = 0; i < 5; i++) await send(node, 'PUT', `app/x/docs/d${i}`, { i });
    expect(linesOf(await (await send(node, 'GET', 'app/x/changes?limit=3')).text()).map(({ id }) => id)).toEqual([
      'd0',
      'd1',
      'd2',
    ]);
    expect(await (await send(node, 'GET', 'app/x/changes?since=now&wait=0')).text()).toBe('');
    const poll = follow(node, 'app/x/changes?since=now&wait=60');
    await poll.response;
    await send(node, 'PUT', 'app/y/docs/other', {});
    await send(node, 'PUT', 'app/x/docs/new', {});
    const begun = performance.now();
    await poll.end();
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(poll.changes.map(({ id }) => id)).toEqual(['new']);
    // Only changes of another collection: there is nothing to tell but a better position.
    const { cursor } = poll.changes[0]!;
    await send(node, 'PUT', 'app/y/docs/more', {});
    const quiet = linesOf(await (await send(node, 'GET', `app/x/changes?since=${cursor}&wait=0`)).text());
    expect(quiet).toEqual([{ cursor: expect.any(String) as string }]);
    expect(quiet[0]!.cursor).not.toBe(cursor);
    const started = performance.now();
    expect(await (await send(node, 'GET', `app/x/changes?since=${quiet[0]!.cursor}&wait=0.2`)).text()).toBe('');
    expect(performance.now() - started).toBeGreaterThan(150);
  });

  test('[FE3] what is not a cursor of this database, and parameters that mean nothing, are refused', async () => {
    const node = await openNode();
    await send(node, 'PUT', 'app/x/docs/a', {});
    const [{ cursor }] = linesOf(await (await send(node, 'GET', 'app/_changes?limit=1')).text()) as [FeedLine];
    await send(node, 'DELETE', 'app');
    await send(node, 'PUT', 'app');
    for (const [query, status, code] of [
      [`since=${cursor}`, 410, 'SYNC_CURSOR_FOREIGN'],
      ['since=nonsense', 400, 'SYNC_CURSOR_INVALID'],
      ['include=everything', 400, 'HTTP_QUERY_INVALID'],
      ['limit=0', 400, 'HTTP_QUERY_INVALID'],
      ['wait=-1', 400, 'HTTP_QUERY_INVALID'],
      ['from=now', 400, 'HTTP_QUERY_INVALID'],
    ] as const) {
      const answer = await fetch(`${node.url}/v1/app/_changes?${query}`);
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
    }
    expect((await fetch(`${node.url}/v1/nothing/_changes`)).status).toBe(404);
    expect((await fetch(`${node.url}/v1/app/_changes`, { method: 'HEAD' })).status).toBe(405);
  });
});

describe('events', () => {
  const EVENTS = { accept: 'text/event-stream' };

  test('[FE3] as an event a change has its cursor as id, and Last-Event-ID goes before since', async () => {
    const node = await openNode();
    const feed = follow(node, 'app/x/changes?since=now', EVENTS);
    await feed.until(({ text }) => text.some((line) => line.startsWith('id: ')));
    expect((await feed.response).headers['content-type']).toMatch(/^text\/event-stream/);
    for (const id of ['a', 'b']) await send(node, 'PUT', `app/x/docs/${id}`, { id });
    await feed.until(({ text }) => text.filter((line) => line.startsWith('data: ')).length === 2);
    feed.close();
    const events = feed.text.join('\n').split('\n\n').slice(1, 3);
    const parsed = events.map((event) => {
      const [, id, data] = /^id: (\S+)\ndata: (\{.*\})$/.exec(event.trim())!;
      return { id: id!, change: JSON.parse(data!) as FeedLine };
    });
    expect(parsed.map(({ change }) => change.id)).toEqual(['a', 'b']);
    expect(parsed.map(({ id }) => id)).toEqual(parsed.map(({ change }) => change.cursor));
    const again = follow(node, 'app/x/changes?since=now&wait=0', { ...EVENTS, 'last-event-id': parsed[0]!.id });
    await again.end();
    expect(again.text.filter((line) => line.startsWith('data: '))).toHaveLength(1);
  });

  test('[FE4] a feed without changes gives a sign of life, with the position where that has moved', async () => {
    const node = await openNode();
    const events = follow(node, 'app/x/changes?since=now&heartbeat=1', EVENTS);
    const lines = follow(node, 'app/x/changes?since=now&heartbeat=1');
    await events.until(({ text }) => text.includes(':'));
    await lines.until(({ text }) => text.includes(''));
    await send(node, 'PUT', 'app/y/docs/a', {});
    await events.until(({ text }) => text.filter((line) => line.startsWith('id: ')).length === 2);
    await lines.until(({ text }) => text.some((line) => line.startsWith('{"cursor"')));
    expect(events.text.some((line) => line.startsWith('data'))).toBe(false);
    for (const feed of [events, lines]) feed.close();
  });
});

describe('many and slow readers', () => {
  test('[FE5] 200 feeds are told everything, and leave nothing behind when their clients go', async () => {
    const node = await openNode();
    const feeds = Array.from({ length: 200 }, (_, i) =>
      follow(node, `app/${i % 2 ? 'x/changes' : '_changes'}?since=now`),
    );
    await Promise.all(feeds.map(({ response }) => response));
    expect(await feedsOf(node)).toMatchObject({ open: 200 });
    await writeLines(
      node,
      Array.from({ length: 500 }, (_, i) => JSON.stringify({ id: `d${i}`, doc: { i } })),
    );
    await Promise.all(feeds.map((feed) => feed.until(({ text }) => text.length >= 500)));
    for (const feed of feeds) expect(new Set(feed.changes.map(({ id }) => id)).size).toBe(500);
    for (const feed of feeds) feed.close();
    await waitFor(async () => (await feedsOf(node)).open === 0);
    expect(node.replica.database('app').tail).toBe(null);
  });

  test('[FE5] a reader that stands still costs a page, and gets everything when it reads again', async () => {
    const node = await openNode();
    const text = 'x'.repeat(20_000);
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    socket.write('GET /v1/app/x/changes?since=now&include=doc HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor(async () => (await feedsOf(node)).open === 1);
    let rest = '';
    const told = new Set<string>();
    const take = (chunk: string): void => {
      const pieces = (rest + chunk).split('\n');
      rest = pieces.pop()!;
      for (const piece of pieces) {
        const id = /"id":"(d\d+)"/.exec(piece.slice(0, 500))?.[1];
        if (id !== undefined) told.add(id);
      }
    };
    socket.setEncoding('utf8');
    socket.once('data', (chunk: string) => {
      take(chunk);
      socket.pause();
    });
    await waitFor(() => rest !== '' || socket.bytesRead > 0);
    // 30 MB: what kernel buffers hold is not counted here, what waits in the process is.
    for (let round = 0; round < 15; round++) {
      const lines = Array.from({ length: 100 }, (_, i) => JSON.stringify({ id: `d${round * 100 + i}`, doc: { text } }));
      await writeLines(node, lines);
      expect((await feedsOf(node)).bufferedBytes).toBeLessThan(262_144);
    }
    expect((await feedsOf(node)).bufferedBytes).toBeGreaterThan(0);
    socket.on('data', take);
    socket.resume();
    await waitFor(() => told.size === 1500, 60_000);
    socket.destroy();
    await waitFor(async () => (await feedsOf(node)).open === 0);
  });

  test('[FE7] draining ends feeds at once, with when to come back', async () => {
    const node = await openNode();
    const lines = follow(node, 'app/x/changes?since=now');
    const events = follow(node, 'app/x/changes?since=now', { accept: 'text/event-stream' });
    await Promise.all([lines.response, events.response]);
    await send(node, 'PUT', 'app/x/docs/a', {});
    await lines.until(({ changes }) => changes.length === 1);
    const started = performance.now();
    await node.close();
    expect(performance.now() - started).toBeLessThan(5000);
    await Promise.all([lines.end(), events.end()]);
    expect(JSON.parse(lines.text.at(-1)!)).toEqual({ cursor: lines.changes[0]!.cursor, retryMs: 1000 });
    expect(events.text.slice(-3)[0]).toBe('retry: 1000');
    expect(events.text.slice(-3)[1]).toBe(`id: ${lines.changes[0]!.cursor}`);
  });
});
