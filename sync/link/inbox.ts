/**
 * @module
 * Owns what arrived for one database and is not durable yet: a queue worked off by engine calls, of which the next begins when the one
 * before only waits for the disk, and the batches that wait for something they miss.
 */
import { decodeBatchHeader, lastSeqOf } from '../batch.ts';
import type { BatchHeader } from '../batch.ts';
import type { Engine, IngestResult, OriginId, SequenceRange } from '../engine.ts';
import { sequenceOf } from '../version-vector.ts';
import type { VersionVector } from '../version-vector.ts';
import type { SnapshotFetch } from './snapshot-fetch.ts';
import type { FlowToken } from './flow.ts';

export interface ReceivedBatch {
  readonly header: BatchHeader;
  readonly bytes: Uint8Array;
  readonly token: FlowToken;
  /** Its credit went back before it was durable: it keeps others waiting, and will be asked for again if need be. */
  isGivenUp?: boolean;
}

interface HeldBatch extends ReceivedBatch {
  readonly missing: readonly SequenceRange[];
}

export type InboxItem =
  | { readonly kind: 'batch'; readonly batch: ReceivedBatch }
  | {
      readonly kind: 'chunk';
      readonly fetch: SnapshotFetch;
      readonly index: number;
      readonly bytes: Uint8Array;
      readonly token: FlowToken;
    }
  | { readonly kind: 'end'; readonly fetch: SnapshotFetch; readonly chunks: number; readonly vector: VersionVector };

/** Records merged at a time: each costs more than its bytes, and clients wait meanwhile. */
const INGEST_RECORDS_MAX = 40;
/** Engine calls at a time: one merges, others wait for the disk. */
const CALLS_MAX = 3;
/** A call that has not ended for so many ticks waits for something else than the disk. */
const STUCK_TICKS = 2;

export interface InboxHooks {
  settle(token: FlowToken): void;
  /** A batch of `origin` is durable here, by this call or before it. */
  noteDurable(database: string, origin: OriginId, isDuplicate: boolean): void;
  /** After every engine call. `isIdle`: nothing is queued behind it. */
  handleProgress(isIdle: boolean): void;
  /** Something waits for what it misses. */
  handleHeld(): void;
  /** The engine does not want this database. */
  handleDeclined(database: string): void;
  /** The peer changed a document that was forgotten here. */
  handleForgotten(database: string): void;
  /** What was given up is wanted again. */
  handleResumed(database: string): void;
  /** A snapshot is merged. */
  handleFetched(fetch: SnapshotFetch): void;
  handleFailure(database: string, error: unknown): void;
}

/** Ranges per PULL. */
const RANGES_MAX = 64;

export class Inbox {
  readonly #database: string;
  readonly #engine: Engine;
  readonly #ingestBytesMax: number;
  readonly #hooks: InboxHooks;
  #queue: InboxItem[] = [];
  #held: HeldBatch[] = [];
  /** Batches in engine calls. */
  readonly #running = new Set<ReceivedBatch>();
  #calls = 0;
  /** The call that began last has not merged yet, or must be alone. */
  #isBusy = false;
  #ticks = 0;
  /** Something was given up, and will be asked for when the calls have ended. */
  #hasGivenUp = false;
  #isClosed = false;

