/**
 * Truncation of logs: what is cut and when, what peers behind it are given, and what the change index keeps.
 */
import { expect, test } from 'vitest';
import { changesAfter } from '../../../sync/change-index.ts';
import { LogCutter } from '../../../sync/log-cutter.ts';
import type { LogRetention } from '../../../sync/log-cutter.ts';
import { rangeOf } from '../../../sync/key.ts';
import { MemoryStore, Replica } from '../../../sync/index.ts';
import type { Database, StoreAccess, Timers } from '../../../sync/index.ts';
import { decodeSnapshotChunk } from '../../../sync/snapshot.ts';
import { sequenceOf } from '../../../sync/version-vector.ts';
import type { VersionVector } from '../../../sync/version-vector.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

const KEY = 'app.0';
const DAY_MS = 24 * 3_600_000;
let seed = 900;

interface Node {
  readonly replica: Replica;
  readonly database: Database;
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  /** Kinds of keys that were scanned. */
  readonly scans: string[];
}

async function openNode(reopened?: MemoryStore): Promise<Node> {
  const scans: string[] = [];
  const intercept = (access: StoreAccess): void => {
    if (access.type === 'range') scans.push(String.fromCharCode(access.gte[0]!));
  };
  const store = reopened ?? new MemoryStore({ intercept });
  const clock = new ManualClock();
  const replica = await Replica.open({ store, clock, timers: idleTimers, random: seededRandom(seed++) });
  if (reopened === undefined) await replica.createDatabase('app');
  return { replica, database: replica.database('app'), store, clock, scans };
}

const put = (value: number) => ({ kind: 'replace', value: { value, text: 'x'.repeat(200) } }) as const;
const immediately: Timers = {
  after: (_, run) => {
    queueMicrotask(run);
    return () => undefined;
  },
};

function cutterOf(node: Node, retention: Partial<LogRetention>, stable?: ReadonlyMap<number, number>): LogCutter {
  const all = (): ReadonlyMap<number, number> =>
    new Map([...node.replica.engine.vector(KEY)].map(([origin, { seq }]) => [origin, seq]));
  return new LogCutter({
    clock: node.clock,
    timers: immediately,
    databases: () => [node.database],
    stable: stable === undefined ? all : () => stable,
    retention,
  });
}

/** Documents in a snapshot, in the order given. */
async function givenSince({ replica }: Node, since: VersionVector): Promise<string[]> {
  const source = await replica.engine.snapshot(KEY, since);
  const ids: string[] = [];
  for await (const chunk of source.chunks()) ids.push(...decodeSnapshotChunk(chunk).rows.map(({ id }) => id));
  await source.close();
  return ids;
}

async function copyTo(from: Node, to: Node): Promise<void> {
  const source = await from.replica.engine.snapshot(KEY, to.replica.engine.vector(KEY));
  const sink = to.replica.engine.receiveSnapshot(KEY);
  let index = 0;
  for await (const chunk of source.chunks()) await sink.add(index++, chunk);
  await sink.complete(source.vector);
}

async function countKeys(store: MemoryStore, kind: string): Promise<number> {
  let keys = 0;
  for await (const entries of store.range(rangeOf(kind, 2))) keys += entries.length;
  return keys;
}

/** Invariant I7 in so many words. */
async function expectIndexed({ replica, database, store }: Node): Promise<void> {
  for (const origin of replica.engine.vector(KEY).keys()) {
    const changes = new Map<string, number>();
    for await (const { id, seq } of changesAfter(store, 2, origin, 0))
      changes.set(id, Math.max(seq, changes.get(id) ?? 0));
    const source = await replica.engine.snapshot(KEY, new Map());
    for await (const chunk of source.chunks()) {
      for (const { id, vector } of decodeSnapshotChunk(chunk).rows) expect(changes.get(id)).toBe(vector.get(origin));
    }
  }
  expect(database.documents).toBeGreaterThan(0);
}

