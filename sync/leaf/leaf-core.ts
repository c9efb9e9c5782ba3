/**
 * @module
 * Owns what a leaf has whether it is connected or not: its documents, its unsent changes, who it writes as, and the commits that make all
 * of that durable together.
 */
import type { Author, Change, JsonObject, Limits } from '../../crdt/index.ts';
import { StorageError, SyncError } from '../errors.ts';
import { GroupCommit } from '../group-commit.ts';
import type { CommitParticipant, SealedChanges } from '../group-commit.ts';
import { HybridClock } from '../hybrid-clock.ts';
import type { Clock, Random, Sha256, Store, StoreOperation, Timers } from '../port.ts';
import type { LeafEvent } from './leaf-event.ts';
import type { LeafQueries } from './leaf-query.ts';
import { LeafTable } from './leaf-table.ts';
import type { HeldCollection, LeafDocument } from './leaf-table.ts';
import { LeafWriter } from './leaf-writer.ts';
import { Outbox } from './outbox.ts';
import { IDENTITY_KEY, decodeIdentity, encodeIdentity } from './record.ts';
import { LEAF_SECRET_BYTES } from './writer-id.ts';

export interface LeafCoreOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly sha256: Sha256;
  readonly limits: Limits | undefined;
  readonly queries: LeafQueries;
  readonly emit: (event: LeafEvent) => void;
  readonly onFailure: (error: Error) => void;
}

interface Opened {
  readonly secret: Uint8Array;
  readonly stamp: number;
  readonly table: LeafTable;
  readonly outbox: Outbox;
}

/** Everything that the store of a leaf holds begins with this byte. */
const LEAF_KEYS = { gte: Uint8Array.of(0x4c), lt: Uint8Array.of(0x4d) } as const;

export class LeafCore implements CommitParticipant {
  readonly secret: Uint8Array;
  readonly table: LeafTable;
  readonly outbox: Outbox;
  readonly writer: LeafWriter;
  readonly clock: HybridClock;
  readonly #options: LeafCoreOptions;
  readonly #commit: GroupCommit;
  #events: LeafEvent[] = [];
  #storedStamp: number;

  private constructor(options: LeafCoreOptions, { secret, stamp, table, outbox }: Opened) {
    this.#options = options;
    this.secret = secret;
    this.table = table;
    this.outbox = outbox;
    this.writer = new LeafWriter(secret, options.random, options.sha256);
    this.clock = new HybridClock(options.clock, stamp);
    this.#storedStamp = stamp;
    this.#commit = new GroupCommit(options.store, options.onFailure, options.timers.soon);
  }

  /** @throws StorageError `STORAGE_FORMAT_UNSUPPORTED` when the store is of a replica that is no leaf */
  static async open(options: LeafCoreOptions): Promise<LeafCore> {
    const { store, random, queries } = options;
    const value = await store.get(IDENTITY_KEY);
    if (value === undefined) {
      await requireUnused(store);
      const identity = { secret: random.bytes(LEAF_SECRET_BYTES), stamp: 0 };
      await store.batch([{ type: 'put', key: IDENTITY_KEY, value: encodeIdentity(identity) }], { sync: true });
      return LeafCore.open(options);
    }
    const table = await LeafTable.open(store, queries);
    const outbox = await Outbox.open(store, table);
    return new LeafCore(options, { ...decodeIdentity(value), table, outbox });
  }

  /** Resolves when everything that was changed is durable. @throws StorageError */
  commit(): Promise<void> {
    return this.#commit.join(this);
  }

  async close(): Promise<void> {
    await this.#commit.idle();
    await this.#options.store.close();
  }

  seal(): SealedChanges {
    const operations: StoreOperation[] = [];
    const settle = this.table.seal(operations);
    this.outbox.seal(operations);
    if (this.clock.last !== this.#storedStamp) {
      this.#storedStamp = this.clock.last;
      const identity = { secret: this.secret, stamp: this.clock.last };
      operations.push({ type: 'put', key: IDENTITY_KEY, value: encodeIdentity(identity) });
    }
    const events = this.#events;
    this.#events = [];
    return {
      operations,
      durable: () => {
        settle();
        for (const event of events) this.#options.emit(event);
      },
    };
  }

