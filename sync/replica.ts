/**
 * @module
 * Owns one node's replica: its identity and epoch, its databases over one store, and its links. The composition root of the
 * replication engine; everything it needs from outside is an argument.
 */
import type { AtollError, Limits } from '../crdt/index.ts';
import { Catalog, SYSTEM_KEY, collectionId, creationOf, dropOf } from './catalog.ts';
import { acceptMissing } from './collection.ts';
import type { Database } from './database.ts';
import { DatabaseSet } from './database-set.ts';
import { SyncError } from './errors.ts';
import { GroupCommit } from './group-commit.ts';
import { HybridClock } from './hybrid-clock.ts';
import { loadIdentity } from './identity.ts';
import type { LinkOptions } from './link/options.ts';
import type { Peers, PeersEvent } from './link/peers.ts';
import { createPeers } from './link/peers.ts';
import { validateDatabaseName } from './names.ts';
import type { Channel, Clock, Compressor, Dialer, Random, Sha256, Store, Timers } from './port.ts';
import { portableSha256 } from './sha256.ts';
import type { ReplicaStatus } from './replica-status.ts';
import { describeReplica } from './replica-status.ts';
import { ReplicaEngine } from './replica-engine.ts';

export interface ReplicaOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Opens links; without one the replica only accepts them. */
  readonly dialer?: Dialer;
  /** Compresses frames; without one they travel as they are. */
  readonly compressor?: Compressor;
  /** Default: a portable one. */
  readonly sha256?: Sha256;
  /** Shown to people. Default `n-` and the start of the node id. */
  readonly name?: string;
  /** The one address other nodes are told. Without it nobody dials this node. */
  readonly advertise?: string;
  /** Shared by all members; default empty. */
  readonly clusterSecret?: Uint8Array;
  /** Bytes of documents, and again of views, kept in memory per database. Default 32 MiB. */
  readonly cacheBytesMax?: number;
  /** Limits of documents. Default those of the crdt layer. */
  readonly limits?: Limits;
  readonly link?: Partial<LinkOptions>;
  /** Storage failed: the replica acknowledges nothing more and should be closed. Called once. */
  readonly onFailure?: (error: AtollError) => void;
  readonly onPeerEvent?: (event: PeersEvent) => void;
}

const CACHE_BYTES_MAX_DEFAULT = 32 * 1024 * 1024;

export class Replica {
  readonly nodeId: string;
  readonly name: string;
  /** This epoch's origin id and Yjs client id. */
  readonly origin: number;
  readonly advertise: string | null;
  /** @internal What links see of the replica. */
  readonly engine: ReplicaEngine;
  readonly #options: ReplicaOptions;
  readonly #set: DatabaseSet;
  readonly #catalog: Catalog;
  readonly #commit: GroupCommit;
  readonly #peers: Peers;
  #closing: Promise<void> | null = null;