test('[I7] the floor moves only with the index: a peer behind it is given the documents that changed, and no scan', async () => {
  const node = await openNode();
  const { database, replica } = node;
  await Promise.all(Array.from({ length: 700 }, (_, i) => database.write('c', `d${i}`, put(i))));
  const known = replica.engine.vector(KEY);
  for (let i = 0; i < 30; i++) await database.write('c', `d${i % 3}`, put(1000 + i));
  await cutterOf(node, { bytesMin: 0 }).cut(database);
  expect(await countKeys(node.store, 'l')).toBe(0);
  expect(await replica.engine.readLog(KEY, replica.origin, 0, 1000)).toBe('floor');
  await expectIndexed(node);
  await database.write('c', 'after', put(1));
  node.scans.length = 0;
  expect(await givenSince(node, known)).toEqual(['d0', 'd1', 'd2', 'after']);
  expect(node.scans).not.toContain('y');
  expect((await givenSince(node, new Map())).length).toBe(701);
  expect(node.scans).toContain('y');
});

test('[AE41] a log of many small batches is cut in steps that cost the commits of clients little', async () => {
  const sizes: number[] = [];
  const store = new MemoryStore({
    intercept: (access) => void (access.type === 'batch' && sizes.push(access.operations.length)),
  });
  const clock = new ManualClock();
  const replica = await Replica.open({ store, clock, timers: idleTimers, random: seededRandom(seed++) });
  await replica.createDatabase('app');
  const database = replica.database('app');
  for (let i = 0; i < 400; i++) await database.write('c', `d${i}`, put(i));
  sizes.length = 0;
  await cutterOf({ replica, database, store, clock, scans: [] }, { bytesMin: 0 }).cut(database);
  expect(await countKeys(store, 'l')).toBe(0);
  // Of every batch what is removed, and the entry of the index for its document.
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 128 + 8);
  const groups = Array.from({ length: 30 }, (_, n) => n * 20);
  for (const n of groups)
    await database.writeAll(
      Array.from({ length: 20 }, (_, i) => ({ collection: 'c', id: `g${n + i}`, change: put(n) })),
    );
  sizes.length = 0;
  await cutterOf({ replica, database, store, clock, scans: [] }, { bytesMin: 0 }).cut(database);
  expect(await countKeys(store, 'l')).toBe(0);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 128 + 8);
});

test('[AE41] while a node catches up its log is not cut, but not for longer than a minute', async () => {
  const timers: (() => void)[] = [];
  const after: Timers['after'] = (ms, run) => {
    if (ms === 5000) timers.push(run);
    else queueMicrotask(run);
    return () => undefined;
  };
  const node = await openNode();
  const { database, store } = node;
  for (let i = 0; i < 20; i++) await database.write('c', `d${i}`, put(i));
  const cutter = new LogCutter({
    clock: node.clock,
    timers: { after },
    databases: () => [database],
    stable: () => new Map([...node.replica.engine.vector(KEY)].map(([origin, { seq }]) => [origin, seq])),
    retention: { bytesMin: 0 },
  });
  cutter.start();
  const look = async (): Promise<number> => {
    timers.pop()!();
    await expect.poll(() => timers.length).toBe(1);
    return countKeys(store, 'l');
  };
  for (let i = 0; i < 12; i++) {
    await database.parts.turns.next('batches', 5000);
    expect(await look()).toBe(20);
  }
  await database.parts.turns.next('batches', 5000);
  expect(await look()).toBe(0);
  cutter.close();
});

