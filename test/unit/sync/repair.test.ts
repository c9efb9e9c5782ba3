import { expect, test, vi } from 'vitest';
import { BUCKETS } from '../../../sync/bucket-digest.ts';
import { DigestSum } from '../../../sync/digest.ts';
import { decodeView, encodeDocumentVector, encodeView } from '../../../sync/document-record.ts';
import type { Equality } from '../../../sync/equality.ts';
import { MemoryStore, Replica } from '../../../sync/index.ts';
import type { Database, Store } from '../../../sync/index.ts';
import { digestKey, rangeOf, stateKey, viewKey } from '../../../sync/key.ts';
import { Scrub } from '../../../sync/scrub.ts';
import { decodeSketch } from '../../../sync/sketch-decoder.ts';
import { ManualClock, seededRandom } from '../../helper/manual-ports.ts';

const KEY = 'app.0';
const ALL = { first: 0, count: BUCKETS };
const SALT = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1);
/** Long work goes on at once; nothing happens by itself. */
const timers = {
  after: (delayMs: number, run: () => void) => {
    if (delayMs === 0) queueMicrotask(run);
    return () => {};
  },
};
let seed = 100;

function open(store: MemoryStore): Promise<Replica> {
  return Replica.open({ store, clock: new ManualClock(), timers, random: seededRandom(seed++) });
}

const write = (database: Database, id: string, n: number): Promise<unknown> =>
  database.write('c', id, { kind: 'replace', value: { n } });

const read = async (replica: Replica, id: string): Promise<unknown> => {
  const document = await replica.database('app').get('c', id);
  return document && JSON.parse(new TextDecoder().decode(document.json));
};

/** A replica with documents d0, d1 …, and a copy of its disk under a second replica: equal, with equal vectors. */
async function openPair(documents: number): Promise<{ a: Replica; b: Replica; stores: [MemoryStore, MemoryStore] }> {
  const first = new MemoryStore();
  const origin = await open(first);
  await origin.createDatabase('app');
  const database = origin.database('app');
  await Promise.all(Array.from({ length: documents }, (_, i) => write(database, `d${i}`, i)));
  await origin.close();
  const stores: [MemoryStore, MemoryStore] = [first.crash(), first.crash()];
  return { a: await open(stores[0]), b: await open(stores[1]), stores };
}

/** Brings what `to` lacks, as a comparison over a link does. */
async function compare(from: Replica, to: Replica): Promise<number> {
  const [source, target] = [from.engine.equality!, to.engine.equality!];
  const [theirs, ours] = [await source.index(KEY, SALT, ALL), await target.index(KEY, SALT, ALL)];
  const difference = (await ours.sketch(200)).subtract(await theirs.sketch(200));
  const result = decodeSketch(difference, ours.documents - theirs.documents);
  expect(result.outcome).toBe('decoded');
  let repaired = 0;
  const wanted = result.outcome === 'decoded' ? result.theirs : [];
  for (let at = 0; at < wanted.length;) {
    const { rows, done } = await source.read(KEY, theirs, wanted.slice(at), 2000);
    const report = await target.merge(KEY, rows);
    repaired += report.repaired;
    at += done;
  }
  target.conclude(KEY, ours, from.nodeId, { repaired, examples: [] }, 0);
  return repaired;
}

const hexOf = (equality: Equality): string => Buffer.from(equality.fingerprint(KEY)!.digest).toString('hex');

/** Changes one document behind the back of the log: it is as it was after an earlier write. */
async function loseUpdate(store: Store, replica: Replica, id: string): Promise<void> {
  const { db } = replica.database('app').parts;
  const [view, state] = [viewKey(db, 'c', id), stateKey(db, 'c', id)];
  const { element } = decodeView((await store.get(view))!);
  const sum = new DigestSum(await store.get(digestKey(db)));
  sum.subtract(element);
  await store.batch(
    [
      { type: 'del', key: view },
      { type: 'del', key: state },
      { type: 'put', key: digestKey(db), value: sum.toBytes() },
    ],
    { sync: true },
  );
}

