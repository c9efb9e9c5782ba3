import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AtollNode } from '../../server/index.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
const JSON_BODY = { 'content-type': 'application/json' };
let a: AtollNode;
let b: AtollNode;
let c: AtollNode;
let data: string;

beforeAll(async () => {
  a = await nodes.open({ name: 'a' });
  b = await nodes.open({ name: 'b', join: [a.url] });
  data = nodes.directory();
  c = await nodes.open({ name: 'c', data, join: [a.url, b.url] });
  for (const name of ['app', 'other']) await send(a, 'PUT', `/v1/${name}`);
  await send(a, 'PUT', '/v1/app/c/docs/from-a', { by: 'a' });
  await waitFor(() => isEqual('app', a, c));
  expect((await send(c, 'PUT', '/v1/app/c/docs/from-c', { by: 'c' })).status).toBe(201);
  await waitFor(() => isEqual('app', a, b, c));
});
afterAll(() => nodes.close());

function send(node: AtollNode, method: string, path: string, body?: object): Promise<Response> {
  return fetch(`${node.url}${path}`, { method, ...(body && { headers: JSON_BODY, body: JSON.stringify(body) }) });
}

async function digestOf(node: AtollNode, name: string): Promise<string | null> {
  const answer = await send(node, 'GET', `/v1/${name}/_digest`);
  const { digest } = (await answer.json()) as { digest?: string };
  return digest ?? null;
}

async function isEqual(name: string, ...some: readonly AtollNode[]): Promise<boolean> {
  const digests = await Promise.all(some.map((node) => digestOf(node, name)));
  return digests[0] !== null && new Set(digests).size === 1;
}

const holds = (node: AtollNode, key: string): boolean => node.replica.engine.databases().includes(key);
const place = (databases: readonly string[] | null): Promise<Response> =>
  send(a, 'PUT', `/v1/_cluster/members/${c.replica.nodeId}/databases`, { databases });

test('[DB15] a database that is placed elsewhere leaves a node, and others go on', async () => {
  const placed = await place(['other']);
  expect([placed.status, await placed.json()]).toEqual([200, { node: c.replica.nodeId, databases: ['other'] }]);
  await waitFor(() => !holds(c, 'app.0'));
  const refused = await send(c, 'GET', '/v1/app/c/docs/from-a');
  expect(refused.status).toBe(421);
  expect(await refused.json()).toMatchObject({ code: 'SYNC_DATABASE_ELSEWHERE', retryable: true });
  expect((await send(c, 'PUT', '/v1/app')).status).toBe(421);
  expect(await (await send(c, 'GET', '/v1')).json()).toEqual({ databases: [{ name: 'other' }] });
  expect((await send(a, 'PUT', '/v1/app/c/docs/later', { by: 'a' })).status).toBe(201);
  await send(a, 'PUT', '/v1/other/c/docs/x', { by: 'a' });
  await waitFor(() => isEqual('app', a, b));
  await waitFor(() => isEqual('other', a, b, c));
  expect(holds(c, 'app.0')).toBe(false);
  const { members } = (await (await send(b, 'GET', '/v1/_cluster/members')).json()) as {
    members: { name: string; databases: string[] | null }[];
  };
  expect(members.find(({ name }) => name === 'c')?.databases).toEqual(['other']);
  await waitFor(() => a.replica.horizon('app.0').blockers.every(({ node }) => node !== c.replica.nodeId));
});

test('[DB15] it stays away after a restart', async () => {
  await c.close();
  c = await nodes.open({ name: 'c', data, join: [a.url, b.url] });
  await send(a, 'PUT', '/v1/other/c/docs/y', { by: 'a' });
  await waitFor(() => isEqual('other', a, b, c));
  expect(holds(c, 'app.0')).toBe(false);
  expect((await send(c, 'GET', '/v1/app')).status).toBe(421);
});

test('[DB15] placed again it is filled by peers, takes writes, and nothing is numbered twice', async () => {
  expect((await place(null)).status).toBe(200);
  await waitFor(() => isEqual('app', a, b, c));
  expect(await (await send(c, 'GET', '/v1/app/c/docs/from-c')).json()).toEqual({ by: 'c' });
  expect((await send(c, 'PUT', '/v1/app/c/docs/again', { by: 'c' })).status).toBe(201);
  await waitFor(() => isEqual('app', a, b, c));
  // Within one process: away, and back with writes of before and after.
  await place(['other']);
  await waitFor(() => !holds(c, 'app.0'));
  await place(null);
  await waitFor(async () => (await send(c, 'PUT', '/v1/app/c/docs/once-more', { by: 'c' })).ok);
  await waitFor(() => isEqual('app', a, b, c));
  expect(await (await send(a, 'GET', '/v1/app/c/docs/once-more')).json()).toEqual({ by: 'c' });
  for (const node of [a, b, c]) expect(node.replica.status().incidents).toEqual([]);
});

test('[HT21] a placement that is none is refused', async () => {
  const url = `/v1/_cluster/members/${c.replica.nodeId}/databases`;
  for (const body of [
    {},
    { databases: 'app' },
    { databases: [5] },
    { databases: ['App'] },
    { databases: [], more: 1 },
  ]) {
    expect((await send(a, 'PUT', url, body)).status).toBe(400);
  }
  expect((await send(a, 'PUT', '/v1/_cluster/members/nobody/databases', { databases: [] })).status).toBe(404);
});
