/**
 * @module
 * Owns a leaf: a replica of some documents inside a program, for people who are not to be trusted with the cluster. It reads and writes
 * without a node, and keeps in step with any node that it reaches. It is no member: nothing in the cluster waits for it.
 */
import type { AtollError, Change, Conflict, JsonObject, Limits } from '../../crdt/index.ts';
import { SyncError } from '../errors.ts';
import type { Clock, Dialer, Random, Sha256, Store, Timers } from '../port.ts';
import { validateDialer, validateListener, validateSurroundings } from '../program-argument.ts';
import { LeafCollection } from './leaf-collection.ts';
import { LeafCore, requireSubscribed } from './leaf-core.ts';
import type { LeafEvent, LeafStatus } from './leaf-event.ts';
import { validateToken, validateUrls } from './leaf-options.ts';
import { NO_QUERIES, type LeafQueries } from './leaf-query.ts';
import { LeafSync } from './leaf-sync.ts';
import { Listeners } from './listeners.ts';
import type { HeldCollection } from './leaf-table.ts';
import { selectionsOf } from './subscription.ts';
import type { CollectionSelection, LeafSubscription } from './subscription.ts';

export interface LeafParts {
  readonly urls: readonly string[];
  readonly token: string;
  readonly subscribe: readonly LeafSubscription[];
  readonly store: Store;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly sha256: Sha256;
  readonly limits?: Limits;
  /** Filters and orders, for subscriptions and queries that have some: `leafQueries`. Default: none. */
  readonly queries?: LeafQueries;
  readonly onFailure?: (error: AtollError) => void;
}

export class Leaf {
  readonly #core: LeafCore;
  readonly #sync: LeafSync;
  readonly #collections: ReadonlyMap<string, HeldCollection>;
  readonly #listeners: Listeners;
  #shown: string | null = null;
  #failure: AtollError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(core: LeafCore, { collections, left }: Selected, parts: LeafParts, listeners: Listeners) {
    this.#core = core;
    this.#collections = collections;
    this.#listeners = listeners;
    this.#sync = new LeafSync({
      ...parts,
      core,
      collections: [...collections.values(), ...left],
      onStatus: () => this.#showStatus(),
    });
  }

  /** @throws StorageError, SyncError `SYNC_CONFIG_INVALID` */
  static async open(parts: LeafParts): Promise<Leaf> {
    validateUrls(parts.urls);
    validateToken(parts.token);
    validateDialer(parts.dialer);
    validateSurroundings(parts.clock, parts.timers, parts.random);
    const { queries = NO_QUERIES } = parts;
    const selections = selectionsOf(parts.subscribe, queries);
    const listeners = new Listeners(parts.timers);
    const emit = (event: LeafEvent): void => listeners.tell(event);
    let leaf: Leaf | null = null;
    const onFailure = (error: Error): void => {
      if (leaf !== null) leaf.#fail(error as AtollError, parts.onFailure);
    };
    const core = await LeafCore.open({ ...parts, limits: parts.limits, queries, emit, onFailure });
    const collections = select(core, selections);
    const left = leaveOthers(core, collections);
    await core.commit();
    leaf = new Leaf(core, { collections, left }, parts, listeners);
    leaf.#sync.connect();
    return leaf;
  }

  /** A collection that was subscribed to. @throws SyncError `SYNC_LEAF_NOT_SUBSCRIBED` */
  collection<T extends object = JsonObject>(database: string, collection: string): LeafCollection<T> {
    const held = requireSubscribed(this.#collections.get(`${database}\0${collection}`), database, collection);
    return new LeafCollection<T>({
      held,
      write: (id, change) => this.#write(held, id, change),
      conflictsOf: (id) => this.#conflictsOf(held, id),
    });
  }

  status(): LeafStatus {
    return { ...this.#sync.status(), unsent: this.#core.outbox.size };
  }

  /** The storage error that ended all writing; null = none. */
  get failure(): AtollError | null {
    return this.#failure;
  }

  /** Tells what happens, until the function it returns is called. */
  onEvent(listener: (event: LeafEvent) => void): () => void {
    validateListener(listener);
    return this.#listeners.add(listener);
  }

  /** Resolves when everything is sent and everything was told. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const isOver = this.#failure !== null || this.#closing !== null;
        if (!isOver && !this.#sync.isSettled) return;
        stop();
        if (isOver) reject(this.#failure ?? closed());
        else resolve();
      };
      const stop = this.onEvent(check);
      check();
    });
  }

  /** Tries to reach a node at once, as when the network is back. */
  connect(): void {
    this.#sync.connect();
  }

  /** What lets it in from now on; connects with it. */
  setToken(token: string): void {
    validateToken(token);
    this.#sync.setToken(token);
  }

  /** Ends the connection, finishes what is being written, and closes the store. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#sync.close();
    await this.#core.close();
  }

  async #write(held: HeldCollection, id: string, change: Change): Promise<boolean> {
    this.#requireWritable();
    const isChanged = await this.#core.table.use(held, id, (document) => {
      this.#requireWritable();
      return this.#core.change(document, change);
    });
    // What it found unchanged may rest on a change that is on its way to the disk.
    await this.#core.commit();
    if (isChanged) this.#sync.wake();
    this.#showStatus();
    return isChanged;
  }

  #requireWritable(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closing !== null) throw closed();
    if (this.#sync.mayWrite !== false) return;
    throw new SyncError('SYNC_LEAF_FORBIDDEN', 'The token of the leaf may read only.');
  }

  async #conflictsOf(held: HeldCollection, id: string): Promise<readonly Conflict[]> {
    return held.held(id) === undefined ? [] : this.#core.table.use(held, id, (_, crdt) => crdt.conflicts());
  }

  #fail(error: AtollError, tell: ((error: AtollError) => void) | undefined): void {
    this.#failure = error;
    this.#sync.close().catch(() => undefined);
    tell?.(error);
  }

  #showStatus(): void {
    const status = this.status();
    const shown = JSON.stringify({ ...status, settledAt: null });
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#listeners.tell({ type: 'status', status });
  }
}

interface Selected {
  readonly collections: ReadonlyMap<string, HeldCollection>;
  /** Not subscribed to any more, with changes that are still to be sent. */
  readonly left: readonly HeldCollection[];
}

function select(core: LeafCore, selections: readonly CollectionSelection[]): ReadonlyMap<string, HeldCollection> {
  const collections = new Map<string, HeldCollection>();
  for (const { database, collection, selection } of selections) {
    const held = core.table.collection(database, collection);
    core.select(held, selection);
    collections.set(held.name, held);
  }
  return collections;
}

function leaveOthers(core: LeafCore, collections: ReadonlyMap<string, HeldCollection>): readonly HeldCollection[] {
  return [...core.table.collections].filter((held) => {
    if (collections.has(held.name)) return false;
    const ids = core.forget(held);
    held.selection = JSON.stringify({ isAll: false, ids, filters: [] });
    return ids.length > 0;
  });
}

function closed(): SyncError {
  return new SyncError('SYNC_CLOSED', 'The leaf is closed.');
}
