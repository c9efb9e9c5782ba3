/**
 * Tombstones: when they are forgotten, and what becomes of copies and of late writes of what was forgotten.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { CrdtDocument } from '../../../crdt/index.ts';
import type { Change } from '../../../crdt/index.ts';
import { encodeBatch } from '../../../sync/batch.ts';
import type { Batch } from '../../../sync/batch.ts';
import { rangeOf } from '../../../sync/key.ts';
import type { MemoryStore, ReplicaOptions } from '../../../sync/index.ts';
import { wholeOf } from '../../../sync/lineage.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { computeStability } from '../../../sync/stability.ts';
import { GENESIS_CHAIN } from '../../../sync/version-vector.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const SECRET = new TextEncoder().encode('secret');
const OTHER = 2 ** 40 + 1;
const OFTEN = { intervalMs: 1000, epochMs: 2000 };
let cluster: ReplicaCluster;

afterEach(() => cluster.close());

async function start(names: readonly string[], options: Partial<ReplicaOptions> = {}): Promise<Member[]> {
  cluster = new ReplicaCluster();
  const members: Member[] = [];
  for (const name of names) members.push(await open(name, names, options));
  const all = members.map((each) => members.every((other) => each === other || isLinked(each, other)));
  expect(all).toHaveLength(names.length);
  await cluster.until(() => members.every((each) => members.every((other) => stateOf(each, other) === 'live')));
  await members[0]!.replica.createDatabase('app');
  await cluster.until(() => members.every(({ replica }) => replica.databases().includes('app')));
  return members;
}

function open(name: string, names: readonly string[], options: Partial<ReplicaOptions> = {}): Promise<Member> {
  const joins = names.filter((other) => other < name);
  return cluster.start(name, joins, { clusterSecret: SECRET, collection: OFTEN, ...options });
}

function change({ replica }: Member, id: string, what: Change): Promise<unknown> {
  return replica.database('app').write('c', id, what);
}

const put = (member: Member, id: string, value: object): Promise<unknown> =>
  change(member, id, { kind: 'replace', value: value as never });
const remove = (member: Member, id: string): Promise<unknown> => change(member, id, { kind: 'delete' });

async function read({ replica }: Member, id: string): Promise<unknown> {
  const found = await replica.database('app').get('c', id);
  return found === null ? null : JSON.parse(new TextDecoder().decode(found.json));
}

function digestOf({ replica }: Member): unknown {
  const { vector, ...rest } = replica.database('app').digest();
  return [rest, Object.entries(vector).sort(([x], [y]) => Number(x) - Number(y))];
}
const isEqual = (...members: Member[]): boolean =>
  new Set(members.map((member) => JSON.stringify(digestOf(member)))).size === 1;
const tombstones = ({ replica }: Member) => replica.status().databases[0]!.tombstones;
const isForgotten = (...members: Member[]): boolean => members.every((member) => tombstones(member).kept === 0);

/** Keys of documents on disk: views, bases and the list of tombstones. */
async function traces(store: MemoryStore): Promise<number> {
  let keys = 0;
  for (const kind of ['j', 'y', 'z']) {
    for await (const entries of store.range(rangeOf(kind, 2))) keys += entries.length;
  }
  return keys;
}

async function stop(member: Member, ...others: Member[]): Promise<void> {
  await member.replica.close();
  await cluster.until(() => others.every((other) => !isLinked(other, member)));
}