  /** Tells something when the changes of this moment are durable. */
  announce(event: LeafEvent): void {
    this.#events.push(event);
  }

  /**
   * Makes a change of the leaf's own, synchronously. It is durable with the next commit.
   *
   * @returns False when it has no effect.
   * @throws CrdtError Nothing has changed.
   */
  change(document: LeafDocument, change: Change): boolean {
    const { collection, isBuried, json: base } = document;
    const isBeginning = collection.held(document.id) !== document;
    // What this process wrote in a document that it let go of must not be numbered again.
    if (isBeginning && this.table.dropped.delete(document.name)) this.writer.renew();
    const { types, deletePolicy } = collection.config;
    const { limits } = this.#options;
    const author: Author = {
      client: this.writer.client,
      stamp: this.clock.tick(),
      ...(types && { types }),
      ...(deletePolicy && { deletePolicy }),
      ...(limits && { limits }),
    };
    const update = document.crdt!.change(change, author);
    if (update === null) return false;
    this.outbox.add({
      document,
      nonce: this.writer.nonce,
      isBeginning,
      isAfterDelete: isBuried,
      base: document.unsent === 0 ? base : null,
      update,
    });
    this.table.touch(document);
    this.announce({ type: 'changed', by: 'leaf', ...namesOf(document) });
    return true;
  }

  /** Lets go of a document, or once nothing of it is unsent. */
  leave(document: LeafDocument, reason: 'deleted' | 'unmatched'): void {
    if (document.unsent > 0) {
      document.leaving = reason;
      this.table.touch(document);
      return;
    }
    this.table.drop(document, reason);
    this.announce({ type: 'left', reason, ...namesOf(document) });
  }

  /** Another selection is told from the beginning; what is held of it already is not sent again, and the rest goes. */
  select(held: HeldCollection, selection: string): void {
    if (held.selection !== selection) Object.assign(held, { selection, cursor: '' });
    this.table.move(held);
    for (const document of [...held.documents.values()]) if (!held.wants(document)) this.leave(document, 'unmatched');
  }

  /** Lets go of a collection that is not subscribed to any more. @returns Ids of documents that have unsent changes, and stay. */
  forget(held: HeldCollection): readonly string[] {
    held.cursor = '';
    this.table.move(held);
    const documents = [...held.documents.values()];
    for (const document of documents) if (document.unsent === 0) this.table.drop(document, 'unmatched');
    return documents.filter(({ unsent }) => unsent > 0).map(({ id }) => id);
  }

  /** Tells that changes were taken back. */
  refuse(
    document: LeafDocument,
    reason: { readonly code: string; readonly message: string },
    shown: string | null,
  ): void {
    const { code, message } = reason;
    const content = shown === null ? null : (JSON.parse(shown) as JsonObject);
    this.announce({ type: 'refused', code, message, document: content, ...namesOf(document) });
  }
}

export function namesOf({ collection, id }: LeafDocument): {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
} {
  return { database: collection.database, collection: collection.collection, id };
}

/** @throws SyncError `SYNC_LEAF_NOT_SUBSCRIBED` */
export function requireSubscribed(
  held: HeldCollection | undefined,
  database: string,
  collection: string,
): HeldCollection {
  if (held !== undefined) return held;
  const message = `The leaf has not subscribed to ${database}/${collection}: name it in "subscribe".`;
  throw new SyncError('SYNC_LEAF_NOT_SUBSCRIBED', message, { details: { field: 'subscribe' } });
}

async function requireUnused(store: Store): Promise<void> {
  const ranges = [
    { gte: Uint8Array.of(0), lt: LEAF_KEYS.gte },
    { gte: LEAF_KEYS.lt, lt: Uint8Array.of(0xff) },
  ];
  for (const range of ranges) {
    for await (const entries of store.range({ ...range, limit: 1, values: false })) {
      if (entries.length === 0) continue;
      const message = 'The store holds something else than a leaf: give the leaf one of its own.';
      throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', message);
    }
  }
}
