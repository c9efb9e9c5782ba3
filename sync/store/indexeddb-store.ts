/**
 * @module
 * Owns the store of browsers: keys and values as bytes in one object store of IndexedDB. Writes follow each other one transaction at a
 * time, so that nothing is written after a write that failed; reads are transactions of their own. IndexedDB has no snapshots, so
 * writes hand what they overwrite to the views that are open (`undo-view.ts`).
 */
import { assert } from '../../crdt/index.ts';
import { StorageError } from '../errors.ts';
import { platformTimers } from '../platform.ts';
import type { RangeOptions, Store, StoreEntry, StoreOperation, StoreSnapshot, Timers } from '../port.ts';
import { compareBytes, successorOf } from './byte-order.ts';
import type {
  IdbCursor,
  IdbDatabase,
  IdbFactory,
  IdbKeyRange,
  IdbObjectStore,
  IdbRequest,
  IdbTransaction,
} from './indexeddb-api.ts';
import { storageFault } from './indexeddb-fault.ts';
import { openAlone, RECORDS } from './indexeddb-open.ts';
import { UndoView } from './undo-view.ts';

const CHUNK_BYTES = 262_144;
const CHUNK_ENTRIES_MAX = 1000;
/** How many entries fill a chunk is not known before some were seen. */
const CHUNK_ENTRIES_FIRST = 16;
const VIEW_BYTES_MAX_DEFAULT = 64 * 1024 * 1024;
const IN_USE_MS_DEFAULT = 3000;
const NO_VALUE = new Uint8Array(0);

export interface IndexedDbOptions {
  /** Default: the browser's. */
  readonly factory?: IdbFactory;
  readonly keyRange?: IdbKeyRange;
  /** How long to wait for another tab that is letting go of the data. Default 3 s. */
  readonly inUseMs?: number;
  /** What writes may overwrite while one snapshot is open; then the snapshot ends with an error. Default 64 MiB. */
  readonly viewBytesMax?: number;
  readonly timers?: Timers;
}

