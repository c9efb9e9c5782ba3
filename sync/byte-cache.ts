/**
 * @module
 * Owns the cache that is bounded in bytes: entries leave that were not used of late. Knows nothing of what it holds; the caller
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

/** A value as long as it is kept. Whoever has it may use it without looking it up. */
export interface Slot<V> {
  readonly value: V;
  readonly weight: number;
  /** Since it came, or was last passed over. */
  isUsed: boolean;
}

/**
 * Every operation is O(1), spread over many: a `Map` iterates in insertion order, and who is oldest but was used gets a second chance, as the
 * youngest. To move an entry whenever it is read would cost more than all else that a read does.
 */
export class ByteCache<V> {
  readonly #slots = new Map<string, Slot<V>>();
  readonly #bytesMax: number;
  readonly #onEvicted: (value: V) => void;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  /** Stands before the oldest entry. Kept, because a fresh iterator first has to pass all that was deleted. */
  #oldest: MapIterator<string>;

  /**
   * @param bytesMax - Sum of weights kept at most. 0 keeps nothing.
   * @param onEvicted - Told what leaves without having been deleted, or was too heavy to be kept.
   */
  constructor(bytesMax: number, onEvicted: (value: V) => void = () => {}) {
    assert(bytesMax >= 0, 'bytesMax is not negative');
    this.#bytesMax = bytesMax;
    this.#onEvicted = onEvicted;
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
    return this.use(slot);
  }

  /** The same of what is known to be here. */
  use(slot: Slot<V>): V {
    this.#hits++;
    slot.isUsed = true;
    return slot.value;
  }

  /** Keeps `value` as the youngest; a value heavier than the whole cache is not kept. Replaces an earlier one. */
  set(key: string, value: V, weight: number): Slot<V> {
    this.delete(key);
    const slot = { value, weight, isUsed: false };
    if (weight > this.#bytesMax) {
      this.#onEvicted(value);
      return slot;
    }
    while (this.#bytes + weight > this.#bytesMax) this.#passOldest();
    this.#slots.set(key, slot);
    this.#bytes += weight;
    return slot;
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

  /** The oldest entry leaves, or stays as the youngest if it was used. */
  #passOldest(): void {
    let next = this.#oldest.next();
    if (next.done) {
      this.#oldest = this.#slots.keys();
      next = this.#oldest.next();
    }
    if (next.done) return;
    const slot = this.#slots.get(next.value)!;
    if (!slot.isUsed) {
      this.delete(next.value);
      this.#onEvicted(slot.value);
      return;
    }
    slot.isUsed = false;
    this.#slots.delete(next.value);
    this.#slots.set(next.value, slot);
  }
}
