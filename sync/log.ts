/**
 * @module
 * Owns the log of one database: local records on their way into batches, remote batches in sequence, and the version vector
 * that covers both. Two vectors exist: *pending* includes what the open commit groups hold, *durable* is what anybody outside
 * may know (I1, I3).
 */
import { assert } from '../crdt/index.ts';
import type { BatchHeader, LogRecord } from './batch.ts';
import { contentBytesOf, decodeBatchHeader, encodeBatch, lastSeqOf, verifyChain } from './batch.ts';
import type { DurableBatch, OriginId, SequenceRange } from './engine.ts';
import { SyncError } from './errors.ts';
import type { Epoch } from './identity.ts';
import { baseKey, baseOriginOf, floorOriginOf, logKey, logRange, rangeOf, vectorKey, vectorOriginOf } from './key.ts';
import { Frontier, closureOf } from './lineage.ts';
import type { Base, FoldedVector } from './lineage.ts';
import type { Sha256, Store, StoreOperation } from './port.ts';
import { CHAIN_PREFIX_BYTES } from './protocol/limit.ts';
import { CHAIN_BYTES, GENESIS_CHAIN, decodeBase, encodeBase, sequenceOf } from './version-vector.ts';
import type { VectorEntry, VersionVector } from './version-vector.ts';

/** Local records are split into batches of about this size, so that one never fills a frame. */
const BATCH_BYTES_TARGET = 64 * 1024;
/** … and this many records, because a receiver merges a batch in one go and its clients wait meanwhile. */
const BATCH_RECORDS_MAX = 128;

/** Epochs that have written. */
export interface EpochStatus {
  /** Listed in vectors, tokens and cursors. */
  readonly listed: number;
  /** Not listed any more, because all that they wrote was seen by one that began later. */
  readonly folded: number;
}

export interface SealedLog {
  readonly operations: readonly StoreOperation[];
  readonly batches: readonly DurableBatch[];
  readonly vector: FoldedVector;
  /** The vector moved further than by the batches: a snapshot was adopted. */
  readonly isAdopted: boolean;
}

/** A position in the log of an origin, and the bytes of all batches up to it that were ever held here. */
export interface LogFloor extends VectorEntry {
  readonly bytes: number;
}

const NOT_CUT: LogFloor = { seq: 0, chain: GENESIS_CHAIN, bytes: 0 };

interface StoredLog {
  readonly vector: Frontier;
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
  #durable: FoldedVector;
  readonly #pending: Frontier;
  #records: LogRecord[] = [];
  /** Index of the first record of a group → index after its last: a group is never split. */
  #groups = new Map<number, number>();
  #batches: DurableBatch[] = [];
  /** Origins whose entry moved since the last vector write. */
  #moved = new Set<OriginId>();
  #isAdopted = false;
  /** Origins whose base is not on the disk. */
  #begun = new Set<OriginId>();
  /** What our next batch depends on: every remote position we saw since our last one. */
  #deps = new Map<OriginId, number>();
  /** A record of the open batch begins a document anew: the batch says exactly what its author had seen. */
  #isAnew = false;
  #nextSeq: number;
  /** Bytes of batches that were ever added, by origin. */
  readonly #added: Map<OriginId, number>;
  readonly #floors: Map<OriginId, LogFloor>;

  private constructor({ store, db, epoch, sha256 }: DatabaseLogOptions, stored: StoredLog) {
    this.#added = stored.added;
    this.#floors = stored.floors;
    this.#store = store;
    this.#db = db;
    this.#epoch = epoch;
    this.#origin = epoch.origin;
    this.#sha256 = sha256;
    this.#pending = stored.vector;
    this.#durable = stored.vector.seal();
    this.#nextSeq = 1;
    this.#beginEpoch();
  }

