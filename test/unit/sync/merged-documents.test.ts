/**
 * First writes from peers, which are put in place without their documents being opened: they have to show like any other write.
 */
import { expect, test, vi } from 'vitest';
import { encodeBatch } from '../../../sync/batch.ts';
import { defineIndex, MemoryStore, Replica, runQuery } from '../../../sync/index.ts';
import type { Database } from '../../../sync/index.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { GENESIS_CHAIN } from '../../../sync/version-vector.ts';
import { checkIndexes, indexesReady } from '../../helper/index-check.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';
import { FeedReader, KEY, bring, openFeedNode } from './feed-fixture.ts';

let seed = 6200;
const put = (n: number) => ({ kind: 'replace', value: { n } }) as const;
const patch = { kind: 'merge-patch', patch: { more: true } } as const;

/** A replica with the database `app` whose commits can be held up. */
async function openHeld(given?: MemoryStore) {
  const held: (() => void)[] = [];
  let isHolding = false;
  const intercepted = new MemoryStore({
    intercept: ({ type }) =>
      type === 'batch' && isHolding ? new Promise<void>((resolve) => held.push(resolve)) : undefined,
  });
  const store = given ?? intercepted;
  const options = { store, clock: new ManualClock(), timers: idleTimers, random: seededRandom(seed++) };
  const replica = await Replica.open(options);
  await replica.createDatabase('app');
  return {
    replica,
    database: replica.database('app'),
    hold: () => void (isHolding = true),
    /** Resolves when a commit is held up. */
    begun: () => expect.poll(() => held.length).toBeGreaterThan(0),
    release: () => {
      isHolding = false;
      for (const resolve of held.splice(0)) resolve();
    },
  };
}

/** All that a replica wrote of the database, as batches. */
async function batchesOf(replica: Replica): Promise<readonly Uint8Array[]> {
  return (await replica.engine.readLog(KEY, replica.origin, 0, 1 << 20)) as Uint8Array[];
}

const jsonOf = async (database: Database, id: string): Promise<unknown> => {
  const found = await database.get('c', id);
  return found === null ? null : JSON.parse(new TextDecoder().decode(found.json));
};

test('[AE62] nobody opens a document for its first write, and everything counts it', async () => {
  const [ours, theirs] = [await openHeld(), await openHeld()];
  await defineIndex(theirs.database, 'c', 'i', { paths: ['n'] });
  await indexesReady(theirs.database);
  for (let i = 0; i < 40; i++) await ours.database.write('c', `d${i}`, put(i));
  const { table } = theirs.database.parts;
  const opened = vi.spyOn(table, 'acquire');
  await theirs.replica.engine.ingest(KEY, await batchesOf(ours.replica));
  expect(opened).not.toHaveBeenCalled();
  expect(theirs.database.digest()).toEqual(ours.database.digest());
  expect(theirs.database.documents).toBe(40);
  expect(theirs.database.collection('c')?.bytes).toBe(ours.database.collection('c')?.bytes);
  const { items, explain } = await runQuery(
    theirs.database,
    'c',
    { filter: { n: { $gte: 38 } }, sort: {}, limit: 9 },
    { examinedMax: 100, sortMax: 100, bytesMax: 1e6, pause: () => Promise.resolve() },
  );
  expect([explain.index, ...items.map(({ id }) => id)]).toEqual(['i', 'd38', 'd39']);
});

test('[AE62] it shows when it is durable, and who writes on it before builds on it', async () => {
  const [ours, theirs] = [await openHeld(), await openHeld()];
  await ours.database.write('c', 'x', put(1));
  theirs.hold();
  const batches = await batchesOf(ours.replica);
  const ingested = theirs.replica.engine.ingest(KEY, batches);
  await theirs.begun();
  const written = theirs.database.write('c', 'x', patch);
  const again = theirs.replica.engine.ingest(KEY, batches);
  const early = theirs.database.get('c', 'x');
  theirs.release();
  await Promise.all([ingested, written, again]);
  expect(await early).toBeNull();
  expect(await jsonOf(theirs.database, 'x')).toEqual({ more: true, n: 1 });
  await ours.replica.engine.ingest(KEY, await batchesOf(theirs.replica));
  expect(await jsonOf(ours.database, 'x')).toEqual({ more: true, n: 1 });
  expect(ours.database.digest()).toEqual(theirs.database.digest());
});