interface Bounds {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export class IndexedDbStore implements Store {
  readonly #database: IdbDatabase;
  readonly #keyRange: IdbKeyRange;
  readonly #viewBytesMax: number;
  /** Weak, because a range that nobody iterates is never told that it is not needed. */
  readonly #views = new Set<WeakRef<UndoView>>();
  #lastWrite: Promise<unknown> = Promise.resolve();
  #failure: StorageError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(database: IdbDatabase, keyRange: IdbKeyRange, viewBytesMax: number) {
    this.#database = database;
    this.#keyRange = keyRange;
    this.#viewBytesMax = viewBytesMax;
    database.addEventListener('close', () => {
      this.#failure ??= new StorageError(
        'STORAGE_IO',
        'the browser closed the database, for instance to clear its data',
      );
    });
  }

  /**
   * Opens the database of that name, for this store alone; creates it if there is none.
   *
   * @throws StorageError `STORAGE_IN_USE`, `STORAGE_FORMAT_UNSUPPORTED`, `STORAGE_OPEN_FAILED`
   */
  static async open(name: string, options: IndexedDbOptions = {}): Promise<IndexedDbStore> {
    const here = globalThis as { indexedDB?: IdbFactory; IDBKeyRange?: IdbKeyRange };
    const { factory = here.indexedDB, keyRange = here.IDBKeyRange } = options;
    const { inUseMs = IN_USE_MS_DEFAULT, timers = platformTimers, viewBytesMax = VIEW_BYTES_MAX_DEFAULT } = options;
    if (factory === undefined || keyRange === undefined) {
      const message = 'There is no IndexedDB here; use MemoryStore, or RocksDbStore of atolldb in Node.';
      throw new StorageError('STORAGE_OPEN_FAILED', message, { details: { name } });
    }
    const database = await openAlone({ factory, name, waitMs: inUseMs, timers });
    return new IndexedDbStore(database, keyRange, viewBytesMax);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    for (const key of keys) assertKey(key);
    const records = this.#beginRead();
    return Promise.all(keys.map(async (key) => (await resultOf(records.get(key))) as Uint8Array | undefined));
  }

  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    for (const { key } of operations) assertKey(key);
    return this.#enqueue(() => this.#write(options.sync, (records, views) => apply(records, views, operations)));
  }

  range(options: RangeOptions): AsyncIterable<readonly StoreEntry[]> {
    const view = this.#openView();
    const chunks = async function* (this: IndexedDbStore): AsyncGenerator<readonly StoreEntry[], void, undefined> {
      try {
        yield* this.#chunks(view, options);
      } finally {
        view.close();
      }
    };
    return { [Symbol.asyncIterator]: () => chunks.call(this) };
  }

  snapshot(): StoreSnapshot {
    this.#ensureOpen();
    const view = this.#openView();
    return {
      get: async (key) => {
        assertKey(key);
        view.ensureOpen();
        const current = await this.get(key);
        view.ensureOpen();
        return view.valueOf(key, current);
      },
      range: (bounds) => {
        view.ensureOpen();
        return this.#chunks(view, bounds);
      },
      close: async () => view.close(),
    };
  }

  clear(bounds: Bounds): Promise<void> {
    return this.#enqueue(async () => {
      if (compareBytes(bounds.gte, bounds.lt) >= 0) return this.#ensureWritable();
      let isDone = false;
      while (!isDone) {
        await this.#write(false, (records, views) => {
          // With nobody looking it is one step; else what is removed is read first.
          isDone = views.length === 0;
          if (isDone) records.delete(this.#within(bounds));
          else this.#clearSome(records, views, bounds, () => (isDone = true));
        });
      }
    });
  }

  #clearSome(records: IdbObjectStore, views: readonly UndoView[], bounds: Bounds, onLast: () => void): void {
    let keys: Uint8Array[] = [];
    const range = this.#within(bounds);
    const askedKeys = records.getAllKeys(range, CHUNK_ENTRIES_FIRST);
    const askedValues = records.getAll(range, CHUNK_ENTRIES_FIRST);
    askedKeys.addEventListener('success', () => {
      keys = (askedKeys.result as unknown[]).map(bytesOf);
    });
    askedValues.addEventListener('success', () => {
      const values = askedValues.result as Uint8Array[];
      for (const view of views) keys.forEach((key, index) => view.keep(key, values[index]));
      for (const key of keys) records.delete(key);
      if (keys.length < CHUNK_ENTRIES_FIRST) onLast();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite.then(() => this.#database.close());
    return this.#closing;
  }

  /** One write at a time, in the order of calls. */
  #enqueue(write: () => Promise<void>): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closed());
    const result = this.#lastWrite.then(write);
    this.#lastWrite = result.catch(() => undefined);
    return result;
  }

  async #write(isSync: boolean, fill: (records: IdbObjectStore, views: readonly UndoView[]) => void): Promise<void> {
    this.#ensureWritable();
    try {
      const durability = isSync ? 'strict' : 'relaxed';
      const transaction = this.#database.transaction(RECORDS, 'readwrite', { durability });
      const done = completionOf(transaction);
      try {
        fill(transaction.objectStore(RECORDS), this.#openViews());
      } catch (error) {
        transaction.abort();
        await done.catch(() => undefined);
        throw error;
      }
      await done;
    } catch (error) {
      this.#failure ??= storageFault(error);
      throw storageFault(error);
    }
  }

  #ensureWritable(): void {
    if (this.#failure === null) return;
    const { code } = this.#failure;
    const options = { cause: this.#failure, details: { cause: code } };
    throw new StorageError('STORAGE_FAILED', 'an earlier write failed; reopen the store', options);
  }

  #ensureOpen(): void {
    if (this.#closing !== null) throw closed();
  }

  #beginRead(): IdbObjectStore {
    this.#ensureOpen();
    try {
      return this.#database.transaction(RECORDS, 'readonly').objectStore(RECORDS);
    } catch (error) {
      throw storageFault(error);
    }
  }

  #within({ gte, lt }: Bounds): unknown {
    return this.#keyRange.bound(gte, lt, false, true);
  }

  #openView(): UndoView {
    const view = new UndoView(this.#viewBytesMax);
    this.#views.add(new WeakRef(view));
    return view;
  }

  #openViews(): UndoView[] {
    const open: UndoView[] = [];
    for (const reference of this.#views) {
      const view = reference.deref();
      if (view?.isOpen === true) open.push(view);
      else this.#views.delete(reference);
    }
    return open;
  }

  async *#chunks(view: UndoView, options: RangeOptions): AsyncGenerator<readonly StoreEntry[], void, undefined> {
    const { reverse = false, values = true, limit = Infinity } = options;
    let { gte, lt } = options;
    let left = limit;
    let count = CHUNK_ENTRIES_FIRST;
    while (left > 0 && compareBytes(gte, lt) < 0) {
      view.ensureOpen();
      const current = await this.#readChunk({ gte, lt, reverse, values, limit: count });
      this.#ensureOpen();
      view.ensureOpen();
      // What was read speaks for all keys up to its last.
      const last = current.length < count ? null : current.at(-1)![0];
      const covered = last === null ? { gte, lt } : reverse ? { gte: last, lt } : { gte, lt: successorOf(last) };
      const entries = view.entries(current, { ...covered, reverse }).slice(0, left);
      const bytes = current.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
      if (entries.length > 0) yield values ? entries : entries.map(([key]) => [key, NO_VALUE] as const);
      this.#ensureOpen();
      if (last === null) return;
      left -= entries.length;
      if (reverse) lt = last;
      else gte = covered.lt;
      if (bytes < CHUNK_BYTES / 2) count = Math.min(count * 2, CHUNK_ENTRIES_MAX);
      else if (bytes > CHUNK_BYTES) count = Math.max(count >> 1, 1);
    }
    this.#ensureOpen();
  }

  async #readChunk({ gte, lt, reverse, values, limit }: Required<RangeOptions>): Promise<readonly StoreEntry[]> {
    const records = this.#beginRead();
    const range = this.#within({ gte, lt });
    if (reverse) {
      return readBackwards(values ? records.openCursor(range, 'prev') : records.openKeyCursor(range, 'prev'), limit);
    }
    const [keys, found] = await Promise.all([
      resultOf(records.getAllKeys(range, limit)),
      values ? resultOf(records.getAll(range, limit)) : null,
    ]);
    return (keys as unknown[]).map((key, index) => [bytesOf(key), (found as Uint8Array[] | null)?.[index] ?? NO_VALUE]);
  }
}

