/**
 * @module
 * Owns one node's replica: its identity and epoch, its databases over one store, and its links. The composition root of the
 * replication engine; everything it needs from outside is an argument.
 */
import type { AtollError } from '../crdt/index.ts';
import { AccessTokens } from './access-token.ts';
import { SYSTEM_COLLECTIONS, SYSTEM_KEY } from './catalog.ts';
import type { Catalog, MemberState } from './catalog.ts';
import type { Database } from './database.ts';
import { createDatabase, dropDatabase, forgetConfigurations } from './database-list.ts';
import type { DatabaseListParts } from './database-list.ts';
import type { DatabaseSet } from './database-set.ts';
import { Guarantees } from './guarantees.ts';
import { SyncError } from './errors.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Horizon } from './horizon.ts';
import { introductionOf, storeSecret } from './identity.ts';
import { nameOfWriter } from './leaf/writer-id.ts';
import type { Epoch } from './identity.ts';
import { IdentityGuard } from './identity-guard.ts';
import { IncidentList } from './incident.ts';
import { createPeers, type Peers, type PeersEvent } from './link/peers.ts';
import { Membership, STALE_AFTER_MS_DEFAULT } from './membership.ts';
import { validateDatabaseName } from './names.ts';
import { Upkeep } from './upkeep.ts';
import { StableView } from './stable-view.ts';
import { Placement } from './placement.ts';
import { Proof, type DoctorReport } from './proof.ts';
import type { Channel } from './port.ts';
import type { JoinToken } from './protocol/admission.ts';
import { portableSha256 } from './sha256.ts';
import { describeReplica, describeTombstones, type ReplicaStatus } from './replica-status.ts';
import { ReplicaEngine } from './replica-engine.ts';
import type { ReplicaOptions } from './replica-options.ts';
import { validateAddress, validateChannel } from './program-argument.ts';
import { openParts, type ReplicaParts } from './replica-parts.ts';
import { OwnHistory } from './own-history.ts';
import type { UnsentDocument } from './unsent.ts';

export class Replica {
  readonly advertise: string | null;
  /** By which clients are let in. */
  readonly accessTokens: AccessTokens;
  /** @internal What links see of the replica. */
  readonly engine: ReplicaEngine;
  /** What clients may ask for beyond the answer of this node alone. */
  readonly guarantees: Guarantees;
  readonly #options: ReplicaOptions;
  readonly #epoch: Epoch;
  readonly #set: DatabaseSet;
  readonly #catalog: Catalog;
  readonly #commit: GroupCommit;
  readonly #peers: Peers;
  readonly #incidents: IncidentList;
  readonly #guard: IdentityGuard;
  readonly #history: OwnHistory;
  readonly #membership: Membership;
  readonly #placement: Placement;
  /** @internal What others hold. */
  readonly stable: StableView;
  /** @internal */
  readonly upkeep: Upkeep;
  readonly #proof: Proof;
  #secret: Uint8Array | JoinToken;
  #closing: Promise<void> | null = null;

