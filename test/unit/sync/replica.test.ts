import { expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../../../sync/batch.ts';
import type { UpdateRecord } from '../../../sync/batch.ts';
import { MemoryStore, Replica } from '../../../sync/index.ts';
import type { Database } from '../../../sync/index.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { GENESIS_CHAIN } from '../../../sync/version-vector.ts';
import { PORTION_DOCUMENTS } from '../../../sync/work-turns.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

const text = (bytes: Uint8Array | undefined): unknown => JSON.parse(new TextDecoder().decode(bytes));
let seed = 1;

function openReplica(store: MemoryStore = new MemoryStore(), name = 'n1'): Promise<Replica> {
  return Replica.open({ store, clock: new ManualClock(), timers: idleTimers, random: seededRandom(seed++), name });
}

async function openDatabase(replica: Replica): Promise<Database> {
  await replica.createDatabase('app');
  return replica.database('app');
}

/** Moves every batch `to` lacks, as links would. */
async function replicate(from: Replica, to: Replica): Promise<void> {
  for (const key of from.engine.databases()) {
    for (let progress = true; progress;) {
      progress = false;
      for (const [origin] of from.engine.vector(key)) {
        const after = to.engine.vector(key).get(origin)?.seq ?? 0;
        const batches = await from.engine.readLog(key, origin, after, 1 << 20);
        if (batches === 'floor' || batches.length === 0) continue;
        const results = await to.engine.ingest(key, batches);
        progress ||= results.some(({ outcome }) => outcome === 'applied');
      }
    }
  }
}

test('[I13] a written document is read back with its version, and again after a restart', async () => {
  const store = new MemoryStore();
  const replica = await openReplica(store);
  const database = await openDatabase(replica);
  const created = await database.write('cities', 'a', { kind: 'replace', value: { name: 'Aa', n: 1 } });
  expect(created.status).toBe('created');
  const read = await database.get('cities', 'a');
  expect(text(read?.json)).toEqual({ name: 'Aa', n: 1 });
  expect(read?.etag).toBe(created.etag);
  const reopened = await openReplica(store);
  expect(reopened.nodeId).toBe(replica.nodeId);
  expect(reopened.origin).not.toBe(replica.origin);
  const again = await reopened.database('app').get('cities', 'a');
  expect(again?.etag).toBe(created.etag);
  expect(reopened.database('app').digest()).toEqual(database.digest());
});

test('[DB1] preconditions are checked against the version held here', async () => {
  const database = await openDatabase(await openReplica());
  const first = await database.write('c', 'x', { kind: 'replace', value: { v: 1 } }, { ifNoneMatch: '*' });
  const change = { kind: 'replace', value: { v: 2 } } as const;
  await expect(database.write('c', 'x', change, { ifNoneMatch: '*' })).rejects.toMatchObject({
    code: 'SYNC_PRECONDITION_FAILED',
  });
  const second = await database.write('c', 'x', change, { ifMatch: [first.etag], returnDocument: true });
  expect(text(second.json)).toEqual({ v: 2 });
  await expect(database.write('c', 'x', change, { ifMatch: [first.etag] })).rejects.toMatchObject({
    code: 'SYNC_PRECONDITION_FAILED',
  });
  await expect(database.write('c', 'none', change, { ifMatch: '*' })).rejects.toMatchObject({
    code: 'SYNC_PRECONDITION_FAILED',
  });
});

test('[DB2] the same JSON again changes neither version nor log', async () => {
  const database = await openDatabase(await openReplica());
  const first = await database.write('c', 'x', { kind: 'replace', value: { v: 1 } });
  const again = await database.write('c', 'x', { kind: 'replace', value: { v: 1 } });
  expect(again).toEqual({ status: 'unchanged', etag: first.etag });
});

test('[DB3] a list pages in byte order, skips deleted documents, keeps to a prefix', async () => {
  const database = await openDatabase(await openReplica());
  for (const id of ['b1', 'a1', 'b2', 'b3', 'ä', 'b4']) {
    await database.write('c', id, { kind: 'replace', value: { id } });
  }
  await database.write('c', 'b2', { kind: 'delete' });
  const ids = async (options: object): Promise<unknown> => {
    const page = await database.list('c', { limit: 2, ...options });
    return [page.items.map((item) => item.id), page.next];
  };
  expect(await ids({})).toEqual([['a1', 'b1'], 'b1']);
  expect(await ids({ after: 'b1' })).toEqual([['b3', 'b4'], 'b4']);
  expect(await ids({ after: 'b4' })).toEqual([['ä'], null]);
  expect(await ids({ prefix: 'b', after: 'b1' })).toEqual([['b3', 'b4'], null]);
  expect(await ids({ prefix: 'b', after: 'a' })).toEqual([['b1', 'b3'], 'b3']);
  expect(database.info()).toMatchObject({ documents: 5 });
});

test('[I9] two replicas that exchanged their logs have equal vectors, digests, documents and versions', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  const right = await openDatabase(b);
  await left.write('c', 'x', { kind: 'replace', value: { a: 1, n: { p: 1 } } });
  await right.write('c', 'x', { kind: 'merge-patch', patch: { b: 2, n: { q: 2 } } });
  await right.write('c', 'y', { kind: 'replace', value: { gone: true } });
  await right.write('c', 'y', { kind: 'delete' });
  await replicate(a, b);
  await replicate(b, a);
  expect(right.digest()).toEqual(left.digest());
  expect(text((await left.get('c', 'x'))?.json)).toEqual({ a: 1, b: 2, n: { p: 1, q: 2 } });
  expect((await left.get('c', 'x'))?.etag).toBe((await right.get('c', 'x'))?.etag);
  expect(await left.get('c', 'y')).toBeNull();
  expect(left.digest().documents).toBe(1);
});

