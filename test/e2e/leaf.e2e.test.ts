import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import WebSocket from 'ws';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { NewAccessTokenAnswer } from '../../server/api/index.ts';
import { createWebSocketDialer, RocksDbStore } from '../../server/index.ts';
import { createLeaf, leafQueries, MemoryStore } from '../../sync/index.ts';
import type { Leaf, LeafOptions } from '../../sync/index.ts';
import { eventually as poll, Leftovers } from './cli-process.ts';

/** Machines that run tests may be slow. */
const eventually = (check: () => Promise<boolean>): Promise<void> => poll(check, 60_000);
const leftovers = new Leftovers();
const leaves: Leaf[] = [];
type Node = Awaited<ReturnType<Leftovers['startNode']>>;
let secret: string;
let directories: string[];
let nodes: Node[];
let admin: string;

beforeAll(async () => {
  secret = join(await leftovers.directory(), 'secret');
  await writeFile(secret, 'a-cluster-secret-of-a-test');
  directories = await Promise.all([1, 2, 3].map(() => leftovers.directory()));
  nodes = [await start(0)];
  admin = await tokenOf('admin', null, '');
  await send(0, 'PUT', '/v1/app');
  for (const n of [1, 2])
    nodes.push(
      await start(
        n,
        nodes.map(({ url }) => url),
      ),
    );
  await eventually(async () => (await send(2, 'GET', '/v1/app')).status === 200);
});
afterEach(async () => {
  await Promise.all(leaves.splice(0).map((leaf) => leaf.close()));
});
afterAll(() => leftovers.clear());

function start(n: number, joins: readonly string[] = []): Promise<Node> {
  const args = ['--cluster-secret-file', secret, ...joins.flatMap((url) => ['--join', url])];
  return leftovers.startNode(args, join(directories[n]!, 'data'));
}

