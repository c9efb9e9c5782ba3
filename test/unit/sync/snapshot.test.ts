/**
 * Snapshots between engines: what they show while they come in, what a crash leaves of them, and of which moment they are.
 */
import { expect, test } from 'vitest';
import type { HeldPart } from '../../../sync/engine.ts';
import { rangeOf } from '../../../sync/key.ts';
import { MemoryStore, Replica, StorageError } from '../../../sync/index.ts';
import type { Database, StoreAccess } from '../../../sync/index.ts';
import type { FirstContent } from '../../../sync/document-record.ts';
import { decodeSnapshotChunk, encodeSnapshotChunk } from '../../../sync/snapshot.ts';
import { decodeStagedChunk, rowOfView } from '../../../sync/staged-chunk.ts';
import type { StagedChunk } from '../../../sync/staged-chunk.ts';
import { sequenceOf } from '../../../sync/version-vector.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

const KEY = 'app.0';
let seed = 500;

function openReplica(store: MemoryStore = new MemoryStore()): Promise<Replica> {
  const snapshot = { atomicBytesMax: 0 };
  return Replica.open({ store, clock: new ManualClock(), timers: idleTimers, random: seededRandom(seed++), snapshot });
}

async function openDatabase(replica: Replica): Promise<Database> {
  await replica.createDatabase('app');
  return replica.database('app');
}

const put = (value: number) => ({ kind: 'replace', value: { value, text: 'x'.repeat(2000) } }) as const;
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

/** A node with enough documents for several chunks. */
async function openDonor(documents = 300): Promise<{ donor: Replica; database: Database }> {
  const donor = await openReplica();
  const database = await openDatabase(donor);
  await Promise.all(Array.from({ length: documents }, (_, i) => database.write('c', `d${i}`, put(i))));
  return { donor, database };
}

async function chunksFor(donor: Replica, receiver: Replica) {
  const source = await donor.engine.snapshot(KEY, receiver.engine.vector(KEY));
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.chunks()) chunks.push(chunk);
  await source.close();
  return { vector: source.vector, chunks };
}

async function countKeys(store: MemoryStore, kinds: string): Promise<number> {
  let keys = 0;
  for (const kind of kinds) for await (const entries of store.range(rangeOf(kind))) keys += entries.length;
  return keys;
}

test('[AE14] of a snapshot nothing shows before it is whole, and what nobody can go on from is removed', async () => {
  const { donor } = await openDonor();
  const store = new MemoryStore();
  const receiver = await openReplica(store);
  const database = await openDatabase(receiver);
  const { vector, chunks } = await chunksFor(donor, receiver);
  expect(chunks.length).toBeGreaterThan(3);
  const sink = receiver.engine.receiveSnapshot(KEY);
  for (const [index, chunk] of chunks.slice(0, -1).entries()) await sink.add(index, chunk);
  expect(database.documents).toBe(0);
  expect(receiver.engine.vector(KEY).size).toBe(0);
  expect(receiver.status().databases[0]!.snapshot).toMatchObject({ phase: 'receiving', documentsTotal: 300 });
  // Without its first chunk a stage is of no use.
  const useless = receiver.engine.receiveSnapshot(KEY);
  await useless.add(1, chunks[1]!);
  await useless.close();
  await useless.add(2, chunks[2]!);
  await useless.complete(vector);
  expect(await countKeys(store, 'c')).toBe(chunks.length - 1);
  const afterCrash = store.crash();
  const again = await openReplica(afterCrash);
  expect(again.database('app').documents).toBe(0);
  expect(again.engine.isMerging(KEY)).toBe(false);
  expect(again.engine.vector(KEY).size).toBe(0);
  // It is filled by other ways meanwhile.
  const log = (await donor.engine.readLog(KEY, donor.origin, 0, 1 << 24)) as Uint8Array[];
  await again.engine.ingest(KEY, log);
  await again.engine.receiveSnapshot(KEY).close();
  expect(await countKeys(afterCrash, 'cti')).toBe(0);
});