test('[I6] a batch whose dependencies are missing is held back until they are covered', async () => {
  const [a, b, c] = [await openReplica(), await openReplica(), await openReplica()];
  const first = await openDatabase(a);
  await first.write('c', 'x', { kind: 'replace', value: { v: 1 } });
  await replicate(a, b);
  const key = first.key;
  await b.database('app').write('c', 'x', { kind: 'merge-patch', patch: { w: 2 } });
  const fromB = await b.engine.readLog(key, b.origin, 0, 1 << 20);
  const [result] = await c.engine.ingest(key, fromB as Uint8Array[]);
  expect(result).toEqual({ outcome: 'blocked', missing: [{ origin: a.origin, from: 1, to: 2 }] });
  const fromA = await a.engine.readLog(key, a.origin, 0, 1 << 20);
  const results = await c.engine.ingest(key, [...(fromA as Uint8Array[]), ...(fromB as Uint8Array[])]);
  expect(results.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
  const again = await c.engine.ingest(key, fromA as Uint8Array[]);
  expect(again).toEqual([{ outcome: 'duplicate' }]);
});

test('[DB6] an empty replica is filled by a snapshot and continues from the log', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  for (let i = 0; i < 50; i++) await left.write('c', `d${i}`, { kind: 'replace', value: { i, s: 'x'.repeat(i) } });
  await left.write('c', 'd7', { kind: 'delete' });
  for (const key of a.engine.databases()) {
    const source = await a.engine.snapshot(key, b.engine.vector(key));
    const sink = b.engine.receiveSnapshot(key);
    let index = 0;
    for await (const chunk of source.chunks()) await sink.add(index++, chunk);
    await sink.complete(source.vector);
  }
  const right = b.database('app');
  expect(right.digest()).toEqual(left.digest());
  expect(b.engine.nodeOf(a.origin)).toBe(a.nodeId);
  expect(await b.engine.readLog(left.key, a.origin, 0, 1000)).toBe('floor');
  await left.write('c', 'd1', { kind: 'merge-patch', patch: { more: true } });
  await replicate(a, b);
  expect(right.digest()).toEqual(left.digest());
});

test('[DB4] a dropped database is gone everywhere and comes back empty', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  await (await openDatabase(a)).write('c', 'x', { kind: 'replace', value: { v: 1 } });
  await replicate(a, b);
  await b.dropDatabase('app');
  expect(() => b.database('app')).toThrow(/no database/);
  await replicate(b, a);
  expect(a.databases()).toEqual([]);
  await a.createDatabase('app');
  expect(a.database('app').digest().documents).toBe(0);
});

test('[DB5] a collection keeps its configuration and can be dropped', async () => {
  const database = await openDatabase(await openReplica());
  expect(await database.configureCollection('c', { deletePolicy: 'delete-wins' })).toEqual({ created: true });
  await database.write('c', 'x', { kind: 'replace', value: {} });
  expect(database.collection('c')).toMatchObject({ documents: 1, deletePolicy: 'delete-wins', types: {} });
  await expect(database.configureCollection('c', { deletePolicy: 'never' })).rejects.toMatchObject({
    code: 'SYNC_CONFIG_INVALID',
    details: { path: '/deletePolicy' },
  });
  expect(await database.dropCollection('c')).toBe(1);
  expect(database.collection('c')).toBeNull();
});

