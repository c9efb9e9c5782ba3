/**
 * What a leaf had sent, and nobody answered, to a document that left its history behind meanwhile.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { IntentOperation } from '../../../../crdt/index.ts';
import { LeafWorld, readOn } from './leaf-fixture.ts';
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

for (const hasMore of [false, true])
  test(`[GC34] an edit that was taken and whose answer was lost is there once when the document is compacted meanwhile (with another unsent: ${hasMore})`, async () => {
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
    const leaf = await world.leaf({ nodes: [other.name] });
    await world.settle(leaf);
    world.cluster.network.cut.add('a|b');
    await world.time.advance(1000);
    // The edit arrives, the answer does not.
    world.filter = ({ from }) => from !== other.name;
    await todos(leaf).apply('t', [{ op: 'increment', path: '/n', value: 10 }]);
    for (let i = 0; i < 50 && ((await readOn(other, 't')) as { n: number }).n !== 11; i++)
      await world.time.advance(100);
    expect(await readOn(other, 't')).toMatchObject({ n: 11 });
    world.cut(other.name);
    world.filter = () => true;
    await compact(first);
    expect(compacted(first)).toBe(1);
    world.cluster.network.cut.delete('a|b');
    await settled(first, other);
    expect(await readOn(first, 't')).toMatchObject({ n: 11 });
    if (hasMore) await todos(leaf).apply('t', [{ op: 'increment', path: '/n', value: 1000 }]);
    world.heal(other.name);
    await world.settle(leaf);
    await settled(first, other);
    expect(await readOn(first, 't')).toMatchObject({ n: hasMore ? 1011 : 11 });
  });

for (const hasMore of [false, true])
  test(`[GC34] an edit that waited behind one that was taken is made anew, and changes nothing else, when the document was compacted meanwhile (with another one: ${hasMore})`, async () => {
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
    const leaf = await world.leaf({ nodes: [other.name] });
    await world.settle(leaf);
    world.cluster.network.cut.add('a|b');
    await world.time.advance(1000);
    // The first edit is taken, the second one is made meanwhile and does not get through.
    let pushes = 0;
    world.filter = ({ to, message }) => {
      if (to !== other.name || !('edits' in message)) return true;
      return ++pushes === 1;
    };
    const one = todos(leaf).apply('t', [{ op: 'increment', path: '/n', value: 10 }]);
    for (let i = 0; i < 50 && pushes === 0; i++) await Promise.resolve();
    await one;
    await todos(leaf).apply('t', [{ op: 'increment', path: '/m', value: 1000 }]);
    await world.time.advance(500);
    expect([pushes, leaf.leaf.status().unsent]).toEqual([2, 1]);
    world.cut(other.name);
    world.filter = () => true;
    await compact(first);
    expect(compacted(first)).toBe(1);
    world.cluster.network.cut.delete('a|b');
    await settled(first, other);
    if (hasMore) await todos(leaf).apply('t', [{ op: 'increment', path: '/m', value: 1 }]);
    await operate(first, { op: 'increment', path: '/n', value: 100 }, { op: 'append', path: '/list', value: 'theirs' });
    await settled(first, other);
    world.heal(other.name);
    await world.settle(leaf);
    await settled(first, other);
    expect(await readOn(first, 't')).toEqual({ list: ['first', 'theirs'], n: 111, m: hasMore ? 1001 : 1000 });
  });
