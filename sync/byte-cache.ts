/**
 * @module
 * Owns the cache that is bounded in bytes: least recently used entries leave first. Knows nothing of what it holds; the caller
 * says how much each value weighs.
 */
import { assert } from '../crdt/index.ts';

export interface CacheUsage {
  /** Sum of the weights held. */
  readonly bytes: number;
  readonly entries: number;
  /** Looked for and found, since the start. */
  readonly hits: number;
  readonly misses: number;
}

interface Slot<V> {
  readonly value: V;
  readonly weight: number;
}

/** Every operation is O(1): a `Map` iterates in insertion order, and reading an entry re-inserts it. */
export class ByteCache<V> {
  readonly #slots = new Map<string, Slot<V>>();
  readonly #bytesMax: number;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  /** Stands before the least recently used entry. Kept, because a fresh iterator first has to pass all that was deleted. */
  #oldest: MapIterator<string>;

  /** @param bytesMax - Sum of weights kept at most. 0 keeps nothing. */
  constructor(bytesMax: number) {
    assert(bytesMax >= 0, 'bytesMax is not negative');
    this.#bytesMax = bytesMax;
    this.#oldest = this.#slots.keys();
  }

  /** Sum of the weights held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Entries held. */
  get size(): number {
    return this.#slots.size;
  }

  /** What it has done so far, and how full it is. */
  usage(): CacheUsage {
    return { bytes: this.#bytes, entries: this.size, hits: this.#hits, misses: this.#misses };
  }

  /** Returns the value and marks it as used. */
  get(key: string): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    this.#slots.delete(key);
    this.#slots.set(key, slot);
    return slot.value;
  }

  /** Keeps `value` as the most recently used; a value heavier than the whole cache is not kept. Replaces an earlier one. */
  set(key: string, value: V, weight: number): void {
    this.delete(key);
    if (weight > this.#bytesMax) return;
    this.#slots.set(key, { value, weight });
    this.#bytes += weight;
    while (this.#bytes > this.#bytesMax) this.#evictOldest();
  }

  /** Returns whether it was there. */
  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#bytes -= slot.weight;
    return this.#slots.delete(key);
  }

  clear(): void {
    this.#slots.clear();
    this.#bytes = 0;
    this.#oldest = this.#slots.keys();
  }

  #evictOldest(): void {
    let next = this.#oldest.next();
    if (next.done) {
      this.#oldest = this.#slots.keys();
      next = this.#oldest.next();
    }
    if (!next.done) this.delete(next.value);
  }
}
