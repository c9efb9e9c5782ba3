/**
 * Leaves and documents that leave their history behind: what a leaf holds or has written of the history must not get into what follows.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { IntentOperation } from '../../../../crdt/index.ts';
import { LeafWorld, readOn, shownOn } from './leaf-fixture.ts';
import type { HostNode, TestLeaf } from './leaf-fixture.ts';

let world: LeafWorld;
beforeEach(() => {
  world = new LeafWorld();
});
afterEach(async () => {
  await world.close();
  expect(world.errors).toEqual([]);
});

/** Compaction is done when a test says so. */
const BY_HAND = { compaction: { intervalMs: 1e9, bytesMin: 500, ratioMin: 2, quietMs: 0 } } as const;

async function nodes(...names: readonly string[]): Promise<readonly HostNode[]> {
  const made: HostNode[] = [];
  for (const name of names) made.push(await world.node(name, names.slice(0, made.length), BY_HAND));
  await made[0]!.replica.createDatabase('app');
  await world.until(() => made.every(({ replica }) => replica.databases().includes('app')));
  await world.time.advance(2000);
  return made;
}

async function operate({ replica }: HostNode, ...operations: readonly IntentOperation[]): Promise<void> {
  await replica.database('app').write('todos', 't', { kind: 'operations', operations });
}

/** A list with much behind it. */
async function grow(node: HostNode): Promise<void> {
  const { replica } = node;
  await replica.database('app').write('todos', 't', { kind: 'replace', value: { list: ['first'], n: 1 } });
  for (let i = 0; i < 40; i++) {
    await operate(node, { op: 'append', path: '/list', value: `x${i}` });
    await operate(node, { op: 'remove', path: '/list', index: 1 });
  }
}

const compact = ({ replica }: HostNode): Promise<void> => replica.upkeep.compactor.compact();
const compacted = ({ replica }: HostNode): number => replica.status().databases[0]!.compaction.compacted;
const todos = ({ leaf }: TestLeaf) => leaf.collection('app', 'todos');

async function settled(...all: readonly HostNode[]): Promise<void> {
  const texts = (): string[] => all.map(({ replica }) => replica.database('app').digest().digest);
  await world.time.advance(1000);
  await world.until(() => new Set(texts()).size === 1);
}

test('[GC30] a leaf that holds a document as it was before gets all of it, and what it changed meanwhile is made anew', async () => {
  const [node] = (await nodes('a')) as [HostNode];
  await grow(node);
  const leaf = await world.leaf({ nodes: ['a'] });
  const reader = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  await world.settle(reader);
  world.cut('a');
  await compact(node);
  await compact(node);
  expect(compacted(node)).toBe(1);
  // The same writer goes on in the new generation: its clocks there are those of other things in the old one.
  for (let i = 0; i < 300; i++) await operate(node, { op: 'append', path: '/list', value: i });
  await todos(leaf).apply('t', [
    { op: 'remove', path: '/list', index: 0 },
    { op: 'append', path: '/list', value: 'unsent' },
  ]);
  world.heal('a');
  await world.settle(leaf);
  const { list, n } = (await readOn(node, 't')) as { list: unknown[]; n: number };
  expect(list.filter((value) => typeof value === 'number')).toEqual(Array.from({ length: 300 }, (_, i) => i));
  expect([list.includes('unsent'), n]).toEqual([true, 1]);
  expect(shownOn(leaf, 't')).toEqual({ list, n });
  await operate(node, { op: 'increment', path: '/n', value: 4 });
  await world.settle(leaf);
  await world.settle(reader);
  for (const each of [leaf, reader]) expect(shownOn(each, 't')).toEqual({ list, n: 5 });
});