  private constructor(options: ReplicaOptions, parts: ReplicaParts) {
    this.#options = options;
    this.advertise = options.advertise ?? null;
    this.#epoch = parts.epoch;
    this.#set = parts.set;
    this.#catalog = parts.catalog;
    this.accessTokens = new AccessTokens(options, parts.catalog, () => this.#system());
    this.#commit = parts.commit;
    this.#secret = parts.secret;
    this.#incidents = new IncidentList(options.clock, (incident) => options.onIncident?.(incident));
    this.#guard = this.#createGuard(parts);
    this.#membership = this.#createMembership(parts);
    this.#placement = this.#createPlacement(parts);
    this.guarantees = new Guarantees(parts, this.#membership, options.timers, () => this.#peers.status());
    this.engine = new ReplicaEngine(
      parts.set,
      parts.catalog,
      parts.owners,
      {
        handleForeignEpoch: (database, origin, seq) =>
          this.#guard.beginEpoch(origin, `a peer sent record ${seq} of it in ${database}`),
        handleFork: (database, origin, seq) => this.#guard.handleFork(database, origin, seq),
        handleOwner: (origin, nodeId) => this.#guard.handleOwner(origin, nodeId),
      },
      (database) => this.#placement.isPlaced(database),
    );
    this.engine.snapshotOptions = { ...this.engine.snapshotOptions, ...options.snapshot };
    this.#proof = this.#createProof(parts.set);
    this.engine.equality = this.#proof.repair;
    this.#peers = this.#createPeers();
    this.#history = this.#createHistory(parts);
    parts.set.onDamage = (database, name) => this.#proof.repair.healing.handleDamage(database, name);
    this.stable = new StableView({
      catalog: parts.catalog,
      membership: this.#membership,
      vectorOf: (database) => this.engine.vector(database),
    });
    this.upkeep = this.#createUpkeep(parts);
    parts.set.renewEpoch = () => this.#guard.renewEpoch();
    parts.set.nameOf = (origin) => this.nameOf(origin);
    parts.set.onDurable = (database, batches, slots) => {
      if (database.key === SYSTEM_KEY) this.#readSystem(slots);
      this.engine.publish(database.key, batches);
      this.guarantees.sessions.handleDurable();
    };
  }

  #createUpkeep({ set, epoch, owners }: ReplicaParts): Upkeep {
    const { clock, timers, log: retention, collection, compaction } = this.#options;
    const options = { clock, timers, retention, collection, compaction };
    return new Upkeep({
      ...options,
      databases: () => set.keys().map((key) => set.get(key)!),
      stable: this.stable,
      epoch,
      renewEpoch: () => this.#guard.renewEpoch(),
      members: () => this.#membership.others().length + 1,
      isOwn: (origin) => owners.get(origin) === this.nodeId,
      onFailure: (error) => this.#handleWriteFailure(error),
    });
  }

  #createGuard({ epoch, owners }: ReplicaParts): IdentityGuard {
    const { store, random } = this.#options;
    return new IdentityGuard({
      store,
      random,
      epoch,
      owners,
      incidents: this.#incidents,
      acknowledgedOf: (database, origin, held) => this.#membership.acknowledgedOf(database, origin, held),
      onFork: (database) => this.#history.beginAnew(database),
      onNodeId: () => {
        this.#peers.reintroduce();
        this.#membership.announce().catch((error: unknown) => this.#commit.fail(error));
      },
      onFailure: (error) => this.#commit.fail(error),
    });
  }

