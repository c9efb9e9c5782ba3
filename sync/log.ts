/**
 * @module
 * Owns the log of one database: local records on their way into batches, remote batches in sequence, and the version vector
 * that covers both. Two vectors exist: *pending* includes what the open commit groups hold, *durable* is what anybody outside
 * may know (I1, I3).
 */
import { assert } from '../crdt/index.ts';
import type { BatchHeader, LogRecord } from './batch.ts';
import { decodeBatchHeader, encodeBatch, lastSeqOf, verifyChain } from './batch.ts';
import type { DurableBatch, OriginId, SequenceRange } from './engine.ts';
import { SyncError } from './errors.ts';
import type { Epoch } from './identity.ts';
import { floorOriginOf, logKey, logRange, rangeOf, vectorKey, vectorOriginOf } from './key.ts';
import type { Sha256, Store, StoreOperation } from './port.ts';
import { CHAIN_BYTES, GENESIS_CHAIN, join, sequenceOf } from './version-vector.ts';
import type { VectorEntry, VersionVector } from './version-vector.ts';

/** Local records are split into batches of about this size, so that one never fills a frame. */
const BATCH_BYTES_TARGET = 64 * 1024;
/** … and this many records, because a receiver merges a batch in one go and its clients wait meanwhile. */
const BATCH_RECORDS_MAX = 128;

export interface SealedLog {
  readonly operations: readonly StoreOperation[];
  readonly batches: readonly DurableBatch[];
  readonly vector: VersionVector;
}

/** A position in the log of an origin, and the bytes of all batches up to it that were ever held here. */
export interface LogFloor extends VectorEntry {
  readonly bytes: number;
}

const NOT_CUT: LogFloor = { seq: 0, chain: GENESIS_CHAIN, bytes: 0 };

interface StoredLog {
  readonly vector: VersionVector;
  readonly added: Map<OriginId, number>;
  readonly floors: Map<OriginId, LogFloor>;
}

export interface DatabaseLogOptions {
  readonly store: Store;
  readonly db: number;
  /** Who local records are written as. */
  readonly epoch: Epoch;
  readonly sha256: Sha256;
}

export class DatabaseLog {
  readonly #store: Store;
  readonly #db: number;
  readonly #epoch: Epoch;
  /** Our origin as of the last local record or the last look at the epoch. */
  #origin: OriginId;
  readonly #sha256: Sha256;
  #durable: VersionVector;
  readonly #pending: Map<number, VectorEntry>;
  #records: LogRecord[] = [];
  /** Index of the first record of a group → index after its last: a group is never split. */
  #groups = new Map<number, number>();
  #batches: DurableBatch[] = [];
  /** Origins whose entry moved since the last vector write. */
  #moved = new Set<OriginId>();
  /** What our next batch depends on: every remote position we saw since our last one. */
  #deps = new Map<OriginId, number>();
  /** A record of the open batch begins a document anew: the batch says exactly what its author had seen. */
  #isAnew = false;
  #nextSeq: number;
  /** Bytes of batches that were ever added, by origin. */
  readonly #added: Map<OriginId, number>;
  readonly #floors: Map<OriginId, LogFloor>;

  private constructor({ store, db, epoch, sha256 }: DatabaseLogOptions, stored: StoredLog) {
    const { vector } = stored;
    this.#added = stored.added;
    this.#floors = stored.floors;
    this.#store = store;
    this.#db = db;
    this.#epoch = epoch;
    this.#origin = epoch.origin;
    this.#sha256 = sha256;
    this.#durable = vector;
    this.#pending = new Map(vector);
    this.#nextSeq = 1;
    this.#beginEpoch();
  }

