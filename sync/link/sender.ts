/**
 * @module
 * Owns the sending half of a link: what the peer lacks, whose task it is to deliver it (forwarding), credit, snapshots given, and
 * the watchdog over what is in flight. It holds no data of its own. PROTOCOL.md sections "Forwarding" and "Progress".
 */
import type { DurableBatch, OriginId } from '../engine.ts';
import { fingerprintNode } from '../protocol/authentication.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import type { DatabasePositions, Position, PullMessage, SnapshotRequestMessage } from '../protocol/message.ts';
import { sequenceOf } from '../version-vector.ts';
import type { LinkContext } from './context.ts';
import { PeerDatabase } from './cursor.ts';
import type { Cursor } from './cursor.ts';
import { Donor } from './donor.ts';
import { OutgoingFlow } from './flow.ts';
import { Gatherer } from './gatherer.ts';
import { inspectPosition } from './inspection.ts';
import { SendPace } from './send-pace.ts';
import type { LinkLag } from './status.ts';

/** Snapshots are offered again after this many ticks. */
const OFFER_TICKS = 2;
/** A peer that has not taken so many offers gets records. */
const OFFERS_MAX = 5;
/** Assumed size of a record that is not in memory, for the lag in bytes. */
const RECORD_BYTES_ESTIMATE = 100;

export interface SenderHooks {
  /** The peer will know from this message that we hold `seq` of `origin`. */
  noteTold(database: string, origin: OriginId, seq: number): void;
  /** The peer lists origins that we do not list. */
  answer(database: string, origins: readonly OriginId[]): void;
  /** Asks the peer whether all we sent arrived; the answer comes to `handleProbed`. */
  probe(): void;
}

export class Sender {
  readonly #context: LinkContext;
  readonly #hooks: SenderHooks;
  readonly #flow: OutgoingFlow;
  readonly #gatherer: Gatherer;
  readonly #pace: SendPace;
  readonly #databases = new Map<string, PeerDatabase>();
  readonly #fingerprints = new Map<string, string>();
  #peerLinks: ReadonlySet<string> = new Set();
  /** The peer listed all its databases: one that is not listed is empty there. */
  #isComplete = false;
  #turn = 0;
  #isPumping = false;
  #isClosed = false;
  #ackTicks = 0;
  #cancelSweep: (() => void) | null = null;