test('[AE62] so it is before it has left, and who changes nothing is answered no earlier', async () => {
  const [ours, theirs] = [await openHeld(), await openHeld()];
  await ours.database.write('c', 'x', put(1));
  await ours.database.write('c', 'y', put(2));
  const [first, ...rest] = await batchesOf(ours.replica);
  theirs.hold();
  const ingested = theirs.replica.engine.ingest(KEY, [first!]);
  await theirs.begun();
  // The second one is in the group after that which is on its way.
  const following = theirs.replica.engine.ingest(KEY, rest);
  await settle();
  const answered: string[] = [];
  const writes = ['x', 'y'].map(async (id, i) => {
    await theirs.database.write('c', id, put(i + 1));
    answered.push(id);
  });
  const patched = theirs.database.write('c', 'y', patch);
  await settle();
  expect(answered).toEqual([]);
  theirs.release();
  await Promise.all([ingested, following, patched, ...writes]);
  expect(answered).toEqual(['x', 'y']);
  expect(await jsonOf(theirs.database, 'y')).toEqual({ more: true, n: 2 });
  await ours.replica.engine.ingest(KEY, await batchesOf(theirs.replica));
  expect(ours.database.digest()).toEqual(theirs.database.digest());
  expect(theirs.database.documents).toBe(2);
  expect(theirs.database.parts.table.cacheUsage().documents.entries).toBe(2);
});

test('[AE62] who reads while it becomes durable, and reads again, sees it the second time', async () => {
  const store = new MemoryStore();
  const [ours, theirs] = [await openHeld(), await openHeld(store)];
  await ours.database.write('c', 'x', put(1));
  const batches = await batchesOf(ours.replica);
  let answer!: () => void;
  const slow = new Promise<void>((resolve) => (answer = resolve));
  vi.spyOn(store, 'get').mockImplementationOnce(() => slow.then(() => undefined));
  const before = theirs.database.get('c', 'x');
  await theirs.replica.engine.ingest(KEY, batches);
  const after = theirs.database.get('c', 'x');
  answer();
  await before;
  expect(await after).not.toBeNull();
});

test('[AE62] what follows in the same message is merged into it', async () => {
  const [ours, theirs] = [await openHeld(), await openHeld()];
  await ours.database.write('c', 'x', put(1));
  await ours.database.write('c', 'x', patch);
  await ours.database.write('c', 'y', put(2));
  const results = await theirs.replica.engine.ingest(KEY, await batchesOf(ours.replica));
  expect(results.every(({ outcome }) => outcome === 'applied')).toBe(true);
  expect(await jsonOf(theirs.database, 'x')).toEqual({ more: true, n: 1 });
  expect(theirs.database.digest()).toEqual(ours.database.digest());
});

test('[AE62] of two who begin one document at a time, none is lost', async () => {
  const [ours, theirs] = [await openHeld(), await openHeld()];
  const [third, fourth] = [await openHeld(), await openHeld()];
  await ours.database.write('c', 'x', { kind: 'replace', value: { ours: 1 } });
  await theirs.database.write('c', 'x', { kind: 'replace', value: { theirs: 1 } });
  const [fromOurs, fromTheirs] = [await batchesOf(ours.replica), await batchesOf(theirs.replica)];
  await Promise.all([fromOurs, fromTheirs].map((batches) => third.replica.engine.ingest(KEY, batches)));
  await third.replica.engine.ingest(KEY, fromOurs);
  await fourth.replica.engine.ingest(KEY, [...fromOurs, ...fromTheirs]);
  await ours.replica.engine.ingest(KEY, fromTheirs);
  await theirs.replica.engine.ingest(KEY, fromOurs);
  expect(await jsonOf(third.database, 'x')).toEqual(await jsonOf(ours.database, 'x'));
  expect(third.database.digest()).toEqual(ours.database.digest());
  expect(fourth.database.digest()).toEqual(ours.database.digest());
  expect(await jsonOf(fourth.database, 'x')).toEqual(await jsonOf(ours.database, 'x'));
  expect(theirs.database.digest()).toEqual(ours.database.digest());
});