function send(n: number, method: string, path: string, body?: object, token = admin): Promise<Response> {
  const headers = {
    ...(token !== '' && { authorization: `Bearer ${token}` }),
    ...(body && { 'content-type': 'application/json' }),
  };
  return fetch(`${nodes[n]!.url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

async function tokenOf(role: string, databases: readonly string[] | null, by = admin): Promise<string> {
  const answer = await send(0, 'POST', '/v1/_admin/tokens', { role, ...(databases && { databases }) }, by);
  return ((await answer.json()) as NewAccessTokenAnswer).token;
}

async function read(n: number, id: string): Promise<unknown> {
  const answer = await send(n, 'GET', `/v1/app/todos/docs/${id}`);
  return answer.status === 200 ? answer.json() : answer.status;
}

async function open(token: string, options: Partial<LeafOptions> = {}): Promise<Leaf> {
  const leaf = await createLeaf({
    urls: nodes.map(({ url }) => url),
    token,
    transport: createWebSocketDialer({ path: 'leaf' }),
    subscribe: [{ database: 'app', collection: 'todos' }],
    queries: leafQueries,
    store: new MemoryStore(),
    ...options,
  });
  leaves.push(leaf);
  return leaf;
}

interface ClusterAnswer {
  readonly members: readonly unknown[];
  readonly leaves: readonly { readonly token: string; readonly editsTaken: number }[];
  readonly databases: readonly { readonly name: string; readonly horizon: { entries: number; blockers: unknown[] } }[];
}

async function cluster(n: number): Promise<ClusterAnswer> {
  return (await (await send(n, 'GET', '/v1/_cluster')).json()) as ClusterAnswer;
}

test('[LF2] [LF16] a leaf is let in by its token, is shown by the node, and let go of when that is revoked', async () => {
  const token = await tokenOf('write', ['app']);
  await eventually(async () => (await send(2, 'GET', '/v1/app', undefined, token)).status === 200);
  const leaf = await open(token, { urls: nodes[2]!.url });
  await leaf.settled();
  await leaf.collection('app', 'todos').put('milk', { title: 'milk' });
  await leaf.settled();
  expect(await read(2, 'milk')).toEqual({ title: 'milk' });
  const id = token.split('_')[1]!;
  expect((await cluster(2)).leaves).toMatchObject([{ token: id, editsTaken: 1 }]);
  expect((await cluster(2)).members).toHaveLength(3);
  expect(await (await send(2, 'GET', '/metrics')).text()).toContain('atoll_leaf_connections 1');
  const stranger = await open('atoll_no_token', { urls: nodes[2]!.url });
  await eventually(async () => stranger.status().state === 'refused');
  await send(0, 'DELETE', `/v1/_admin/tokens/${id}`);
  await eventually(async () => leaf.status().state === 'refused');
  await leaf.collection('app', 'todos').put('late', {});
  expect(leaf.status()).toMatchObject({ unsent: 1, isSettled: false });
});

test('[LF2] a page of another origin does not get to the door', async () => {
  const answer = await new Promise<number>((resolve) => {
    const socket = new WebSocket(`${nodes[0]!.url.replace('http', 'ws')}/leaf`, { origin: 'https://evil.example' });
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode!));
    socket.on('open', () => resolve(101));
  });
  expect(answer).toBe(403);
});

test('[LF3] [LF6] [LF15] the node of a leaf is killed: nothing acknowledged is lost, and the leaf goes on elsewhere', async () => {
  const token = await tokenOf('write', ['app']);
  await eventually(async () => (await send(2, 'GET', '/v1/app', undefined, token)).status === 200);
  const directory = join(await leftovers.directory(), 'leaf');
  const first = await open(token, { store: await RocksDbStore.open(directory) });
  const todos = first.collection('app', 'todos');
  await first.settled();
  expect(first.status().url).toBe(nodes[0]!.url);
  await todos.put('counter', { visits: 0 });
  for (let i = 0; i < 100; i++) await todos.put(`t${i}`, { i });
  const increments = 50;
  for (let i = 0; i < increments; i++) {
    await todos.apply('counter', [{ op: 'increment', path: '/visits', value: 1 }]);
    if (i === 25) await nodes[0]!.stop('SIGKILL');
  }
  await eventually(async () => first.status().url !== nodes[0]!.url && first.status().state === 'online');
  await todos.put('after', { by: 'leaf' });
  await eventually(async () => (await read(1, 'after')) !== 404 || (await read(2, 'after')) !== 404);
  await first.close();
  leaves.length = 0;
  nodes[0] = await start(0, [nodes[1]!.url, nodes[2]!.url]);
  const again = await open(token, { store: await RocksDbStore.open(directory) });
  await again.settled();
  for (const n of [0, 1, 2]) {
    await eventually(async () => JSON.stringify(await read(n, 'counter')) === `{"visits":${increments}}`);
    await eventually(async () => JSON.stringify(await read(n, 't99')) === '{"i":99}');
  }
  await again.settled();
  expect(again.collection('app', 'todos').get('counter')?.doc).toEqual({ visits: increments });
  // Away, it holds nothing back.
  await again.close();
  leaves.length = 0;
  await send(1, 'PUT', '/v1/app/todos/docs/t1', { i: 'changed' });
  await eventually(async () => {
    const { databases } = await cluster(1);
    const { entries, blockers } = databases.find(({ name }) => name === 'app')!.horizon;
    return entries === 0 && blockers.length === 0;
  });
  const third = await open(token, { store: await RocksDbStore.open(directory), urls: nodes[2]!.url });
  await eventually(async () => JSON.stringify(third.collection('app', 'todos').get('t1')?.doc) === '{"i":"changed"}');
});

test('[LF7] [LF1] two leaves on two nodes see each other', async () => {
  const token = await tokenOf('write', ['app']);
  await eventually(async () => (await send(2, 'GET', '/v1/app', undefined, token)).status === 200);
  await eventually(async () => (await send(1, 'GET', '/v1/app', undefined, token)).status === 200);
  const subscribe = [{ database: 'app', collection: 'lists', filter: { shared: true } }];
  const [a, b] = [
    await open(token, { urls: nodes[1]!.url, subscribe }),
    await open(token, { urls: nodes[2]!.url, subscribe }),
  ];
  const [ours, theirs] = [a.collection('app', 'lists'), b.collection('app', 'lists')];
  await ours.put('l1', { shared: true, items: [] });
  await eventually(async () => theirs.get('l1') !== null);
  await Promise.all([
    ours.apply('l1', [{ op: 'append', path: '/items', value: 'ours' }]),
    theirs.apply('l1', [{ op: 'append', path: '/items', value: 'theirs' }]),
  ]);
  const both = (doc: object | undefined): boolean => (doc as { items?: unknown[] } | undefined)?.items?.length === 2;
  await eventually(async () => both(ours.get('l1')?.doc) && both(theirs.get('l1')?.doc));
  expect(ours.get('l1')?.doc).toEqual(theirs.get('l1')?.doc);
  await theirs.mergePatch('l1', { shared: false });
  await eventually(async () => ours.get('l1') === null && theirs.get('l1') === null);
});