  #createMembership({ catalog, epoch, progress, clock: hybridClock }: ReplicaParts): Membership {
    const { clock, timers, random, isJoining = false, staleAfterMs = STALE_AFTER_MS_DEFAULT } = this.#options;
    return new Membership({
      catalog,
      epoch,
      progress,
      clock,
      timers,
      random,
      isJoining,
      staleAfterMs,
      system: () => this.#system(),
      self: () => ({ name: this.name, url: this.advertise }),
      databases: () => this.engine.databases(),
      vectorOf: (database) => this.engine.vector(database),
      tick: () => hybridClock.tick(),
      comparedSince: (database, sinceMs) =>
        this.#proof.repair
          .comparisonsOf(database)
          .filter(({ at }) => Date.parse(at) >= sinceMs)
          .map(({ isEqual }) => isEqual),
      onFailure: (error) => this.#handleWriteFailure(error),
    });
  }

  #createProof(set: DatabaseSet): Proof {
    const { clock, timers, sha256 = portableSha256, scrubPerSecond = 0 } = this.#options;
    return new Proof({
      clock,
      timers,
      sha256,
      scrub: { documentsPerSecond: scrubPerSecond },
      databases: () => set.keys().flatMap((key) => set.get(key) ?? []),
      databaseOf: (key) => set.get(key),
      nameOf: (node) => this.#catalog.members.get(node)?.name || node,
      tombstones: (database) => describeTombstones(this, this.#catalog, database),
      failure: () => this.failure?.code ?? null,
      fail: (error) => this.#handleWriteFailure(error),
    });
  }

  #createHistory({ set, catalog, epoch, owners }: ReplicaParts): OwnHistory {
    return new OwnHistory({
      set,
      catalog,
      epoch,
      owners,
      guard: this.#guard,
      membership: this.#membership,
      peers: this.#peers,
      onFailure: (error) => this.#handleWriteFailure(error),
    });
  }

  #createPlacement({ catalog, set, commit }: ReplicaParts): Placement {
    return new Placement({
      catalog,
      set,
      commit,
      timers: this.#options.timers,
      nodeId: () => this.nodeId,
      isHeldElsewhere: (key) => this.#membership.isHeldElsewhere(key),
      onMoved: (key, hasLeft) => {
        if (hasLeft) this.#guard.handleSetAside(key);
        this.engine.noteMoved(key);
      },
      onFailure: (error) => this.#handleWriteFailure(error),
    });
  }

  #createPeers(): Peers {
    const { clock, timers, random, dialer, compressor, link } = this.#options;
    return createPeers({
      engine: this.engine,
      clock,
      timers,
      random,
      dialer,
      compressor,
      identity: introductionOf(this.#epoch, () => this.name, this.advertise),
      secret: () => this.#secret,
      admissions: this.#membership,
      holdings: this.#membership,
      onSecret: (secret) => this.#takeSecret(secret),
      isRemoved: (node) => this.#membership.isRemoved(node),
      options: link,
      onProgress: () => this.guarantees.copies.handleProgress(),
      onEvent: (event) => this.#handlePeerEvent(event),
    });
  }

  /** Stable across starts, unless another process bears it too. */
  get nodeId(): string {
    return this.#epoch.nodeId;
  }

  get name(): string {
    return this.#options.name ?? `n-${this.nodeId.slice(0, 6)}`;
  }

  /** Origin id and Yjs client id of what this process writes now. */
  get origin(): number {
    return this.#epoch.origin;
  }

  #handlePeerEvent(event: PeersEvent): void {
    // What this node wrote in a database before it left comes back with it: nothing is lost.
    const isReturn = event.type === 'history' && !event.isForked && this.#placement.wasElsewhere(event.database);
    if (!isReturn) this.#guard.handle(event);
    this.#membership.handleEvent(event);
    if (event.type === 'removed') this.#membership.acceptRemoval(event.node);
    this.#options.onPeerEvent?.(event);
  }

  /** Used from the next link on, and after a restart. */
  #takeSecret(secret: Uint8Array): void {
    storeSecret(this.#options.store, secret).then(
      () => {
        this.#secret = secret;
      },
      (error: unknown) => this.#commit.fail(error),
    );
  }

  /** The watch over the member list may meet a closing database, which is no failure. */
  #handleWriteFailure(error: unknown): void {
    if (!(error instanceof SyncError && error.code === 'SYNC_CLOSED')) this.#commit.fail(error);
  }

  /**
   * Opens the replica in a store: a new epoch, all databases, no link yet.
   *
   * @throws StorageError
   */
  static async open(options: ReplicaOptions): Promise<Replica> {
    const replica = new Replica(options, await openParts(options));
    await replica.#start();
    return replica;
  }

  async #start(): Promise<void> {
    await this.engine.recover();
    const system = this.#set.get(SYSTEM_KEY)!;
    for (const collection of SYSTEM_COLLECTIONS) {
      for await (const { id, json } of system.readableDocumentsOf(collection)) {
        this.#catalog.update(collection, id, json);
      }
    }
    this.#noteRemoval();
    await this.#membership.start(this.#peers);
    await this.#placement.follow();
    this.#set.followIndexes();
    this.upkeep.start();
    // A drop that a crash cut short, or a configuration from a node that had not heard of it.
    await forgetConfigurations(this.#list, this.#catalog.droppedAndConfigured());
    this.#proof.start();
  }

  #readSystem(slots: Parameters<DatabaseSet['onDurable']>[2]): void {
    let isChanged = false;
    for (const [slot, version] of slots) {
      isChanged = this.#catalog.update(slot.collection, slot.id, version.document?.json ?? null) || isChanged;
    }
    if (!isChanged) return;
    this.#noteRemoval();
    this.guarantees.copies.handleProgress();
    this.#membership.handleCatalog();
    // A failed removal shows as a failed store; what is left of it is removed at the next start.
    this.#placement.follow().catch((error: unknown) => this.#commit.fail(error));
  }

  /** What a removed node would take from clients could go nowhere. */
  #noteRemoval(): void {
    if (!this.#membership.isRemoved(this.nodeId) || this.#epoch.end !== null) return;
    const message = 'this node was removed from the cluster and takes no writes; what only it holds can be exported';
    this.#epoch.end = new SyncError('SYNC_NODE_REMOVED', message, { retryable: true });
    this.#incidents.note('removed', this.nodeId, message);
  }

  /** Names of the user's databases, sorted. One created elsewhere is among them once it can be used here. */
  databases(): readonly string[] {
    const isOpen = (key: string | undefined): boolean =>
      key !== undefined && this.#set.get(key) !== undefined && this.#placement.isPlaced(key);
    return [...this.#catalog.databases.keys()].filter((name) => isOpen(this.#catalog.liveKey(name))).sort();
  }

  /** @throws SyncError `SYNC_DATABASE_NOT_FOUND`, or `SYNC_DATABASE_NAME_INVALID` for a name that no database can have */
  database(name: string): Database {
    const key = this.#catalog.liveKey(name);
    if (key !== undefined && !this.#placement.isPlaced(key)) throw this.#placement.elsewhere(name, key);
    const database = key === undefined ? undefined : this.#set.get(key);
    if (database) return database;
    validateDatabaseName(name);
    throw new SyncError('SYNC_DATABASE_NOT_FOUND', `There is no database "${name.slice(0, 80)}".`, {
      details: { db: name.slice(0, 80) },
    });
  }

  /** Idempotent. Databases created on several nodes at once are one database. */
  async createDatabase(name: string): Promise<{ created: boolean }> {
    validateDatabaseName(name);
    this.#epoch.assertWritable();
    return createDatabase(this.#list, name);
  }

  /**
   * Drops a database everywhere. Writes that other nodes accept before they learn of it are dropped too.
   *
   * @throws SyncError `SYNC_DATABASE_NOT_FOUND`
   */
  async dropDatabase(name: string): Promise<void> {
    this.#epoch.assertWritable();
    await dropDatabase(this.#list, this.database(name));
  }

  get #list(): DatabaseListParts {
    return {
      catalog: this.#catalog,
      set: this.#set,
      placement: this.#placement,
      system: () => this.#system(),
      random: this.#options.random,
    };
  }

  #system(): Database {
    return this.#set.get(SYSTEM_KEY)!;
  }

  /** The name of the node that owns an origin: what conflicts show as `replica`. */
  nameOf(origin: number): string {
    const nodeId = this.engine.nodeOf(origin);
    if (nodeId === undefined) return nameOfWriter(origin);
    return nodeId === this.nodeId ? this.name : this.#catalog.members.get(nodeId)?.name || nodeId;
  }

  /** Set once storage failed. */
  get failure(): AtollError | null {
    return this.#commit.failure;
  }

  /** Members, links, lag. JSON-ready. */
  status(): ReplicaStatus {
    return describeReplica({
      replica: this,
      catalog: this.#catalog,
      set: this.#set,
      peers: this.#peers.status(),
      membership: this.#membership,
      incidents: this.#incidents.list(),
      proof: this.#proof,
      nowMs: this.#options.clock.now(),
    });
  }

  /** What must hold and does not, documents out of use, and alarms. JSON-ready. */
  doctor(): DoctorReport {
    return this.#proof.report();
  }

  /** Reads and checks every stored document, then reports. */
  examine(): Promise<DoctorReport> {
    return this.#proof.examine();
  }

  /** Up to where all members hold a database (by its key). */
  horizon(database: string): Horizon {
    return this.stable.horizon(database);
  }

  /** As the cluster has it. */
  get memberState(): MemberState {
    return this.#membership.ownState;
  }

  /** Why this node takes no writes, if so: the cluster has removed it. */
  get removal(): SyncError | null {
    return this.#epoch.end;
  }

  /**
   * Puts a member out of the cluster for ever: members refuse its links, and nobody waits for it.
   *
   * @throws SyncError `SYNC_MEMBER_NOT_FOUND`, `SYNC_MEMBER_CONFLICT`
   */
  removeMember(node: string): Promise<void> {
    return this.#membership.remove(node);
  }

  /** Says which databases a member holds: those named, or all (`null`). @throws SyncError as `removeMember`, and for bad names */
  placeDatabases(node: string, databases: readonly string[] | null): Promise<void> {
    return this.#membership.place(node, databases);
  }

  /** Announces that a member is about to be stopped. @throws SyncError `SYNC_MEMBER_NOT_FOUND`, `SYNC_MEMBER_CONFLICT` */
  drainMember(node: string): Promise<void> {
    return this.#membership.drain(node);
  }

  /** Documents with writes of this node that no member is known to hold, what was set aside included. */
  unsent(): AsyncGenerator<UnsentDocument> {
    return this.#history.unsent();
  }

  /** Deletes what was set aside because the history of this node forked. */
  discardUnsent(): Promise<void> {
    return this.#set.discardAsides();
  }

  /** A token with which one node can join without knowing the cluster secret. */
  createJoinToken(validMs: number): Promise<{ token: string; id: string; expiresAt: number }> {
    return this.#membership.createJoinToken(validMs);
  }

  /** An incoming connection of a peer, before any of its messages was delivered. */
  accept(channel: Channel): void {
    validateChannel(channel);
    this.#peers.accept(channel);
  }

  /** Keeps a link to the node at `url`. */
  addPeer(url: string): void {
    validateAddress('url', url);
    this.#peers.addPeer(url);
  }

  /** Lets go of what can be read from the store again: cached documents and recent batches. */
  releaseCaches(): void {
    for (const key of this.#set.keys()) this.#set.get(key)?.releaseCache();
    this.#peers.releaseRing();
  }

  /** Refuses new writes, completes those under way, closes links, then the store. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.guarantees.end();
    this.upkeep.close();
    this.#proof.stop();
    this.#membership.stop();
    this.#placement.close();
    this.#set.close();
    await this.#commit.idle();
    this.#peers.close();
    await this.#commit.idle();
    await this.#options.store.close();
  }
}