  constructor(context: LinkContext, hooks: SenderHooks) {
    this.#context = context;
    this.#hooks = hooks;
    this.#flow = new OutgoingFlow(Math.min(context.peer.windowBytes, context.options.windowBytes));
    this.#pace = new SendPace(context, () => this.#pump());
    this.#gatherer = new Gatherer(
      context,
      this.#flow,
      (cursor) => this.#isEligible(cursor),
      () => this.#pump(),
    );
    for (const name of context.engine.databases()) this.#database(name);
  }

  get isLagging(): boolean {
    return this.#gatherer.isLagging;
  }

  get offset(): number {
    return this.#flow.offset;
  }

  /** Bytes held for this peer only. */
  get heldBytes(): number {
    return this.#gatherer.aheadBytes;
  }

  handleDurable(name: string, batches: readonly DurableBatch[]): void {
    const database = this.#database(name);
    const nowMs = this.#context.clock.now();
    const isNews = batches.some(({ origin, firstSeq }) => firstSeq === 1 || database.unknown.has(origin));
    for (const { origin, firstSeq, lastSeq } of batches) {
      database.noteOurs(origin, lastSeq, nowMs);
      if (firstSeq === 1) database.cursor(origin).isTold = true;
    }
    // An epoch says what follows from it.
    if (isNews) database.compare(nowMs);
    this.#pump();
  }

  /** Our vector moved without batches: a snapshot was adopted. */
  handleVectorMoved(name: string): void {
    this.#database(name).compare(this.#context.clock.now());
    this.#pump();
  }

  /** The peer sent us a batch, so it holds everything of that origin up to it. */
  noteReceived(name: string, origin: OriginId, seq: number): void {
    const database = this.#database(name);
    this.#advance(database, origin, seq);
  }

  handlePositions(entries: readonly DatabasePositions[]): void {
    for (const entry of entries) {
      const database = this.#database(entry.database);
      if (entry.kind === 'declined') database.decline();
      if (entry.kind === 'declined') continue;
      database.isDeclined = false;
      this.#joinPositions(database, entry.positions, entry.kind === 'full');
      if (entry.kind !== 'full') continue;
      database.isKnown = true;
      database.word = new Map(entry.positions.map(({ origin, seq }) => [origin, seq]));
      database.compare(this.#context.clock.now());
    }
    this.#pump();
  }

  /** The peer holds no database it has not listed. */
  handleComplete(): void {
    this.#isComplete = true;
    for (const database of this.#databases.values()) this.#assumeEmpty(database);
    this.#pump();
  }

  handleLinks(fingerprints: readonly string[]): void {
    this.#peerLinks = new Set(fingerprints);
    this.#pump();
  }

  handleOffset(offset: number): void {
    if (!this.#flow.acknowledge(offset)) return;
    this.#ackTicks = 0;
    this.#pump();
  }

  handlePull(message: PullMessage): void {
    const database = this.#database(message.database);
    this.#joinPositions(database, message.positions, true);
    database.isKnown = true;
    if (message.ranges.length === 0) {
      for (const cursor of database.cursors.values()) cursor.rewind(cursor.has);
    }
    for (const { origin, from, to } of message.ranges) {
      const cursor = database.cursor(origin);
      cursor.rewind(Math.max(0, from - 1));
      cursor.pulledTo = Math.max(cursor.pulledTo, to);
    }
    database.compare(this.#context.clock.now());
    this.#pump();
  }

  handleSnapshotRequest(message: SnapshotRequestMessage): void {
    const database = this.#database(message.database);
    // A request that comes twice is one: chunks of two moments under one number would make a whole that never was.
    if (message.transfer <= database.lastTransfer) return;
    database.lastTransfer = message.transfer;
    database.donor?.cancel();
    const donor = new Donor(this.#context, this.#flow, message, () => {
      if (donor.isDone && database.donor === donor) this.#endSnapshot(database, donor);
      this.#pump();
    });
    database.donor = donor;
    this.#pump();
  }

  /** Once per tick: lets stuck things try again and probes when something in flight does not arrive. */
  tick(): void {
    this.#ackTicks = this.#flow.unackedBytes > 0 ? this.#ackTicks + 1 : 0;
    let isStalled = this.#ackTicks >= this.#context.options.stallTicks;
    for (const database of this.#databases.values()) {
      database.offerTicks = Math.max(0, database.offerTicks - 1);
      database.isUnjudged = true;
      for (const origin of database.behind) {
        const cursor = database.cursor(origin);
        cursor.isStarved = false;
        if (!cursor.isInFlight || database.donor !== null) continue;
        cursor.stallTicks++;
        isStalled ||= cursor.stallTicks >= this.#context.options.stallTicks;
      }
    }
    if (isStalled) this.#hooks.probe();
    this.#pump();
  }

  /**
   * Everything we sent before `offset` has arrived and was settled, or is lost for good: what the peer still lacks is sent again.
   */
  handleProbed(offset: number): void {
    this.#flow.acknowledge(offset);
    this.#ackTicks = 0;
    const { stallTicks, resendsMax } = this.#context.options;
    for (const database of this.#databases.values()) {
      for (const origin of database.behind) {
        const cursor = database.cursor(origin);
        if (!cursor.isInFlight || cursor.stallTicks < stallTicks) continue;
        cursor.rewind(cursor.has);
        if (++cursor.resends <= resendsMax) continue;
        this.#context.close(
          CLOSE_CODES.STALLED,
          `no progress on ${database.name} origin ${origin} after ${cursor.has}`,
        );
        return;
      }
    }
    this.#pump();
  }

  computeLag(): LinkLag {
    const now = this.#context.clock.now();
    let entries = 0;
    let bytes = 0;
    let sinceMs = now;
    for (const database of this.#databases.values()) {
      if (database.isDeclined) continue;
      const vector = this.#context.engine.vector(database.name);
      for (const origin of database.behind) {
        const cursor = database.cursor(origin);
        const missing = sequenceOf(vector, origin) - cursor.has;
        if (missing <= 0 || cursor.isDoubtful) continue;
        const recent = this.#context.ring.summarize(database.name, origin, cursor.has);
        entries += missing;
        bytes += recent.bytes + Math.max(0, missing - recent.records) * RECORD_BYTES_ESTIMATE;
        sinceMs = Math.min(sinceMs, recent.sinceMs ?? cursor.behindSinceMs);
      }
    }
    return { entries, bytes, seconds: entries === 0 ? 0 : Math.max(0, now - sinceMs) / 1000 };
  }

  close(): void {
    this.#isClosed = true;
    this.#pace.close();
    this.#cancelSweep?.();
    for (const database of this.#databases.values()) database.donor?.cancel();
  }

  // --- what the peer has

  #database(name: string): PeerDatabase {
    let database = this.#databases.get(name);
    if (database === undefined) {
      const { engine, options, random } = this.#context;
      database = new PeerDatabase(
        name,
        () => engine.vector(name),
        (origin) => this.#isOfPeer(origin),
        () => options.lazySweepsMin + (random.bytes(1)[0]! % 3),
      );
      this.#databases.set(name, database);
      this.#assumeEmpty(database);
    }
    return database;
  }

  #assumeEmpty(database: PeerDatabase): void {
    if (!this.#isComplete || database.isKnown) return;
    database.isKnown = true;
    database.compare(this.#context.clock.now());
  }

  #joinPositions(database: PeerDatabase, positions: readonly Position[], isFull: boolean): void {
    const vector = this.#context.engine.vector(database.name);
    const asked = isFull ? database.unlisted(positions) : [];
    if (asked.length > 0) this.#hooks.answer(database.name, asked);
    for (const position of positions) {
      this.#advance(database, position.origin, position.seq);
      inspectPosition(this.#context, database.name, vector, position);
    }
  }

  #advance(database: PeerDatabase, origin: OriginId, seq: number): void {
    const isNews = database.advance(origin, seq);
    database.cursor(origin).isTold = true;
    if (isNews) this.#context.onProgress?.();
  }

  peerLinks(): readonly string[] {
    return [...this.#peerLinks];
  }

  /** What is known of the peer in one database. */
  peerDatabase(name: string): PeerDatabase | undefined {
    return this.#databases.get(name);
  }

  /** Database → origin → sequence that the peer is known to hold. */
  holdings(): ReadonlyMap<string, ReadonlyMap<OriginId, number>> {
    const holdings = new Map<string, ReadonlyMap<OriginId, number>>();
    for (const database of this.#databases.values()) {
      if (database.isKnown) holdings.set(database.name, database.positions());
    }
    return holdings;
  }

  #isOfPeer(origin: OriginId): boolean {
    const { peer } = this.#context;
    return origin === peer.origin || this.#context.nodeOf(origin) === peer.nodeId;
  }

  // --- whose task it is

  /** Eager for our own origins and those whose owner the peer is not linked to; otherwise lazy: when the peer stays behind. */
  #isEligible(cursor: Cursor): boolean {
    if (cursor.isFloored || cursor.isStarved) return false;
    if (cursor.position < cursor.pulledTo || cursor.sweeps >= cursor.sweepsMin) return true;
    if (cursor.isDoubtful) return false;
    const { selfNode, peer } = this.#context;
    if (cursor.origin === this.#context.ownOrigin()) return true;
    const owner = cursor.origin === peer.origin ? peer.nodeId : this.#context.nodeOf(cursor.origin);
    if (owner === selfNode) return true;
    if (owner === undefined) return !cursor.isPruned;
    return owner !== peer.nodeId && !cursor.isPruned && !this.#peerLinks.has(this.#fingerprint(owner));
  }

  /** The peer got batches of these origins from somebody else before they came from us. */
  handlePrune(name: string, origins: readonly OriginId[]): void {
    const database = this.#database(name);
    for (const origin of origins) {
      const cursor = database.cursor(origin);
      cursor.isPruned = true;
      cursor.sweeps = 0;
    }
  }

  #fingerprint(nodeId: string): string {
    let fingerprint = this.#fingerprints.get(nodeId);
    if (fingerprint === undefined) this.#fingerprints.set(nodeId, (fingerprint = fingerprintNode(nodeId)));
    return fingerprint;
  }

  #armSweep(): void {
    if (this.#cancelSweep !== null || this.#isClosed || !this.#sweepLazy(0)) return;
    this.#cancelSweep = this.#context.timers.after(this.#context.options.lazySweepMs, () => {
      this.#cancelSweep = null;
      this.#sweepLazy(1);
      this.#pump();
    });
  }

  /** @returns True when somebody else is awaited to deliver something. */
  #sweepLazy(sweeps: number): boolean {
    let isAny = false;
    for (const database of this.#databases.values()) {
      if (!database.isKnown || database.isDeclined || database.donor !== null) continue;
      for (const origin of database.behind) {
        const cursor = database.cursor(origin);
        if (cursor.isFloored || cursor.isStarved || this.#isEligible(cursor)) continue;
        cursor.sweeps += sweeps;
        // Nobody else delivers: from now on we do.
        if (cursor.sweeps >= cursor.sweepsMin) cursor.isPruned = false;
        isAny = true;
      }
    }
    return isAny;
  }

  // --- sending

  #pump(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    try {
      while (!this.#isClosed && this.#pace.mayGoOn() && this.#sendNext());
    } finally {
      this.#isPumping = false;
    }
    this.#armSweep();
  }

  /** Sends one message of the next database in turn. */
  #sendNext(): boolean {
    this.#gatherer.beginPass();
    const hasSent = this.#sendInTurn([...this.#databases.values()]);
    this.#gatherer.endPass(hasSent);
    return hasSent;
  }

  #sendInTurn(databases: readonly PeerDatabase[]): boolean {
    for (let i = 0; i < databases.length; i++) {
      const turn = (this.#turn + i) % databases.length;
      if (!this.#sendFrom(databases[turn]!)) continue;
      this.#turn = turn + 1;
      return true;
    }
    return false;
  }

  #sendFrom(database: PeerDatabase): boolean {
    if (database.donor !== null) {
      database.donor.pump();
      return false;
    }
    if (!database.isKnown || database.isDeclined || database.behind.size === 0) return false;
    if (database.isUnjudged) this.#judge(database);
    if (database.choice === 'asking') return false;
    const records = this.#countUnsendable(database);
    if (records > 0) this.#offer(database, records);
    if (records > 0 && (database.isFresh || database.choice === 'documents')) return false;
    const { batches, weight } = this.#gatherer.gather(database);
    if (batches.length === 0) return false;
    for (const batch of batches) this.#hooks.noteTold(database.name, batch.origin, batch.lastSeq);
    const payload = this.#context.payloads.encodeBatches(
      batches.map((batch) => batch.bytes),
      this.#context.peer.canDeflate,
    );
    const offset = this.#flow.send(weight);
    this.#context.send({ type: 'data', database: database.name, offset, weight, payload });
    this.#pace.noteSent(weight);
    return true;
  }

  /** Records the peer should rather get as a snapshot: all of them for a fresh peer, else what the log no longer holds. */
  #countUnsendable(database: PeerDatabase): number {
    const vector = this.#context.engine.vector(database.name);
    let missing = 0;
    let floored = 0;
    let isInRing = true;
    if (database.choice === 'documents') return this.#countMissing(database);
    if (!database.isFresh && ![...database.behind].some((origin) => database.cursor(origin).isFloored)) return 0;
    for (const origin of database.behind) {
      const cursor = database.cursor(origin);
      const records = sequenceOf(vector, origin) - cursor.position;
      if (records <= 0 || cursor.isDoubtful) continue;
      missing += records;
      if (cursor.isFloored) floored += records;
      isInRing &&= this.#context.ring.next(database.name, origin, cursor.position) !== undefined;
    }
    if (database.isFresh && !isInRing && missing >= this.#context.options.snapshotRecordsMin) return missing;
    return floored;
  }

  #countMissing(database: PeerDatabase): number {
    const vector = this.#context.engine.vector(database.name);
    let missing = 0;
    for (const origin of database.behind) {
      const cursor = database.cursor(origin);
      if (!cursor.isDoubtful) missing += Math.max(0, sequenceOf(vector, origin) - cursor.position);
    }
    return missing;
  }

  /** Chooses between records and documents, when much is missing or twice as much as when that was last done. */
  #judge(database: PeerDatabase): void {
    if (database.choice === 'asking') return;
    database.isUnjudged = false;
    const { engine, options } = this.#context;
    const missing = this.#countMissing(database);
    const isGivenUp = database.choice === 'documents' && database.offers >= OFFERS_MAX;
    if (missing < options.coalesceRecordsMin || isGivenUp) return this.#choose(database, 'records', missing);
    if (database.isFresh || database.choice === 'documents' || missing < database.chosenAt * 2) return;
    database.choice = 'asking';
    engine
      .prefersDocuments(
        database.name,
        (origin) => database.cursors.get(origin)?.position ?? database.holding?.get(origin) ?? 0,
      )
      .then(
        (prefers) => {
          this.#choose(database, prefers ? 'documents' : 'records', missing);
          this.#pump();
        },
        (error: unknown) => this.#context.close(CLOSE_CODES.INTERNAL_ERROR, `reading the log failed: ${String(error)}`),
      );
  }

  #choose(database: PeerDatabase, choice: PeerDatabase['choice'], missing: number): void {
    database.choice = choice;
    database.chosenAt = missing;
    database.offers = 0;
  }

  #offer(database: PeerDatabase, records: number): void {
    if (database.offerTicks > 0 || this.#context.engine.isMerging(database.name)) return;
    database.offerTicks = OFFER_TICKS;
    database.offers++;
    this.#context.send({ type: 'offer', database: database.name, records });
  }

  #endSnapshot(database: PeerDatabase, donor: Donor): void {
    database.donor = null;
    this.#choose(database, 'records', 0);
    for (const [origin, { seq }] of donor.vector) {
      const cursor = database.cursor(origin);
      cursor.sent = Math.max(cursor.sent, seq);
      cursor.isFloored = false;
      this.#hooks.noteTold(database.name, origin, seq);
    }
  }
}
