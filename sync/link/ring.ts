/**
 * @module
 * Owns the recent batches all links push from: one bounded memory for any number of peers. A link whose cursor fell out of it
 * reads the log instead (lagging); nothing is queued per peer.
 */
import type { DurableBatch, OriginId } from '../engine.ts';
import { decodeBatchHeader, lastSeqOf } from '../batch.ts';
import type { Dependency } from '../batch.ts';

/** A batch on its way out, from the ring or from the log. */
export class OutgoingBatch {
  readonly origin: OriginId;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: Uint8Array;
  #deps: readonly Dependency[] | undefined;

  constructor(batch: DurableBatch) {
    this.origin = batch.origin;
    this.firstSeq = batch.firstSeq;
    this.lastSeq = batch.lastSeq;
    this.bytes = batch.bytes;
  }

  /** @throws SyncError `SYNC_BATCH_MALFORMED` */
  static decode(bytes: Uint8Array): OutgoingBatch {
    const header = decodeBatchHeader(bytes);
    const { origin, firstSeq } = header;
    const batch = new OutgoingBatch({ origin, firstSeq, lastSeq: lastSeqOf(header), bytes });
    batch.#deps = header.deps;
    return batch;
  }

  /** Decoded when first asked for, then shared by all links. */
  get deps(): readonly Dependency[] {
    return (this.#deps ??= decodeBatchHeader(this.bytes).deps);
  }
}

interface Entry {
  readonly lane: Lane;
  readonly batch: OutgoingBatch;
}

/** Batches of one origin, contiguous, oldest first. */
interface Lane {
  batches: OutgoingBatch[];
  addedMs: number[];
  /** Index of the first that is still held. */
  head: number;
}

/** What is in the ring after a position. */
export interface RecentSummary {
  readonly records: number;
  readonly bytes: number;
  /** Wall clock when the first of them became durable here. */
  readonly sinceMs: number | null;
}

/** Shift dead prefixes out of an array when they are this long and half of it. */
const COMPACT_MIN = 256;

export class Ring {
  readonly #bytesMax: number;
  readonly #lanes = new Map<string, Map<OriginId, Lane>>();
  #queue: Entry[] = [];
  #head = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(database: string, batches: readonly DurableBatch[], nowMs: number): void {
    for (const durable of batches) {
      const lane = this.#lane(database, durable.origin);
      const batch = new OutgoingBatch(durable);
      const last = lane.batches.at(-1);
      // After a snapshot an origin may jump; what is older can no longer follow on.
      if (last !== undefined && last.lastSeq + 1 !== batch.firstSeq) this.#forget(lane);
      lane.batches.push(batch);
      lane.addedMs.push(nowMs);
      this.#queue.push({ lane, batch });
      this.#bytes += batch.bytes.length;
    }
    while (this.#bytes > this.#bytesMax) this.#evict();
    if (this.#head > COMPACT_MIN && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The batch that starts right after `seq`, if it is still held. */
  next(database: string, origin: OriginId, seq: number): OutgoingBatch | undefined {
    const lane = this.#lanes.get(database)?.get(origin);
    if (lane === undefined) return undefined;
    const batch = lane.batches[findAfter(lane, seq)];
    return batch?.firstSeq === seq + 1 ? batch : undefined;
  }

  /** Holds nothing more: who lacks something reads the log. */
  clear(): void {
    // Everything goes, also what was evicted and still stands in the lists.
    this.#lanes.clear();
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /** What is held after `seq`, for status. */
  summarize(database: string, origin: OriginId, seq: number): RecentSummary {
    const lane = this.#lanes.get(database)?.get(origin);
    let records = 0;
    let bytes = 0;
    if (lane === undefined) return { records, bytes, sinceMs: null };
    const start = findAfter(lane, seq);
    for (const batch of lane.batches.slice(start)) {
      records += batch.lastSeq - batch.firstSeq + 1;
      bytes += batch.bytes.length;
    }
    return { records, bytes, sinceMs: lane.batches[start]?.firstSeq === seq + 1 ? lane.addedMs[start]! : null };
  }

  #lane(database: string, origin: OriginId): Lane {
    let lanes = this.#lanes.get(database);
    if (lanes === undefined) this.#lanes.set(database, (lanes = new Map()));
    let lane = lanes.get(origin);
    if (lane === undefined) lanes.set(origin, (lane = { batches: [], addedMs: [], head: 0 }));
    return lane;
  }

  #evict(): void {
    const { lane, batch } = this.#queue[this.#head++]!;
    this.#bytes -= batch.bytes.length;
    if (lane.batches[lane.head] !== batch) return;
    lane.head++;
    if (lane.head > COMPACT_MIN && lane.head * 2 > lane.batches.length) {
      lane.batches = lane.batches.slice(lane.head);
      lane.addedMs = lane.addedMs.slice(lane.head);
      lane.head = 0;
    }
  }

  /** Its entries stay in the queue, and in the byte count, until their turn. */
  #forget(lane: Lane): void {
    lane.batches = [];
    lane.addedMs = [];
    lane.head = 0;
  }
}

/** Index of the first held batch with `firstSeq > seq`. */
function findAfter(lane: Lane, seq: number): number {
  let low = lane.head;
  let high = lane.batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lane.batches[middle]!.firstSeq > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
