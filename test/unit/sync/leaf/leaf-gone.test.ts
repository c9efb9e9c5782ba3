import { afterEach, beforeEach, expect, test } from 'vitest';
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

/** Tombstones and history are forgotten within seconds. */
const FORGETFUL = {
  collection: { intervalMs: 500, epochMs: 1000 },
  log: { bytesMin: 0, bytesMax: 0, intervalMs: 500 },
} as const;

async function forgetfulNode(name = 'a'): Promise<HostNode> {
  const node = await world.node(name, [], FORGETFUL);
  await node.replica.createDatabase('app');
  return node;
}

async function deleteOn({ replica }: HostNode, id: string): Promise<void> {
  await replica.database('app').write('todos', id, { kind: 'delete' });
}

/** Nothing is left of what was deleted. */
async function forgotten({ replica }: HostNode, count = 1): Promise<void> {
  const isForgotten = ({ kept, collected }: { kept: number; collected: number }): boolean =>
    kept === 0 && collected >= count;
  await world.until(() => replica.status().databases.every(({ tombstones }) => isForgotten(tombstones)), 20_000);
  await world.time.advance(3000);
}

/** A leaf that has seen the documents and is away. */
async function away(node: HostNode, ...ids: readonly string[]): Promise<TestLeaf> {
  for (const id of ids) await putOn(node, id, { title: id, visits: 1 });
  const leaf = await world.leaf({ nodes: [node.name] });
  await world.settle(leaf);
  world.cut(node.name);
  return leaf;
}

test('[LF9] what was deleted and forgotten while a leaf was away goes, and what it has is not sent again', async () => {
  const node = await forgetfulNode();
  for (let i = 0; i < 100; i++) await putOn(node, `t${i}`, { title: 'x'.repeat(200) });
  const leaf = await away(node, 'a', 'b');
  await deleteOn(node, 'a');
  await forgotten(node);
  await putOn(node, 'c', { title: 'new' });
  world.passed.length = 0;
  world.heal('a');
  await world.settle(leaf);
  expect(shownOn(leaf, 'a')).toBe(null);
  expect(shownOn(leaf, 'b')).toEqual({ title: 'b', visits: 1 });
  expect(shownOn(leaf, 'c')).toEqual({ title: 'new' });
  expect(leaf.leaf.collection('app', 'todos').list()).toHaveLength(102);
  expect(leaf.events).toContainEqual({
    type: 'left',
    reason: 'deleted',
    database: 'app',
    collection: 'todos',
    id: 'a',
  });
  const told = world.passed.flatMap(({ message }) => (message.type === 'changes' ? message.entries : []));
  expect(told.filter(({ kind }) => kind === 'announced').length).toBe(102);
  expect(world.bytesTo('leaf')).toBeLessThan(102 * 60);
});

test('[LF9] a database that was dropped and created again is another one', async () => {
  const node = await forgetfulNode();
  const leaf = await away(node, 'a', 'b');
  await node.replica.dropDatabase('app');
  await node.replica.createDatabase('app');
  await putOn(node, 'c', { title: 'new' });
  world.heal('a');
  await world.settle(leaf);
  expect(
    leaf.leaf
      .collection('app', 'todos')
      .list()
      .map(({ id }) => id),
  ).toEqual(['c']);
});

/** Dropped, and created again by the same process, which writes as the same client from clock 0 on. */
async function beginAnew(node: HostNode): Promise<void> {
  await node.replica.dropDatabase('app');
  await node.replica.createDatabase('app');
}

test.each([1, 30])(
  '[LF63] documents of a database that was dropped are not mixed with those of its successor (%i writes)',
  async (writes) => {
    const node = await forgetfulNode();
    const leaf = await away(node, 'a', 'b');
    await beginAnew(node);
    for (let i = 1; i <= writes; i++) await putOn(node, 'a', { other: `${i}`, [`only${i}`]: true });
    world.heal('a');
    await world.settle(leaf);
    expect(shownOn(leaf, 'a')).toEqual({ other: `${writes}`, [`only${writes}`]: true });
    expect(shownOn(leaf, 'b')).toBe(null);
    await putOnLeaf(leaf, 'a', { again: 1 });
    await world.settle(leaf);
    expect(await readOn(node, 'a')).toEqual({ again: 1 });
  },
);

