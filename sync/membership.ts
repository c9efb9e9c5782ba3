/**
 * @module
 * Owns this node's part in the member list: what it says of itself, whom it declares stale, removes or admits, and what every
 * member is known to hold. The list is documents of the system database, so it is replicated and merged like any other data.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { removalOf } from './catalog.ts';
import type { Catalog, MemberEntry, MemberState } from './catalog.ts';
import type { Database } from './database.ts';
import { SyncError } from './errors.ts';
import { HOLDS_NOTHING, countMissing } from './horizon.ts';
import type { Holding } from './horizon.ts';
import { Expansion } from './lineage.ts';
import type { Epoch } from './identity.ts';
import type { KnownToken } from './link/handshake.ts';
import type { Admissions, Peers, PeersEvent } from './link/peers.ts';
import type { HoldingsSource } from './link/relay.ts';
import type { Holdings, MemberProgress } from './member-progress.ts';
import { validateDatabaseName } from './names.ts';
import type { Clock, Random, Timers } from './port.ts';
import { fingerprintNode } from './protocol/authentication.ts';
import { createJoinToken } from './protocol/admission.ts';
import type { HoldingsEntry } from './protocol/message.ts';
import { MESH_MAX, neighboursOf } from './overlay.ts';
import type { Word } from './stability.ts';
import type { VersionVector } from './version-vector.ts';

/** A member that nobody has seen for so long is not waited for. */
export const STALE_AFTER_MS_DEFAULT: number = 7 * 24 * 3_600_000;
/** How often the state of the member list is looked at. */
const TICK_MS = 1000;
/** Ticks between two looks at what linked members hold, for the time when they are gone. */
const PROGRESS_TICKS = 15;
/** Ticks between two looks at the overlay. */
const SHAPE_TICKS = 5;
/** Ticks a process runs before it declares anybody stale: it may have been away itself. */
const STALE_TICKS_MIN = 60;
/** Ticks after which a stale node that lacks nothing is live without a proof, which a database that never rests cannot give. */
const PROOF_TICKS_MAX = 120;
/** Between two ticks: more is a jump of the clock. */
const CLOCK_JUMP_MS = 60_000;
/** Our word is said again after this. */
const WORD_MS = 3_600_000;
/** Ticks between two corrections of our own entry. */
const ANNOUNCE_TICKS = 10;

export interface MembershipParts {
  readonly catalog: Catalog;
  readonly epoch: Epoch;
  readonly system: () => Database;
  readonly progress: MemberProgress;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** What we say of ourselves. */
  readonly self: () => { readonly name: string; readonly url: string | null };
  /** Has this node been told to join others, so that it is not complete by itself? */
  readonly isJoining: boolean;
  readonly staleAfterMs: number;
  /** Keys of the databases held here, and what is durable of them. */
  readonly databases: () => readonly string[];
  readonly vectorOf: (database: string) => VersionVector;
  /** What comparisons of digests with peers have said since a moment, of one database. */
  readonly comparedSince: (database: string, sinceMs: number) => readonly boolean[];
  /** A new stamp of the hybrid logical clock. */
  readonly tick: () => number;
  readonly onFailure: (error: unknown) => void;
}

