/**
 * @module
 * Owns the choice of the next batches for a peer: from the ring, else from the log through a small read-ahead, never before what
 * they depend on. PROTOCOL.md section "Order".
 */
import type { OriginId } from '../engine.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { sequenceOf } from '../version-vector.ts';
import type { LinkContext } from './context.ts';
import type { Cursor, PeerDatabase } from './cursor.ts';
import type { OutgoingFlow } from './flow.ts';
import { OutgoingBatch } from './ring.ts';

/** The read-ahead is divided among the origins that need it, down to this. */
const READ_BYTES_MIN = 8 * 1024;

interface Gathering {
  readonly database: PeerDatabase;
  readonly batches: OutgoingBatch[];
  weight: number;
  isFull: boolean;
}

export class Gatherer {
  readonly #context: LinkContext;
  readonly #flow: OutgoingFlow;
  readonly #isEligible: (cursor: Cursor) => boolean;
  readonly #onRead: () => void;
  /** Origins being gathered, innermost last: a cycle of dependencies (corrupt data) must not recurse for ever. */
  readonly #visiting = new Set<OriginId>();
  readonly #withAhead = new Set<Cursor>();
  /** Whose log is read next: the deepest dependency that is missing, else the first origin. */
  #wanted: { readonly database: PeerDatabase; readonly cursor: Cursor } | null = null;
  #wantedDepth = -1;
  /** Something is ready and waits for credit only. */
  #isBlocked = false;
  #isReading = false;
  #isLagging = false;

  constructor(context: LinkContext, flow: OutgoingFlow, isEligible: (cursor: Cursor) => boolean, onRead: () => void) {
    this.#context = context;
    this.#flow = flow;
    this.#isEligible = isEligible;
    this.#onRead = onRead;
  }

  /** The last batches came from the log, not from the ring. */
  get isLagging(): boolean {
    return this.#isLagging;
  }

  /** Bytes read ahead of what was sent. */
  get aheadBytes(): number {
    let bytes = 0;
    for (const cursor of this.#withAhead) for (const batch of cursor.ahead) bytes += batch.bytes.length;
    return bytes;
  }

  /** Before the databases are asked one after the other. */
  beginPass(): void {
    this.#wanted = null;
    this.#wantedDepth = -1;
    this.#isBlocked = false;
  }

  /**
   * After one was found with something to send, or none. Reads what is missing; only when no database can send anything may that
   * push out what was read before.
   */
  endPass(hasSent: boolean): void {
    if (this.#wanted !== null) this.#read(this.#wanted.database, this.#wanted.cursor, !hasSent && !this.#isBlocked);
  }

  /** Takes what fits one message; the cursors count it as sent. Empty when there is nothing now (a read may be under way). */
  gather(database: PeerDatabase): { batches: readonly OutgoingBatch[]; weight: number } {
    const gathering: Gathering = { database, batches: [], weight: 0, isFull: false };
    const vector = this.#context.engine.vector(database.name);
    this.#isLagging = this.#isReading;
    for (const origin of database.behind) {
      const cursor = database.cursor(origin);
      const ours = sequenceOf(vector, origin);
      if (cursor.has >= ours) {
        database.behind.delete(origin);
        cursor.settle();
        continue;
      }
      while (cursor.position < ours && this.#isEligible(cursor) && this.#emit(gathering, cursor));
      if (gathering.isFull) {
        // The next message begins with somebody else.
        database.behind.delete(origin);
        database.behind.add(origin);
        break;
      }
    }
    this.#isBlocked ||= gathering.isFull && gathering.batches.length === 0;
    return gathering;
  }

  #emit(gathering: Gathering, cursor: Cursor): boolean {
    if (gathering.isFull || this.#visiting.has(cursor.origin)) return false;
    const batch = this.#next(gathering.database, cursor);
    if (batch === undefined) return false;
    this.#visiting.add(cursor.origin);
    const isReady = batch.deps.every(([origin, seq]) => this.#satisfy(gathering, origin, seq));
    this.#visiting.delete(cursor.origin);
    if (!isReady) return false;
    const weight = gathering.weight + batch.bytes.length;
    const isTooMuch = gathering.batches.length > 0 && weight > this.#context.options.messageBytesTarget;
    if (isTooMuch || !this.#flow.hasRoom(weight)) {
      gathering.isFull = true;
      return false;
    }
    gathering.batches.push(batch);
    gathering.weight = weight;
    cursor.sent = batch.lastSeq;
    return true;
  }

  /** Sends what a batch depends on first, unless the peer gets it from somebody else. */
  #satisfy(gathering: Gathering, origin: OriginId, seq: number): boolean {
    const cursor = gathering.database.cursor(origin);
    if (cursor.position >= seq) return true;
    const ours = sequenceOf(this.#context.engine.vector(gathering.database.name), origin);
    while (cursor.position < seq && cursor.position < ours && this.#isEligible(cursor)) {
      if (!this.#emit(gathering, cursor)) return false;
    }
    return true;
  }

  #next(database: PeerDatabase, cursor: Cursor): OutgoingBatch | undefined {
    const position = cursor.position;
    while (cursor.ahead.length > 0 && cursor.ahead[0]!.firstSeq <= position) cursor.ahead.shift();
    if (cursor.ahead[0]?.firstSeq === position + 1) {
      this.#isLagging = true;
      return cursor.ahead[0];
    }
    cursor.ahead = [];
    this.#withAhead.delete(cursor);
    const recent = this.#context.ring.next(database.name, cursor.origin, position);
    if (recent === undefined) {
      this.#isLagging = true;
      if (this.#visiting.size > this.#wantedDepth) {
        this.#wanted = { database, cursor };
        this.#wantedDepth = this.#visiting.size;
      }
    }
    return recent;
  }

  /**
   * Reads ahead, unless that would exceed the limit. Only when nothing else can be sent (`isStuck`) does it drop what it read
   * before: two large batches, one of which needs the other, would otherwise push each other out for ever.
   */
  #read(database: PeerDatabase, cursor: Cursor, isStuck: boolean): void {
    if (this.#isReading) return;
    const { engine, options } = this.#context;
    const bytesMax = Math.max(READ_BYTES_MIN, Math.floor(options.readAheadBytes / Math.max(1, database.behind.size)));
    if (this.aheadBytes + bytesMax > options.readAheadBytes) {
      if (!isStuck) return;
      this.#dropAhead();
    }
    this.#isReading = true;
    const position = cursor.position;
    engine.readLog(database.name, cursor.origin, position, bytesMax).then(
      (result) => {
        this.#isReading = false;
        this.#handleRead(cursor, position, result);
      },
      (error: unknown) => this.#context.close(CLOSE_CODES.INTERNAL_ERROR, `reading the log failed: ${String(error)}`),
    );
  }

  #handleRead(cursor: Cursor, position: number, result: readonly Uint8Array[] | 'floor'): void {
    if (result === 'floor') {
      cursor.isFloored = cursor.position === position;
    } else if (cursor.position === position) {
      cursor.ahead = result.map((bytes) => OutgoingBatch.decode(bytes));
      cursor.isStarved = cursor.ahead[0]?.firstSeq !== position + 1;
      this.#withAhead.add(cursor);
    }
    this.#onRead();
  }

  #dropAhead(): void {
    for (const cursor of this.#withAhead) cursor.ahead = [];
    this.#withAhead.clear();
  }
}