test('[I7] a crash at any commit of a cut leaves log or index', async () => {
  for (let commit = 1; commit < 6; commit++) {
    let commits = -1_000_000;
    let survivor: MemoryStore | null = null;
    const store: MemoryStore = new MemoryStore({
      intercept: (access) => {
        if (access.type !== 'batch' || ++commits !== commit) return undefined;
        survivor = store.crash(0, {});
        return new Promise(() => undefined);
      },
    });
    const clock = new ManualClock();
    const replica = await Replica.open({ store, clock, timers: idleTimers, random: seededRandom(seed++) });
    await replica.createDatabase('app');
    const database = replica.database('app');
    const node = { replica, database, store, clock, scans: [] };
    for (let i = 0; i < 20; i++) {
      await database.write('c', `d${i % 7}`, { kind: 'replace', value: { text: String(i).repeat(50_000) } });
    }
    commits = 0;
    let isDone = false;
    void cutterOf(node, { bytesMin: 0 })
      .cut(database)
      .then(() => (isDone = true));
    await expect.poll(() => isDone || survivor !== null).toBe(true);
    await expectIndexed(await openNode(survivor ?? store.crash(0, {})));
  }
});

test('[AE17] log is kept for members that lack it, up to a size and an age', async () => {
  const node = await openNode();
  const { database, replica, clock, store } = node;
  for (let i = 0; i < 50; i++) await database.write('c', `d${i}`, put(i));
  const { log } = database.parts;
  const bytes = log.bytes;
  expect(bytes).toBeGreaterThan(50 * 200);
  const held = new Map([[replica.origin, 11]]);
  await cutterOf(node, { bytesMin: bytes }).cut(database);
  expect(log.bytes).toBe(bytes);
  await cutterOf(node, { bytesMin: 0 }, held).cut(database);
  expect(log.floorOf(replica.origin).seq).toBe(11);
  expect(await countKeys(store, 'l')).toBe(40);
  await cutterOf(node, { bytesMin: 0, bytesMax: bytes }, new Map()).cut(database);
  expect(await countKeys(store, 'l')).toBe(40);
  clock.ms += 8 * DAY_MS;
  await database.write('c', 'young', put(1));
  await cutterOf(node, {}, new Map()).cut(database);
  expect(await countKeys(store, 'l')).toBe(1);
  await cutterOf(node, { bytesMax: 100 }, new Map()).cut(database);
  expect(await countKeys(store, 'l')).toBe(0);
  expect(log.bytes).toBe(0);
});

test('[AE17] the floor and the size of the log are known after a start, and the log goes on', async () => {
  const node = await openNode();
  const { database, replica } = node;
  for (let i = 0; i < 20; i++) await database.write('c', `d${i}`, put(i));
  await cutterOf(node, { bytesMin: 0 }, new Map([[replica.origin, 11]])).cut(database);
  const again = await openNode(node.store.crash(0, {}));
  const { log } = again.database.parts;
  expect(log.bytes).toBe(database.parts.log.bytes);
  expect(log.floorOf(replica.origin)).toEqual(database.parts.log.floorOf(replica.origin));
  const batches = (await again.replica.engine.readLog(KEY, replica.origin, 11, 1 << 20)) as Uint8Array[];
  expect(batches).toHaveLength(10);
  await expectIndexed(again);
});

test('[I7] a node filled by a snapshot serves peers behind it by changes, too', async () => {
  const [donor, second, third] = [await openNode(), await openNode(), await openNode()];
  for (let i = 0; i < 40; i++) await donor.database.write('c', `d${i}`, put(i));
  await copyTo(donor, third);
  await donor.database.write('c', 'd7', put(1007));
  await copyTo(donor, second);
  await second.database.write('c', 'd8', put(1008));
  await expectIndexed(second);
  expect(await second.replica.engine.readLog(KEY, donor.replica.origin, 0, 1000)).toBe('floor');
  second.scans.length = 0;
  expect((await givenSince(second, third.replica.engine.vector(KEY))).sort()).toEqual(['d7', 'd8']);
  expect(second.scans).not.toContain('y');
  await copyTo(second, third);
  expect(third.database.digest()).toEqual(second.database.digest());
});