test('[EQ5] documents that one of two equal replicas lost are found, brought back and raise an alarm', async () => {
  const { a, b, stores } = await openPair(300);
  for (const id of ['d3', 'd77', 'd299']) await loseUpdate(stores[1], b, id);
  await b.close();
  const c = await open(stores[1].crash());
  const [ours, theirs] = [a.engine.equality!, c.engine.equality!];
  expect(theirs.fingerprint(KEY)!.vector).toEqual(ours.fingerprint(KEY)!.vector);
  expect(hexOf(theirs)).not.toBe(hexOf(ours));
  expect(await read(c, 'd77')).toBeNull();
  expect(await compare(a, c)).toBe(3);
  expect(await read(c, 'd77')).toEqual({ n: 77 });
  expect(hexOf(theirs)).toBe(hexOf(ours));
  expect(c.status().alarms).toMatchObject([{ kind: 'difference', database: KEY, peer: a.nodeId, repaired: 3 }]);
  // The other way round there is nothing to bring.
  expect(await compare(c, a)).toBe(0);
  expect(a.status().alarms).toEqual([]);
});

test('[EQ5] a document that is newer than the vector of the receiver is left to replication', async () => {
  const { a, b } = await openPair(5);
  await write(a.database('app'), 'd1', 1000);
  expect(await compare(a, b)).toBe(0);
  expect(await read(b, 'd1')).toEqual({ n: 1 });
  expect(b.status().alarms).toEqual([]);
});

test('[EQ6] a digest that is not the sum over the documents is corrected when a comparison shows it, with an alarm', async () => {
  const { a, b, stores } = await openPair(20);
  const { db } = b.database('app').parts;
  await b.close();
  const store = stores[1].crash();
  const sum = new DigestSum(await store.get(digestKey(db)));
  sum.add(new Uint8Array(32).fill(7));
  await store.batch([{ type: 'put', key: digestKey(db), value: sum.toBytes() }], { sync: true });
  const c = await open(store);
  expect(hexOf(c.engine.equality!)).not.toBe(hexOf(a.engine.equality!));
  expect(await compare(a, c)).toBe(0);
  await write(c.database('app'), 'other', 1);
  await c.database('app').write('c', 'other', { kind: 'delete' });
  expect(c.status().alarms).toMatchObject([{ kind: 'digest' }]);
  const again = await open((await closed(c, store)).crash());
  expect((await again.examine()).healthy).toBe(true);
});

async function closed(replica: Replica, store: MemoryStore): Promise<MemoryStore> {
  await replica.close();
  return store;
}

test('[EQ7] a document that is in memory is written again when its values on disk are damaged', async () => {
  const { a, stores } = await openPair(10);
  const { db } = a.database('app').parts;
  await a.database('app').conflicts('c', 'd4');
  await stores[0].batch([{ type: 'put', key: viewKey(db, 'c', 'd4'), value: Uint8Array.of(1, 2) }], { sync: true });
  expect((await a.examine()).healthy).toBe(true);
  expect(a.status().alarms.map(({ kind, repaired }) => [kind, repaired])).toEqual([
    ['damage', 0],
    ['damage', 1],
  ]);
  const reopened = await open((await closed(a, stores[0])).crash());
  expect(await read(reopened, 'd4')).toEqual({ n: 4 });
  expect(reopened.database('app').documents).toBe(10);
  expect((await reopened.examine()).healthy).toBe(true);
});

