/**
 * @module
 * Owns what one link knows of its peer, per database and origin: what the peer holds, what is on its way, and whose turn it is to
 * deliver the rest. Everything else about a peer's data is derived from these cursors and the shared ring or log.
 */
import type { OriginId } from '../engine.ts';
import type { Holding } from '../horizon.ts';
import type { Word } from '../stability.ts';
import type { Donor } from './donor.ts';
import type { OutgoingBatch } from './ring.ts';

export class Cursor {
  readonly origin: OriginId;
  /** Sequence the peer told us it holds durably, or sent us itself. Never falls during a link. */
  has = 0;
  /** Sequence up to which we sent; falls back to `has` when the peer lost something. */
  sent = 0;
  /** The peer asked for everything up to here, so it is sent even if somebody else should. */
  pulledTo = 0;
  /** Lazy sweeps without progress; from `sweepsMin` on we deliver the backlog ourselves. */
  sweeps = 0;
  readonly sweepsMin: number;
  /** The peer gets this origin from somebody else first: we deliver only when it stays behind. */
  isPruned = false;
  /** Ticks in which something was in flight and nothing arrived. */
  stallTicks = 0;
  resends = 0;
  /** The log begins after what the peer needs. */
  isFloored = false;
  /** The log had nothing although the vector says so; looked at again next tick. */
  isStarved = false;
  /** Batches read from the log that continue `position`. */
  ahead: OutgoingBatch[] = [];
  behindSinceMs = 0;

  constructor(origin: OriginId, sweepsMin: number) {
    this.origin = origin;
    this.sweepsMin = sweepsMin;
  }

  /** What has not to be sent again. */
  get position(): number {
    return Math.max(this.has, this.sent);
  }

  get isInFlight(): boolean {
    return this.sent > this.has;
  }

  /** @returns True when the peer is known to hold more than before. */
  advance(seq: number): boolean {
    if (seq <= this.has) return false;
    this.has = seq;
    // What we have not sent came from somebody else: it is their turn again.
    if (seq > this.sent || this.sweeps < this.sweepsMin) this.sweeps = 0;
    this.stallTicks = 0;
    this.resends = 0;
    this.isFloored = false;
    return true;
  }

  /** The peer holds all we hold: whoever delivered it may go on doing so. */
  settle(): void {
    this.sweeps = 0;
    this.ahead = [];
  }

  rewind(seq: number): void {
    this.sent = Math.min(this.sent, seq);
    this.ahead = [];
    this.stallTicks = 0;
  }
}

/** One database as seen by the peer. */
export class PeerDatabase {
  readonly name: string;
  /** We know the peer's whole vector, so that what is missing in it is missing there. */
  isKnown = false;
  /** All that the peer held at one moment, by its own word; null before it said so. */
  word: Word | null = null;
  /** The peer wants nothing of it. */
  isDeclined = false;
  /** As far as we know the peer holds nothing here but its own writes. */
  isFresh = true;
  /** Origins of which the peer is not known to hold all we hold. */
  readonly behind: Set<OriginId> = new Set<OriginId>();
  readonly cursors: Map<OriginId, Cursor> = new Map<OriginId, Cursor>();
  /** The snapshot being sent. */
  donor: Donor | null = null;
  /** Number of the last snapshot the peer asked for; they only grow. */
  lastTransfer = 0;
  /** Ticks until a snapshot may be offered again. */
  offerTicks = 0;
  /** How it is to be brought up to date; `asking` while that is being estimated. */
  choice: 'records' | 'documents' | 'asking' = 'records';
  /** Records missing when the choice was made. */
  chosenAt = 0;
  /** The choice should be looked at again. */
  isUnjudged = true;
  /** Snapshots offered since the choice was made. */
  offers = 0;
  /** What the peer is known to hold; null before it said so. Follows what becomes known. */
  get holding(): Holding | null {
    return this.isKnown ? { get: (origin) => this.cursors.get(origin)?.has } : null;
  }

  readonly #drawSweeps: () => number;

  /** @param drawSweeps - Patience of a new cursor: random, so that lazy neighbours do not all jump in at once. */
  constructor(name: string, drawSweeps: () => number) {
    this.name = name;
    this.#drawSweeps = drawSweeps;
  }

  /** The peer holds nothing of it any more. Should it want it again one day, it begins from nothing. */
  decline(): void {
    if (this.isDeclined) return;
    this.isDeclined = true;
    this.isKnown = false;
    this.word = null;
    this.isFresh = true;
    this.behind.clear();
    this.cursors.clear();
    this.donor?.cancel();
    this.donor = null;
    this.choice = 'records';
  }

  cursor(origin: OriginId): Cursor {
    let cursor = this.cursors.get(origin);
    if (cursor === undefined) this.cursors.set(origin, (cursor = new Cursor(origin, this.#drawSweeps())));
    return cursor;
  }
}
