/**
 * Races of the engine: what happens between the awaits of writes, ingest, snapshots, drops and closing.
 */
import { expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../../../sync/batch.ts';
import type { UpdateRecord } from '../../../sync/batch.ts';
import { rangeOf } from '../../../sync/key.ts';
import { MemoryStore, Replica, StorageError } from '../../../sync/index.ts';
import type { Database, StoreAccess } from '../../../sync/index.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { encodeSnapshotChunk } from '../../../sync/snapshot.ts';
import { GENESIS_CHAIN } from '../../../sync/version-vector.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

interface Gate {
  /** Holds or fails an access when it returns a promise or throws. */
  onAccess: (access: StoreAccess) => void | Promise<void>;
  /** Errors told to `onFailure`. */
  readonly failures: unknown[];
}

let seed = 100;

async function openGated(): Promise<{ replica: Replica; database: Database; gate: Gate; store: MemoryStore }> {
  const gate: Gate = { onAccess: () => {}, failures: [] };
  const store = new MemoryStore({ intercept: (access) => gate.onAccess(access) });
  const replica = await Replica.open({
    store,
    clock: new ManualClock(),
    timers: idleTimers,
    random: seededRandom(seed++),
    onFailure: (error) => gate.failures.push(error),
  });
  await replica.createDatabase('app');
  return { replica, database: replica.database('app'), gate, store };
}

/** Holds every access of a kind until `open` is called; `waiting` counts those held. */
function hold(gate: Gate, type: StoreAccess['type']): { readonly waiting: number; open(): void } {
  let release!: () => void;
  const opened = new Promise<void>((resolve) => (release = resolve));
  const held = { waiting: 0, open: release };
  gate.onAccess = (access) => {
    if (access.type !== type) return undefined;
    held.waiting++;
    return opened;
  };
  return held;
}

const put = (value: number) => ({ kind: 'replace', value: { value } }) as const;
const text = (bytes: Uint8Array | undefined): unknown => bytes && JSON.parse(new TextDecoder().decode(bytes));
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

/** What the store holds of the database with a number, or of all but the system database. */
async function keysOfUserDatabases(store: MemoryStore, number?: number): Promise<number> {
  let keys = 0;
  for (const kind of 'vljysg') {
    for await (const entries of store.range(rangeOf(kind, number))) {
      for (const [key] of entries) if (new DataView(key.slice().buffer).getUint32(1) > 1) keys++;
    }
  }
  return keys;
}

/** Documents that are stored and not in memory: what was never stored is not looked for. */
async function storeDocuments(replica: Replica, database: Database, ids: readonly string[]): Promise<void> {
  for (const id of ids) await database.write('c', id, put(0));
  replica.releaseCaches();
}

async function firstUpdate(replica: Replica, database: Database): Promise<UpdateRecord> {
  const [first] = (await replica.engine.readLog(database.key, replica.origin, 0, 1 << 20)) as Uint8Array[];
  return decodeBatch(first!).records[1] as UpdateRecord;
}

/** Moves what the other node wrote into its system database. */
async function replicateSystem(from: Replica, to: Replica): Promise<void> {
  const after = to.engine.vector('_system.0').get(from.origin)?.seq ?? 0;
  const batches = (await from.engine.readLog('_system.0', from.origin, after, 1 << 20)) as Uint8Array[];
  await to.engine.ingest('_system.0', batches);
}

/** A batch of a stranger: its first record repeats the first update here, its second is no update. */
async function unmergeable(replica: Replica, database: Database): Promise<Uint8Array> {
  const good = await firstUpdate(replica, database);
  const records = [good, { kind: 'update', collection: 'c', id: 'y', update: Uint8Array.of(9, 9, 9) } as const];
  const header = { origin: 2 ** 40 + 1, firstSeq: 1, stamp: 1, deps: [] };
  return encodeBatch({ ...header, records }, GENESIS_CHAIN, portableSha256);
}

test('[DB9] a batch that cannot be merged takes nothing of a change that waits for the next group', async () => {
  const { replica, database, gate } = await openGated();
  await database.write('c', 'x', put(1));
  const bad = await unmergeable(replica, database);
  const commits = hold(gate, 'batch');
  const running = database.write('c', 'other', put(1));
  await expect.poll(() => commits.waiting).toBe(1);
  const waiting = database.write('c', 'x', put(2));
  await turn();
  const { onAccess } = gate;
  gate.onAccess = (access) => (access.type === 'read' ? turn() : onAccess(access));
  await expect(replica.engine.ingest(database.key, [bad])).rejects.toMatchObject({ code: 'SYNC_BATCH_MALFORMED' });
  commits.open();
  await Promise.all([running, waiting]);
  expect(text((await database.get('c', 'x'))?.json)).toEqual({ value: 2 });
  await database.write('c', 'x', { kind: 'merge-patch', patch: { more: true } });
  expect(text((await database.get('c', 'x'))?.json)).toEqual({ value: 2, more: true });
});

test('[DB9] a damaged document in a snapshot is refused, and the node goes on', async () => {
  const { replica, database, gate } = await openGated();
  await database.write('c', 'x', put(1));
  const row = {
    collection: 'c',
    id: 'y',
    vector: new Map([[2 ** 40, 1]]),
    content: [Uint8Array.of(1, 1, 9, 0, 77, 1)] as const,
  };
  const chunk = encodeSnapshotChunk({
    begin: null,
    presence: null,
    until: new Uint8Array(),
    origins: new Map(),
    rows: [row],
  });
  const sink = replica.engine.receiveSnapshot(database.key);
  await sink.add(0, chunk);
  const vector = new Map([[2 ** 40, { seq: 1, chain: GENESIS_CHAIN }]]);
  await expect(sink.complete(vector)).rejects.toMatchObject({ code: 'SYNC_BATCH_MALFORMED' });
  expect(gate.failures).toEqual([]);
  expect(replica.engine.isMerging(database.key)).toBe(false);
  expect(replica.engine.vector(database.key).get(2 ** 40)).toBeUndefined();
  await database.write('c', 'x', put(2));
  await database.write('c', 'y', put(3));
  expect(text((await database.get('c', 'y'))?.json)).toEqual({ value: 3 });
});

test('[DB7] statistics show what is durable, and nothing of a commit that failed', async () => {
  const { database, gate } = await openGated();
  const commits = hold(gate, 'batch');
  const write = database.write('c', 'x', put(1));
  await expect.poll(() => commits.waiting).toBe(1);
  expect(database.digest().documents).toBe(0);
  expect(database.collections()).toEqual([]);
  commits.open();
  await write;
  expect(database.digest().documents).toBe(1);
  gate.onAccess = ({ type }) => {
    if (type === 'batch') throw new StorageError('STORAGE_IO', 'fsync failed');
  };
  await expect(database.write('c', 'y', put(1))).rejects.toMatchObject({ code: 'STORAGE_IO' });
  expect(database.info().documents).toBe(1);
});

test('[DB1] a refusal that rests on a change under way is told when that change is durable', async () => {
  const { database, gate } = await openGated();
  const commits = hold(gate, 'batch');
  const write = database.write('c', 'x', put(1));
  await expect.poll(() => commits.waiting).toBe(1);
  let isRefused = false;
  const second = database.write('c', 'x', put(2), { ifNoneMatch: '*' }).catch(() => (isRefused = true));
  await turn();
  expect(isRefused).toBe(false);
  commits.open();
  await Promise.all([write, second]);
  expect(isRefused).toBe(true);
});

test('[DB7] conflicts are told when they are durable', async () => {
  const { replica, database, gate } = await openGated();
  const { replica: other, database: elsewhere } = await openGated();
  await database.write('c', 'x', put(1));
  await elsewhere.write('c', 'x', put(2));
  const theirs = (await other.engine.readLog(elsewhere.key, other.origin, 0, 1 << 20)) as Uint8Array[];
  await replica.engine.ingest(database.key, theirs);
  const commits = { held: [] as (() => void)[] };
  gate.onAccess = ({ type }) => (type === 'batch' ? new Promise((resolve) => commits.held.push(resolve)) : undefined);
  const first = database.write('c', 'x', { kind: 'merge-patch', patch: { a: 1 } });
  await expect.poll(() => commits.held.length).toBe(1);
  const asked = database.conflicts('c', 'x');
  await turn();
  // The next group: what the question waits for.
  commits.held[0]!();
  await first;
  await expect.poll(() => commits.held.length).toBe(2);
  const solved = database.write('c', 'x', put(9));
  await turn();
  commits.held[1]!();
  expect(await asked).toHaveLength(1);
  await expect.poll(() => commits.held.length).toBe(3);
  commits.held[2]!();
  await solved;
  expect(await database.conflicts('c', 'x')).toEqual([]);
});

test('[DB13] a closing node takes nothing more from peers, and closing is no failure of storage', async () => {
  const { database, replica, gate } = await openGated();
  const { replica: other, database: elsewhere } = await openGated();
  await elsewhere.write('c', 'x', put(2));
  const theirs = (await other.engine.readLog(elsewhere.key, other.origin, 0, 1 << 20)) as Uint8Array[];
  const commits = hold(gate, 'batch');
  const write = database.write('c', 'x', put(1));
  await expect.poll(() => commits.waiting).toBe(1);
  const closing = replica.close();
  await expect(replica.engine.ingest(database.key, theirs)).rejects.toMatchObject({ code: 'SYNC_CLOSED' });
  commits.open();
  await Promise.all([write, closing]);
  expect(gate.failures).toEqual([]);
});

test('[DB13] a drop that meets the end of the node is no failure of storage', async () => {
  const { replica, gate } = await openGated();
  const { replica: other } = await openGated();
  await replica.createDatabase('second');
  await replicateSystem(replica, other);
  await turn();
  await other.dropDatabase('app');
  await other.dropDatabase('second');
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let isHeld = false;
  gate.onAccess = (access) => {
    isHeld ||= access.type === 'batch' && access.operations[0]?.key[0] === 'n'.charCodeAt(0);
    return isHeld ? opened : undefined;
  };
  await replicateSystem(other, replica);
  await expect.poll(() => isHeld).toBe(true);
  const closing = replica.close();
  await turn();
  open();
  await closing;
  await turn();
  expect(gate.failures).toEqual([]);
});

test('[DB4] batches that arrive while their database is dropped leave nothing behind', async () => {
  const { database, replica, gate, store } = await openGated();
  const { replica: other, database: elsewhere } = await openGated();
  await elsewhere.write('c', 'x', put(2));
  const theirs = (await other.engine.readLog(elsewhere.key, other.origin, 0, 1 << 20)) as Uint8Array[];
  await storeDocuments(replica, database, ['x']);
  const reads = hold(gate, 'read');
  const ingest = replica.engine.ingest(database.key, theirs);
  await expect.poll(() => reads.waiting).toBeGreaterThan(0);
  replica.dropDatabase('app').catch(() => undefined);
  await turn();
  reads.open();
  gate.onAccess = () => {};
  await ingest;
  await expect.poll(() => replica.engine.databases()).toEqual(['_system.0']);
  await turn();
  expect(await keysOfUserDatabases(store)).toBe(0);
});

test('[DB4] a database that is dropped while it is being opened is removed', async () => {
  const { replica, gate, store } = await openGated();
  const { replica: other, database: elsewhere } = await openGated();
  await other.dropDatabase('app');
  await other.createDatabase('app');
  await other.database('app').write('c', 'x', put(1));
  const theirs = (await other.engine.readLog('app.1', other.origin, 0, 1 << 20)) as Uint8Array[];
  await other.dropDatabase('app');
  const system = (await other.engine.readLog('_system.0', other.origin, 0, 1 << 20)) as Uint8Array[];
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  gate.onAccess = (access) => {
    const isStatistics = access.type === 'range' && access.gte[0] === 's'.charCodeAt(0);
    return isStatistics ? opened : undefined;
  };
  const ingest = replica.engine.ingest('app.1', theirs);
  await turn();
  await replica.engine.ingest('_system.0', system);
  open();
  await ingest;
  await expect.poll(() => replica.engine.databases()).toEqual(['_system.0']);
  await turn();
  expect(await keysOfUserDatabases(store)).toBe(0);
  expect(elsewhere.name).toBe('app');
});

test('[DB4] a dropped database is removed while others are written without pause', async () => {
  const { replica, database, gate, store } = await openGated();
  await database.write('c', 'x', put(1));
  await replica.createDatabase('busy');
  const busy = replica.database('busy');
  gate.onAccess = ({ type }) => (type === 'batch' ? turn() : undefined);
  const writes: Promise<unknown>[] = [];
  let isOver = false;
  const writer = (async () => {
    for (let i = 0; !isOver; i++) {
      writes.push(busy.write('c', `d${i}`, put(i)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  await replica.dropDatabase('app');
  await expect.poll(() => keysOfUserDatabases(store, 2), { timeout: 2000 }).toBe(0);
  isOver = true;
  await Promise.all([writer, ...writes]);
});

test('[DB14] a document that could not be read once can be written later', async () => {
  const { database, replica, gate } = await openGated();
  const { replica: other, database: elsewhere } = await openGated();
  await elsewhere.write('c', 'fast', put(1));
  await elsewhere.write('c', 'slow', put(1));
  const theirs = (await other.engine.readLog(elsewhere.key, other.origin, 0, 1 << 20)) as Uint8Array[];
  await storeDocuments(replica, database, ['fast', 'slow']);
  let fail!: (error: Error) => void;
  gate.onAccess = (access) => {
    if (access.type !== 'read') return undefined;
    if (new TextDecoder().decode(access.keys[0]).endsWith('fast')) throw new StorageError('STORAGE_IO', 'bits');
    return new Promise((_, reject) => (fail = reject));
  };
  await expect(replica.engine.ingest(database.key, theirs)).rejects.toMatchObject({ code: 'STORAGE_IO' });
  fail(new StorageError('STORAGE_IO', 'read failed'));
  await turn();
  gate.onAccess = () => {};
  await database.write('c', 'slow', put(2));
  expect(text((await database.get('c', 'slow'))?.json)).toEqual({ value: 2 });
});

test('[ST16] a record does not keep the bytes of its batch in memory', async () => {
  const { replica, database } = await openGated();
  await database.write('c', 'x', put(1));
  const { update } = await firstUpdate(replica, database);
  expect(update.buffer.byteLength).toBe(update.byteLength);
});

test('[DB5] a collection dropped twice at once is dropped', async () => {
  const { database } = await openGated();
  await database.configureCollection('c', { deletePolicy: 'delete-wins' });
  await database.write('c', 'x', put(1));
  const dropped = await Promise.all([database.dropCollection('c'), database.dropCollection('c')]);
  expect(dropped[0]! + dropped[1]!).toBe(1);
  expect(database.collection('c')).toBeNull();
});
