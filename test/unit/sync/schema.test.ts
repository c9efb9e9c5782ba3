/**
 * @module
 * Schemas among replicas: how they travel and merge, and what merges of valid writes make.
 */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { openDocument } from '../../../crdt/index.ts';
import { compileSchema } from '../../../server/schema/compile-schema.ts';
import { listViolations, SharedDocument } from '../../../sync/index.ts';
import type { Violation } from '../../../sync/index.ts';
import { ReplicaCluster, type Member } from './replica-fixture.ts';

const app = ({ replica }: Member): ReturnType<Member['replica']['database']> => replica.database('app');
const isEqual = (...members: Member[]): boolean =>
  new Set(members.map((member) => app(member).digest().digest)).size === 1;

async function violations(member: Member): Promise<readonly Violation[]> {
  const { items, next } = await listViolations(app(member), 'c', {
    limit: 10,
    examinedMax: 1000,
    pause: () => Promise.resolve(),
  });
  expect(next).toBeNull();
  return items;
}

async function openPair(): Promise<{ cluster: ReplicaCluster; a: Member; b: Member }> {
  const cluster = new ReplicaCluster();
  const a = await cluster.start('a', [], { compileSchema });
  await a.replica.createDatabase('app');
  const b = await cluster.start('b', ['a'], { compileSchema });
  await cluster.until(() => b.replica.databases().includes('app'), 60_000);
  return { cluster, a, b };
}

const merge = (member: Member, patch: object): Promise<unknown> =>
  app(member).write('c', 'd', { kind: 'merge-patch', patch: patch as never });
const config = (member: Member): unknown => app(member).collection('c')?.schema;

test('[SV4] two valid writes on both sides of a partition merge into a document that violates the schema, and every node lists it', async () => {
  const { cluster, a, b } = await openPair();
  await app(a).configureCollection('c', { schema: { type: 'object', maxProperties: 2 } });
  await merge(a, { x: 1 });
  await cluster.until(() => isEqual(a, b) && config(b) !== undefined, 60_000);
  await expect(merge(b, { y: 1, z: 1 })).rejects.toMatchObject({ code: 'SYNC_SCHEMA_VIOLATION' });
  cluster.network.cut.add('a|b');
  await merge(a, { y: 1 });
  await merge(b, { z: 1 });
  cluster.network.cut.clear();
  await cluster.until(() => isEqual(a, b) && app(a).collection('c') !== null && app(a).bytes > 16, 120_000);
  for (const member of [a, b]) {
    expect(JSON.parse(new TextDecoder().decode((await app(member).get('c', 'd'))!.json))).toEqual({ x: 1, y: 1, z: 1 });
    expect(await violations(member)).toMatchObject([{ id: 'd', faults: [{ pointer: '' }] }]);
  }
  // It can be mended, by a write that leaves it valid.
  await expect(merge(b, { x: 2 })).rejects.toMatchObject({ code: 'SYNC_SCHEMA_VIOLATION' });
  await merge(b, { x: null });
  await cluster.until(() => isEqual(a, b), 60_000);
  expect(await violations(a)).toEqual([]);
  await cluster.close();
});

test('[YJ62] what clients of shared documents write is taken whatever the schema says, and listed', async () => {
  const { cluster, a, b } = await openPair();
  await app(a).configureCollection('c', { schema: { type: 'object', properties: { n: { type: 'number' } } } });
  await merge(a, { n: 1 });
  const shared = new SharedDocument(app(a), 'c', 'd', () => undefined);
  await shared.open();
  const page = new Y.Doc();
  Y.applyUpdate(page, shared.diff(Uint8Array.of(0)));
  const live = openDocument<{ n: number | string }>(page, { now: () => cluster.time.now() });
  live.set('/n', 'many');
  const admission = { isReadOnly: false, bytesMax: 1_000_000 };
  expect(shared.merge([{ update: Y.encodeStateAsUpdate(page), admission }]).size).toBe(0);
  await shared.settled();
  shared.close();
  await cluster.until(() => isEqual(a, b), 60_000);
  for (const member of [a, b]) expect(await violations(member)).toMatchObject([{ faults: [{ pointer: '/n' }] }]);
  await expect(merge(b, { other: 1 })).rejects.toMatchObject({ code: 'SYNC_SCHEMA_VIOLATION' });
  await merge(b, { n: 2 });
  expect(await violations(b)).toEqual([]);
  await cluster.close();
});

test('[SV4] of two schemas that are set at the same time one holds, whole, on every node', async () => {
  const { cluster, a, b } = await openPair();
  cluster.network.cut.add('a|b');
  const first = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
  const second = { type: 'object', properties: { b: { type: 'number' } }, additionalProperties: false };
  await app(a).configureCollection('c', { schema: first });
  await app(b).configureCollection('c', { schema: second, deletePolicy: 'delete-wins' });
  cluster.network.cut.clear();
  await cluster.until(() => JSON.stringify(config(a)) === JSON.stringify(config(b)), 120_000);
  expect([first, second]).toContainEqual(config(a));
  await cluster.close();
});

test('[SV4] a node that cannot read schemas takes none, and serves those of others without a check', async () => {
  const cluster = new ReplicaCluster();
  const a = await cluster.start('a', [], { compileSchema });
  await a.replica.createDatabase('app');
  const b = await cluster.start('b', ['a']);
  await cluster.until(() => b.replica.databases().includes('app'), 60_000);
  await expect(app(b).configureCollection('c', { schema: {} })).rejects.toMatchObject({ code: 'SYNC_CONFIG_INVALID' });
  await app(a).configureCollection('c', { schema: { maxProperties: 0 } });
  await cluster.until(() => config(b) !== undefined, 60_000);
  await expect(merge(a, { x: 1 })).rejects.toMatchObject({ code: 'SYNC_SCHEMA_VIOLATION' });
  await merge(b, { x: 1 });
  await cluster.until(() => isEqual(a, b), 60_000);
  expect(await violations(a)).toMatchObject([{ id: 'd' }]);
  await cluster.close();
});
