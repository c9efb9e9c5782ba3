import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JsonObject } from '../../../../crdt/index.ts';
import { leafQueries, MemoryStore, StorageError } from '../../../../sync/index.ts';
import type { Clock } from '../../../../sync/index.ts';
import { LeafTable } from '../../../../sync/leaf/leaf-table.ts';
import { LeafWorld, putOn, putOnLeaf, readOn, shownOn, TODOS } from './leaf-fixture.ts';
import type { HostNode, TestLeaf } from './leaf-fixture.ts';

let world: LeafWorld;
beforeEach(() => {
  world = new LeafWorld();
});
afterEach(async () => {
  await world.close();
  expect(world.errors).toEqual([]);
});

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const OFFLINE = { nodes: ['nowhere'] } as const;
const todosOf = ({ leaf }: TestLeaf): ReturnType<typeof leaf.collection> => leaf.collection('app', 'todos');

/** The process ends without a word; the next one finds what was durable. */
async function restart(
  { leaf, store }: TestLeaf,
  setup: Partial<Parameters<LeafWorld['leaf']>[0]> = {},
): Promise<TestLeaf> {
  const survivor = store.crash();
  await leaf.close().catch(() => undefined);
  return world.leaf({ ...OFFLINE, ...setup, store: survivor });
}

test('[LF1] after a reload it goes on with the documents as they were, whoever wrote them', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk', visits: 1 });
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  world.cut('a');
  await todosOf(first).mergePatch('t1', { by: 'leaf' });
  await putOnLeaf(first, 't2', { title: 'bread' });
  const again = await restart(first);
  await todosOf(again).apply('t1', [{ op: 'increment', path: '/visits', value: 1 }]);
  await todosOf(again).mergePatch('t2', { done: true });
  const third = await restart(again, { nodes: ['a'] });
  const expected = { t1: { by: 'leaf', title: 'milk', visits: 2 }, t2: { done: true, title: 'bread' } };
  for (const [id, document] of Object.entries(expected)) expect(shownOn(third, id)).toEqual(document);
  expect(third.leaf.status().unsent).toBe(4);
  world.heal('a');
  await world.settle(third);
  for (const [id, document] of Object.entries(expected)) expect(await readOn(node!, id)).toEqual(document);
});

test('[LF1] losing values are counted after a reload, too', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  world.cut('a');
  await todosOf(leaf).mergePatch('t1', { title: 'oat milk' });
  await putOn(node!, 't1', { title: 'soy milk' });
  world.heal('a');
  await world.settle(leaf);
  const again = await restart(leaf);
  expect(todosOf(again).get('t1')).toMatchObject({ conflicts: 1, isUnsent: false });
});

test('[LF1] documents that are not in memory are read when they are used', async () => {
  const [node] = await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  const ids = Array.from({ length: 200 }, (_, i) => `t${i}`);
  // Many at once: those that are not stored yet must not be let go of.
  await Promise.all(ids.map((id) => putOnLeaf(leaf, id, { id })));
  await Promise.all(ids.map((id) => todosOf(leaf).mergePatch(id, { again: true })));
  await world.settle(leaf);
  for (const id of ids) expect(await readOn(node!, id)).toEqual({ again: true, id });
  const again = await restart(leaf);
  for (const id of ids) expect(shownOn(again, id)).toEqual({ again: true, id });
  await Promise.all(ids.map((id) => todosOf(again).mergePatch(id, { again: null })));
  for (const id of ids) expect(shownOn(again, id)).toEqual({ id });
});

test('[LF1] of a thousand documents that were used, a few stay in memory', async () => {
  const store = new MemoryStore();
  const table = await LeafTable.open(store, leafQueries);
  const held = table.collection('app', 'todos');
  const ids = Array.from({ length: 1000 }, (_, i) => `t${i}`);
  for (const id of ids) await table.use(held, id, (document) => table.touch(document));
  table.seal([])();
  for (const id of ids) await table.use(held, id, () => undefined);
  expect(ids.filter((id) => held.documents.get(id)!.crdt !== null).length).toBeLessThan(100);
});

test('[LF1] of what it has let go of nothing is left in its store but the names of deleted documents', async () => {
  const [node] = await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [{ ...TODOS[0]!, filter: { owner: 'ada' } }] });
  await world.settle(leaf);
  const empty = leaf.store.size;
  for (const id of ['deleted', 'unmatched']) await putOn(node!, id, { owner: 'ada' });
  await world.until(() => todosOf(leaf).list().length === 2);
  await node!.replica.database('app').write('todos', 'deleted', { kind: 'delete' });
  await putOn(node!, 'unmatched', { owner: 'bob' });
  await world.until(() => todosOf(leaf).list().length === 0);
  await world.settle(leaf);
  expect(leaf.store.size).toBe(empty + 1);
  expect(todosOf(await restart(leaf)).list()).toEqual([]);
});