test('[GC30] what a leaf counted, and what it did to a set, is added to what others did meanwhile', async () => {
  const [node] = (await nodes('a')) as [HostNode];
  await grow(node);
  await operate(node, ...['x', 'y'].map((value) => ({ op: 'set-add', path: '/tags', value }) as const));
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  world.cut('a');
  await compact(node);
  await compact(node);
  expect(compacted(node)).toBe(1);
  await operate(
    node,
    { op: 'increment', path: '/n', value: 100 },
    { op: 'set-add', path: '/tags', value: 'theirs' },
    { op: 'set-remove', path: '/tags', value: 'y' },
  );
  await todos(leaf).apply('t', [
    { op: 'increment', path: '/n', value: 10 },
    { op: 'set-add', path: '/tags', value: 'ours' },
    { op: 'set-remove', path: '/tags', value: 'x' },
  ]);
  await todos(leaf).apply('t', [{ op: 'increment', path: '/n', value: 1000 }]);
  world.heal('a');
  await world.settle(leaf);
  expect(await readOn(node, 't')).toEqual({ list: ['first'], n: 1111, tags: ['ours', 'theirs'] });
  expect(shownOn(leaf, 't')).toEqual(await readOn(node, 't'));
});

test('[GC30] a node that does not know of the compaction yet neither gets nor gives what is of another generation', async () => {
  const all = await nodes('a', 'b');
  const [first, other] = [...all].sort((x, y) => (x.replica.nodeId < y.replica.nodeId ? -1 : 1)) as [
    HostNode,
    HostNode,
  ];
  await grow(first);
  await settled(first, other);
  const leaf = await world.leaf({ nodes: [first.name, other.name] });
  await world.settle(leaf);
  await world.time.advance(10_000);
  await compact(first);
  await settled(first, other);
  await world.time.advance(10_000);
  // What it decides does not get through.
  world.cluster.network.filter = ({ from }) => from !== first.name;
  await compact(first);
  world.cluster.network.cut.add('a|b');
  world.cluster.network.filter = () => true;
  expect(compacted(first)).toBe(1);
  const before = shownOn(leaf, 't') as { list: unknown[]; n: number };
  await operate(first, { op: 'increment', path: '/n', value: 10 });
  await world.until(() => (shownOn(leaf, 't') as typeof before).n === 11);
  world.cut(first.name);
  await world.until(() => leaf.leaf.status().url === other.name && leaf.leaf.status().state === 'online', 60_000);
  await operate(other, { op: 'increment', path: '/n', value: 100 });
  await world.time.advance(3000);
  expect(shownOn(leaf, 't')).toEqual({ list: before.list, n: 11 });
  await todos(leaf).apply('t', [{ op: 'increment', path: '/n', value: 1000 }]);
  await world.time.advance(10_000);
  expect(leaf.leaf.status().unsent).toBe(1);
  expect(shownOn(leaf, 't')).toEqual({ list: before.list, n: 1011 });
  world.cluster.network.cut.clear();
  await world.settle(leaf);
  await settled(first, other);
  await world.time.advance(5000);
  for (const node of all) expect(await readOn(node, 't')).toEqual({ list: before.list, n: 1111 });
  expect(shownOn(leaf, 't')).toEqual({ list: before.list, n: 1111 });
});

test('[GC30] a leaf that hears of a compaction from a node that is behind takes it over when that has caught up, unless told again', async () => {
  const all = await nodes('a', 'b');
  const [first, other] = [...all].sort((x, y) => (x.replica.nodeId < y.replica.nodeId ? -1 : 1)) as [
    HostNode,
    HostNode,
  ];
  await grow(first);
  await settled(first, other);
  await world.time.advance(10_000);
  await compact(first);
  await settled(first, other);
  await world.time.advance(10_000);
  const leaf = await world.leaf({ nodes: [other.name, first.name] });
  await world.settle(leaf);
  expect(leaf.leaf.status().url).toBe(other.name);
  world.cluster.network.cut.add('a|b');
  await compact(first);
  expect(compacted(first)).toBe(1);
  await operate(first, { op: 'increment', path: '/n', value: 10 });
  // Of this the leaf knows, and the node that knows of the compaction does not.
  await other.replica.database('app').write('todos', 'u', { kind: 'replace', value: { seen: true } });
  await world.until(() => shownOn(leaf, 'u') !== null);
  const before = shownOn(leaf, 't') as { list: unknown[]; n: number };
  world.cut(other.name);
  await world.until(() => leaf.leaf.status().url === first.name && leaf.leaf.status().state === 'online', 60_000);
  await world.time.advance(3000);
  expect(shownOn(leaf, 't')).toEqual(before);
  world.cluster.network.cut.clear();
  await settled(first, other);
  await world.time.advance(10_000);
  expect(shownOn(leaf, 't')).toEqual({ ...before, n: before.n + 10 });
});
