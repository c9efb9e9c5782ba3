/**
 * @module
 * Pages of index entries while documents change: what entries say is relied on only as long as it is true.
 */
import { expect, test } from 'vitest';
import {
  MemoryStore,
  PreparedQuery,
  Replica,
  defineIndex,
  dropIndex,
  peekPrepared,
  runPrepared,
  runQuery,
} from '../../../../sync/index.ts';
import type { Database, QueryLimits, ReplicaOptions, Store } from '../../../../sync/index.ts';
import { rangeOf } from '../../../../sync/key.ts';
import { indexesReady } from '../../../helper/index-check.ts';
import { ManualClock, seededRandom } from '../../../helper/manual-ports.ts';

const LIMITS: QueryLimits = { examinedMax: 1e6, sortMax: 1000, bytesMax: 1e7, pause: () => Promise.resolve() };

/** Long work goes on at once; nothing happens by itself. */
const timers: ReplicaOptions['timers'] = {
  after: (delayMs, run) => {
    if (delayMs === 0) queueMicrotask(run);
    return () => {};
  },
};

/** A store whose batches can be read before they are said to be durable. */
class SlowStore implements Store {
  readonly #store = new MemoryStore();
  gate: Promise<void> = Promise.resolve();
  /** Of reads of single keys that begin now. */
  readGate: Promise<void> = Promise.resolve();
  readonly get: Store['get'] = async (key) => {
    await this.readGate;
    return this.#store.get(key);
  };
  readonly getMany: Store['getMany'] = (keys) => this.#store.getMany(keys);
  readonly range: Store['range'] = (options) => this.#store.range(options);
  readonly snapshot: Store['snapshot'] = () => this.#store.snapshot();
  readonly clear: Store['clear'] = (bounds) => this.#store.clear(bounds);
  readonly close: Store['close'] = () => this.#store.close();
  readonly batch: Store['batch'] = async (operations, options) => {
    await this.#store.batch(operations, options);
    await this.gate;
  };

  /** Returns what lets batches be durable again. */
  hold(): () => void {
    let release = (): void => {};
    this.gate = new Promise((resolve) => (release = resolve));
    return release;
  }
}

interface Place {
  readonly country: string;
  readonly n: number;
}

async function find(database: Database, filter: object, sort: object = {}): Promise<(Place & { id: string })[]> {
  const query = new PreparedQuery('c', filter as never, sort as never);
  const held = peekPrepared(database, query, { limit: 20 }, LIMITS);
  const { items, explain } = await runPrepared(database, query, { limit: 20 }, LIMITS);
  expect(explain.index).toBe('i');
  if (held !== null) expect(held.items).toEqual(items.map(({ id, etag, json }) => ({ id, etag, json })));
  return items.map(({ id, json }) => ({ id, ...(JSON.parse(new TextDecoder().decode(json)) as Place) }));
}