test('[LF1] what is deleted while a write reads it from the disk begins anew with the write', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  await first.leaf.close();
  let release = (): void => {};
  let isSlow = false;
  const slow = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const store = first.store.crash(0, { intercept: ({ type }) => (isSlow && type === 'read' ? slow() : undefined) });
  const leaf = await world.leaf({ nodes: ['a'], store });
  await world.settle(leaf);
  isSlow = true;
  const writing = todosOf(leaf).mergePatch('t1', { by: 'leaf' });
  await node!.replica.database('app').write('todos', 't1', { kind: 'delete' });
  await world.until(() => shownOn(leaf, 't1') === null);
  isSlow = false;
  release();
  await writing;
  expect(shownOn(leaf, 't1')).toEqual({ by: 'leaf' });
  await world.settle(leaf);
  expect(await readOn(node!, 't1')).toEqual({ by: 'leaf' });
});

test('[LF1] what matches no more while a write reads it from the disk is written all the same', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { owner: 'ada' });
  const subscribe = [{ database: 'app', collection: 'todos', filter: { owner: 'ada' } }];
  const first = await world.leaf({ nodes: ['a'], subscribe });
  await world.settle(first);
  await first.leaf.close();
  let release = (): void => {};
  let isSlow = false;
  const slow = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const store = first.store.crash(0, { intercept: ({ type }) => (isSlow && type === 'read' ? slow() : undefined) });
  const leaf = await world.leaf({ nodes: ['a'], subscribe, store });
  await world.settle(leaf);
  isSlow = true;
  const writing = putOnLeaf(leaf, 't1', { owner: 'ada', by: 'leaf' });
  await putOn(node!, 't1', { owner: 'bob' });
  await world.until(() => shownOn(leaf, 't1') === null);
  isSlow = false;
  release();
  await writing;
  expect(shownOn(leaf, 't1')).toEqual({ owner: 'ada', by: 'leaf' });
  await world.settle(leaf);
  // The owner was set on both sides.
  expect(await readOn(node!, 't1')).toMatchObject({ by: 'leaf' });
});

test('[LF1] a collection goes on being merged as it is configured, without a node', async () => {
  const [node] = await world.nodes('a');
  const app = node!.replica.database('app');
  await app.configureCollection('todos', { types: { '/body': 'text' }, deletePolicy: 'delete-wins' });
  for (const id of ['text', 'gone']) await putOn(node!, id, { body: 'Hello' });
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  const leaf = await restart(first);
  await todosOf(leaf).put('text', { body: 'Hello, leaf' });
  await todosOf(leaf).put('new', { body: 'one' });
  await todosOf(leaf).delete('gone');
  await putOn(node!, 'text', { body: 'Oh! Hello' });
  await putOn(node!, 'gone', { body: 'kept?' });
  const online = await restart(leaf, { nodes: ['a'] });
  await world.settle(online);
  expect(await readOn(node!, 'text')).toEqual({ body: 'Oh! Hello, leaf' });
  expect(await readOn(node!, 'gone')).toBe(null);
  const late = await restart(online);
  await todosOf(late).put('new', { body: 'one two' });
  await putOn(node!, 'new', { body: 'zero one' });
  await world.settle(await restart(late, { nodes: ['a'] }));
  expect(await readOn(node!, 'new')).toEqual({ body: 'zero one two' });
});

/** When a document was last written, as the node has it. */
async function stampOn(node: HostNode, id: string): Promise<number> {
  const { table } = node.replica.database('app').parts;
  const slot = table.acquire('todos', id);
  await slot.loading;
  const { modified } = slot.document.view();
  table.release(slot);
  return modified;
}

