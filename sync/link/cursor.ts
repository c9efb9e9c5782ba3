/**
 * @module
 * Owns what one link knows of its peer, per database and origin: what the peer holds, what is on its way, and whose turn it is to
 * deliver the rest. Everything else about a peer's data is derived from these cursors and the shared ring or log.
 */
import type { OriginId } from '../engine.ts';
import type { Holding } from '../horizon.ts';
import { Expansion, foldPositions } from '../lineage.ts';
import type { Position } from '../protocol/message.ts';
import type { VersionVector } from '../version-vector.ts';
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
  /** The peer named it, or it began during this link: nothing of it follows from what we do not know. */
  isTold = false;
  readonly #database: PeerDatabase;

  constructor(origin: OriginId, sweepsMin: number, database: PeerDatabase) {
    this.origin = origin;
    this.sweepsMin = sweepsMin;
    this.#database = database;
  }

  /**
   * The peer may hold it although it does not list it: it lists something that we know nothing of. Either we get that, or the peer
   * says so, because we list it; should neither happen, we deliver it.
   */
  get isDoubtful(): boolean {
    const isGivenUp = this.sweeps >= this.sweepsMin || this.position < this.pulledTo;
    return !this.isTold && !isGivenUp && this.#database.unknown.size > 0;
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
  /** Origins that the peer holds something of, and we nothing: what follows from them is not known. */
  readonly unknown: Set<OriginId> = new Set<OriginId>();
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
    return this.isKnown ? { get: (origin) => this.#holds(origin) } : null;
  }

  /** Does the peer hold something that we do not, for all we know? */
  get holdsMore(): boolean {
    const ours = this.#ours();
    return !this.isKnown || [...this.cursors.values()].some(({ origin, has }) => has > (ours.get(origin)?.seq ?? 0));
  }

  readonly #ours: () => VersionVector;
  readonly #isOfPeer: (origin: OriginId) => boolean;
  readonly #drawSweeps: () => number;
  #expansion: Expansion | null = null;

  /**
   * @param ours - What we hold.
   * @param isOfPeer - Is an origin an epoch of the peer?
   * @param drawSweeps - Patience of a new cursor: random, so that lazy neighbours do not all jump in at once.
   */
  constructor(
    name: string,
    ours: () => VersionVector,
    isOfPeer: (origin: OriginId) => boolean,
    drawSweeps: () => number,
  ) {
    this.name = name;
    this.#ours = ours;
    this.#isOfPeer = isOfPeer;
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
    this.unknown.clear();
    this.cursors.clear();
    this.#expansion = null;
    this.donor?.cancel();
    this.donor = null;
    this.choice = 'records';
  }

  cursor(origin: OriginId): Cursor {
    let cursor = this.cursors.get(origin);
    if (cursor === undefined) {
      cursor = new Cursor(origin, this.#drawSweeps(), this);
      cursor.has = this.isKnown ? this.#expanded().get(origin) : 0;
      this.cursors.set(origin, cursor);
    }
    return cursor;
  }

  /**
   * The peer holds `seq` of an origin.
   *
   * @returns True when that is news.
   */
  advance(origin: OriginId, seq: number): boolean {
    const ours = this.#ours().get(origin)?.seq ?? 0;
    if (seq > 0 && ours === 0) this.unknown.add(origin);
    const cursor = this.cursor(origin);
    const isNew = cursor.has === 0;
    if (!cursor.advance(seq)) return false;
    if (isNew) this.#expansion = null;
    if (!this.#isOfPeer(origin)) this.isFresh = false;
    if (cursor.has >= ours) {
      this.behind.delete(origin);
      cursor.settle();
    }
    return true;
  }

  /** We hold `seq` of an origin. */
  noteOurs(origin: OriginId, seq: number, nowMs: number): void {
    const cursor = this.cursor(origin);
    cursor.isStarved = false;
    if (cursor.has >= seq || this.behind.has(origin)) return;
    cursor.behindSinceMs = nowMs;
    this.behind.add(origin);
  }

  /** Finds every origin of which the peer lacks something. */
  compare(nowMs: number): void {
    this.isUnjudged = true;
    this.#expansion = null;
    const ours = this.#ours();
    for (const origin of this.unknown) if (ours.get(origin) !== undefined) this.unknown.delete(origin);
    for (const [origin, { seq }] of ours) this.noteOurs(origin, seq, nowMs);
    if (!this.isKnown) return;
    if (this.behind.size === 0) return this.#dropFolded(ours);
    for (const origin of this.behind) {
      if (this.word?.has(origin) !== true) this.advance(origin, this.#expanded().get(origin));
    }
    for (const [origin, { seq }] of this.#expanded().lacking()) this.noteOurs(origin, seq, nowMs);
    if (this.isFresh)
      this.isFresh = !this.#expanded()
        .origins()
        .some((origin) => !this.#isOfPeer(origin));
  }

  /**
   * What the peer lists and we do not. It has to be told what we hold of that, also that it is nothing, when it cannot know: when it
   * is folded here, and when we list something of which the peer may not know what it follows from.
   */
  unlisted(positions: readonly Position[]): OriginId[] {
    const ours = this.#ours();
    const listed = new Set(ours.keys());
    const unlisted = positions.map(({ origin }) => origin).filter((origin) => !listed.has(origin));
    const named = new Set(positions.map(({ origin }) => origin));
    const isDoubted = (): boolean => [...listed].some((origin) => !named.has(origin) && this.cursor(origin).has === 0);
    return unlisted.some((origin) => ours.get(origin) !== undefined) || isDoubted() ? unlisted : [];
  }

  /** What the peer is known to hold, as a vector lists it. */
  positions(): ReadonlyMap<OriginId, number> {
    const ours = this.#ours();
    const held = [...this.cursors].filter(([, { has }]) => has > 0).map(([origin, { has }]) => [origin, has] as const);
    return foldPositions(new Map(held), (origin) => ours.get(origin)?.base);
  }

  #expanded(): Expansion {
    return (this.#expansion ??= new Expansion(this.#ours(), this.positions()));
  }

  #holds(origin: OriginId): number {
    return Math.max(this.cursors.get(origin)?.has ?? 0, this.#expanded().get(origin));
  }

  /** The peer holds all of them: that follows from what is listed. */
  #dropFolded({ folded }: VersionVector): void {
    if (folded === undefined) return;
    for (const origin of this.cursors.keys()) if (folded.has(origin)) this.cursors.delete(origin);
  }
}