test('[AE62] nor of two whose batches wait for the same document to be read, and go on at one moment', async () => {
  const [one, other, theirs] = [await openHeld(), await openHeld(), await openHeld()];
  await one.database.write('c', 'read', put(0));
  const known = await batchesOf(one.replica);
  for (const { replica } of [other, theirs]) await replica.engine.ingest(KEY, known);
  await one.database.write('c', 'read', { kind: 'merge-patch', patch: { one: 1 } });
  await one.database.write('c', 'x', put(1));
  await other.database.write('c', 'read', { kind: 'merge-patch', patch: { other: 1 } });
  await other.database.write('c', 'x', { kind: 'replace', value: { m: 2 } });
  const both = [(await batchesOf(one.replica)).slice(known.length), await batchesOf(other.replica)];
  theirs.database.parts.table.releaseCache();
  await Promise.all(both.map((batches) => theirs.replica.engine.ingest(KEY, batches)));
  await one.replica.engine.ingest(KEY, both[1]!);
  expect(await jsonOf(theirs.database, 'x')).toEqual(await jsonOf(one.database, 'x'));
  expect(theirs.database.digest()).toEqual(one.database.digest());
});

test('[AE62] feeds tell of it, also those that begin before it is durable', async () => {
  const ours = await openFeedNode();
  const theirs = await openFeedNode(ours);
  const reader = new FeedReader('x');
  reader.attach(theirs);
  await reader.drain();
  for (const id of ['a', 'b']) await ours.database.write('x', id, put(1));
  await bring(ours, theirs);
  expect(await reader.drain()).toEqual(['x/a', 'x/b']);
  expect(reader.told.map(({ etag }) => etag)).toEqual(
    await Promise.all(['a', 'b'].map(async (id) => (await theirs.database.get('x', id))?.etag)),
  );
});

test('[AE62] an index that is defined before it is durable holds it', async () => {
  const [ours, theirs] = [await openHeld(), await openHeld()];
  await ours.database.write('c', 'first', put(1));
  await ours.database.write('c', 'second', put(2));
  const [first, ...rest] = await batchesOf(ours.replica);
  theirs.hold();
  const ingested = [theirs.replica.engine.ingest(KEY, [first!])];
  await theirs.begun();
  ingested.push(theirs.replica.engine.ingest(KEY, rest));
  await settle();
  const defined = defineIndex(theirs.database, 'c', 'i', { paths: ['n'] });
  theirs.release();
  await Promise.all([...ingested, defined]);
  await indexesReady(theirs.database);
  expect(await checkIndexes(theirs.database)).toMatchObject([{ isEqual: true, entries: 2 }]);
});

test('[AE62] JSON that is no UTF-8 is refused with its batch', async () => {
  const { replica, database } = await openHeld();
  const stranger = { origin: 2 ** 40 + 1, firstSeq: 1, stamp: 1, deps: [] };
  const json = Uint8Array.of(...new TextEncoder().encode('{"a":"'), 0xff, ...new TextEncoder().encode('"}'));
  const content = { json, stamp: 1, client: stranger.origin };
  const record = { kind: 'update', collection: 'c', id: 'x', update: new Uint8Array(), first: content } as const;
  const batch = encodeBatch({ ...stranger, records: [{ ...record, isAnew: true }] }, GENESIS_CHAIN, portableSha256);
  await expect(replica.engine.ingest(KEY, [batch])).rejects.toMatchObject({ code: 'SYNC_BATCH_MALFORMED' });
  expect(await database.get('c', 'x')).toBeNull();
});

/** Many turns of microtasks: whatever is not held has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}
