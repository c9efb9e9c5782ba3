/**
 * @module
 * Indexes from definition to drop: builds that crashes cut off, every way that documents come, and the doctor.
 */
import { expect, test } from 'vitest';
import {
  MemoryStore,
  Replica,
  StorageError,
  defineIndex,
  describeIndex,
  dropIndex,
  runQuery,
} from '../../../../sync/index.ts';
import type { Database, QueryLimits, ReplicaOptions, StoreAccess } from '../../../../sync/index.ts';
import { rangeOf, viewKey } from '../../../../sync/key.ts';
import { decodeIndexRecord } from '../../../../sync/query/index-record.ts';
import { checkIndexes, indexesReady } from '../../../helper/index-check.ts';
import { ManualClock, seededRandom } from '../../../helper/manual-ports.ts';
import { ReplicaCluster, type Member } from '../replica-fixture.ts';

const LIMITS: QueryLimits = { examinedMax: 1e6, sortMax: 1000, bytesMax: 1e7, pause: () => Promise.resolve() };
let seed = 9000;

/** Long work goes on at once; nothing happens by itself. */
const timers: ReplicaOptions['timers'] = {
  after: (delayMs, run) => {
    if (delayMs === 0) queueMicrotask(run);
    return () => {};
  },
};

function open(store: MemoryStore): Promise<Replica> {
  return Replica.open({ store, clock: new ManualClock(), timers, random: seededRandom(seed++) });
}

async function filled(documents: number): Promise<MemoryStore> {
  const store = new MemoryStore();
  const replica = await open(store);
  await replica.createDatabase('app');
  const database = replica.database('app');
  await Promise.all(
    Array.from({ length: documents }, (_, i) =>
      database.write('c', `d${i}`, { kind: 'replace', value: { n: i % 100, tags: [i % 7, i % 11] } }),
    ),
  );
  await replica.close();
  return store.copy();
}

async function countKeys(store: MemoryStore, kinds: string): Promise<number> {
  let keys = 0;
  for (const kind of kinds) for await (const entries of store.range(rangeOf(kind))) keys += entries.length;
  return keys;
}

const where = async (database: Database, filter: object): Promise<number> => {
  const { items, explain } = await runQuery(database, 'c', { filter: filter as never, limit: 1000 }, LIMITS);
  expect(explain.index).not.toBeNull();
  return items.length;
};

async function expectAgreement(database: Database, count: number): Promise<void> {
  const verdicts = await checkIndexes(database);
  expect(verdicts.length).toBe(count);
  for (const verdict of verdicts) expect(verdict).toMatchObject({ isEqual: true });
}

test('[QU7] a build that a crash cuts off at any commit goes on where it was, with what was written meanwhile', async () => {
  const base = await filled(4500);
  let crashes = 0;
  let continued = 0;
  for (let at = 1; ; at++) {
    let batches = -1;
    let wake = (): void => {};
    const dead = new Promise<void>((resolve) => (wake = resolve));
    const intercept = (access: StoreAccess): void => {
      if (access.type !== 'batch' || batches < 0 || ++batches !== at) return;
      wake();
      throw new StorageError('STORAGE_IO', 'crash');
    };
    const store = base.crash(0, { intercept });
    const replica = await open(store);
    const database = replica.database('app');
    batches = 0;
    const ended = defineIndex(database, 'c', 'i', { paths: ['tags', 'n'] })
      .then(() => database.write('c', 'd17', { kind: 'replace', value: { n: 1, tags: ['new'] } }))
      .then(() => database.write('c', 'd4400', { kind: 'delete' }))
      .then(() => indexesReady(database));
    const outcome = await Promise.race([ended.then(() => 'ready' as const), dead.then(() => 'crashed' as const)]).catch(
      () => 'crashed' as const,
    );
    const survivor = store.crash(at % 2);
    await ended.catch(() => undefined);
    let isBegun = false;
    for await (const entries of survivor.range(rangeOf('d'))) {
      isBegun = true;
      for (const [, value] of entries) if (decodeIndexRecord(value).until !== null) continued++;
    }
    const next = await open(survivor);
    const after = next.database('app');
    if (isBegun) {
      expect(after.parts.indexes.all().length).toBe(1);
      await indexesReady(after);
      await expectAgreement(after, 1);
      expect(await where(after, { tags: 3 })).toBeGreaterThan(900);
    }
    await next.close();
    if (outcome === 'ready') break;
    crashes++;
  }
  expect(crashes).toBeGreaterThan(4);
  expect(continued).toBeGreaterThan(1);
}, 60_000);

