/**
 * Leaves and documents that leave their history behind: a leaf goes on with the copy it has, and gets all of the document when it can.
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
const BY_HAND = { compaction: { intervalMs: 1e9, bytesMin: 500, ratioMin: 2, quietMs: 0, shareMax: 1 } } as const;

const write = (node: HostNode, ...operations: readonly IntentOperation[]): Promise<unknown> =>
  node.replica.database('app').write('todos', 't', { kind: 'operations', operations });
const todos = ({ leaf }: TestLeaf) => leaf.collection('app', 'todos');

/** A node with a list and a text that have much behind them. */
async function startGrown(): Promise<HostNode> {
  const node = await world.node('a', [], BY_HAND);
  await node.replica.createDatabase('app');
  await node.replica.database('app').write('todos', 't', { kind: 'replace', value: { list: ['first'], n: 1 } });
  for (let i = 0; i < 40; i++) {
    await write(node, { op: 'append', path: '/list', value: `x${i}` });
    await write(node, { op: 'remove', path: '/list', index: 1 });
    await write(node, { op: 'text-insert', path: '/text', index: Math.min(i, 4), value: `${i}` });
    if (i > 9) await write(node, { op: 'text-delete', path: '/text', index: i % 5, length: 2 });
  }
  return node;
}

async function compact({ replica }: HostNode): Promise<void> {
  await world.time.advance(10_000);
  await replica.upkeep.compactor.compact();
  expect(replica.status().databases[0]!.compaction.compacted).toBe(1);
}

test('[CP7] a leaf that holds a document as it was before gets all of it, and loses nothing that it had not sent', async () => {
  const node = await startGrown();
  const leaf = await world.leaf({ nodes: ['a'] });
  const reader = await world.leaf({ nodes: ['a'] });
  for (const each of [leaf, reader]) await world.settle(each);
  const { text } = (await readOn(node, 't')) as { text: string };
  world.cut('a');
  await compact(node);
  for (let i = 0; i < 30; i++) await write(node, { op: 'append', path: '/list', value: i });
  await write(node, { op: 'increment', path: '/n', value: 100 });
  await todos(leaf).apply('t', [
    { op: 'remove', path: '/list', index: 0 },
    { op: 'append', path: '/list', value: 'unsent' },
    { op: 'increment', path: '/n', value: 10 },
    { op: 'text-insert', path: '/text', index: 3, value: '<unsent>' },
  ]);
  world.heal('a');
  for (const each of [leaf, reader]) await world.settle(each);
  const shown = (await readOn(node, 't')) as { list: unknown[]; n: number; text: string };
  expect(shown.list.filter((value) => typeof value === 'number')).toEqual(Array.from({ length: 30 }, (_, i) => i));
  expect(shown.list).toContain('unsent');
  expect(shown.list).not.toContain('first');
  expect([shown.n, shown.text]).toEqual([111, `${text.slice(0, 3)}<unsent>${text.slice(3)}`]);
  for (const each of [leaf, reader]) expect(shownOn(each, 't')).toEqual(shown);
});

/** Bytes in the store of a leaf. */
async function heldBytes({ store }: TestLeaf): Promise<number> {
  let bytes = 0;
  for await (const entries of store.range({ gte: Uint8Array.of(0), lt: Uint8Array.of(255) }))
    for (const [, value] of entries) bytes += value.length;
  return bytes;
}

test('[CP7] a leaf that was there lets go of the history as well', async () => {
  const node = await startGrown();
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  const before = await heldBytes(leaf);
  await compact(node);
  await world.settle(leaf);
  await write(node, { op: 'append', path: '/list', value: 'last' });
  await world.settle(leaf);
  expect(shownOn(leaf, 't')).toEqual(await readOn(node, 't'));
  expect(await heldBytes(leaf)).toBeLessThan(before * 0.75);
});