test('[LF63] what is unsent when a database is dropped is made to what its successor has, or begins it', async () => {
  const node = await forgetfulNode();
  const leaf = await away(node, 'a', 'b', 'c');
  const todos = leaf.leaf.collection('app', 'todos');
  await todos.mergePatch('a', { done: true });
  await todos.apply('b', [{ op: 'increment', path: '/visits', value: 1 }]);
  await todos.put('new', { begun: 'here' });
  await todos.mergePatch('new', { more: true });
  await beginAnew(node);
  await putOn(node, 'a', { other: 1 });
  for (let i = 0; i < 20; i++) await putOn(node, 'a', { other: i, [`x${i}`]: i });
  world.heal('a');
  await world.settle(leaf);
  for (const [id, value] of [
    ['a', { other: 19, x19: 19, done: true }],
    ['b', { title: 'b', visits: 2 }],
    ['c', null],
    ['new', { begun: 'here', more: true }],
  ] as const) {
    expect(await readOn(node, id)).toEqual(value);
    expect(shownOn(leaf, id)).toEqual(value);
  }
  expect(leaf.events.some(({ type }) => type === 'refused')).toBe(false);
});

test('[LF63] … also when the leaf was started again in between, and selects documents by their ids', async () => {
  const node = await forgetfulNode();
  await putOn(node, 'a', { title: 'a' });
  const subscribe = [{ database: 'app', collection: 'todos', ids: ['a', 'b'] }];
  const first = await world.leaf({ nodes: ['a'], subscribe });
  await world.settle(first);
  world.cut('a');
  await first.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  await first.leaf.close();
  await beginAnew(node);
  await putOn(node, 'a', { other: 1 });
  world.heal('a');
  const leaf = await world.leaf({ nodes: ['a'], subscribe, store: first.store.crash() });
  await world.settle(leaf);
  expect(await readOn(node, 'a')).toEqual({ other: 1, done: true });
  expect(shownOn(leaf, 'a')).toEqual({ other: 1, done: true });
});

test.each([
  ['selects something else now, which it is told from the beginning', 2, false],
  ['selects something else now, and has something unsent', 2, true],
  ['selects so many ids that the first page has no position', 40, false],
  ['selects so many ids, and has something unsent', 40, true],
] as const)('[LF63] … also when the leaf %s', async (_name, count, isUnsent) => {
  const node = await forgetfulNode();
  await putOn(node, 'a', { title: 'a' });
  const idsOf = (last: string) => [
    { database: 'app', collection: 'todos', ids: ['a', last, ...Array.from({ length: count }, (_, i) => `x${i}`)] },
  ];
  const first = await world.leaf({ nodes: ['a'], subscribe: idsOf('b') });
  await world.settle(first);
  world.cut('a');
  if (isUnsent) await first.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  await first.leaf.close();
  await beginAnew(node);
  // As many clocks of the same client as the document had that the leaf holds.
  await putOn(node, 'a', { other: 1 });
  world.heal('a');
  const subscribe = count === 2 ? idsOf('c') : idsOf('b');
  const leaf = await world.leaf({ nodes: ['a'], subscribe, store: first.store.crash() });
  await world.settle(leaf);
  for (const shown of [await readOn(node, 'a'), shownOn(leaf, 'a')])
    expect(shown).toEqual({ other: 1, ...(isUnsent && { done: true }) });
});

test('[LF10] unsent changes to a document that was deleted merge as concurrent ones', async () => {
  const [node] = await world.nodes('a');
  const leaf = await away(node!, 'a', 'b');
  await deleteOn(node!, 'a');
  await deleteOn(node!, 'b');
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  world.heal('a');
  await world.settle(leaf);
  expect(await readOn(node!, 'a')).toEqual({ done: true, title: 'a', visits: 1 });
  expect(shownOn(leaf, 'a')).toEqual({ done: true, title: 'a', visits: 1 });
  expect(shownOn(leaf, 'b')).toBe(null);
});