test('[EQ7] a damaged document is out of use until a peer that holds all we hold gives it back', async () => {
  const { a, b, stores } = await openPair(10);
  const { db } = b.database('app').parts;
  await write(b.database('app'), 'd9', 99);
  await stores[1].batch(
    [
      { type: 'put', key: viewKey(db, 'c', 'd4'), value: Uint8Array.of(1, 2) },
      { type: 'put', key: stateKey(db, 'c', 'd4'), value: Uint8Array.of(1, 2) },
    ],
    { sync: true },
  );
  const report = await b.examine();
  expect(report).toMatchObject({
    healthy: false,
    quarantined: [{ database: KEY, collection: 'c', id: 'd4', reason: 'damage' }],
  });
  await expect(write(b.database('app'), 'd4', 5)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' });
  expect(await read(b, 'd5')).toEqual({ n: 5 });
  const [ours, theirs] = [b.engine.equality!, a.engine.equality!];
  const names = ours.quarantined(KEY, a.nodeId);
  // The peer does not hold d9 = 99 yet, so it might lack something of d4 as well.
  expect(await theirs.readNamed(KEY, names, b.engine.vector(KEY), 1e6)).toBeNull();
  const rows = await theirs.readNamed(KEY, names, a.engine.vector(KEY), 1e6);
  await ours.replace(KEY, rows!, a.nodeId);
  expect(await read(b, 'd4')).toEqual({ n: 4 });
  expect(b.database('app').documents).toBe(10);
  expect((await b.examine()).healthy).toBe(true);
});

test('[EQ7] a list that meets a damaged document fails with its name, and works again when it was replaced', async () => {
  const { a, b, stores } = await openPair(10);
  const { db } = b.database('app').parts;
  await stores[1].batch([{ type: 'put', key: viewKey(db, 'c', 'd6'), value: Uint8Array.of(1, 2) }], { sync: true });
  const list = (): Promise<unknown> => b.database('app').list('c', { limit: 100 });
  await expect(list()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT', details: { collection: 'c', id: 'd6' } });
  await expect(b.database('app').list('c', { limit: 3 })).resolves.toMatchObject({ next: 'd2' });
  const names = b.engine.equality!.quarantined(KEY, a.nodeId);
  const rows = await a.engine.equality!.readNamed(KEY, names, b.engine.vector(KEY), 1e6);
  await b.engine.equality!.replace(KEY, rows!, a.nodeId);
  await expect(list()).resolves.toMatchObject({ items: { length: 10 } });
});

test('[EQ7] a damaged document that ends a snapshot is found, and the next snapshot is whole', async () => {
  const { a, b, stores } = await openPair(10);
  const { db } = b.database('app').parts;
  await stores[1].batch([{ type: 'put', key: viewKey(db, 'c', 'd6'), value: Uint8Array.of(1, 2) }], { sync: true });
  const take = async (): Promise<number> => {
    const source = await b.engine.snapshot(KEY, new Map());
    let chunks = 0;
    try {
      for await (const _ of source.chunks()) chunks++;
    } finally {
      await source.close();
    }
    return chunks;
  };
  await expect(take()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' });
  await expect.poll(() => b.status().quarantined).toBe(1);
  const names = b.engine.equality!.quarantined(KEY, a.nodeId);
  const rows = await a.engine.equality!.readNamed(KEY, names, b.engine.vector(KEY), 1e6);
  await b.engine.equality!.replace(KEY, rows!, a.nodeId);
  expect(await take()).toBeGreaterThan(0);
});

test('[EQ7] a node starts although the entry of a database is damaged, and knows that database when a peer gave it back', async () => {
  const { a, b, stores } = await openPair(3);
  await b.close();
  const store = stores[1].crash();
  // The system database is the first one of every store.
  const key = viewKey(1, 'databases', 'app');
  expect(await store.get(key)).toBeDefined();
  await store.batch([{ type: 'put', key, value: Uint8Array.of(1, 2) }], { sync: true });
  const c = await open(store);
  expect(c.databases()).toEqual([]);
  const names = c.engine.equality!.quarantined('_system.0', a.nodeId);
  expect(names).toMatchObject([{ collection: 'databases', id: 'app' }]);
  const rows = await a.engine.equality!.readNamed('_system.0', names, c.engine.vector('_system.0'), 1e6);
  await c.engine.equality!.replace('_system.0', rows!, a.nodeId);
  expect(c.databases()).toEqual(['app']);
  expect(await read(c, 'd1')).toEqual({ n: 1 });
});

test('[EQ2] buckets of a large database are on disk when it was quiet for a while, and known after a crash', async () => {
  const store = new MemoryStore();
  let tick = (): void => {};
  const ticking = {
    after: (delayMs: number, run: () => void) => {
      if (delayMs === 1000) tick = run;
      return timers.after(delayMs, run);
    },
  };
  const options = { clock: new ManualClock(), timers: ticking, random: seededRandom(seed++) };
  const replica = await Replica.open({ store, ...options });
  await replica.createDatabase('app');
  await Promise.all(Array.from({ length: 2500 }, (_, i) => write(replica.database('app'), `d${i}`, i)));
  const { db } = replica.database('app').parts;
  const countPages = async (): Promise<number> => {
    let pages = 0;
    for await (const entries of store.range(rangeOf('b', db))) pages += entries.length;
    return pages;
  };
  tick();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await countPages()).toBe(0);
  tick();
  await expect.poll(countPages).toBeGreaterThan(200);
  await write(replica.database('app'), 'd0', -1);
  const behind = await Replica.open({ store: store.copy(), ...options });
  expect(behind.database('app').parts.table.sums.buckets).toBeNull();
  tick = () => {};
  await replica.close();
  const after = await Replica.open({ store: store.crash(), ...options });
  expect(after.database('app').parts.table.sums.buckets).toBeNull();
  tick();
  await new Promise((resolve) => setTimeout(resolve, 5));
  tick();
  await expect.poll(() => after.database('app').parts.table.sums.buckets?.isDense).toBe(true);
});

test('[EQ7] batches for a damaged document wait for it instead of ending the link', async () => {
  const { a, b, stores } = await openPair(3);
  const { db } = b.database('app').parts;
  await write(a.database('app'), 'd1', 10);
  const batches = await a.engine.readLog(KEY, a.origin, 0, 1e6);
  for (const key of [viewKey(db, 'c', 'd1'), stateKey(db, 'c', 'd1')]) {
    await stores[1].batch([{ type: 'put', key, value: Uint8Array.of(1) }], { sync: true });
  }
  const ingested = b.engine.ingest(KEY, batches as readonly Uint8Array[]);
  await expect.poll(() => b.status().quarantined).toBe(1);
  const rows = await a.engine.equality!.readNamed(KEY, [{ collection: 'c', id: 'd1' }], b.engine.vector(KEY), 1e6);
  await b.engine.equality!.replace(KEY, rows!, a.nodeId);
  expect(await ingested).toMatchObject([{ outcome: 'applied' }]);
  expect(await read(b, 'd1')).toEqual({ n: 10 });
  expect(b.database('app').digest()).toEqual(a.database('app').digest());
});

test('[EQ8] a scrub sees documents that are gone from the disk while the digest still counts them', async () => {
  const { a, b, stores } = await openPair(50);
  const { db } = b.database('app').parts;
  expect((await b.examine()).healthy).toBe(true);
  const keys = [viewKey(db, 'c', 'd7'), stateKey(db, 'c', 'd7')];
  await stores[1].batch(
    keys.map((key) => ({ type: 'del', key })),
    { sync: true },
  );
  const report = await b.examine();
  expect(report.healthy).toBe(false);
  expect(report.alarms).toMatchObject([{ kind: 'loss', database: KEY, documents: 1 }]);
  expect(b.engine.equality!.suspects()).toEqual([KEY]);
  expect(await compare(a, b)).toBe(1);
  expect(await read(b, 'd7')).toEqual({ n: 7 });
  // Counted twice now, which the next comparison sees.
  expect(await compare(a, b)).toBe(0);
  await expect.poll(() => b.database('app').digest().digest).toBe(a.database('app').digest().digest);
  expect((await b.examine()).healthy).toBe(true);
});

test('[EQ8] documents that are read together are read of one moment, and what was damaged then is looked at again', async () => {
  const { b, stores } = await openPair(250);
  const [, store] = stores;
  const taken = vi.spyOn(store, 'snapshot');
  expect((await b.examine()).healthy).toBe(true);
  // A hundred at a time, of two databases.
  expect(taken.mock.calls.length).toBeLessThanOrEqual(10);
  const key = viewKey(b.database('app').parts.db, 'c', 'd7');
  const good = (await store.get(key))!;
  await store.batch([{ type: 'put', key, value: Uint8Array.of(99) }], { sync: true });
  const mended = vi.fn();
  taken.mockImplementation(() => {
    taken.mockRestore();
    const moment = store.snapshot();
    void store.batch([{ type: 'put', key, value: good }], { sync: true }).then(mended);
    return moment;
  });
  expect(await b.examine()).toMatchObject({ healthy: true, alarms: [] });
  expect(mended).toHaveBeenCalledTimes(1);
});

/** Two nodes of which one has the content of another document under a version; and the sample that shows it. */
async function openDiffering() {
  const { a, b, stores } = await openPair(5);
  const { db } = b.database('app').parts;
  // What the other node says of its d2: the same version, but the content of d3.
  const other = decodeView((await stores[1].get(viewKey(db, 'c', 'd3')))!);
  const own = decodeView((await stores[1].get(viewKey(db, 'c', 'd2')))!);
  const value = encodeView({ ...other, element: own.element }, encodeDocumentVector(own.vector));
  await stores[1].batch([{ type: 'put', key: viewKey(db, 'c', 'd2'), value }], { sync: true });
  expect(await read(b, 'd2')).toEqual({ n: 3 });
  await b.examine();
  return { a, b, sample: b.engine.equality!.sample()! };
}

test('[EQ9] different content under one version is seen, and one of the two is taken by both', async () => {
  const { a, b, sample } = await openDiffering();
  const differing = await a.engine.equality!.compare(KEY, sample.documents, b.nodeId);
  expect(differing.map(({ id }) => id)).toEqual(['d2']);
  expect(await b.engine.equality!.compare(KEY, differing, a.nodeId)).toHaveLength(1);
  // Exactly one of the two has to fetch the other's.
  const losers = [a, b].filter((each, i) => each.engine.equality!.quarantined(KEY, [b, a][i]!.nodeId).length > 0);
  expect(losers).toHaveLength(1);
  const [loser, winner] = losers[0] === a ? [a, b] : [b, a];
  const names = loser.engine.equality!.quarantined(KEY, winner.nodeId);
  const rows = await winner.engine.equality!.readNamed(KEY, names, loser.engine.vector(KEY), 1e6);
  await loser.engine.equality!.replace(KEY, rows!, winner.nodeId);
  expect(await read(a, 'd2')).toEqual(await read(b, 'd2'));
  expect(loser.status().alarms).toMatchObject([{ kind: 'content' }, { kind: 'content', repaired: 1 }]);
});

test('[AE65] samples of documents are not compared while a snapshot is merged, whose documents are on their way', async () => {
  const { a, b, sample } = await openDiffering();
  const database = a.database('app');
  database.beginMerge(b.engine.vector(KEY));
  expect(await a.engine.equality!.compare(KEY, sample.documents, b.nodeId)).toEqual([]);
  database.endMerge();
  expect(await a.engine.equality!.compare(KEY, sample.documents, b.nodeId)).toHaveLength(1);
});

test('[AE63] a node that catches up does not read what it stores, but for once a minute', async () => {
  const { a } = await openPair(5);
  const database = a.database('app');
  const ticks: (() => void)[] = [];
  const examined = vi.fn(() => Promise.resolve(null));
  const scrub = new Scrub({
    documentsPerSecond: 100,
    clock: new ManualClock(),
    timers: { after: (_, run) => (ticks.push(run), () => undefined) },
    databases: () => [database],
    healing: { examine: examined, offer: () => undefined, recount: () => Promise.resolve() } as never,
    checkIndexes: () => Promise.resolve(),
    pause: () => Promise.resolve(),
    fail: () => undefined,
  });
  scrub.start();
  const tick = async (): Promise<void> => {
    ticks.pop()!();
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  for (let i = 0; i < 60; i++) {
    database.parts.turns.merged += 1000;
    await tick();
  }
  expect(examined).not.toHaveBeenCalled();
  database.parts.turns.merged += 1000;
  await tick();
  expect(examined).toHaveBeenCalledTimes(5);
  scrub.stop();
});