test('[QU8] what a build has read of documents that change before it is written does not count', async () => {
  const reading: { begin: () => void; goOn: Promise<void> } = { begin: () => {}, goOn: Promise.resolve() };
  const begun = new Promise<void>((resolve) => (reading.begin = resolve));
  const intercept = (access: StoreAccess): Promise<void> | void => {
    if (access.type !== 'range' || !access.values || access.gte[0] !== viewKey(1, 'c', '')[0]) return;
    reading.begin();
    return reading.goOn;
  };
  const replica = await open((await filled(60)).crash(0, { intercept }));
  const database = replica.database('app');
  let goOn = (): void => {};
  reading.goOn = new Promise((resolve) => (goOn = resolve));
  await defineIndex(database, 'c', 'i', { paths: ['n'] });
  await begun;
  await database.write('c', 'd17', { kind: 'replace', value: { n: 1000 } });
  await database.write('c', 'd18', { kind: 'delete' });
  goOn();
  await indexesReady(database);
  await expectAgreement(database, 1);
  expect(await where(database, { n: 17 })).toBe(0);
  expect(await where(database, { n: 18 })).toBe(0);
  expect(await where(database, { n: 1000 })).toBe(1);
  await replica.close();
});

test('[QU9] dropping an index removes its entries, also when a crash comes in between', async () => {
  const base = await filled(50);
  for (let at = 1; at < 8; at++) {
    let batches = -1;
    const intercept = (access: StoreAccess): void => {
      if (access.type === 'batch' && batches >= 0 && ++batches === at) throw new StorageError('STORAGE_IO', 'crash');
    };
    const store = base.crash(0, { intercept });
    const replica = await open(store);
    const database = replica.database('app');
    await defineIndex(database, 'c', 'i', { paths: ['n'] });
    await indexesReady(database);
    expect(await countKeys(store, 'e')).toBe(50);
    batches = 0;
    await dropIndex(database, 'c', 'i').catch(() => undefined);
    await database.write('c', 'd1', { kind: 'replace', value: { n: 5 } }).catch(() => undefined);
    // The batch that failed may have been kept.
    const isKept = at > 1;
    const survivor = store.crash(isKept ? 1 : 0, {});
    const next = await open(survivor);
    const isDropped = next.database('app').parts.indexes.all().length === 0;
    // Defined again under the same name at once: what is left of the old one is no part of it.
    await defineIndex(next.database('app'), 'c', 'i', { paths: ['n'] });
    await indexesReady(next.database('app'));
    await expectAgreement(next.database('app'), 1);
    await expect.poll(() => countKeys(survivor, 'd')).toBe(1);
    expect(await countKeys(survivor, 'e')).toBe(50);
    expect(isDropped).toBe(isKept);
    await next.close();
  }
});

test('[QU8] the doctor finds entries that are missing or too many, raises an alarm and has the index built anew', async () => {
  const store = (await filled(60)).crash(0, {});
  const replica = await open(store);
  const database = replica.database('app');
  await defineIndex(database, 'c', 'i', { paths: ['n'] });
  await defineIndex(database, 'c', 'other', { paths: ['tags'] });
  await indexesReady(database);
  expect((await replica.examine()).alarms).toEqual([]);
  const [first] = database.parts.indexes.of('c');
  for await (const [entry] of store.range({ ...rangeOf('e'), limit: 1 }))
    await store.batch([{ type: 'del', key: entry![0] }], { sync: true });
  const report = await replica.examine();
  expect(report.alarms).toMatchObject([{ kind: 'index', database: 'app.0', documents: 1, examples: ['c/i'] }]);
  expect(report.checks).toContainEqual(expect.objectContaining({ check: 'indexes', database: 'app.0', ok: true }));
  await indexesReady(database);
  expect(database.parts.indexes.of('c')).not.toContain(first);
  await expectAgreement(database, 2);
  expect((await replica.examine()).alarmsTotal).toBe(1);
  await replica.close();
});