test('[LF10] where deletes win, unsent changes go with the document', async () => {
  const [node] = await world.nodes('a');
  await node!.replica.database('app').configureCollection('todos', { deletePolicy: 'delete-wins' });
  const leaf = await away(node!, 'a');
  await deleteOn(node!, 'a');
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  world.heal('a');
  await world.settle(leaf);
  expect(await readOn(node!, 'a')).toBe(null);
  await world.until(() => shownOn(leaf, 'a') === null);
});

test('[LF10] … when the delete has been forgotten, the document begins anew as the leaf shows it', async () => {
  const node = await forgetfulNode();
  const leaf = await away(node, 'a', 'b');
  await deleteOn(node, 'a');
  await deleteOn(node, 'b');
  await forgotten(node, 2);
  await leaf.leaf.collection('app', 'todos').apply('a', [{ op: 'increment', path: '/visits', value: 1 }]);
  world.heal('a');
  await world.settle(leaf);
  expect(await readOn(node, 'a')).toEqual({ title: 'a', visits: 2 });
  expect(shownOn(leaf, 'a')).toEqual({ title: 'a', visits: 2 });
  expect(await readOn(node, 'b')).toBe(null);
  expect(leaf.events.some(({ type }) => type === 'refused')).toBe(false);
});

test('[LF10] … or goes, where deletes win, and the program is told what it showed', async () => {
  const node = await forgetfulNode();
  await node.replica.database('app').configureCollection('todos', { deletePolicy: 'delete-wins' });
  const leaf = await away(node, 'a');
  await deleteOn(node, 'a');
  await forgotten(node);
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  world.heal('a');
  await world.settle(leaf);
  expect(await readOn(node, 'a')).toBe(null);
  expect(shownOn(leaf, 'a')).toBe(null);
  expect(leaf.events.filter(({ type }) => type === 'refused')).toMatchObject([
    { id: 'a', code: 'SYNC_LEAF_GONE', document: { done: true, title: 'a', visits: 1 } },
  ]);
});

test('[LF10] … and if somebody has begun it anew, only what the leaf changed is changed in that', async () => {
  const node = await forgetfulNode();
  const leaf = await away(node, 'a', 'b');
  for (const id of ['a', 'b']) await deleteOn(node, id);
  await forgotten(node, 2);
  await putOn(node, 'a', { title: 'another', extra: { x: 1 } });
  await putOn(node, 'b', { title: 'another' });
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { visits: null, done: true });
  world.heal('a');
  await world.settle(leaf);
  const merged = { done: true, extra: { x: 1 }, title: 'another' };
  expect(await readOn(node, 'a')).toEqual(merged);
  expect(shownOn(leaf, 'a')).toEqual(merged);
  // Of what was not changed nothing comes back, neither there nor here.
  expect(await readOn(node, 'b')).toEqual({ title: 'another' });
  expect(shownOn(leaf, 'b')).toEqual({ title: 'another' });
});

test('[LF4] where a copy was replaced by another document of its name, the leaf writes as another client', async () => {
  const node = await forgetfulNode();
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  await putOnLeaf(leaf, 'a', { title: 'a' });
  await world.settle(leaf);
  world.cut('a');
  await deleteOn(node, 'a');
  await forgotten(node);
  await putOn(node, 'a', { title: 'another' });
  world.heal('a');
  await world.settle(leaf);
  expect(shownOn(leaf, 'a')).toEqual({ title: 'another' });
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  await world.settle(leaf);
  expect(world.nonces()).toHaveLength(2);
  expect(await readOn(node, 'a')).toEqual({ done: true, title: 'another' });
});

test('[LF10] a change that may have been seen by who deleted the document is not made anew', async () => {
  const node = await forgetfulNode();
  const leaf = await away(node, 'a');
  world.heal('a');
  await world.settle(leaf);
  world.filter = ({ message }) => message.type !== 'pushed';
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  await world.time.advance(100);
  expect(await readOn(node, 'a')).toEqual({ done: true, title: 'a', visits: 1 });
  await leaf.leaf.close();
  await deleteOn(node, 'a');
  await forgotten(node);
  world.filter = () => true;
  const again = await world.leaf({ nodes: ['a'], store: leaf.store.crash() });
  expect(again.leaf.status().unsent).toBe(1);
  await world.settle(again);
  expect(await readOn(node, 'a')).toBe(null);
  expect(again.events.filter(({ type }) => type === 'refused')).toMatchObject([{ id: 'a', code: 'SYNC_LEAF_GONE' }]);
});