test('[AE18] stale entries of the index are removed when they are met, and by a sweep', async () => {
  const node = await openNode();
  const { database, store } = node;
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 5; i++) await database.write('c', `d${i}`, put(round));
    await cutterOf(node, { bytesMin: 0 }).cut(database);
  }
  expect(await countKeys(store, 'x')).toBe(20);
  const [[origin, entry]] = [...node.replica.engine.vector(KEY)] as [[number, { seq: number; chain: Uint8Array }]];
  const since = new Map([[origin, { ...entry, seq: entry.seq - 12 }]]);
  expect(await givenSince(node, since)).toHaveLength(5);
  expect(await countKeys(store, 'x')).toBe(13);
  await cutterOf(node, {}).sweep(database);
  expect(await countKeys(store, 'x')).toBe(5);
  await expectIndexed(node);
});

test('[AE19] a long history of few documents is preferred as documents, and many documents as records', async () => {
  const node = await openNode();
  const { database, replica } = node;
  const nothing = (): number => 0;
  expect(await replica.engine.prefersDocuments(KEY, nothing)).toBe(false);
  // One batch, to which many positions lead.
  await Promise.all(Array.from({ length: 100 }, (_, i) => database.write('c', `d${i}`, put(i))));
  expect(await replica.engine.prefersDocuments(KEY, nothing)).toBe(false);
  for (let i = 0; i < 100; i++) await database.write('c', `e${i}`, put(i));
  expect(await replica.engine.prefersDocuments(KEY, nothing)).toBe(false);
  const known = sequenceOf(replica.engine.vector(KEY), replica.origin);
  for (let i = 0; i < 400; i++) await database.write('c', `hot${i % 4}`, put(i));
  expect(await replica.engine.prefersDocuments(KEY, () => known)).toBe(true);
  expect(await replica.engine.prefersDocuments('none.0', nothing)).toBe(false);
  // Small changes of large documents cost less as records.
  await database.write('c', 'large', { kind: 'replace', value: { text: 'x'.repeat(100_000) } });
  const large = sequenceOf(replica.engine.vector(KEY), replica.origin);
  for (let i = 0; i < 100; i++) await database.write('c', 'large', { kind: 'merge-patch', patch: { n: i } });
  expect(await replica.engine.prefersDocuments(KEY, () => large)).toBe(false);
});

test('[AE17] the cutter looks by itself, and stops when it is closed', async () => {
  const node = await openNode();
  for (let i = 0; i < 20; i++) await node.database.write('c', `d${i}`, put(i));
  const runs: (() => void)[] = [];
  let cancelled = 0;
  const timers: Timers = {
    after: (ms, run) => {
      if (ms < 1000) return immediately.after(ms, run);
      runs.push(run);
      return () => void cancelled++;
    },
  };
  const cutter = new LogCutter({
    clock: node.clock,
    timers,
    databases: () => [node.database],
    stable: () => new Map(),
    retention: { bytesMax: 0 },
  });
  cutter.start();
  runs.shift()!();
  await expect.poll(() => runs.length).toBe(1);
  expect(node.database.parts.log.bytes).toBe(0);
  node.database.close();
  runs.shift()!();
  await expect.poll(() => runs.length).toBe(1);
  cutter.close();
  expect(cancelled).toBe(1);
});

test('[AE19] a history is known as one of few documents also when none of these is met often', async () => {
  const { database, replica } = await openNode();
  const write = (i: number) => {
    const text = `${i} `.repeat(60);
    // Every round in another order.
    return database.write('c', `d${(i * 7 + Math.floor(i / 400)) % 400}`, { kind: 'replace', value: { text } });
  };
  for (let i = 0; i < 3200; i++) await write(i);
  expect(await replica.engine.prefersDocuments(KEY, () => 0)).toBe(true);
  const others = sequenceOf(replica.engine.vector(KEY), replica.origin);
  for (let i = 0; i < 1600; i++) await database.write('c', `e${i}`, put(i));
  expect(await replica.engine.prefersDocuments(KEY, () => others)).toBe(false);
});