test('[AE30] a first write travels as its JSON, and gives the same state everywhere', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  await left.write('c', 'x', { kind: 'replace', value: { b: [1, 'é'], a: { '10': 1, '9': 2 } } });
  await left.write('c', 'x', { kind: 'merge-patch', patch: { more: true } });
  await replicate(a, b);
  const [first] = (await b.engine.readLog(left.key, a.origin, 0, 1 << 20)) as Uint8Array[];
  const { first: content } = decodeBatch(first!).records[1] as UpdateRecord;
  expect(text(content?.json)).toEqual({ a: { '10': 1, '9': 2 }, b: [1, 'é'] });
  expect(b.database('app').digest()).toEqual(left.digest());
  expect(text((await b.database('app').get('c', 'x'))?.json)).toEqual(text((await left.get('c', 'x'))?.json));
});

test('[AE30] what follows a first write in its group, its commit or its refusal finds it there', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  const replace = { collection: 'c', change: { kind: 'replace', value: { n: 1 } } } as const;
  const patch = { collection: 'c', change: { kind: 'merge-patch', patch: { m: 2 } } } as const;
  const stale = { ...patch, id: 'group', ifMatch: ['"stale"'] };
  await expect(left.writeAll([{ ...replace, id: 'group' }, stale])).rejects.toMatchObject({ index: 1 });
  expect(await left.get('c', 'group')).toBeNull();
  await Promise.all([
    left.writeAll([
      { ...replace, id: 'group' },
      { ...patch, id: 'group' },
    ]),
    left.write('c', 'commit', replace.change),
    left.write('c', 'commit', patch.change),
  ]);
  await replicate(a, b);
  for (const id of ['group', 'commit']) {
    expect(text((await left.get('c', id))?.json)).toEqual({ n: 1, m: 2 });
    expect(text((await b.database('app').get('c', id))?.json)).toEqual({ n: 1, m: 2 });
  }
  expect(b.database('app').digest()).toEqual(left.digest());
});

test.each(['{"b":1,"a":2}', '{"a": 1}', '[1]', '{"a":[{}]}', '{"a":1e999}', '{', ''])(
  '[AE30] %s is not what a first write leaves, and its batch is refused',
  async (json) => {
    const a = await openReplica();
    const left = await openDatabase(a);
    const before = left.digest();
    const stranger = { origin: 2 ** 40 + 1, firstSeq: 1, stamp: 1, deps: [] };
    const content = { json: new TextEncoder().encode(json), stamp: 1, client: stranger.origin };
    const name = { kind: 'update', collection: 'c', id: 'x' } as const;
    const record = { ...name, update: new Uint8Array(), first: content, isAnew: true } as const;
    const batch = encodeBatch({ ...stranger, records: [record] }, GENESIS_CHAIN, portableSha256);
    await expect(a.engine.ingest(left.key, [batch])).rejects.toMatchObject({ code: 'SYNC_BATCH_MALFORMED' });
    expect(left.digest()).toEqual(before);
    expect(await left.get('c', 'x')).toBeNull();
  },
);

test('[AE32] what follows is merged while the batches before it are being persisted', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  await replicate(a, b);
  for (let i = 0; i < 3; i++) await left.write('c', `d${i}`, { kind: 'replace', value: { i } });
  const batches = (await a.engine.readLog(left.key, a.origin, 0, 1 << 20)) as Uint8Array[];
  const events: string[] = [];
  const results: Promise<unknown>[] = [];
  for (const [i, batch] of batches.entries()) {
    await new Promise<void>((resolve) => {
      const merged = (): void => {
        events.push(`merged ${i}`);
        resolve();
      };
      results.push(b.engine.ingest(left.key, [batch], merged).then(() => events.push(`durable ${i}`)));
    });
  }
  await Promise.all(results);
  expect(events.indexOf('merged 1')).toBeLessThan(events.indexOf('durable 0'));
  expect(b.database('app').digest()).toEqual(left.digest());
});

test('[AE43] what was opened to merge missed writes is not kept, and pushes nothing out of the cache', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  await left.write('c', 'live', { kind: 'replace', value: { i: 0 } });
  await replicate(a, b);
  const right = b.database('app');
  const kept = right.parts.table.cacheUsage().documents.entries;
  const missed = Array.from({ length: PORTION_DOCUMENTS }, (_, i) => `d${i}`);
  await Promise.all([...missed, 'live'].map((id) => left.write('c', id, { kind: 'replace', value: { i: 1 } })));
  await replicate(a, b);
  expect(right.parts.table.cacheUsage().documents.entries).toBe(kept);
  await right.write('c', 'd0', { kind: 'merge-patch', patch: { i: 2 } });
  await replicate(b, a);
  expect(right.digest()).toEqual(left.digest());
});