/** What was there is read in the same transaction, before it is overwritten. */
function apply(records: IdbObjectStore, views: readonly UndoView[], operations: readonly StoreOperation[]): void {
  for (const operation of operations) {
    if (views.length > 0) {
      const before = records.get(operation.key);
      before.addEventListener('success', () => {
        for (const view of views) view.keep(operation.key, before.result as Uint8Array | undefined);
      });
    }
    if (operation.type === 'put') records.put(owned(operation.value), operation.key);
    else records.delete(operation.key);
  }
}

function resultOf(request: IdbRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(storageFault(request.error)));
  });
}

function completionOf(transaction: IdbTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve());
    transaction.addEventListener('abort', () => reject(storageFault(transaction.error)));
  });
}

function readBackwards(request: IdbRequest, limit: number): Promise<readonly StoreEntry[]> {
  return new Promise((resolve, reject) => {
    const entries: StoreEntry[] = [];
    request.addEventListener('error', () => reject(storageFault(request.error)));
    request.addEventListener('success', () => {
      const cursor = request.result as IdbCursor | null;
      if (cursor === null) return resolve(entries);
      entries.push([bytesOf(cursor.key), (cursor.value as Uint8Array | undefined) ?? NO_VALUE]);
      if (entries.length < limit) cursor.continue();
      else resolve(entries);
    });
  });
}

/** A view into a larger buffer would be stored with all of that buffer. */
function owned(value: Uint8Array): Uint8Array {
  return value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value);
}

function bytesOf(key: unknown): Uint8Array {
  return key instanceof Uint8Array ? key : new Uint8Array(key as ArrayBuffer);
}

function assertKey(key: Uint8Array): void {
  assert(key.length > 0, 'a key has at least one byte');
}

function closed(): StorageError {
  return new StorageError('STORAGE_CLOSED', 'the store is closed');
}
