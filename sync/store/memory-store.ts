/**
 * @module
 * Owns the store that lives in memory, for simulations, tests and browsers. It behaves as a disk does: what was written without
 * `sync` may be lost in a crash, oldest kept first, and every operation can be delayed or made to fail.
 */
import { assert } from '../../crdt/index.ts';
import { StorageError } from '../errors.ts';
import type { RangeOptions, Store, StoreEntry, StoreOperation, StoreSnapshot } from '../port.ts';
import { successorOf } from './byte-order.ts';
import { entriesOf, SortedMap, type SortedMapSnapshot } from './sorted-map.ts';

const CHUNK_BYTES_MAX = 262_144;
const CHUNK_ENTRIES_MAX = 1000;
/** `clear` is not atomic: it is written as batches of this many deletes, and a crash may keep only some. */
const CLEAR_BATCH_ENTRIES = 256;
const NO_VALUE = new Uint8Array(0);

/** What an operation is about to do; see `MemoryStoreOptions.intercept`. */
export type StoreAccess =
  | { readonly type: 'read'; readonly keys: readonly Uint8Array[] }
  | { readonly type: 'range'; readonly gte: Uint8Array; readonly lt: Uint8Array; readonly values: boolean }
  | { readonly type: 'batch'; readonly operations: readonly StoreOperation[]; readonly sync: boolean };

export interface MemoryStoreOptions {
  /**
   * Called for every access. May return a promise to delay it, and may throw a `StorageError` to fail it. For a batch this is
   * the moment between write and fsync: the batch is in the log, so a crash may keep it although nobody was told.
   */
  readonly intercept?: (access: StoreAccess) => void | Promise<void>;
}

type Batch = readonly StoreOperation[];

export class MemoryStore implements Store {
  readonly #intercept: (access: StoreAccess) => void | Promise<void>;
  readonly #visible: SortedMap;
  /** What a crash cannot take. */
  #durable: SortedMapSnapshot;
  /** Batches written after `#durable`, oldest first; the last ones may still wait for `intercept`. */
  #unsynced: Batch[] = [];
  /** Writes apply in call order, one at a time. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  #failure: StorageError | null = null;
  #isClosed = false;

  constructor(options: MemoryStoreOptions = {}, content: SortedMapSnapshot = []) {
    this.#intercept = options.intercept ?? (() => {});
    this.#visible = new SortedMap(content);
    this.#durable = content;
  }

  /** Batches that a crash at this moment may lose. */
  get unsyncedBatches(): number {
    return this.#unsynced.length;
  }

  /** Keys stored. */
  get size(): number {
    return this.#visible.size;
  }