/** What a node answers to somebody who asks for a snapshot and says what it holds: names and whether it goes on. */
async function askFor(donor: Replica, sink: { readonly held: readonly HeldPart[] }) {
  const source = await donor.engine.snapshot(KEY, new Map(), sink.held);
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.chunks()) chunks.push(chunk);
  await source.close();
  const decoded = chunks.map(decodeSnapshotChunk);
  const ids = decoded.flatMap(({ rows }) => rows.map(({ id }) => id));
  return { vector: source.vector, chunks, ids, continues: decoded[0]!.begin!.continues };
}

test('[AE20] a snapshot that broke off is gone on with, also by another donor and after a crash of the receiver', async () => {
  const { donor, database: theirs } = await openDonor(700);
  const other = await openReplica();
  await openDatabase(other);
  await copy(donor, other);
  const store = new MemoryStore();
  let receiver = await openReplica(store);
  await openDatabase(receiver);
  const first = receiver.engine.receiveSnapshot(KEY);
  expect(first.held).toEqual([]);
  const whole = await askFor(donor, first);
  expect(whole.ids).toHaveLength(700);
  const half = whole.chunks.length >> 1;
  for (const [index, chunk] of whole.chunks.slice(0, half).entries()) await first.add(index, chunk);
  const staged = whole.chunks.slice(0, half).flatMap((chunk) => decodeSnapshotChunk(chunk).rows.map(({ id }) => id));
  // Changes behind and before the point where it broke off.
  await theirs.write('c', staged[0]!, put(-1));
  await theirs.write('c', whole.ids.at(-1)!, put(-2));
  await copy(donor, other);
  const survivor = store.crash();
  receiver = await openReplica(survivor);
  const second = receiver.engine.receiveSnapshot(KEY);
  expect(second.held).toHaveLength(1);
  const rest = await askFor(other, second);
  expect(rest.continues).toBe(true);
  expect(rest.ids.sort()).toEqual([staged[0]!, ...whole.ids.filter((id) => !staged.includes(id))].sort());
  // It breaks off once more, at its first full chunk.
  for (const [index, chunk] of rest.chunks.slice(0, 2).entries()) await second.add(index, chunk);
  await second.close();
  const third = receiver.engine.receiveSnapshot(KEY);
  const last = await askFor(donor, third);
  expect(last.continues).toBe(true);
  expect(last.ids.length).toBeLessThan(rest.ids.length);
  for (const [index, chunk] of last.chunks.entries()) await third.add(index, chunk);
  await third.complete(last.vector);
  expect(receiver.database('app').digest()).toEqual(theirs.digest());
  expect(await countKeys(survivor, 'cti')).toBe(0);
});

test('[AE20] a donor that lacks what was given before begins anew, and what reached further stays until that is whole', async () => {
  const { donor } = await openDonor(600);
  const behind = await openReplica();
  await openDatabase(behind);
  await copy(donor, behind);
  await donor.database('app').write('c', 'd7', put(-1));
  const store = new MemoryStore();
  const receiver = await openReplica(store);
  await openDatabase(receiver);
  const first = receiver.engine.receiveSnapshot(KEY);
  const { chunks } = await askFor(donor, first);
  for (const [index, chunk] of chunks.slice(0, 4).entries()) await first.add(index, chunk);
  await first.close();
  const second = receiver.engine.receiveSnapshot(KEY);
  const anew = await askFor(behind, second);
  expect(anew.continues).toBe(false);
  expect(anew.ids).toHaveLength(600);
  for (const [index, chunk] of anew.chunks.slice(0, 2).entries()) await second.add(index, chunk);
  await second.close();
  expect(await countKeys(store, 'c')).toBe(4);
  const third = receiver.engine.receiveSnapshot(KEY);
  expect((await askFor(donor, third)).continues).toBe(true);
  for (const [index, chunk] of anew.chunks.entries()) await third.add(index, chunk);
  await third.complete(anew.vector);
  expect(receiver.database('app').digest()).toEqual(behind.database('app').digest());
  expect(await countKeys(store, 'cti')).toBe(0);
});