/** Many turns of microtasks: whatever is not held has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}

test('[QU50] every document of a page passes the filter in the version shown, also while entries are on their way to the disk', async () => {
  const store = new SlowStore();
  const replica = await Replica.open({ store, clock: new ManualClock(), timers, random: seededRandom(7) });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const put = (id: string, value: Place): Promise<unknown> =>
    database.write('c', id, { kind: 'replace', value: { ...value } });
  await put('a', { country: 'DE', n: 1 });
  await put('b', { country: 'FR', n: 2 });
  await put('c', { country: 'DE', n: 3 });
  await defineIndex(database, 'c', 'i', { paths: ['country', 'n'] });
  await indexesReady(database);
  const germany = { country: 'DE' };
  expect((await find(database, germany)).map(({ id }) => id)).toEqual(['a', 'c']);

  const release = store.hold();
  const written = Promise.all([put('a', { country: 'FR', n: 1 }), put('b', { country: 'DE', n: 2 })]);
  await settle();
  // What was read before, and what is read now, when the store shows entries that nobody may rely on yet.
  const filters = [
    germany,
    { country: { $gte: 'DE', $lt: 'DF' } },
    { country: { $regex: '^D' } },
    { ...germany, n: 2 },
  ];
  for (const filter of filters)
    for (const each of await find(database, filter)) expect(each).toMatchObject({ country: 'DE' });
  for (const each of await find(database, { country: 'DE', n: { $lt: 2 } })) expect(each.n).toBeLessThan(2);
  const sorted = (await find(database, germany, { n: -1 })).map(({ n }) => n);
  expect(sorted).toEqual(sorted.toSorted((x, y) => y - x));

  release();
  await written;
  for (const filter of filters.slice(0, 3))
    expect((await find(database, filter)).map(({ id }) => id)).toEqual(['b', 'c']);
  expect((await find(database, filters[3]!)).map(({ id }) => id)).toEqual(['b']);
  await replica.close();
});

test('[QU50] a document that comes to have several values in an index is not shown for those that it has not', async () => {
  const store = new SlowStore();
  const replica = await Replica.open({ store, clock: new ManualClock(), timers, random: seededRandom(8) });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const put = (id: string, value: object): Promise<unknown> =>
    database.write('c', id, { kind: 'replace', value: value as never });
  for (let i = 0; i < 5; i++) await put(`d${i}`, { country: 'DE', n: i });
  await defineIndex(database, 'c', 'i', { paths: ['country', 'n'] });
  await indexesReady(database);
  const range = { country: 'DE', n: { $gte: 2, $lte: 3 } };
  expect((await find(database, range)).map(({ id }) => id)).toEqual(['d2', 'd3']);
  await put('d2', { country: 'DE', n: [0, 2, 3, 9] });
  await put('d4', { country: ['DE', 'FR'], n: 3 });
  const found = await find(database, range);
  expect(found.map(({ id }) => id).toSorted()).toEqual(['d2', 'd3', 'd4']);
  await replica.close();
});

test('[QU50] a document that changes while it is read from the disk is not shown for what it was', async () => {
  for (const isDurable of [true, false]) {
    const store = new SlowStore();
    const replica = await Replica.open({ store, clock: new ManualClock(), timers, random: seededRandom(10) });
    await replica.createDatabase('app');
    const database = replica.database('app');
    const put = (id: string, country: string): Promise<unknown> =>
      database.write('c', id, { kind: 'replace', value: { country, n: 1 } });
    await put('a', 'DE');
    await put('b', 'DE');
    await defineIndex(database, 'c', 'i', { paths: ['country', 'n'] });
    await indexesReady(database);
    expect((await find(database, { country: 'DE' })).map(({ id }) => id)).toEqual(['a', 'b']);
    database.parts.table.releaseCache();
    let readOn = (): void => {};
    store.readGate = new Promise((resolve) => (readOn = resolve));
    const finding = find(database, { country: 'DE' });
    await settle();
    store.readGate = Promise.resolve();
    const release = isDurable ? (): void => {} : store.hold();
    const written = put('a', 'FR');
    await settle();
    readOn();
    expect((await finding).map(({ id }) => id)).toEqual(['b']);
    release();
    await written;
    await replica.close();
  }
});

test('[QU62] a page whose index is dropped while it is read begins anew, and is as long as it should be', async () => {
  const store = new MemoryStore();
  const replica = await Replica.open({ store, clock: new ManualClock(), timers, random: seededRandom(9) });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const documents = Array.from({ length: 600 }, (_, n) => ({ n, odd: n % 2 === 1 }));
  await Promise.all(
    documents.map((value) => database.write('c', `d${value.n}`, { kind: 'replace', value: value as never })),
  );
  const countEntries = async (): Promise<number> => {
    let count = 0;
    for await (const entries of store.range(rangeOf('e'))) count += entries.length;
    return count;
  };
  for (const filter of [{ n: { $gte: 0 }, odd: { $exists: true } }, { n: { $gte: 0 } }]) {
    await defineIndex(database, 'c', 'i', { paths: ['n'] });
    await indexesReady(database);
    let pauses = 0;
    const pause = async (): Promise<void> => {
      if (++pauses > 1) return;
      await dropIndex(database, 'c', 'i');
      for (let turn = 0; turn < 1000 && (await countEntries()) > 0; turn++) await settle();
      expect(await countEntries()).toBe(0);
      // Nothing keeps up what was read of it.
      await database.write('c', 'd590', { kind: 'replace', value: { n: -1 } });
    };
    const page = await runQuery(database, 'c', { filter: filter as never, limit: 1000 }, { ...LIMITS, pause });
    expect(pauses).toBeGreaterThan(0);
    expect(page.explain.index).toBeNull();
    expect(page.items.length).toBe(599);
    expect(page.items.some(({ id }) => id === 'd590')).toBe(false);
    await database.write('c', 'd590', { kind: 'replace', value: { n: 590, odd: false } });
  }
  await replica.close();
});