  /** A new epoch has seen all its predecessors have: without this its first write could arrive before what it edits. */
  #beginEpoch(): void {
    this.#origin = this.#epoch.origin;
    this.#nextSeq = this.#held(this.#origin) + 1;
    this.#requireAll();
  }

  /** What is not listed follows from what is. */
  #requireAll(): void {
    for (const [other, { seq }] of this.#pending) if (other !== this.#origin) this.#require(other, seq);
  }

  /** Sequence held of an origin, with what the open groups bring. */
  #held(origin: OriginId): number {
    return this.#pending.get(origin)?.seq ?? 0;
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
    const bases = new Map<OriginId, Base>();
    for await (const entries of store.range(rangeOf('h', db))) {
      for (const [key, value] of entries) bases.set(baseOriginOf(key), decodeBase(value));
    }
    const whole = new Map<OriginId, VectorEntry>();
    const added = new Map<OriginId, number>();
    for await (const entries of store.range(rangeOf('v', db))) {
      for (const [key, value] of entries) {
        const { bytes, ...entry } = decodePosition(value);
        const origin = vectorOriginOf(key);
        const base = bases.get(origin);
        whole.set(origin, { ...entry, ...(base && { base }) });
        added.set(origin, bytes);
      }
    }
    const vector = new Frontier();
    vector.move(whole);
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

  /** Origins of which batches are held. */
  *uncut(): Generator<OriginId> {
    for (const origin of this.#added.keys()) if (this.bytesOf(origin) > 0) yield origin;
  }

  /** Up to where the log of an origin was cut. */
  floorOf(origin: OriginId): LogFloor {
    return this.#floors.get(origin) ?? NOT_CUT;
  }

  /** The oldest batches of an origin, about `bytesMax` bytes and at most `batchesMax`, none with a record after `limit`. */
  async oldest(origin: OriginId, limit: number, bytesMax: number, batchesMax: number): Promise<readonly Uint8Array[]> {
    const batches: Uint8Array[] = [];
    let bytes = 0;
    const lastSeq = Math.min(limit, sequenceOf(this.#durable, origin));
    const range = logRange(this.#db, origin, this.floorOf(origin).seq + 1, lastSeq + 1);
    for await (const entries of this.#store.range({ ...range, limit: batchesMax })) {
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

  get durableVector(): FoldedVector {
    return this.#durable;
  }

  get epochs(): EpochStatus {
    return { listed: this.#durable.size, folded: this.#durable.folded.size };
  }

  /** Is a position held, durably? */
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
      if (origin !== this.#origin && seq > this.#held(origin)) this.#require(origin, seq);
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
      const have = this.#held(origin);
      if (have < needed) missing.push({ origin, from: have + 1, to: needed });
    }
    if (missing.length > 0) return missing;
    this.#compareBase(header);
    if (header.firstSeq !== seq + 1 || !verifyChain(bytes, held?.chain ?? GENESIS_CHAIN, this.#sha256)) {
      throw forked(header.origin, seq);
    }
    return null;
  }

  /** What an epoch began with and what is here under the same numbers must be the same: its base is not compared any more. */
  #compareBase({ deps }: BatchHeader): void {
    for (const [origin, seq, chainPrefix] of deps) {
      const held = this.#pending.get(origin);
      if (chainPrefix === undefined || held?.seq !== seq) continue;
      if (chainPrefix.some((byte, i) => byte !== held.chain[i])) throw forked(origin, seq);
    }
  }

  /** All that the author of a batch had seen, who named all that he had listed. */
  seenBy({ origin, firstSeq, deps }: BatchHeader): ReadonlyMap<OriginId, number> {
    const places = deps.map(([other, seq]) => [other, seq] as const);
    return closureOf([...places, [origin, firstSeq - 1]], (of) => this.#pending.get(of)?.base);
  }

  /** To be called before anything of others is seen. */
  separate(stamp: number): void {
    if (this.#isAnew) this.#sealRecords(stamp);
  }

  /** Adds a remote batch, which `classify` found to be next, to the open group. */
  accept(header: BatchHeader, bytes: Uint8Array): void {
    assert(header.origin !== this.#origin || header.firstSeq >= this.#nextSeq, 'our own epoch is written only here');
    const base = new Map(header.firstSeq === 1 ? header.deps.map(([origin, seq]) => [origin, seq]) : []);
    this.#move(header.origin, { seq: lastSeqOf(header), chain: header.chain }, base);
    this.#require(header.origin, lastSeqOf(header));
    this.#batches.push({ origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes });
  }

  /** Joins a donor's vector after its snapshot was applied: one that lists everything that is not held here. */
  adopt(vector: VersionVector): void {
    const news = new Map<OriginId, VectorEntry>();
    for (const [origin, entry] of vector) {
      const held = this.#pending.get(origin);
      if ((held?.seq ?? 0) < entry.seq) news.set(origin, { ...entry, ...(held?.base && { base: held.base }) });
    }
    this.#pending.move(news);
    for (const [origin, { seq, base }] of news) {
      this.#moved.add(origin);
      if (base !== undefined) this.#begun.add(origin);
      if (this.#pending.isListed(origin)) this.#require(origin, seq);
    }
    this.#isAdopted ||= news.size > 0;
  }

  /** @param base - What the origin began with, if this is its beginning. */
  #move(origin: OriginId, position: VectorEntry, base: Base): void {
    const known = this.#pending.get(origin)?.base ?? base;
    this.#pending.move([[origin, { ...position, ...(known.size > 0 && { base: known }) }]]);
    this.#moved.add(origin);
    if (base.size > 0) this.#begun.add(origin);
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
    for (const origin of this.#begun) {
      const value = encodeBase(this.#pending.get(origin)!.base!);
      operations.push({ type: 'put', key: baseKey(this.#db, origin), value });
    }
    const batches = this.#batches;
    const isAdopted = this.#isAdopted;
    this.#batches = [];
    this.#moved = new Set();
    this.#begun = new Set();
    this.#isAdopted = false;
    return { operations, batches, vector: this.#pending.seal(), isAdopted };
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
    const deps = firstSeq === 1 ? this.#beginning() : [...this.#deps];
    const bytes = encodeBatch({ origin: this.#origin, firstSeq, stamp, deps, records }, previous.chain, this.#sha256);
    this.#deps = new Map();
    const base = new Map(firstSeq === 1 ? deps.map(([origin, seq]) => [origin, seq]) : []);
    this.#move(this.#origin, { seq: lastSeq, chain: bytes.slice(1, 1 + CHAIN_BYTES) }, base);
    this.#batches.push({ origin: this.#origin, firstSeq, lastSeq, bytes });
  }

  /** What an epoch begins with: all that is listed here, and what its first records need besides. */
  #beginning(): BatchHeader['deps'] {
    this.#requireAll();
    return [...this.#deps]
      .filter(([origin, seq]) => this.#pending.isListed(origin) || seq > this.#held(origin))
      .map(([origin, seq]) => {
        const held = this.#pending.get(origin);
        return held?.seq === seq ? [origin, seq, held.chain.slice(0, CHAIN_PREFIX_BYTES)] : [origin, seq];
      });
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

function forked(origin: OriginId, seq: number): SyncError {
  return new SyncError('SYNC_CHAIN_FORKED', `Origin ${origin} does not continue the history held here.`, {
    details: { origin, seq },
  });
}

/** End (exclusive) of the batch that starts at `start`: at least one record or group, then whole ones up to the target size. */
function batchEnd(records: readonly LogRecord[], start: number, groups: ReadonlyMap<number, number>): number {
  let bytes = 0;
  let end = start;
  while (end < records.length) {
    const next = groups.get(end) ?? end + 1;
    for (let i = end; i < next; i++) {
      const record = records[i]!;
      bytes += record.kind === 'update' ? contentBytesOf(record) + record.id.length + 8 : 32;
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