test('[LF10] … but is with one that nobody can have seen', async () => {
  const node = await forgetfulNode();
  const leaf = await away(node, 'a');
  world.heal('a');
  await world.settle(leaf);
  world.filter = ({ message }) => message.type !== 'pushed';
  await leaf.leaf.collection('app', 'todos').mergePatch('a', { done: true });
  await world.time.advance(100);
  await leaf.leaf.close();
  await deleteOn(node, 'a');
  await forgotten(node);
  world.filter = () => true;
  world.cut('a');
  const again = await world.leaf({ nodes: ['a'], store: leaf.store.crash() });
  await again.leaf.collection('app', 'todos').mergePatch('a', { more: true });
  world.heal('a');
  await world.settle(again);
  const all = { done: true, more: true, title: 'a', visits: 1 };
  expect([await readOn(node, 'a'), shownOn(again, 'a')]).toEqual([all, all]);
});

test('[LF10] a document that a leaf begins where it knew of a delete is empty before', async () => {
  const [node] = await world.nodes('a');
  const leaf = await away(node!, 'a');
  world.heal('a');
  await world.settle(leaf);
  await leaf.leaf.collection('app', 'todos').delete('a');
  await world.settle(leaf);
  expect(await readOn(node!, 'a')).toBe(null);
  await putOnLeaf(leaf, 'a', { title: 'again' });
  await world.settle(leaf);
  expect(await readOn(node!, 'a')).toEqual({ title: 'again' });
  expect(shownOn(leaf, 'a')).toEqual({ title: 'again' });
});

test('[LF10] … also through a node that does not know of the delete yet', async () => {
  const [a, b] = await world.nodes('a', 'b');
  await putOn(a!, 't1', { title: 'milk' });
  const leaf = await world.leaf({ nodes: ['a', 'b'] });
  await world.settle(leaf);
  await world.time.advance(1000);
  world.cluster.network.cut.add('a|b');
  await deleteOn(a!, 't1');
  await world.until(() => shownOn(leaf, 't1') === null);
  world.cut('a');
  await putOnLeaf(leaf, 't1', { by: 'leaf' });
  await putOnLeaf(leaf, 't2', {});
  await world.until(() => leaf.leaf.status().url === 'b' && leaf.leaf.status().unsent === 1);
  world.cluster.network.cut.clear();
  await world.settle(leaf);
  await world.time.advance(2000);
  for (const node of [a!, b!]) expect(await readOn(node, 't1')).toEqual({ by: 'leaf' });
});

test('[LF9] a node that is behind does not make a leaf let go of what it lacks itself', async () => {
  const a = await forgetfulNode('a');
  const b = await world.node('b', ['a'], FORGETFUL);
  await world.until(() => b.replica.databases().includes('app'));
  await putOn(a, 'old', { title: 'old' });
  const leaf = await world.leaf({ nodes: ['a', 'b'] });
  await world.settle(leaf);
  // The leaf is away while a delete is forgotten by both, and sees something of one that the other lacks.
  world.cut('a');
  world.cut('b');
  await deleteOn(a, 'old');
  await world.time.advance(1000);
  await forgotten(a);
  await forgotten(b);
  world.cluster.network.cut.add('a|b');
  await putOn(a, 'late', { title: 'late' });
  const cursor = await world.leaf({ nodes: ['a'], subscribe: TODOS, name: 'other' });
  await cursor.leaf.close();
  world.heal('a');
  await world.until(() => shownOn(leaf, 'late') !== null && shownOn(leaf, 'old') === null);
  world.cut('a');
  world.heal('b');
  await world.until(() => leaf.leaf.status().url === 'b' && leaf.leaf.status().state === 'online');
  await world.time.advance(20_000);
  expect(shownOn(leaf, 'late')).toEqual({ title: 'late' });
  world.cluster.network.cut.clear();
  await world.settle(leaf);
  expect(shownOn(leaf, 'late')).toEqual({ title: 'late' });
});