test('[QU71] a document that was read before it was merged is read as it is now', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  const ids = Array.from({ length: PORTION_DOCUMENTS }, (_, i) => `d${i}`);
  const writeAll = (i: number): Promise<unknown> =>
    Promise.all(ids.map((id) => left.write('c', id, { kind: 'replace', value: { i } })));
  await writeAll(0);
  await replicate(a, b);
  const right = b.database('app');
  right.releaseCache();
  for (const id of ids) expect(text((await right.get('c', id))!.json)).toEqual({ i: 0 });
  expect(right.parts.table.cacheUsage().views.entries).toBe(ids.length);
  await writeAll(1);
  await replicate(a, b);
  for (const id of ids) expect(text((await right.get('c', id))!.json)).toEqual({ i: 1 });
});

test('[DB9] a batch that cannot be merged leaves no trace, and changes under way in its documents survive', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const left = await openDatabase(a);
  await left.write('c', 'x', { kind: 'replace', value: { v: 1 } });
  await replicate(a, b);
  const before = left.digest();
  const stranger = { origin: 2 ** 40 + 1, firstSeq: 1, stamp: 1, deps: [] };
  const [first] = (await b.engine.readLog(left.key, a.origin, 0, 1 << 20)) as Uint8Array[];
  const good = decodeBatch(first!).records[1] as UpdateRecord;
  const bad = { kind: 'update', collection: 'c', id: 'y', update: Uint8Array.of(9, 9, 9) } as const;
  const batch = encodeBatch({ ...stranger, records: [{ ...good, id: 'x' }, bad] }, GENESIS_CHAIN, portableSha256);
  const write = left.write('c', 'x', { kind: 'merge-patch', patch: { w: 2 } });
  await expect(a.engine.ingest(left.key, [batch])).rejects.toMatchObject({ code: 'SYNC_BATCH_MALFORMED' });
  await write;
  expect(text((await left.get('c', 'x'))?.json)).toEqual({ v: 1, w: 2 });
  expect(await left.get('c', 'y')).toBeNull();
  expect(Object.keys(left.digest().vector)).toEqual(Object.keys(before.vector));
  await left.write('c', 'x', { kind: 'merge-patch', patch: { z: 3 } });
  await replicate(a, b);
  expect(b.database('app').digest()).toEqual(left.digest());
});

test('[DB4] the configurations of a dropped database go with it, everywhere, and others stay', async () => {
  const [a, b] = [await openReplica(), await openReplica()];
  const configurations = async (replica: Replica): Promise<string[]> => {
    const { items } = await replica.database('appendix').parts.system().list('collections', { limit: 10 });
    return items.map(({ id }) => id);
  };
  await (await openDatabase(a)).configureCollection('notes', { deletePolicy: 'delete-wins' });
  await a.createDatabase('appendix');
  await a.database('appendix').configureCollection('notes', {});
  await replicate(a, b);
  for (const name of ['app', 'appendix']) await b.createDatabase(name);
  expect(await configurations(b)).toEqual(['app.0/notes', 'appendix.0/notes']);
  await b.dropDatabase('app');
  await replicate(b, a);
  expect(await configurations(a)).toEqual(['appendix.0/notes']);
  await a.createDatabase('app');
  expect(a.database('app').collection('notes')).toBeNull();
});

test('[DB4] a database created elsewhere is listed when it can be used', async () => {
  let open: () => void = () => {};
  const opening = new Promise<void>((resolve) => (open = resolve));
  let isHeld = false;
  const store = new MemoryStore({ intercept: ({ type }) => (isHeld && type === 'range' ? opening : undefined) });
  const [a, b] = [await openReplica(), await openReplica(store)];
  await openDatabase(a);
  isHeld = true;
  const [origin] = a.engine.vector('_system.0').keys();
  const batches = await a.engine.readLog('_system.0', origin!, 0, 1 << 20);
  await b.engine.ingest('_system.0', batches as Uint8Array[]);
  const created = b.createDatabase('app');
  expect(b.databases()).toEqual([]);
  expect(() => b.database('app')).toThrow(expect.objectContaining({ code: 'SYNC_DATABASE_NOT_FOUND' }));
  open();
  expect(await created).toEqual({ created: false });
  expect(b.databases()).toEqual(['app']);
  expect(b.database('app').documents).toBe(0);
});