test('[QU8] a document that is written anew from memory, or in the place of a damaged one, has its entries again', async () => {
  const store = (await filled(30)).crash(0, {});
  const replica = await open(store);
  const database = replica.database('app');
  await defineIndex(database, 'c', 'i', { paths: ['n'] });
  await indexesReady(database);
  const { table, commit, db } = database.parts;
  const slot = table.acquire('c', 'd3');
  await slot.loading;
  // The disk loses the document's entries.
  for await (const entries of store.range(rangeOf('e'))) {
    const lost = entries.filter(([key]) => Buffer.from(key).includes('d3'));
    await store.batch(
      lost.map(([key]) => ({ type: 'del', key }) as const),
      { sync: true },
    );
  }
  expect((await checkIndexes(database))[0]).toMatchObject({ isEqual: false, entries: 29, expected: 30 });
  const again = table.rewrite({ collection: 'c', id: 'd3' })!;
  await commit.join(database);
  table.release(again);
  await expectAgreement(database, 1);

  const state = slot.document.encode();
  table.release(slot);
  await store.batch([{ type: 'put', key: viewKey(db, 'c', 'd5'), value: Uint8Array.of(99) }], { sync: true });
  const other = table.supersede({ collection: 'c', id: 'd5', vector: slot.vector, state }, null)!;
  await commit.join(database);
  table.release(other);
  expect(await where(database, { n: 3 })).toBe(2);
  await replica.close();
});

/** Lets virtual time pass until it holds. */
async function until(cluster: ReplicaCluster, condition: () => boolean): Promise<void> {
  await cluster.until(condition, 120_000);
  expect(condition()).toBe(true);
}

const isReady = ({ replica }: Member, name = 'i'): boolean => {
  if (!replica.databases().includes('app')) return false;
  return replica
    .database('app')
    .parts.indexes.of('c')
    .some((index) => index.name === name && index.state === 'ready');
};

test('[QU7][QU8] an index that one node defines is built by all, and holds what comes as batches, by snapshot, and from both sides of a partition', async () => {
  const cluster = new ReplicaCluster();
  const a = await cluster.start('a');
  await a.replica.createDatabase('app');
  const app = a.replica.database('app');
  for (let i = 0; i < 30; i++) await app.write('c', `d${i}`, { kind: 'replace', value: { n: i, from: 'a' } });
  const b = await cluster.start('b', ['a']);
  await until(cluster, () => b.replica.databases().includes('app'));
  await defineIndex(app, 'c', 'i', { paths: ['from', 'n'] });
  await until(cluster, () => isReady(b));
  await app.write('c', 'more', { kind: 'replace', value: { n: 99, from: 'a' } });
  await b.replica.database('app').write('c', 'd1', { kind: 'merge-patch', patch: { from: 'b' } });
  const digests = (members: readonly Member[]): boolean =>
    new Set(members.map(({ replica }) => replica.database('app').digest().digest)).size === 1;
  await until(cluster, () => digests([a, b]));
  // One that comes later gets the documents by snapshot, and builds the index of what it gets.
  const c = await cluster.start('c', ['a']);
  await until(cluster, () => isReady(c) && digests([a, b, c]));
  for (const { replica } of [a, b, c]) {
    const database = replica.database('app');
    await expectAgreement(database, 1);
    expect(await where(database, { from: 'b' })).toBe(1);
    expect(await where(database, { from: 'a', n: { $gte: 10 } })).toBe(21);
    expect(describeIndex(database, 'c', 'i')).toMatchObject({ state: 'ready', progress: { documents: 31, total: 31 } });
  }
  await dropIndex(c.replica.database('app'), 'c', 'i');
  await until(cluster, () => !isReady(a) && !isReady(b));
  await cluster.close();
});