test('[LF40] what a leaf writes is later than what it wrote or saw, although its clock is behind', async () => {
  world.time.jump(Date.UTC(2030, 0, 1));
  const [node] = await world.nodes('a');
  const behind = (ms: number): Clock => ({ now: () => world.time.now() - ms });
  const first = await world.leaf(OFFLINE);
  await putOnLeaf(first, 't1', { title: 'first' });
  const leaf = await restart(first, { clock: behind(HOUR_MS) });
  await putOnLeaf(leaf, 't2', { title: 'leaf' });
  const online = await restart(leaf, { nodes: ['a'], clock: behind(MINUTE_MS / 2) });
  await world.settle(online);
  expect(await stampOn(node!, 't2')).toBeGreaterThan(await stampOn(node!, 't1'));
  await world.time.advance(MINUTE_MS);
  await putOn(node!, 't3', { title: 'node' });
  await world.until(() => shownOn(online, 't3') !== null);
  await putOnLeaf(online, 't4', { title: 'after that' });
  await world.settle(online);
  expect(await stampOn(node!, 't4')).toBeGreaterThan(await stampOn(node!, 't3'));
  const ahead = await world.leaf({ nodes: ['a'], clock: behind(-MINUTE_MS / 2) });
  await putOnLeaf(ahead, 't5', { title: 'ahead' });
  await world.settle(ahead);
  await putOn(node!, 't6', { title: 'node' });
  expect(await stampOn(node!, 't6')).toBeGreaterThan(await stampOn(node!, 't5'));
});

test('[LF1] what a write found done already is durable when it is answered', async () => {
  let release = (): void => {};
  let isSlow = false;
  const slow = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const store = new MemoryStore({ intercept: ({ type }) => (isSlow && type === 'batch' ? slow() : undefined) });
  const leaf = await world.leaf({ ...OFFLINE, store });
  isSlow = true;
  const answered: string[] = [];
  const first = putOnLeaf(leaf, 't1', { title: 'milk' }).then(() => answered.push('first'));
  await world.time.advance(10);
  const same = putOnLeaf(leaf, 't1', { title: 'milk' }).then(() => answered.push('same'));
  await world.time.advance(10);
  expect(answered).toEqual([]);
  isSlow = false;
  release();
  await Promise.all([first, same]);
});

test('[LF1] the program is told of what is durable', async () => {
  const leaf = await world.leaf(OFFLINE);
  const copies: MemoryStore[] = [];
  leaf.leaf.onEvent(({ type }) => {
    if (type === 'changed') copies.push(leaf.store.copy());
  });
  await putOnLeaf(leaf, 't1', { title: 'milk' });
  const [copy] = copies;
  expect(copies).toHaveLength(1);
  expect(shownOn(await world.leaf({ ...OFFLINE, store: copy! }), 't1')).toEqual({ title: 'milk' });
});

test('[LF1] any other content of a store is refused, whichever its keys', async () => {
  for (const key of [Uint8Array.of(0), Uint8Array.of(0x4b, 1), Uint8Array.of(0x4d), Uint8Array.of(0xfe)]) {
    const store = new MemoryStore();
    await store.batch([{ type: 'put', key, value: Uint8Array.of(1) }], { sync: true });
    await expect(world.leaf({ ...OFFLINE, store })).rejects.toMatchObject({ code: 'STORAGE_FORMAT_UNSUPPORTED' });
  }
});

test('[LF1] writes keep to the limits of the leaf', async () => {
  const limits = { depthMax: 3, keyBytesMax: 10, documentBytesMax: 100 };
  const leaf = await world.leaf({ ...OFFLINE, limits });
  for (const wrong of [
    { a: 'x'.repeat(200) },
    { a: { b: { c: { d: 1 } } } },
    { ['k'.repeat(11)]: 1 },
  ] as JsonObject[]) {
    await expect(putOnLeaf(leaf, 't1', wrong)).rejects.toMatchObject({ code: 'CRDT_LIMIT_EXCEEDED' });
  }
  expect(todosOf(leaf).list()).toEqual([]);
});

test('[LF1] nothing is written once the leaf is closed, or its store has failed', async () => {
  const closed = await world.leaf(OFFLINE);
  await closed.leaf.close();
  await expect(putOnLeaf(closed, 't1', {})).rejects.toMatchObject({ code: 'SYNC_CLOSED' });
  let isBroken = false;
  const failure = new StorageError('STORAGE_FAILED', 'the disk is gone');
  const store = new MemoryStore({
    intercept: ({ type }) => {
      if (isBroken && type === 'batch') throw failure;
    },
  });
  const told: unknown[] = [];
  const broken = await world.leaf({ ...OFFLINE, store, onFailure: (error) => told.push(error) });
  isBroken = true;
  await expect(putOnLeaf(broken, 't1', {})).rejects.toBe(failure);
  isBroken = false;
  await expect(putOnLeaf(broken, 't2', {})).rejects.toBe(failure);
  expect(shownOn(broken, 't2')).toBe(null);
  expect(told).toEqual([failure]);
  expect(broken.leaf.failure).toBe(failure);
  await expect(broken.leaf.settled()).rejects.toBe(failure);
});