export class Membership implements Admissions, HoldingsSource {
  readonly #parts: MembershipParts;
  #peers: Peers | null = null;
  #cancel: () => void = () => {};
  #ticks = 0;
  /** Wall clock at the last tick. */
  #tickedMs: number | null = null;
  #announcedTick = -ANNOUNCE_TICKS;
  #isWriting = false;
  /** Null while everybody is linked to everybody. */
  #neighbours: ReadonlySet<string> | null = null;
  /** Since when this process knows that it was given up and lacks nothing. */
  #stale: { readonly sinceMs: number; readonly tick: number } | null = null;
  /** Tokens being exchanged, and by whom: the mark on the disk comes later. */
  readonly #reserved = new Map<string, string>();
  readonly #words = new Map<string, HoldingsEntry>();
  #ownWord: { readonly entry: HoldingsEntry; readonly atMs: number } | null = null;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
  }

  /** Learns the addresses of members, says who we are, and begins to watch. */
  async start(peers: Peers): Promise<void> {
    this.#peers = peers;
    this.handleCatalog();
    await this.announce();
    this.#arm();
  }

  stop(): void {
    this.#cancel();
  }

  /** Our own entry as the cluster has it. */
  get ownState(): MemberState {
    return this.#own?.state ?? (this.#parts.isJoining ? 'joining' : 'live');
  }

  get #own(): MemberEntry | undefined {
    return this.#parts.catalog.members.get(this.#parts.epoch.nodeId);
  }

  /** This node; may change. */
  get nodeId(): string {
    return this.#parts.epoch.nodeId;
  }

  isRemoved(node: string): boolean {
    return this.#parts.catalog.members.get(node)?.state === 'removed';
  }

  /** Every other member that counts for the horizon. */
  others(): readonly string[] {
    const { catalog, epoch } = this.#parts;
    return [...catalog.members]
      .filter(([node, { state }]) => node !== epoch.nodeId && state !== 'removed' && state !== 'stale')
      .map(([node]) => node);
  }

  /** What a member is known to hold: by its own word while it is linked, else by its last. */
  holdingOf(node: string, database: string): Holding {
    const linked = this.#peers?.holdingOf(node, database) ?? null;
    return linked ?? this.#lastHoldingOf(node, database);
  }

  #lastHoldingOf(node: string, database: string): Holding {
    const { progress, vectorOf } = this.#parts;
    const listed = progress.holdingsOf(node).get(database);
    return listed === undefined ? HOLDS_NOTHING : new Expansion(vectorOf(database), listed);
  }

  /** All that a member held of a database at one moment, by its own word since this process runs; null = it said nothing. */
  wordOf(node: string, database: string): Word | null {
    const linked = this.#peers?.wordOf(node, database) ?? null;
    if (linked !== null) return linked;
    const passedOn = this.#words.get(node)?.databases.find((entry) => entry.database === database);
    return passedOn === undefined ? null : new Map(passedOn.positions);
  }

  /** The same of all databases, as vectors list it. */
  holdingsOf(node: string): Holdings {
    return this.#peers?.holdingsOf(node) ?? this.#parts.progress.holdingsOf(node);
  }

  /** Does a linked member that is to hold a database have all that is durable of it here? */
  isHeldElsewhere(database: string): boolean {
    const linked = this.#peers?.linkedNodes() ?? [];
    const own = this.#parts.vectorOf(database);
    return this.others().some(
      (node) =>
        linked.includes(node) &&
        this.#parts.catalog.isPlaced(node, database) &&
        countMissing(own, this.holdingOf(node, database)) === 0,
    );
  }

  /** The largest position of an origin, up to what we hold, that others had told us of before their links of now. */
  acknowledgedOf(database: string, origin: number, held: number): number {
    const { catalog } = this.#parts;
    let acknowledged = 0;
    for (const node of catalog.members.keys()) {
      const seq = this.#lastHoldingOf(node, database).get(origin) ?? 0;
      if (seq <= held) acknowledged = Math.max(acknowledged, seq);
    }
    return acknowledged;
  }

  /** Wall clock, ms; `null` = never. */
  lastSeen(node: string): number | null {
    return this.#parts.progress.seenMsOf(node);
  }

  /** Keeps our own entry true; writes nothing when it is. */
  async announce(state: MemberState = this.#startState()): Promise<void> {
    const own = this.#own;
    const { name, url } = this.#parts.self();
    if (own?.state === 'removed' || (own?.name === name && own.url === url && own.state === state)) return;
    await this.#write(this.#parts.epoch.nodeId, { name, url, state });
  }

  /** A node that was drained works again when it is started; one that was given up has to catch up first. */
  #startState(): MemberState {
    const state = this.ownState;
    return state === 'draining' ? 'live' : state;
  }

  async #write(node: string, patch: { name?: string; url?: string | null; state: MemberState }): Promise<void> {
    const { system } = this.#parts;
    await system().writeUnchecked('members', node, { kind: 'merge-patch', patch });
  }

  /** The member list changed. */
  handleCatalog(): void {
    const { catalog, epoch } = this.#parts;
    this.#shape();
    for (const [node, { url, state }] of catalog.members) {
      if (node === epoch.nodeId) continue;
      if (state === 'removed') this.#forget(node);
      else if (url !== null && this.#isNeighbour(node)) this.#peers?.learn(url, node);
    }
    this.#peers?.expelRemoved();
  }

  #isNeighbour(node: string): boolean {
    return this.#neighbours === null || this.#neighbours.has(node);
  }

  /** Beyond a full mesh: whom to be linked to. Learns new neighbours, and lets go of others. */
  #shape(): void {
    const { catalog, epoch } = this.#parts;
    const peers = this.#peers;
    const nodes = [epoch.nodeId, ...this.others()];
    if (peers === null || (nodes.length <= MESH_MAX && this.#neighbours === null)) return;
    // Who does not hold a database does not forward it: its holders have an overlay of their own.
    const groups = [nodes, ...catalog.holderGroups(epoch.nodeId, nodes)];
    const isAway = (node: string): boolean => peers.isAway(node);
    this.#neighbours = new Set(groups.flatMap((group) => [...neighboursOf(epoch.nodeId, group, isAway)]));
    for (const node of this.#neighbours) {
      const url = catalog.members.get(node)?.url ?? null;
      if (url !== null) peers.learn(url, node);
    }
    peers.shape(this.#neighbours);
  }

  #forget(node: string): void {
    this.#parts.progress.forget(node);
    this.#words.delete(node);
  }

  handleEvent(event: PeersEvent): void {
    if (event.type === 'closed' && event.node !== null) this.#noteHoldings(event.node, event.holdings);
  }

  // --- what others pass on

  /** Nothing while everybody hears everybody: then nobody needs our word, and nobody has given us his. */
  entries(): readonly HoldingsEntry[] {
    const linked = new Set(this.#peers?.linkedNodes());
    const isHeardByAll = this.others().every((node) => linked.has(node));
    return isHeardByAll ? [...this.#words.values()] : [this.#sayHoldings(), ...this.#words.values()];
  }

  /** Said anew when it changed, and once an hour as a sign of life. */
  #sayHoldings(): HoldingsEntry {
    const { epoch, databases, vectorOf, clock, tick } = this.#parts;
    const said = databases().map((database) => {
      return { database, positions: [...vectorOf(database)].map(([origin, { seq }]) => [origin, seq] as const) };
    });
    const known = this.#ownWord;
    const isSame = known !== null && JSON.stringify(known.entry.databases) === JSON.stringify(said);
    const isRecent = known !== null && Math.abs(clock.now() - known.atMs) < WORD_MS;
    if (isSame && isRecent && known.entry.node === epoch.nodeId) return known.entry;
    const entry = { node: epoch.nodeId, stamp: tick(), databases: said };
    this.#ownWord = { entry, atMs: clock.now() };
    return entry;
  }

  /** The word of a member that we are linked to is only passed on: itself it tells us more. */
  note(entries: readonly HoldingsEntry[]): void {
    const { epoch, catalog } = this.#parts;
    for (const entry of entries) {
      const { node, stamp, databases } = entry;
      if (node === epoch.nodeId || !catalog.members.has(node) || this.isRemoved(node)) continue;
      if (stamp <= (this.#words.get(node)?.stamp ?? 0)) continue;
      this.#words.set(node, entry);
      if (this.#peers?.linkedNodes().includes(node) === true) continue;
      this.#noteHoldings(node, new Map(databases.map(({ database, positions }) => [database, new Map(positions)])));
    }
  }

  // --- commands of operators

  /**
   * Puts a member out of the cluster, for ever.
   *
   * @throws SyncError `SYNC_MEMBER_NOT_FOUND`, `SYNC_MEMBER_CONFLICT` for this node itself.
   */
  async remove(node: string): Promise<void> {
    const { epoch, clock, system } = this.#parts;
    if (this.#require(node).state === 'removed') return;
    if (node === epoch.nodeId) {
      // Nobody would take the news from a node that is out.
      throw new SyncError('SYNC_MEMBER_CONFLICT', 'A node cannot remove itself: ask another member to do it.');
    }
    await system().writeUnchecked('members', node, removalOf(epoch.nodeId, clock.now()));
  }

  /** Announces that a member is about to be stopped. @throws SyncError `SYNC_MEMBER_NOT_FOUND`, `SYNC_MEMBER_CONFLICT` */
  async drain(node: string): Promise<void> {
    if (this.#require(node).state === 'removed') {
      throw new SyncError('SYNC_MEMBER_CONFLICT', 'The member was removed; there is nothing to drain.');
    }
    await this.#write(node, { state: 'draining' });
  }

  /**
   * Says which databases a member holds: those named, or all of them (`null`).
   *
   * @throws SyncError `SYNC_MEMBER_NOT_FOUND`, `SYNC_MEMBER_CONFLICT`, `SYNC_DATABASE_NAME_INVALID`
   */
  async place(node: string, databases: readonly string[] | null): Promise<void> {
    if (this.#require(node).state === 'removed') {
      throw new SyncError('SYNC_MEMBER_CONFLICT', 'The member was removed: it holds nothing.');
    }
    databases?.forEach(validateDatabaseName);
    const names = databases === null ? null : [...new Set(databases)].sort();
    await this.#parts.system().writeUnchecked('members', node, { kind: 'merge-patch', patch: { databases: names } });
  }

  #require(node: string): MemberEntry {
    const member = this.#parts.catalog.members.get(node);
    if (member !== undefined) return member;
    throw new SyncError('SYNC_MEMBER_NOT_FOUND', `No member has the id "${node.slice(0, 80)}".`);
  }

  /** The cluster says that we are out: it is true here too from now on, also after a restart. */
  acceptRemoval(by: string): void {
    const { epoch, clock, system, onFailure } = this.#parts;
    if (this.isRemoved(epoch.nodeId)) return;
    system().writeUnchecked('members', epoch.nodeId, removalOf(by, clock.now())).catch(onFailure);
  }

  // --- join tokens

  /** A token with which one node may join until then. Only its hash is kept. */
  async createJoinToken(validMs: number): Promise<{ token: string; id: string; expiresAt: number }> {
    const { random, clock, system, catalog } = this.#parts;
    const now = clock.now();
    for (const [id, { expiresAt }] of catalog.joinTokens) {
      if (expiresAt < now)
        await system()
          .writeUnchecked('join-tokens', id, { kind: 'delete' })
          .catch(() => undefined);
    }
    const { text, id, key } = createJoinToken(random);
    const expiresAt = now + validMs;
    const value = { hash: bytesToHex(key), expiresAt };
    await system().writeUnchecked('join-tokens', id, { kind: 'replace', value });
    return { token: text, id, expiresAt };
  }

  find(tokenId: string): KnownToken | null {
    const entry = this.#parts.catalog.joinTokens.get(tokenId);
    if (entry === undefined || !/^[0-9a-f]{64}$/.test(entry.hash)) return null;
    return { key: hexToBytes(entry.hash), refusalFor: (node) => this.#refusalFor(tokenId, node) };
  }

  #refusalFor(tokenId: string, node: string): string | null {
    const entry = this.#parts.catalog.joinTokens.get(tokenId);
    if (entry === undefined) return 'the join token is not known here';
    // The same node again: the answer to its first attempt was lost.
    const usedBy = entry.usedBy ?? this.#reserved.get(tokenId) ?? node;
    if (usedBy !== node) return 'the join token was used already';
    if (entry.expiresAt < this.#parts.clock.now()) return 'the join token has expired';
    return this.isRemoved(node) ? 'this node was removed from the cluster' : null;
  }

  async redeem(tokenId: string, node: string): Promise<void> {
    const refusal = this.#refusalFor(tokenId, node);
    if (refusal !== null) throw new SyncError('SYNC_AUTH_FAILED', refusal);
    this.#reserved.set(tokenId, node);
    await this.#parts
      .system()
      .writeUnchecked('join-tokens', tokenId, { kind: 'merge-patch', patch: { usedBy: node } })
      .finally(() => this.#reserved.delete(tokenId));
  }

  // --- watching

  #arm(): void {
    this.#cancel = this.#parts.timers.after(TICK_MS, () => {
      this.#arm();
      this.#tick();
    });
  }

  #tick(): void {
    this.#ticks++;
    this.#followClock();
    if (this.#peers === null || this.isRemoved(this.#parts.epoch.nodeId)) return;
    if (this.#ticks % PROGRESS_TICKS === 0) this.#noteProgress(this.#peers);
    if (this.#ticks % SHAPE_TICKS === 0) this.#shape();
    if (!this.#isWriting) this.#correctList(this.#peers);
  }

  /** A clock that jumps, or a machine that slept, says nothing about how long others were away. */
  #followClock(): void {
    const { clock, progress } = this.#parts;
    const now = clock.now();
    const jumpMs = this.#tickedMs === null ? 0 : now - this.#tickedMs - TICK_MS;
    this.#tickedMs = now;
    if (Math.abs(jumpMs) > CLOCK_JUMP_MS) progress.shift(jumpMs);
  }

  #correctList(peers: Peers): void {
    const state = this.#desiredState(peers);
    const stale = this.#ticks % PROGRESS_TICKS === 0 ? this.#findStale() : null;
    const own = this.#own;
    const { name, url } = this.#parts.self();
    const isWrong = own === undefined || own.name !== name || own.url !== url;
    const isDue = this.#ticks - this.#announcedTick >= ANNOUNCE_TICKS;
    if (state !== own?.state || (isWrong && isDue)) {
      this.#announcedTick = this.#ticks;
      this.#run(this.announce(state));
    } else if (stale !== null) {
      this.#run(this.#write(stale, { state: 'stale' }));
    }
  }

  #run(work: Promise<void>): void {
    this.#isWriting = true;
    work.catch(this.#parts.onFailure).finally(() => {
      this.#isWriting = false;
    });
  }

  /** Live once some peer has nothing that we lack, and, for a node that others had given up, digests agree. */
  #desiredState(peers: Peers): MemberState {
    const state = this.ownState;
    if (state !== 'stale') this.#stale = null;
    if (state !== 'joining' && state !== 'stale') return state;
    const hasAll = peers.linkedNodes().some((node) => this.#hasAllOf(node));
    return hasAll && (state === 'joining' || this.#isReconciled()) ? 'live' : state;
  }

  /** Others may have forgotten what this node still has: no vector tells, only the digests do. */
  #isReconciled(): boolean {
    const { databases, comparedSince, clock } = this.#parts;
    this.#stale ??= { sinceMs: clock.now(), tick: this.#ticks };
    const { sinceMs, tick } = this.#stale;
    const results = databases().map((database) => comparedSince(database, sinceMs));
    if (results.every((equal) => equal.includes(true))) return true;
    return this.#ticks - tick > PROOF_TICKS_MAX && !results.flat().includes(false);
  }

  #hasAllOf(node: string): boolean {
    const { databases, vectorOf } = this.#parts;
    const holdings = this.holdingsOf(node);
    if (holdings.size === 0) return false;
    const held = new Set(databases());
    const { catalog, epoch } = this.#parts;
    return [...holdings].every(([database, holding]) => {
      if (!catalog.isPlaced(epoch.nodeId, database)) return true;
      if (!held.has(database)) return ![...holding.values()].some((seq) => seq > 0);
      const vector = vectorOf(database);
      return [...holding].every(([origin, seq]) => (vector.get(origin)?.seq ?? 0) >= seq);
    });
  }

  #noteProgress(peers: Peers): void {
    const { progress, catalog, clock, onFailure } = this.#parts;
    const linked = peers.linkedNodes();
    for (const node of linked) this.#noteHoldings(node, peers.holdingsOf(node) ?? new Map());
    const beyond = peers.nodesBeyond();
    for (const node of catalog.members.keys()) {
      if (!linked.includes(node) && beyond.has(fingerprintNode(node))) progress.noteSeen(node, clock.now());
    }
    progress.save().catch(onFailure);
  }

  #noteHoldings(node: string, holdings: Holdings): void {
    const { progress, clock } = this.#parts;
    if (this.isRemoved(node)) return;
    if (holdings.size > 0) progress.noteHoldings(node, holdings, clock.now());
    else progress.noteSeen(node, clock.now());
  }

  /** Only who has talked to a member judges it: others may never have had a way to see it. */
  #findStale(): string | null {
    const { progress, clock, staleAfterMs } = this.#parts;
    if (this.#ticks < STALE_TICKS_MIN) return null;
    for (const node of this.others()) {
      const seenMs = progress.seenMsOf(node);
      const isKnown = progress.holdingsOf(node).size > 0;
      if (isKnown && seenMs !== null && clock.now() - seenMs > staleAfterMs) return node;
    }
    return null;
  }
}