async function copy(from: Replica, to: Replica): Promise<void> {
  const { vector, chunks } = await chunksFor(from, to);
  const sink = to.engine.receiveSnapshot(KEY);
  for (const [index, chunk] of chunks.entries()) await sink.add(index, chunk);
  await sink.complete(vector);
}

test('[AE15] a merge that a crash interrupts at any commit is finished after the start', async () => {
  const { donor, database: theirs } = await openDonor(150);
  for (let failAt = 1; ; failAt++) {
    let commits = -1;
    let survivor: MemoryStore | null = null;
    const store: MemoryStore = new MemoryStore({
      intercept: (access: StoreAccess) => {
        if (access.type !== 'batch' || !access.sync || commits < 0 || ++commits !== failAt) return undefined;
        survivor = store.crash(0, {});
        return new Promise(() => undefined);
      },
    });
    const receiver = await openReplica(store);
    await openDatabase(receiver);
    const { vector, chunks } = await chunksFor(donor, receiver);
    const sink = receiver.engine.receiveSnapshot(KEY);
    for (const [index, chunk] of chunks.entries()) await sink.add(index, chunk);
    commits = 0;
    let isDone = false;
    // What the process that crashed still tries fails.
    sink.complete(vector).then(
      () => (isDone = true),
      () => undefined,
    );
    await expect.poll(() => isDone || survivor !== null).toBe(true);
    if (isDone) {
      // The intention, every chunk in one commit or several, the vector.
      expect(failAt).toBeGreaterThanOrEqual(chunks.length + 3);
      expect(receiver.database('app').digest()).toEqual(theirs.digest());
      break;
    }
    expect(await countKeys(survivor!, 'i')).toBe(failAt === 1 ? 0 : 1);
    const again = await openReplica(survivor!);
    if (failAt === 1) {
      expect(again.database('app').documents).toBe(0);
      expect(await countKeys(survivor!, 'i')).toBe(0);
      continue;
    }
    await expect.poll(() => again.engine.isMerging(KEY)).toBe(false);
    expect(again.database('app').digest()).toEqual(theirs.digest());
    expect(await countKeys(survivor!, 'cti')).toBe(0);
  }
});

test('[AE15] a write during the merge is taken, and stands on what the vector will say', async () => {
  const { donor, database: theirs } = await openDonor(300);
  let reads = -1_000;
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const store = new MemoryStore({
    intercept: (access) => {
      // The fourth: the first looks how much there is; two chunks are merged then, of which the first holds no documents.
      const isChunk = access.type === 'read' && access.keys[0]![0] === 'c'.charCodeAt(0);
      return isChunk && ++reads === 4 ? opened : undefined;
    },
  });
  const receiver = await openReplica(store);
  const ours = await openDatabase(receiver);
  const { vector, chunks } = await chunksFor(donor, receiver);
  const sink = receiver.engine.receiveSnapshot(KEY);
  for (const [index, chunk] of chunks.entries()) await sink.add(index, chunk);
  let moved = 0;
  receiver.engine.onDurable((_, batches) => void (moved += batches.length === 0 ? 1 : 0));
  reads = 0;
  const completed = sink.complete(vector);
  await expect.poll(() => reads).toBe(4);
  expect(receiver.status().databases[0]!.merging).toBe(true);
  expect(ours.documents).toBeGreaterThan(0);
  let isGiven = false;
  const given = receiver.engine.snapshot(KEY, new Map()).then((source) => {
    isGiven = true;
    return source;
  });
  const [id] = (await ours.list('c', { limit: 1 })).items.map((item) => item.id);
  await ours.write('c', id!, { kind: 'merge-patch', patch: { more: true } });
  expect(isGiven).toBe(false);
  expect(moved).toBe(0);
  open();
  await completed;
  expect(moved).toBe(1);
  const source = await given;
  expect(sequenceOf(source.vector, donor.origin)).toBe(sequenceOf(vector, donor.origin));
  const batches = await receiver.engine.readLog(KEY, receiver.origin, 0, 1 << 20);
  expect(await donor.engine.ingest(KEY, batches as Uint8Array[])).toEqual([{ outcome: 'applied' }]);
  expect(ours.digest()).toEqual(theirs.digest());
});