  private constructor(options: ReplicaOptions, identity: { nodeId: string; origin: number }, parts: ReplicaParts) {
    this.#options = options;
    this.nodeId = identity.nodeId;
    this.origin = identity.origin;
    this.name = options.name ?? `n-${identity.nodeId.slice(0, 6)}`;
    this.advertise = options.advertise ?? null;
    this.#set = parts.set;
    this.#catalog = parts.catalog;
    this.#commit = parts.commit;
    this.engine = new ReplicaEngine(parts.set, parts.catalog, parts.owners);
    this.#peers = createPeers({
      engine: this.engine,
      clock: options.clock,
      timers: options.timers,
      random: options.random,
      dialer: options.dialer,
      compressor: options.compressor,
      identity: () => ({ nodeId: this.nodeId, name: this.name, url: this.advertise, origin: this.origin }),
      secret: options.clusterSecret ?? new Uint8Array(),
      options: options.link,
      onEvent: options.onPeerEvent,
    });
    parts.set.nameOf = (origin) => this.nameOf(origin);
    parts.set.onDurable = (database, batches, slots) => {
      if (database.key === SYSTEM_KEY) this.#readSystem(slots);
      this.engine.publish(database.key, batches);
    };
  }

  /**
   * Opens the replica in a store: a new epoch, all databases, no link yet.
   *
   * @throws StorageError
   */
  static async open(options: ReplicaOptions): Promise<Replica> {
    const { store, clock, random } = options;
    const { nodeId, origin, owners, lastStamp } = await loadIdentity(store, random);
    const catalog = new Catalog();
    const commit = new GroupCommit(store, (error) => options.onFailure?.(error), options.timers.soon);
    const set = await DatabaseSet.open({
      store,
      catalog,
      commit,
      origin,
      nodeId,
      clock: new HybridClock(clock, lastStamp),
      sha256: options.sha256 ?? portableSha256,
      cacheBytesMax: options.cacheBytesMax ?? CACHE_BYTES_MAX_DEFAULT,
      ...(options.limits && { limits: options.limits }),
    });
    owners.set(origin, nodeId);
    const replica = new Replica(options, { nodeId, origin }, { set, catalog, commit, owners });
    await replica.#start();
    return replica;
  }

  async #start(): Promise<void> {
    await this.engine.recover();
    const system = this.#set.get(SYSTEM_KEY)!;
    for (const collection of ['databases', 'collections', 'members']) {
      for await (const { id, json } of system.documentsOf(collection)) this.#catalog.update(collection, id, json);
    }
    this.#learnMembers();
    await this.#announce(system);
    await this.#followCatalog();
    // A drop that a crash cut short, or a configuration from a node that had not heard of it.
    await this.#forgetConfigurations(this.#catalog.droppedAndConfigured());
  }

  /** Keeps our own entry of the member list true; writes nothing when it is. */
  async #announce(system: Database): Promise<void> {
    const known = this.#catalog.members.get(this.nodeId);
    if (known && known.name === this.name && known.url === this.advertise) return;
    const value = { name: this.name, url: this.advertise };
    await system.writeUnchecked('members', this.nodeId, { kind: 'replace', value });
  }

  #readSystem(slots: Parameters<DatabaseSet['onDurable']>[2]): void {
    let isChanged = false;
    for (const [slot, version] of slots) {
      isChanged = this.#catalog.update(slot.collection, slot.id, version.document?.json ?? null) || isChanged;
    }
    if (!isChanged) return;
    this.#learnMembers();
    // A failed removal shows as a failed store; what is left of it is removed at the next start.
    this.#followCatalog().catch((error: unknown) => this.#commit.fail(error));
  }

  #learnMembers(): void {
    for (const [nodeId, { url }] of this.#catalog.members) {
      if (nodeId !== this.nodeId && url !== null) this.#peers.learn(url);
    }
  }

  /** Removes what was dropped, and opens what was created elsewhere, so that a listed database can be used while empty. */
  async #followCatalog(): Promise<void> {
    for (const key of this.#set.allKeys()) if (this.#catalog.isDropped(key)) await this.#set.remove(key);
    for (const name of this.#catalog.databases.keys()) {
      const key = this.#catalog.liveKey(name);
      if (key !== undefined) await this.#set.ensure(key);
    }
  }

  /** Names of the user's databases, sorted. One created elsewhere is among them once it can be used here. */
  databases(): readonly string[] {
    const isOpen = (key: string | undefined): boolean => key !== undefined && this.#set.get(key) !== undefined;
    return [...this.#catalog.databases.keys()].filter((name) => isOpen(this.#catalog.liveKey(name))).sort();
  }

  /** @throws SyncError `SYNC_DATABASE_NOT_FOUND`, or `SYNC_DATABASE_NAME_INVALID` for a name that no database can have */
  database(name: string): Database {
    const key = this.#catalog.liveKey(name);
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
    const key = this.#catalog.liveKey(name);
    if (key !== undefined) {
      await this.#set.ensure(key);
      return { created: false };
    }
    const generation = (this.#catalog.databases.get(name)?.latest ?? -1) + 1;
    await this.#set.ensure(`${name}.${generation}`);
    // Another call may have created it meanwhile: then this one changes nothing.
    const { status } = await this.#system().writeUnchecked('databases', name, creationOf(generation));
    return { created: status !== 'unchanged' };
  }

  /**
   * Drops a database everywhere. Writes that other nodes accept before they learn of it are dropped too.
   *
   * @throws SyncError `SYNC_DATABASE_NOT_FOUND`
   */
  async dropDatabase(name: string): Promise<void> {
    const database = this.database(name);
    const generation = Number(database.key.slice(name.length + 1));
    await this.#system().writeUnchecked('databases', name, dropOf(generation));
    await this.#forgetConfigurations([database.key]);
  }

  /** Deletes what is configured for collections of dropped databases. */
  async #forgetConfigurations(databaseKeys: readonly string[]): Promise<void> {
    const change = { kind: 'delete' } as const;
    const ids = databaseKeys.flatMap((key) =>
      this.#catalog.configuredCollections(key).map((name) => collectionId(key, name)),
    );
    await Promise.all(ids.map((id) => this.#system().writeUnchecked('collections', id, change).catch(acceptMissing)));
  }

  #system(): Database {
    return this.#set.get(SYSTEM_KEY)!;
  }

  /** The name of the node that owns an origin: what conflicts show as `replica`. */
  nameOf(origin: number): string {
    const nodeId = this.engine.nodeOf(origin);
    if (nodeId === undefined) return String(origin);
    return nodeId === this.nodeId ? this.name : this.#catalog.members.get(nodeId)?.name || nodeId;
  }

  /** Set once storage failed. */
  get failure(): AtollError | null {
    return this.#commit.failure;
  }

  /** Members, links, lag. JSON-ready. */
  status(): ReplicaStatus {
    return describeReplica(this, this.#catalog, this.#set, this.#peers.status());
  }

  /** An incoming connection of a peer, before any of its messages was delivered. */
  accept(channel: Channel): void {
    this.#peers.accept(channel);
  }

  /** Keeps a link to the node at `url`. */
  addPeer(url: string): void {
    this.#peers.addPeer(url);
  }

  /** Refuses new writes, completes those under way, closes links, then the store. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#set.close();
    await this.#commit.idle();
    this.#peers.close();
    await this.#commit.idle();
    await this.#options.store.close();
  }
}

interface ReplicaParts {
  readonly set: DatabaseSet;
  readonly catalog: Catalog;
  readonly commit: GroupCommit;
  readonly owners: Map<number, string>;
}
