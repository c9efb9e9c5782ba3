/**
 * @module
 * Owns a view of the store at one moment. The binding knows no snapshots, but its iterators are one: a single iterator over all
 * keys, which is moved to what is asked for. So reads go one at a time.
 */
import type { Database, NativeIterator } from 'rocksdb';
import { StorageError, type StoreEntry, type StoreSnapshot } from '../../sync/index.ts';
import { decodeFrame } from './value-frame.ts';
import { storageFault } from './storage-fault.ts';

const CHUNK_BYTES = 262_144;
const FIRST_KEY = Buffer.of(0);
/** No key of ours begins with 0xff. */
const LAST_KEY = Buffer.alloc(8, 0xff);

export interface KeyBounds {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export class RocksDbSnapshot implements StoreSnapshot {
  readonly #iterator: NativeIterator;
  readonly #isStoreClosed: () => boolean;
  #last: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | null = null;

  /** @param isStoreClosed - Once it is, the binding has ended the iterator itself. */
  constructor(db: Database, isStoreClosed: () => boolean) {
    this.#iterator = db.iterator({
      gte: FIRST_KEY,
      lt: LAST_KEY,
      limit: -1,
      reverse: false,
      values: true,
      highWaterMark: CHUNK_BYTES,
    });
    this.#isStoreClosed = isStoreClosed;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const target = asBuffer(key);
    const [entry] = await this.#enqueue(() => this.#read(target, (found) => found.equals(target), false));
    return entry?.[1];
  }

  async *range({ gte, lt }: KeyBounds): AsyncGenerator<readonly StoreEntry[], void, undefined> {
    const end = asBuffer(lt);
    let next = asBuffer(gte);
    this.#assertOpen();
    while (next.compare(end) < 0) {
      const from = next;
      const chunk = await this.#enqueue(() => this.#read(from, (found) => found.compare(end) < 0, true));
      const last = chunk.at(-1);
      if (last === undefined) return;
      next = Buffer.concat([last[0], FIRST_KEY]);
      yield chunk;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#last.then(async () => {
      if (this.#isStoreClosed()) return;
      await new Promise<void>((resolve, reject) =>
        this.#iterator.end((error) => (error ? reject(storageFault(error)) : resolve())),
      );
    });
    return this.#closing;
  }

  #enqueue<T>(read: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    const result = this.#last.then(() => {
      this.#assertOpen();
      return read();
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** The entries from `target` on while their keys are wanted: those of one or two trips into the binding. */
  async #read(target: Buffer, isWanted: (key: Buffer) => boolean, isMany: boolean): Promise<StoreEntry[]> {
    this.#iterator.seek(target);
    const entries: StoreEntry[] = [];
    // After a seek the binding reads one entry only.
    let isMore = await this.#next(entries, isWanted);
    if (isMany && isMore) isMore = await this.#next(entries, isWanted);
    return entries;
  }

  /** @returns True when all entries of the trip were wanted and there were some. */
  #next(entries: StoreEntry[], isWanted: (key: Buffer) => boolean): Promise<boolean> {
    const iterator = this.#iterator;
    return new Promise((resolve, reject) => {
      iterator.next((error, key, frame) => {
        if (error) return reject(this.#isStoreClosed() ? closedSnapshot() : storageFault(error));
        if (key === undefined) return resolve(false);
        try {
          for (; key !== undefined; key = iterator.cache?.pop(), frame = iterator.cache?.pop()) {
            if (!isWanted(key)) return resolve(false);
            entries.push([plainBytes(key), decodeFrame(key, frame!)]);
          }
          resolve(true);
        } catch (corruption) {
          reject(corruption);
        }
      });
    });
  }

  #assertOpen(): void {
    if (this.#closing !== null || this.#isStoreClosed()) throw closedSnapshot();
  }
}

function closedSnapshot(): StorageError {
  return new StorageError('STORAGE_CLOSED', 'the snapshot is closed');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