describe('tombstones', () => {
  test('[I8] [GC1] leave no trace once every member has seen the delete, and not before', async () => {
    const [a, b, c] = (await start(['a', 'b', 'c'])) as [Member, Member, Member];
    await put(a, 'x', { deep: { text: 'kept below the tombstone' } });
    await cluster.until(() => isEqual(a, b, c));
    await stop(c, a, b);
    await remove(b, 'x');
    await cluster.until(() => isEqual(a, b));
    await cluster.time.advance(120_000);
    for (const each of [a, b]) {
      expect(await traces(each.store)).toBeGreaterThan(1);
      expect(tombstones(each)).toMatchObject({
        kept: 1,
        collected: 0,
        waitsFor: [{ node: c.replica.nodeId, name: 'c' }],
      });
    }
    const again = await open('c', ['a', 'b', 'c'], { store: c.store.crash(99, {}) });
    await cluster.until(() => isLinked(a, again) && isLinked(b, again) && isEqual(a, b, again));
    await cluster.until(() => [a, b, again].every((each) => tombstones(each).collected === 1), 60_000);
    for (const each of [a, b, again]) {
      expect(await traces(each.store)).toBe(0);
      expect(tombstones(each)).toMatchObject({ kept: 0, since: null, waitsFor: [] });
      expect(await read(each, 'x')).toBe(null);
    }
    expect(isEqual(a, b, again)).toBe(true);
  });

  test('[GC2] count in no digest, so that members are equal whoever has forgotten what', async () => {
    const [a, b] = (await start(['a', 'b'], { collection: { ...OFTEN, intervalMs: 1e9 } })) as [Member, Member];
    await put(a, 'y', { y: 1 });
    const before = a.replica.database('app').digest().digest;
    await put(a, 'x', { old: 1 });
    await remove(a, 'x');
    await cluster.until(() => isEqual(a, b));
    expect(a.replica.database('app').digest().digest).toBe(before);
    await cluster.time.advance(10_000);
    // Only b forgets.
    await b.replica.upkeep.collector.collect();
    expect(await traces(b.store)).toBeLessThan(await traces(a.store));
    expect(isEqual(a, b)).toBe(true);
    await put(b, 'x', { fresh: true });
    await cluster.until(() => isEqual(a, b));
    await put(a, 'x', { fresh: false, more: [1, 2] });
    await cluster.until(() => isEqual(a, b));
    for (const each of [a, b]) {
      expect(await read(each, 'x')).toEqual({ fresh: false, more: [1, 2] });
      expect(each.replica.status().alarms).toEqual([]);
    }
  });

  test('[GC3] what was written onto one reaches those who have forgotten it, also when they began the document anew', async () => {
    const [a, b] = (await start(['a', 'b'], { collection: { ...OFTEN, intervalMs: 1e9 } })) as [Member, Member];
    for (const id of ['x', 'y']) {
      await put(a, id, { old: 1 });
      await remove(a, id);
    }
    await cluster.until(() => isEqual(a, b));
    await cluster.time.advance(10_000);
    await b.replica.upkeep.collector.collect();
    await Promise.all([put(a, 'x', { from: 'a' }), put(a, 'y', { from: 'a' }), put(b, 'y', { also: 'b' })]);
    await cluster.until(() => isEqual(a, b), 120_000);
    for (const each of [a, b]) {
      expect(await read(each, 'x')).toEqual({ from: 'a' });
      expect(await read(each, 'y')).toEqual({ also: 'b', from: 'a' });
    }
    await put(b, 'x', { last: true });
    await cluster.until(() => isEqual(a, b));
    expect(await read(a, 'x')).toEqual({ last: true });
  });

  test('[GC4] do not wait for a stale member, whose copies do not come back with it, while what it wrote does', async () => {
    const names = ['a', 'b', 'c'];
    const options = { staleAfterMs: 70_000, log: { bytesMin: 0, bytesMax: 0, intervalMs: 1000 } };
    const [a, b, c] = (await start(names, options)) as [Member, Member, Member];
    for (const id of ['gone', 'edited', 'stays']) await put(a, id, { id });
    await cluster.until(() => isEqual(a, b, c));
    await stop(c, a, b);
    // Alone: it still accepts writes.
    const alone = await cluster.start('c', [], { clusterSecret: SECRET, store: c.store.crash(99, {}), ...options });
    cluster.network.listen('c', (channel) => channel.close(4500, ''));
    await change(alone, 'edited', { kind: 'merge-patch', patch: { by: 'c' } });
    await put(alone, 'new', { by: 'c' });
    await stop(alone, a, b);
    for (const id of ['gone', 'edited']) await remove(a, id);
    await put(b, 'more', {});
    await cluster.until(() => isEqual(a, b));
    await cluster.until(() => stateOf(a, c) === 'stale' && stateOf(b, c) === 'stale', 1_200_000);
    await cluster.until(() => tombstones(a).collected === 2 && tombstones(b).collected === 2, 60_000);
    const again = await open('c', names, { store: alone.store.crash(99, {}), ...options });
    expect(await read(again, 'gone')).toEqual({ id: 'gone' });
    await cluster.until(() => isEqual(a, b, again) && stateOf(a, again) === 'live', 300_000);
    for (const each of [a, b, again]) {
      expect(await read(each, 'gone')).toBe(null);
      expect(await read(each, 'stays')).toEqual({ id: 'stays' });
      expect(await read(each, 'new')).toEqual({ by: 'c' });
      expect(await read(each, 'edited')).toEqual({ id: 'edited', by: 'c' });
      expect(each.replica.status().alarms).toEqual([]);
    }
  });

  const cases: Readonly<Record<string, readonly [had: boolean, again: boolean, is: object]>> = {
    'that it had': [true, false, { a: 1, c: 1 }],
    'that it did not have': [false, false, { a: 1, c: 1 }],
    'that it did not have, and others began anew': [false, true, { a: 1, b: 1, c: 1 }],
  };
  test.each(Object.entries(cases))(
    '[GC4] a stale member returns that wrote to a document %s',
    async (_, [had, again, is]) => {
      const names = ['a', 'b', 'c'];
      const options = { staleAfterMs: 70_000 };
      const [a, b, c] = (await start(names, options)) as [Member, Member, Member];
      if (had) await put(a, 'x', { a: 1 });
      await cluster.until(() => isEqual(a, b, c));
      await stop(c, a, b);
      const alone = await cluster.start('c', [], { clusterSecret: SECRET, store: c.store.crash(99, {}), ...options });
      cluster.network.listen('c', (channel) => channel.close(4500, ''));
      await change(alone, 'x', { kind: 'merge-patch', patch: { c: 1 } });
      await stop(alone, a, b);
      if (!had) await put(a, 'x', { a: 1 });
      await remove(a, 'x');
      await cluster.until(() => isEqual(a, b));
      await cluster.until(() => stateOf(a, c) === 'stale' && stateOf(b, c) === 'stale', 1_200_000);
      await cluster.until(() => tombstones(a).collected === 1 && tombstones(b).collected === 1, 60_000);
      if (again) await put(b, 'x', { b: 1 });
      await cluster.until(() => isEqual(a, b));
      const back = await open('c', names, { store: alone.store.crash(99, {}), ...options });
      await cluster.until(() => isEqual(a, b, back) && stateOf(a, back) === 'live', 300_000);
      for (const each of [a, b, back]) {
        expect(await read(each, 'x')).toEqual(is);
        expect(each.replica.status().alarms).toEqual([]);
      }
    },
  );

  test('[GC3] a record that may build on what was forgotten is not applied, also where Yjs sees no gap', async () => {
    const [a] = (await start(['a'])) as [Member];
    await put(a, 'x', { x: 1 });
    await remove(a, 'x');
    await cluster.until(() => tombstones(a).collected === 1, 60_000);
    const { engine } = a.replica;
    const change = { kind: 'replace', value: { by: 'other' } } as const;
    const update = CrdtDocument.create().change(change, { client: OTHER, stamp: 1, deletePolicy: 'update-wins' })!;
    const all = [...wholeOf(engine.vector('app.0'))].map(([origin, { seq }]) => [origin, seq] as const);
    const ingest = async (deps: Batch['deps'], isAnew: object): Promise<string> => {
      const record = { kind: 'update', collection: 'c', id: 'x', update, ...isAnew } as const;
      const records = [{ kind: 'origin', nodeId: 'other' } as const, record];
      const batch = encodeBatch({ origin: OTHER, firstSeq: 1, stamp: 1, deps, records }, GENESIS_CHAIN, portableSha256);
      return (await engine.ingest('app.0', [batch]))[0]!.outcome;
    };
    // Its author had the document.
    expect(await ingest(all, {})).toBe('forgotten');
    // Its author began it, and had not seen the delete.
    expect(await ingest([], { isAnew: true })).toBe('forgotten');
    expect(await read(a, 'x')).toBe(null);
    expect(await ingest(all, { isAnew: true })).toBe('applied');
    expect(await read(a, 'x')).toEqual({ by: 'other' });
  });

  test('[GC3] [AE30] a first write as JSON says what its author had seen, like any that begins a document', async () => {
    const [a] = (await start(['a'])) as [Member];
    await put(a, 'x', { x: 1 });
    await remove(a, 'x');
    await cluster.until(() => tombstones(a).collected === 1, 60_000);
    const { engine } = a.replica;
    const all = [...wholeOf(engine.vector('app.0'))].map(([origin, { seq }]) => [origin, seq] as const);
    const ingest = async (deps: Batch['deps']): Promise<string> => {
      const first = { json: new TextEncoder().encode('{"by":"other"}'), stamp: 1, client: OTHER };
      const record = {
        kind: 'update',
        collection: 'c',
        id: 'x',
        update: new Uint8Array(),
        first,
        isAnew: true,
      } as const;
      const records = [{ kind: 'origin', nodeId: 'other' } as const, record];
      const batch = encodeBatch({ origin: OTHER, firstSeq: 1, stamp: 1, deps, records }, GENESIS_CHAIN, portableSha256);
      return (await engine.ingest('app.0', [batch]))[0]!.outcome;
    };
    expect(await ingest([])).toBe('forgotten');
    expect(await read(a, 'x')).toBe(null);
    expect(await ingest(all)).toBe('applied');
    expect(await read(a, 'x')).toEqual({ by: 'other' });
  });

  test('[GC3] what is remembered of an operation needs no snapshot where documents were forgotten', async () => {
    const [a, b] = (await start(['a', 'b'])) as [Member, Member];
    await put(a, 'x', { x: 1 });
    await remove(a, 'x');
    await cluster.until(() => [a, b].every((each) => tombstones(each).collected === 1), 60_000);
    const { engine } = b.replica;
    let snapshots = 0;
    const receive = engine.receiveSnapshot.bind(engine);
    engine.receiveSnapshot = (database) => {
      snapshots++;
      return receive(database);
    };
    const operation = { key: 'k', fingerprint: 'f' };
    await a.replica.database('app').write('c', 'y', { kind: 'replace', value: { y: 1 } }, { operation });
    await cluster.until(() => isEqual(a, b));
    expect(await read(b, 'y')).toEqual({ y: 1 });
    expect(snapshots).toBe(0);
  });

  test('[GC5] are forgotten also by a disk that was set back to before the delete', async () => {
    const names = ['a', 'b'];
    const options = { log: { bytesMin: 0, bytesMax: 0, intervalMs: 1000 } };
    const [a, b] = (await start(names, options)) as [Member, Member];
    for (let i = 0; i < 20; i++) await put(a, `d${i}`, { i });
    await cluster.until(() => isEqual(a, b));
    await stop(b, a);
    const old = b.store.copy();
    const second = await open('b', names, { store: b.store.crash(99, {}), ...options });
    await cluster.until(() => isLinked(a, second));
    for (let i = 0; i < 15; i++) await remove(second, `d${i}`);
    await cluster.until(() => isEqual(a, second));
    await cluster.until(() => tombstones(a).collected === 15, 60_000);
    await put(a, 'd3', { anew: true });
    await stop(second, a);
    await cluster.time.advance(10_000);
    const setBack = await open('b', names, { store: old, ...options });
    expect(setBack.replica.database('app').documents).toBe(20);
    await cluster.until(() => isEqual(a, setBack), 120_000);
    expect(setBack.replica.database('app').documents).toBe(6);
    expect(await read(setBack, 'd3')).toEqual({ anew: true });
  });

  test('[GC6] of what a process wrote under its present epoch stay until it begins another one, which it does rarely', async () => {
    const [a] = (await start(['a'], { collection: { intervalMs: 1000, epochMs: 100_000 } })) as [Member];
    const { origin } = a.replica;
    await put(a, 'x', { x: 1 });
    await remove(a, 'x');
    await cluster.time.advance(50_000);
    expect(a.replica.origin).toBe(origin);
    expect(tombstones(a)).toMatchObject({ kept: 1, collected: 0 });
    await cluster.until(() => tombstones(a).collected === 1, 100_000);
    const next = a.replica.origin;
    expect(next).not.toBe(origin);
    await put(a, 'x', { x: 2 });
    expect(await read(a, 'x')).toEqual({ x: 2 });
    await remove(a, 'x');
    await cluster.time.advance(50_000);
    expect(a.replica.origin).toBe(next);
    expect(a.incidents).toEqual([]);
  });

  test('[GC7] the status says how many are kept, since when, and for whom they wait', async () => {
    const [a, b] = (await start(['a', 'b'])) as [Member, Member];
    await put(a, 'x', {});
    await cluster.until(() => isEqual(a, b));
    await stop(b, a);
    await remove(a, 'x');
    await cluster.time.advance(30_000);
    const { since, ...rest } = tombstones(a);
    expect(rest).toEqual({
      kept: 1,
      collected: 0,
      waitsFor: [{ node: b.replica.nodeId, name: 'b', reason: 'silent' }],
    });
    expect(cluster.time.now() - since!).toBeGreaterThan(20_000);
    expect(isForgotten(a)).toBe(false);
    const check = a.replica.doctor().checks.find((each) => each.check === 'tombstones' && each.database === 'app.0');
    expect(check).toMatchObject({ ok: true });
    expect(check!.detail).toContain('b has not said what it holds');
  });
});

test('[I8] stable is what everybody had at the moment of his last word, while everything in these words is here', () => {
  const own = new Map([
    [1, { seq: 9, chain: GENESIS_CHAIN }],
    [2, { seq: 4, chain: GENESIS_CHAIN }],
  ]);
  const word = (...positions: [number, number][]): ReadonlyMap<number, number> => new Map(positions);
  const none = computeStability(own, new Map()).vector!;
  expect([none.get(1), none.get(2), none.get(3)]).toEqual([9, 4, 0]);
  const both = computeStability(
    own,
    new Map([
      ['b', word([1, 5], [2, 4])],
      ['c', word([1, 7])],
    ]),
  );
  expect([both.vector!.get(1), both.vector!.get(2)]).toEqual([5, 0]);
  expect(
    computeStability(
      own,
      new Map([
        ['b', null],
        ['c', word([1, 7], [3, 1])],
      ]),
    ),
  ).toEqual({
    vector: null,
    waitsFor: [
      { node: 'b', reason: 'silent' },
      { node: 'c', reason: 'ahead' },
    ],
  });
});