  constructor(database: string, engine: Engine, ingestBytesMax: number, hooks: InboxHooks) {
    this.#database = database;
    this.#engine = engine;
    this.#ingestBytesMax = ingestBytesMax;
    this.#hooks = hooks;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Records of the batches held. */
  get waiting(): number {
    return this.#held.reduce((sum, { header }) => sum + header.count, 0);
  }

  /** Of every batch held: the message it came in. */
  get heldTokens(): readonly FlowToken[] {
    return this.#held.map(({ token }) => token);
  }

  get isWorking(): boolean {
    return this.#calls > 0;
  }

  /** Once per tick. */
  tick(): void {
    if (this.#calls > 0) this.#ticks++;
  }

  /** What is being worked on waits for something else than the disk. */
  get isStuck(): boolean {
    return this.#ticks >= STUCK_TICKS && this.#engine.isHeldUp(this.#database);
  }

  /** Gives back the credit of what is stuck, and forgets what waits behind it. Returns whether there was any. */
  giveUp(): boolean {
    const given = [...this.#running];
    for (const item of this.#queue) if (item.kind === 'batch') given.push(item.batch);
    this.#queue = this.#queue.filter((item) => item.kind !== 'batch');
    const credited = given.filter((batch) => batch.isGivenUp !== true);
    for (const batch of credited) {
      this.#settle(batch);
      batch.isGivenUp = true;
    }
    this.#hasGivenUp ||= credited.length > 0;
    return credited.length > 0;
  }

  #settle({ isGivenUp, token }: ReceivedBatch): void {
    if (isGivenUp !== true) this.#hooks.settle(token);
  }

  push(items: readonly InboxItem[]): void {
    this.#queue.push(...items);
    this.#run();
  }

  /** The vector advanced: what was held may be next now. */
  retryHeld(): void {
    if (this.#held.length === 0 || this.#isClosed) return;
    const vector = this.#engine.vector(this.#database);
    if (!this.#held.some((each) => isCovered(vector, each.missing) || isCovered(vector, [rangeOf(each.header)])))
      return;
    const items = this.#held.map((batch): InboxItem => ({ kind: 'batch', batch }));
    this.#held = [];
    this.#queue.unshift(...items);
    this.#run();
  }

  /** Gives up what is held; the peer will be asked for it again. */
  dropHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const batch of held) this.#settle(batch);
  }

  /** What the held batches wait for and none of them is. */
  computeMissing(): SequenceRange[] {
    const vector = this.#engine.vector(this.#database);
    const ranges = new Map<number, SequenceRange>();
    for (const { missing } of this.#held) {
      for (const { origin, to } of missing) {
        const from = sequenceOf(vector, origin) + 1;
        if (to < from || this.#holds(origin, from)) continue;
        const known = ranges.get(origin);
        // Of a gap only the part before what we hold: the shortest range ends there.
        if (known === undefined || to < known.to) ranges.set(origin, { origin, from, to });
      }
    }
    return [...ranges.values()].slice(0, RANGES_MAX);
  }

  close(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#held = [];
  }

  #holds(origin: number, seq: number): boolean {
    return this.#held.some(
      ({ header }) => header.origin === origin && header.firstSeq <= seq && seq <= lastSeqOf(header),
    );
  }

  #run(): void {
    while (this.#mayBegin()) {
      this.#calls++;
      this.#isBusy = true;
      this.#work().then(
        () => this.#handleEnd(),
        (error: unknown) => {
          this.#calls--;
          if (!this.#isClosed) this.#hooks.handleFailure(this.#database, error);
          this.#isClosed = true;
        },
      );
    }
  }

  #mayBegin(): boolean {
    const [first] = this.#queue;
    if (this.#isBusy || this.#isClosed || first === undefined || this.#calls >= CALLS_MAX) return false;
    return this.#calls === 0 || isShared(first);
  }

  #handleEnd(): void {
    this.#calls--;
    this.#ticks = 0;
    if (this.#calls === 0) this.#isBusy = false;
    if (this.#isClosed) return;
    this.#hooks.handleProgress(this.#queue.length === 0 && this.#calls === 0);
    if (this.#hasGivenUp && this.#calls === 0) {
      this.#hasGivenUp = false;
      this.#hooks.handleResumed(this.#database);
    }
    this.retryHeld();
    this.#run();
  }

  /** What is handed in next may be merged, or kept, while this waits for the disk. */
  #handleMerged(): void {
    this.#isBusy = false;
    this.#run();
  }

  async #work(): Promise<void> {
    const first = this.#queue[0]!;
    if (first.kind === 'batch') return this.#ingest(this.#takeBatches());
    this.#queue.shift();
    const { fetch } = first;
    if (first.kind === 'chunk') {
      const kept = fetch.isOver ? null : fetch.addChunk(first.index, first.bytes);
      if (!fetch.hasEnd) this.#handleMerged();
      await kept;
      this.#hooks.settle(first.token);
    } else {
      fetch.noteEnd(first.chunks, first.vector);
    }
    if ((await fetch.finish()) && !this.#isClosed) this.#hooks.handleFetched(fetch);
  }

  /** The batches at the front, up to what may be merged at a time. */
  #takeBatches(): ReceivedBatch[] {
    const batches: ReceivedBatch[] = [];
    let bytes = 0;
    let records = 0;
    for (const item of this.#queue) {
      if (item.kind !== 'batch') break;
      bytes += item.batch.bytes.length;
      records += item.batch.header.count;
      if (batches.length > 0 && (bytes > this.#ingestBytesMax || records > INGEST_RECORDS_MAX)) break;
      batches.push(item.batch);
    }
    this.#queue.splice(0, batches.length);
    return batches;
  }

  async #ingest(batches: readonly ReceivedBatch[]): Promise<void> {
    const bytes = batches.map((batch) => batch.bytes);
    for (const batch of batches) this.#running.add(batch);
    const results = await this.#engine.ingest(this.#database, bytes, () => this.#handleMerged());
    for (const batch of batches) this.#running.delete(batch);
    if (this.#isClosed) return;
    batches.forEach((batch, i) => this.#handleResult(batch, results[i]!));
    if (this.#held.length > 0) this.#hooks.handleHeld();
  }

  #handleResult(batch: ReceivedBatch, result: IngestResult): void {
    if (result.outcome === 'blocked') {
      const isHeld = this.#holds(batch.header.origin, batch.header.firstSeq);
      if (isHeld || batch.isGivenUp === true) this.#settle(batch);
      else this.#held.push({ ...batch, missing: result.missing });
      return;
    }
    this.#settle(batch);
    if (result.outcome === 'forgotten') return this.#hooks.handleForgotten(this.#database);
    this.#hooks.noteDurable(this.#database, batch.header.origin, result.outcome === 'duplicate');
    if (result.outcome !== 'duplicate') return;
    if (!this.#engine.databases().includes(this.#database)) this.#hooks.handleDeclined(this.#database);
  }
}

/** @throws SyncError `SYNC_BATCH_MALFORMED` */
export function receiveBatch(bytes: Uint8Array, token: FlowToken): ReceivedBatch {
  return { header: decodeBatchHeader(bytes), bytes, token };
}

/** May others be worked on at the same time? What follows a snapshot waits until that is merged. */
function isShared(item: InboxItem): boolean {
  return item.kind === 'batch' || (item.kind === 'chunk' && !item.fetch.hasEnd);
}

function rangeOf(header: BatchHeader): SequenceRange {
  return { origin: header.origin, from: header.firstSeq, to: lastSeqOf(header) };
}

function isCovered(vector: VersionVector, ranges: readonly SequenceRange[]): boolean {
  return ranges.every(({ origin, to }) => sequenceOf(vector, origin) >= to);
}