test('[AE16] a snapshot is of one moment: no document in it is newer than its vector', async () => {
  const commits: (() => void)[] = [];
  let isHeld = false;
  const store = new MemoryStore({
    intercept: ({ type }) => (isHeld && type === 'batch' ? new Promise((resolve) => commits.push(resolve)) : undefined),
  });
  const donor = await openReplica(store);
  const database = await openDatabase(donor);
  await database.write('c', 'x', put(1));
  isHeld = true;
  const second = database.write('c', 'x', put(2));
  await expect.poll(() => commits.length).toBe(1);
  const asked = donor.engine.snapshot(KEY, new Map());
  const third = database.write('c', 'x', put(3));
  await turn();
  commits.shift()!();
  await second;
  const source = await asked;
  await expect.poll(() => commits.length).toBe(1);
  commits.shift()!();
  await third;
  let rows = 0;
  for await (const chunk of source.chunks()) {
    for (const row of decodeSnapshotChunk(chunk).rows) {
      rows++;
      for (const [origin, seq] of row.vector) expect(seq).toBe(sequenceOf(source.vector, origin));
    }
  }
  expect(rows).toBe(1);
  // The origin record and two writes.
  expect(sequenceOf(source.vector, donor.origin)).toBe(3);
});

test('[AE16] a snapshot is given while nothing is written, and refused once storage failed', async () => {
  const { donor } = await openDonor(3);
  expect(sequenceOf((await donor.engine.snapshot(KEY, new Map())).vector, donor.origin)).toBe(4);
  expect((await donor.engine.snapshot('none.0', new Map())).vector.size).toBe(0);
  await donor.close();
  await expect(donor.engine.snapshot(KEY, new Map())).rejects.toMatchObject({ code: 'SYNC_CLOSED' });
});

test('[AE15] a document that cannot be read here holds the merge up until it is given back, and no longer', async () => {
  const { donor, database: theirs } = await openDonor(20);
  let isDamaged = false;
  const store = new MemoryStore({
    intercept: (access) => {
      const isView = access.type === 'read' && new TextDecoder().decode(access.keys[0]).endsWith('c\0d7');
      if (isView && isDamaged) throw new StorageError('STORAGE_CORRUPT', 'bits');
    },
  });
  let receiver = await openReplica(store);
  await (await openDatabase(receiver)).write('c', 'd7', put(-1));
  // Without it in memory.
  await receiver.close();
  const left = store.crash();
  receiver = await openReplica(left);
  const { vector, chunks } = await chunksFor(donor, receiver);
  const sink = receiver.engine.receiveSnapshot(KEY);
  for (const [index, chunk] of chunks.entries()) await sink.add(index, chunk);
  isDamaged = true;
  let isDone = false;
  const completed = sink.complete(vector).then(() => (isDone = true));
  await turn();
  expect(isDone).toBe(false);
  expect(receiver.engine.isMerging(KEY)).toBe(true);
  isDamaged = false;
  receiver.database('app').quarantine.release({ collection: 'c', id: 'd7' });
  await completed;
  const batches = await receiver.engine.readLog(
    KEY,
    [...receiver.engine.vector(KEY).keys()].find((origin) => origin !== donor.origin)!,
    0,
    1 << 20,
  );
  await donor.engine.ingest(KEY, batches as Uint8Array[]);
  expect(receiver.database('app').digest()).toEqual(theirs.digest());
});