  /** A new epoch has seen all its predecessors have: without this its first write could arrive before what it edits. */
  #beginEpoch(): void {
    this.#origin = this.#epoch.origin;
    this.#nextSeq = sequenceOf(this.#pending, this.#origin) + 1;
    this.#requireAll();
  }

  #requireAll(): void {
    for (const [other, { seq }] of this.#pending) if (other !== this.#origin) this.#require(other, seq);
  }

  /**
   * Follows the epoch before anything is added: what waits in the open group stays what it was written as.
   *
   * @returns The origin of the next local record.
   */
  followEpoch(stamp: number): OriginId {
    if (this.#epoch.origin !== this.#origin) {
      this.#sealRecords(stamp);
      this.#beginEpoch();
    }
    return this.#origin;
  }

  static async open(options: DatabaseLogOptions): Promise<DatabaseLog> {
    const { store, db } = options;
    const vector = new Map<OriginId, VectorEntry>();
    const added = new Map<OriginId, number>();
    for await (const entries of store.range(rangeOf('v', db))) {
      for (const [key, value] of entries) {
        const { bytes, ...entry } = decodePosition(value);
        vector.set(vectorOriginOf(key), entry);
        added.set(vectorOriginOf(key), bytes);
      }
    }
    const floors = new Map<OriginId, LogFloor>();
    for await (const entries of store.range(rangeOf('f', db))) {
      for (const [key, value] of entries) floors.set(floorOriginOf(key), decodePosition(value));
    }
    return new DatabaseLog(options, { vector, added, floors });
  }

  /** True for what only a process that is not this one can have written as this epoch. */
  isForeign(header: BatchHeader): boolean {
    return (
      header.origin === this.#epoch.origin &&
      lastSeqOf(header) >= (this.#epoch.origin === this.#origin ? this.#nextSeq : 1)
    );
  }

  /** Bytes of all batches held. */
  get bytes(): number {
    let bytes = 0;
    for (const origin of this.#added.keys()) bytes += this.bytesOf(origin);
    return bytes;
  }

  /** Bytes of the batches of an origin. */
  bytesOf(origin: OriginId): number {
    return (this.#added.get(origin) ?? 0) - this.floorOf(origin).bytes;
  }

  /** Up to where the log of an origin was cut. */
  floorOf(origin: OriginId): LogFloor {
    return this.#floors.get(origin) ?? NOT_CUT;
  }

  /** The oldest batches of an origin, about `bytesMax` bytes, none with a record after `limit`. */
  async oldest(origin: OriginId, limit: number, bytesMax: number): Promise<readonly Uint8Array[]> {
    const batches: Uint8Array[] = [];
    let bytes = 0;
    const lastSeq = Math.min(limit, sequenceOf(this.#durable, origin));
    const range = logRange(this.#db, origin, this.floorOf(origin).seq + 1, lastSeq + 1);
    for await (const entries of this.#store.range(range)) {
      for (const [, value] of entries) {
        if (lastSeqOf(decodeBatchHeader(value)) > lastSeq) return batches;
        batches.push(value);
        bytes += value.length;
        if (bytes >= bytesMax) return batches;
      }
    }
    return batches;
  }

  /** The log was cut there, durably. */
  noteCut(origin: OriginId, floor: LogFloor): void {
    this.#floors.set(origin, floor);
  }

  get durableVector(): VersionVector {
    return this.#durable;
  }

  /** Is a position held, durably? Also that of an origin which the vector lists no more, because all members have all of it. */
  covers(origin: OriginId, seq: number): boolean {
    return sequenceOf(this.#durable, origin) >= seq;
  }

  /**
   * Adds a local record to the open group.
   *
   * @param requires - Versions the record builds on that may run ahead of our vector (documents from a snapshot).
   * @returns Its sequence number.
   */
  append(record: LogRecord, requires: ReadonlyMap<OriginId, number>): number {
    if (this.#nextSeq === 1 && this.#records.length === 0) this.#push({ kind: 'origin', nodeId: this.#epoch.nodeId });
    for (const [origin, seq] of requires) {
      if (origin !== this.#origin && seq > sequenceOf(this.#pending, origin)) this.#require(origin, seq);
    }
    if (record.kind === 'update' && record.isAnew === true) this.#isAnew = true;
    return this.#push(record);
  }

  /** Runs something synchronous whose records belong together: they travel in one batch, and so are applied as one everywhere. */
  group<T>(append: () => T): T {
    const start = this.#records.length;
    const result = append();
    if (this.#records.length > start + 1) this.#groups.set(start, this.#records.length);
    return result;
  }

  #push(record: LogRecord): number {
    this.#records.push(record);
    return this.#nextSeq++;
  }

  #require(origin: OriginId, seq: number): void {
    this.#deps.set(origin, Math.max(seq, this.#deps.get(origin) ?? 0));
  }

  /**
   * What keeps a remote batch from being applied now: `'duplicate'`, missing ranges, or `null` when it is next.
   *
   * @throws SyncError `SYNC_CHAIN_FORKED` when it does not follow the bytes we hold of its origin.
   */
  classify(header: BatchHeader, bytes: Uint8Array): 'duplicate' | readonly SequenceRange[] | null {
    const held = this.#pending.get(header.origin);
    const seq = held?.seq ?? 0;
    if (lastSeqOf(header) <= seq) return 'duplicate';
    const missing: SequenceRange[] = [];
    if (header.firstSeq > seq + 1) missing.push({ origin: header.origin, from: seq + 1, to: header.firstSeq - 1 });
    for (const [origin, needed] of header.deps) {
      const have = sequenceOf(this.#pending, origin);
      if (have < needed) missing.push({ origin, from: have + 1, to: needed });
    }
    if (missing.length > 0) return missing;
    if (header.firstSeq !== seq + 1 || !verifyChain(bytes, held?.chain ?? GENESIS_CHAIN, this.#sha256)) {
      throw new SyncError('SYNC_CHAIN_FORKED', `Origin ${header.origin} does not continue the history held here.`, {
        details: { origin: header.origin, seq },
      });
    }
    return null;
  }

  /** To be called before anything of others is seen. */
  separate(stamp: number): void {
    if (this.#isAnew) this.#sealRecords(stamp);
  }

  /** Adds a remote batch, which `classify` found to be next, to the open group. */
  accept(header: BatchHeader, bytes: Uint8Array): void {
    assert(header.origin !== this.#origin || header.firstSeq >= this.#nextSeq, 'our own epoch is written only here');
    this.#move(header.origin, { seq: lastSeqOf(header), chain: header.chain });
    this.#require(header.origin, lastSeqOf(header));
    this.#batches.push({ origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes });
  }

  /** Joins a donor's vector after its snapshot was applied. */
  adopt(vector: VersionVector): void {
    for (const [origin, entry] of join(this.#pending, vector)) {
      if (sequenceOf(this.#pending, origin) === entry.seq) continue;
      this.#move(origin, entry);
      this.#require(origin, entry.seq);
    }
  }

  #move(origin: OriginId, entry: VectorEntry): void {
    this.#pending.set(origin, entry);
    this.#moved.add(origin);
  }

  /** Turns what was added since the last call into store operations. */
  seal(stamp: number): SealedLog {
    this.#sealRecords(stamp);
    const operations: StoreOperation[] = this.#batches.map(({ origin, firstSeq, bytes }) => ({
      type: 'put',
      key: logKey(this.#db, origin, firstSeq),
      value: bytes,
    }));
    for (const { origin, bytes } of this.#batches) {
      this.#added.set(origin, (this.#added.get(origin) ?? 0) + bytes.length);
    }
    for (const origin of this.#moved) {
      const value = encodePosition({ ...this.#pending.get(origin)!, bytes: this.#added.get(origin) ?? 0 });
      operations.push({ type: 'put', key: vectorKey(this.#db, origin), value });
    }
    const batches = this.#batches;
    this.#batches = [];
    this.#moved = new Set();
    return { operations, batches, vector: new Map(this.#pending) };
  }

  #sealRecords(stamp: number): void {
    const isAnew = this.#isAnew;
    this.#isAnew = false;
    let start = 0;
    while (start < this.#records.length) {
      const end = batchEnd(this.#records, start, this.#groups);
      if (isAnew) this.#requireAll();
      this.#sealBatch(this.#records.slice(start, end), stamp);
      start = end;
    }
    this.#records = [];
    this.#groups = new Map();
  }

  #sealBatch(records: readonly LogRecord[], stamp: number): void {
    const previous = this.#pending.get(this.#origin) ?? { seq: 0, chain: GENESIS_CHAIN };
    const firstSeq = previous.seq + 1;
    const lastSeq = previous.seq + records.length;
    const bytes = encodeBatch(
      { origin: this.#origin, firstSeq, stamp, deps: [...this.#deps], records },
      previous.chain,
      this.#sha256,
    );
    this.#deps = new Map();
    this.#move(this.#origin, { seq: lastSeq, chain: bytes.slice(1, 1 + CHAIN_BYTES) });
    this.#batches.push({ origin: this.#origin, firstSeq, lastSeq, bytes });
  }

  /** The sealed changes reached the disk. */
  markDurable(sealed: SealedLog): void {
    this.#durable = sealed.vector;
  }

  /** See `Engine.readLog`. */
  async read(origin: OriginId, afterSeq: number, bytesMax: number): Promise<readonly Uint8Array[] | 'floor'> {
    const durableSeq = sequenceOf(this.#durable, origin);
    const batches: Uint8Array[] = [];
    let bytes = 0;
    let next = afterSeq + 1;
    if (next > durableSeq) return batches;
    const range = { gte: logKey(this.#db, origin, next), lt: logKey(this.#db, origin, durableSeq + 1) };
    for await (const entries of this.#store.range(range)) {
      for (const [, value] of entries) {
        const header = decodeBatchHeader(value);
        if (header.firstSeq !== next) return batches.length > 0 ? batches : 'floor';
        if (batches.length > 0 && bytes + value.length > bytesMax) return batches;
        batches.push(value);
        bytes += value.length;
        next += header.count;
      }
    }
    return batches.length > 0 ? batches : 'floor';
  }
}

/** End (exclusive) of the batch that starts at `start`: at least one record or group, then whole ones up to the target size. */
function batchEnd(records: readonly LogRecord[], start: number, groups: ReadonlyMap<number, number>): number {
  let bytes = 0;
  let end = start;
  while (end < records.length) {
    const next = groups.get(end) ?? end + 1;
    for (let i = end; i < next; i++) {
      const record = records[i]!;
      bytes += record.kind === 'update' ? record.update.length + record.id.length + 8 : 32;
    }
    if (end > start && (bytes > BATCH_BYTES_TARGET || next - start > BATCH_RECORDS_MAX)) break;
    end = next;
  }
  return end;
}

/** Bytes: f64 seq | 16 B chain | f64 bytes. */
export function encodePosition({ seq, chain, bytes }: LogFloor): Uint8Array {
  const value = new Uint8Array(16 + CHAIN_BYTES);
  const view = new DataView(value.buffer);
  view.setFloat64(0, seq);
  value.set(chain, 8);
  view.setFloat64(8 + CHAIN_BYTES, bytes);
  return value;
}

export function decodePosition(value: Uint8Array): LogFloor {
  const view = new DataView(value.buffer, value.byteOffset);
  return { seq: view.getFloat64(0), chain: value.slice(8, 8 + CHAIN_BYTES), bytes: view.getFloat64(8 + CHAIN_BYTES) };
}
