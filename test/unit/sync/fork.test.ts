import { afterEach, expect, test } from 'vitest';
import { originKey } from '../../../sync/key.ts';
import type { MemoryStore } from '../../../sync/index.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

let cluster: ReplicaCluster;
afterEach(() => cluster.close());

async function write(member: Member, ids: readonly string[], value: string): Promise<void> {
  await member.replica.createDatabase('app');
  const database = member.replica.database('app');
  for (const id of ids) await database.write('c', id, { kind: 'merge-patch', patch: { [value]: 1 } });
}

/** A disk from which a process that draws the same numbers goes on as the process that was stopped. */
async function frozen(member: Member): Promise<MemoryStore> {
  const store = member.store.crash(99, {});
  await store.batch([{ type: 'del', key: originKey(member.replica.origin) }], { sync: true });
  return store;
}

function areEqual(a: Member, b: Member): boolean {
  const [left, right] = [a, b].map(({ replica }) => {
    return replica.databases().includes('app') ? replica.database('app').digest() : null;
  });
  return Boolean(left && right) && left!.digest === right!.digest && left!.documents === right!.documents;
}

async function listUnsent({ replica }: Member): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id, doc } of replica.unsent()) ids.push(doc === undefined ? `-${id}` : id);
  return ids;
}

/** `a`, and `b` as it runs on from a state it had before it wrote `true`, having written `fork` before its first link. */
async function setBack(): Promise<[Member, Member]> {
  cluster = new ReplicaCluster();
  const a = await cluster.start('a');
  let b = await cluster.start('b', ['a']);
  await cluster.until(() => stateOf(a, b) === 'live');
  await b.replica.close();
  const start = (store: MemoryStore): Promise<Member> => cluster.start('b', ['a'], { store, random: seededRandom(99) });
  b = await start(b.store.crash(99, {}));
  await write(b, ['d1', 'd2'], 'before');
  await cluster.until(() => isLinked(a, b) && areEqual(a, b));
  await cluster.time.advance(20_000);
  await b.replica.close();
  const before = await frozen(b);
  const real = await start(await frozen(b));
  expect(real.replica.origin).toBe(b.replica.origin);
  await write(real, ['d2', 'd3', 'd4', 'd5'], 'true');
  await cluster.until(() => isLinked(a, real) && areEqual(a, real));
  await real.replica.close();
  cluster.network.cut.add('a|b');
  const rolled = await start(before);
  expect(rolled.replica.origin).toBe(b.replica.origin);
  await write(rolled, ['d2', 'f1', 'f2'], 'fork');
  await rolled.replica.database('app').write('c', 'd1', { kind: 'delete' });
  return [a, rolled];
}

test('[ID13] a node that was set back and wrote on gives way to what peers hold, and keeps what it wrote aside', async () => {
  const [a, b] = await setBack();
  await write(a, ['meanwhile'], 'a');
  const { origin } = b.replica;
  cluster.network.cut.clear();
  await cluster.until(() => b.incidents.some(({ kind }) => kind === 'history-forked'));
  await cluster.until(() => isLinked(a, b) && areEqual(a, b));
  expect(b.replica.origin).not.toBe(origin);
  const ids = (await a.replica.database('app').list('c', { limit: 10 })).items.map(({ id }) => id);
  expect(ids).toEqual(['d1', 'd2', 'd3', 'd4', 'd5', 'meanwhile']);
  expect(await listUnsent(b)).toEqual(['-d1', 'd2', 'f1', 'f2']);
  await write(b, ['after'], 'b');
  await cluster.until(() => areEqual(a, b));
  await cluster.until(() => stateOf(a, b) === 'live');
  expect(await listUnsent(b)).toEqual(['-d1', 'd2', 'f1', 'f2']);

  await b.replica.close();
  const again = await cluster.start('b', ['a'], { store: b.store.crash(99, {}) });
  await cluster.until(() => isLinked(a, again));
  await cluster.time.advance(1000);
  expect(areEqual(a, again)).toBe(true);
  expect(await listUnsent(again)).toEqual(['-d1', 'd2', 'f1', 'f2']);
  await again.replica.discardUnsent();
  expect(await listUnsent(again)).toEqual([]);
  expect(areEqual(a, again)).toBe(true);
});

test('[ID13] a crash while it gives way leaves either the old or the empty database, and it gives way again', async () => {
  const [a, b] = await setBack();
  cluster.network.cut.clear();
  await cluster.until(() => b.incidents.some(({ kind }) => kind === 'history-forked'));
  const store = b.store.crash(0, {});
  cluster.network.listen('b', (channel) => channel.close(4500, ''));
  const again = await cluster.start('b', ['a'], { store });
  await cluster.until(() => isLinked(a, again) && areEqual(a, again));
  expect(await listUnsent(again)).toEqual(['-d1', 'd2', 'f1', 'f2']);
});