test('[AE34] what a snapshot puts in place shows when it is durable, and who opens it before builds on it', async () => {
  const { donor, database: theirs } = await openDonor(300);
  const held: (() => void)[] = [];
  let isHolding = false;
  const store = new MemoryStore({
    intercept: (access) => {
      return access.type === 'batch' && isHolding ? new Promise<void>((resolve) => held.push(resolve)) : undefined;
    },
  });
  const receiver = await openReplica(store);
  const ours = await openDatabase(receiver);
  const { vector, chunks } = await chunksFor(donor, receiver);
  const sink = receiver.engine.receiveSnapshot(KEY);
  for (const [index, chunk] of chunks.entries()) await sink.add(index, chunk);
  const completed = sink.complete(vector);
  const { table } = ours.parts;
  // The first documents are placed, and their commit is under way.
  const mayPlace = table.mayPlace.bind(table);
  let placed = '';
  table.mayPlace = (name, key) => {
    const may = mayPlace(name, key);
    if (may && placed === '') {
      placed = name.slice(name.indexOf('\0') + 1);
      isHolding = true;
    }
    return may;
  };
  await expect.poll(() => held.length).toBeGreaterThan(0);
  const written = ours.write('c', placed, { kind: 'merge-patch', patch: { more: true } });
  await turn();
  expect(await ours.get('c', placed)).toBeNull();
  isHolding = false;
  for (const resolve of held) resolve();
  await Promise.all([written, completed]);
  const batches = await receiver.engine.readLog(KEY, receiver.origin, 0, 1 << 20);
  await donor.engine.ingest(KEY, batches as Uint8Array[]);
  expect(ours.digest()).toEqual(theirs.digest());
  expect(JSON.parse(new TextDecoder().decode((await theirs.get('c', placed))?.json))).toMatchObject({ more: true });
  expect(await ours.get('c', placed)).toEqual(await theirs.get('c', placed));
});

test('[AE64] documents of a snapshot are kept aside as they will be stored, and checked before that', async () => {
  const { donor, database: theirs } = await openDonor(3);
  await theirs.write('c', 'd2', put(7));
  const store = new MemoryStore();
  const receiver = await openReplica(store);
  const ours = await openDatabase(receiver);
  const { vector, chunks } = await chunksFor(donor, receiver);
  const { rows } = decodeSnapshotChunk(chunks[1]!);
  const first = rows[0]!;
  for (const json of ['{"b":1,"a":2}', '{"a": 1}', '[]', '{"a":01}']) {
    const content = { ...(first.content as FirstContent), json: new TextEncoder().encode(json) };
    const bad = encodeSnapshotChunk({ ...decodeSnapshotChunk(chunks[1]!), rows: [{ ...first, content }] });
    const refused = receiver.engine.receiveSnapshot(KEY);
    await expect(refused.add(1, bad)).rejects.toMatchObject({ code: 'CRDT_UPDATE_MALFORMED' });
    await refused.close();
  }
  const sink = receiver.engine.receiveSnapshot(KEY);
  for (const [index, chunk] of chunks.entries()) await sink.add(index, chunk);
  const kept: StagedChunk[] = [];
  for await (const entries of store.range(rangeOf('c')))
    kept.push(...entries.map(([, value]) => decodeStagedChunk(value)));
  const views = kept.flatMap((chunk) => chunk.views);
  expect(kept.flatMap((chunk) => chunk.rows.map(({ id }) => id))).toEqual(['d2']);
  expect(views.map(rowOfView).map(({ id }) => id)).toEqual(['d0', 'd1']);
  await sink.complete(vector);
  for (const { key, value } of views) expect(await store.get(key)).toEqual(value);
  expect(ours.digest()).toEqual(theirs.digest());
});
