import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let node: TestApp;

beforeEach(async () => {
  node = await openTestApp();
});

afterEach(() => node.close());

const MEMBERS = '/v1/_cluster/members';

test('[HT21] the members are listed, and one is made to be joined by its URL', async () => {
  const { nodeId } = node.context.replica;
  const list = await node.send('GET', MEMBERS);
  expect(list.json()).toMatchObject({
    members: [{ node: nodeId, name: 'test', state: 'live', self: true, lag: null }],
  });
  const joined = await node.send('POST', MEMBERS, { url: 'http://10.0.0.9:7400/' });
  expect([joined.statusCode, joined.json()]).toEqual([202, { url: 'http://10.0.0.9:7400' }]);
  for (const body of [{}, { url: 7 }, { url: 'ftp://x' }, { url: 'http://x', more: 1 }]) {
    expect((await node.send('POST', MEMBERS, body)).statusCode).toBe(400);
  }
});

test('[HT21] a member is removed by its id; a node does not remove itself', async () => {
  const { replica } = node.context;
  expect((await node.send('DELETE', `${MEMBERS}/nobody`)).json()).toMatchObject({ code: 'SYNC_MEMBER_NOT_FOUND' });
  const own = await node.send('DELETE', `${MEMBERS}/${replica.nodeId}`);
  expect([own.statusCode, own.json().code]).toEqual([409, 'SYNC_MEMBER_CONFLICT']);
});

test('[HT21] a draining node is not ready and serves', async () => {
  const { replica } = node.context;
  const drained = await node.send('POST', `${MEMBERS}/${replica.nodeId}/drain`);
  expect([drained.statusCode, drained.json()]).toEqual([202, { node: replica.nodeId, state: 'draining' }]);
  expect((await node.send('GET', '/readyz')).statusCode).toBe(503);
  expect((await node.send('GET', '/readyz?drain=404')).statusCode).toBe(404);
  expect((await node.send('PUT', '/v1/app')).statusCode).toBe(201);
});

test('[HT21] a join token is told once, and expires when asked to', async () => {
  const answer = await node.send('POST', '/v1/_cluster/tokens', { expiresSeconds: 60 });
  expect(answer.statusCode).toBe(201);
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.json()).toMatchObject({ token: expect.stringMatching(/^atolljoin_/), expiresAt: expect.any(Number) });
  expect((await node.send('POST', '/v1/_cluster/tokens')).statusCode).toBe(201);
  for (const expiresSeconds of [0, -1, 1.5, '60', 2_592_001]) {
    expect((await node.send('POST', '/v1/_cluster/tokens', { expiresSeconds })).statusCode).toBe(400);
  }
});

test('[HT21] what no member is known to hold is a line per document', async () => {
  await node.send('PUT', '/v1/app');
  await node.send('PUT', '/v1/app/c/docs/a', { x: 1 });
  await node.send('PUT', '/v1/app/c/docs/a', { x: 2 });
  await node.send('PUT', '/v1/app/c/docs/b', { y: 1 });
  await node.send('DELETE', '/v1/app/c/docs/b');
  const answer = await node.send('GET', '/v1/_cluster/unsent');
  expect(answer.headers['content-type']).toBe('application/x-ndjson');
  expect((await node.send('DELETE', '/v1/_cluster/unsent')).statusCode).toBe(204);
  expect(
    answer.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    { db: 'app', collection: 'c', id: 'a', doc: { x: 2 } },
    { db: 'app', collection: 'c', id: 'b', deleted: true },
  ]);
});
