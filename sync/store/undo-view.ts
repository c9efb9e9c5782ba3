/**
 * @module
 * Owns a view of a store as it was at one moment, for a store that has no such views: whoever writes hands in what was there
 * before. What a view remembers is bounded; beyond that it is of no use any more and says so.
 */
import { StorageError } from '../errors.ts';
import type { StoreEntry } from '../port.ts';
import { compareBytes } from './byte-order.ts';
import { entriesOf, SortedMap } from './sorted-map.ts';

/** Stands for a key that was not there. Told from an empty value by identity. */
const ABSENT = new Uint8Array(0);

interface Bounds {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse?: boolean;
}

export class UndoView {
  #before = new SortedMap();
  readonly #bytesMax: number;
  #bytes = 0;
  #end: StorageError | null = null;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isOpen(): boolean {
    return this.#end === null;
  }

  ensureOpen(): void {
    if (this.#end !== null) throw this.#end;
  }

  close(): void {
    this.#finish(new StorageError('STORAGE_CLOSED', 'the snapshot is closed'));
  }

  /** What a key held before it was written. Only the first word on a key counts. */
  keep(key: Uint8Array, value: Uint8Array | undefined): void {
    if (!this.isOpen || this.#before.get(key) !== undefined) return;
    this.#bytes += key.length + (value?.length ?? 0);
    this.#before.set(key, value ?? ABSENT);
    if (this.#bytes <= this.#bytesMax) return;
    const message = `more than ${this.#bytesMax} bytes were overwritten while a snapshot was open; read it faster, or raise viewBytesMax`;
    this.#finish(new StorageError('STORAGE_IO', message, { retryable: true, details: { limit: this.#bytesMax } }));
  }

  /** The value a key had, given what the store holds now. */
  valueOf(key: Uint8Array, current: Uint8Array | undefined): Uint8Array | undefined {
    const before = this.#before.get(key);
    if (before === undefined) return current;
    return before === ABSENT ? undefined : before;
  }

  /** All entries within bounds as they were, given those that the store holds within them now, in the same order. */
  entries(current: readonly StoreEntry[], bounds: Bounds): readonly StoreEntry[] {
    const before = [...entriesOf(this.#before.snapshot(), bounds)];
    if (before.length === 0) return current;
    const sign = bounds.reverse === true ? -1 : 1;
    const merged: StoreEntry[] = [];
    let next = 0;
    for (const entry of before) {
      for (; next < current.length; next++) {
        const order = sign * compareBytes(current[next]![0], entry[0]);
        if (order > 0) break;
        if (order < 0) merged.push(current[next]!);
      }
      if (entry[1] !== ABSENT) merged.push(entry);
    }
    return [...merged, ...current.slice(next)];
  }

  #finish(end: StorageError): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#before = new SortedMap();
  }
}