  /**
   * Kills this store and returns the one the next process finds: everything synced, and the oldest `unsyncedKept` of the other
   * batches (default none). After `close()` nothing is unsynced. Every operation on the dead store rejects, those under way too.
   */
  crash(unsyncedKept: number = 0, options: MemoryStoreOptions = { intercept: this.#intercept }): MemoryStore {
    const survivor = new SortedMap(this.#durable);
    for (const batch of this.#unsynced.slice(0, unsyncedKept)) applyBatch(survivor, batch);
    this.#isClosed = true;
    this.#unsynced = [];
    return new MemoryStore(options, survivor.snapshot());
  }

  /** A store of its own with what a crash at this moment would leave. */
  copy(): MemoryStore {
    return new MemoryStore({}, this.#durable);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    for (const key of keys) assertKey(key);
    await this.#access({ type: 'read', keys });
    return keys.map((key) => this.#visible.get(key));
  }

  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    for (const { key } of operations) assertKey(key);
    return this.#enqueue(() => this.#write(operations, options.sync));
  }

  range(options: RangeOptions): AsyncIterable<readonly StoreEntry[]> {
    return this.#chunks(this.#visible.snapshot(), options);
  }

  snapshot(): StoreSnapshot {
    this.#assertOpen();
    const content = this.#visible.snapshot();
    let isClosed = false;
    const ensureOpen = (): void => {
      if (isClosed) throw new StorageError('STORAGE_CLOSED', 'the snapshot is closed');
    };
    const chunks = (bounds: { gte: Uint8Array; lt: Uint8Array }): AsyncGenerator<readonly StoreEntry[]> =>
      this.#chunks(content, bounds, ensureOpen);
    return {
      get: async (key) => {
        assertKey(key);
        ensureOpen();
        await this.#access({ type: 'read', keys: [key] });
        ensureOpen();
        for (const [, value] of entriesOf(content, { gte: key, lt: successorOf(key) })) return value;
        return undefined;
      },
      range: (bounds) => {
        ensureOpen();
        return chunks(bounds);
      },
      close: async () => {
        isClosed = true;
      },
    };
  }

  clear(bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> {
    return this.#enqueue(async () => {
      this.#assertWritable();
      const keys = [...entriesOf(this.#visible.snapshot(), bounds)].map(([key]) => key);
      for (let from = 0; from < keys.length; from += CLEAR_BATCH_ENTRIES) {
        const part = keys.slice(from, from + CLEAR_BATCH_ENTRIES);
        await this.#write(
          part.map((key) => ({ type: 'del', key })),
          false,
        );
      }
    });
  }

  close(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      if (this.#failure === null) this.#sync();
    });
  }

  #enqueue(write: () => Promise<void>): Promise<void> {
    const result = this.#lastWrite.then(write);
    this.#lastWrite = result.catch(() => {});
    return result;
  }

  async #write(batch: Batch, sync: boolean): Promise<void> {
    this.#assertWritable();
    this.#unsynced.push(batch);
    try {
      await this.#access({ type: 'batch', operations: batch, sync });
    } catch (error) {
      if (error instanceof StorageError && !this.#isClosed) this.#failure = error;
      throw error;
    }
    applyBatch(this.#visible, batch);
    if (sync) this.#sync();
  }

  #sync(): void {
    this.#durable = this.#visible.snapshot();
    this.#unsynced = [];
  }

  async #access(access: StoreAccess): Promise<void> {
    this.#assertOpen();
    await this.#intercept(access);
    this.#assertOpen();
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#failure !== null) throw failedStore(this.#failure);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new StorageError('STORAGE_CLOSED', 'the store is closed');
  }

  async *#chunks(
    snapshot: SortedMapSnapshot,
    options: RangeOptions,
    ensureOpen: () => void = () => {},
  ): AsyncGenerator<readonly StoreEntry[], void, undefined> {
    ensureOpen();
    let chunk: StoreEntry[] = [];
    let bytes = 0;
    let left = options.limit ?? Infinity;
    const { gte, lt, values = true } = options;
    await this.#access({ type: 'range', gte, lt, values });
    for (const entry of entriesOf(snapshot, options)) {
      if (left-- <= 0) break;
      chunk.push(options.values === false ? [entry[0], NO_VALUE] : entry);
      bytes += entry[0].length + entry[1].length;
      if (bytes < CHUNK_BYTES_MAX && chunk.length < CHUNK_ENTRIES_MAX) continue;
      yield chunk;
      ensureOpen();
      await this.#access({ type: 'range', gte: entry[0], lt, values });
      ensureOpen();
      chunk = [];
      bytes = 0;
    }
    if (chunk.length > 0) yield chunk;
  }
}

function applyBatch(map: SortedMap, batch: Batch): void {
  for (const operation of batch) {
    if (operation.type === 'put') map.set(operation.key, operation.value);
    else map.delete(operation.key);
  }
}

function assertKey(key: Uint8Array): void {
  assert(key.length > 0, 'a key has at least one byte');
}

function failedStore(cause: StorageError): StorageError {
  return new StorageError('STORAGE_FAILED', 'an earlier write failed; reopen the store', {
    cause,
    details: { cause: cause.code },
  });
}
