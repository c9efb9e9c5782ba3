/**
 * @module
 * Owns an ordered map from bytes to bytes with snapshots in O(√n): sorted leaves that are never modified, so that a snapshot
 * is the list of leaves at one moment. The heart of MemoryStore; knows nothing of durability or failures.
 */
import type { StoreEntry } from '../port.ts';
import { compareBytes } from './byte-order.ts';

/** Entries per leaf before it splits; writes copy one leaf, so this bounds their cost. */
const LEAF_ENTRIES_MAX = 128;

/** Never empty, never modified. */
type Leaf = readonly StoreEntry[];

/** A state of the map at one moment. */
export type SortedMapSnapshot = readonly Leaf[];

export class SortedMap {
  #leaves: Leaf[];
  /** A snapshot holds `#leaves`: copy the list before the next write. */
  #isShared: boolean;
  #size: number;

  constructor(snapshot: SortedMapSnapshot = []) {
    this.#leaves = snapshot as Leaf[];
    this.#isShared = true;
    this.#size = snapshot.reduce((sum, leaf) => sum + leaf.length, 0);
  }

  get size(): number {
    return this.#size;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const leaf = this.#leaves[leafIndex(this.#leaves, key)];
    if (leaf === undefined) return undefined;
    const entry = leaf[lowerBound(leaf, key)];
    return entry !== undefined && compareBytes(entry[0], key) === 0 ? entry[1] : undefined;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const leaves = this.#writableLeaves();
    const at = leafIndex(leaves, key);
    const leaf = leaves[at];
    if (leaf === undefined) {
      leaves.push([[key, value]]);
      this.#size++;
      return;
    }
    const index = lowerBound(leaf, key);
    const present = leaf[index];
    const copy = leaf.slice();
    if (present !== undefined && compareBytes(present[0], key) === 0) {
      copy[index] = [present[0], value];
    } else {
      copy.splice(index, 0, [key, value]);
      this.#size++;
    }
    if (copy.length <= LEAF_ENTRIES_MAX) leaves[at] = copy;
    else leaves.splice(at, 1, copy.slice(0, copy.length >> 1), copy.slice(copy.length >> 1));
  }

  delete(key: Uint8Array): void {
    const at = leafIndex(this.#leaves, key);
    const leaf = this.#leaves[at];
    if (leaf === undefined) return;
    const index = lowerBound(leaf, key);
    const entry = leaf[index];
    if (entry === undefined || compareBytes(entry[0], key) !== 0) return;
    const leaves = this.#writableLeaves();
    if (leaf.length === 1) leaves.splice(at, 1);
    else leaves[at] = [...leaf.slice(0, index), ...leaf.slice(index + 1)];
    this.#size--;
  }

  snapshot(): SortedMapSnapshot {
    this.#isShared = true;
    return this.#leaves;
  }

  #writableLeaves(): Leaf[] {
    if (this.#isShared) {
      this.#leaves = this.#leaves.slice();
      this.#isShared = false;
    }
    return this.#leaves;
  }
}

/** Entries with `gte` ≤ key < `lt`, lazily, in key order or reversed. */
export function* entriesOf(
  snapshot: SortedMapSnapshot,
  bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array; readonly reverse?: boolean },
): Generator<StoreEntry, void, undefined> {
  if (compareBytes(bounds.gte, bounds.lt) >= 0) return;
  const first = leafIndex(snapshot, bounds.gte);
  const last = leafIndex(snapshot, bounds.lt);
  const step = bounds.reverse ? -1 : 1;
  for (let at = bounds.reverse ? last : first; at >= first && at <= last; at += step) {
    const leaf = snapshot[at];
    if (leaf === undefined) return;
    const from = at === first ? lowerBound(leaf, bounds.gte) : 0;
    const to = at === last ? lowerBound(leaf, bounds.lt) : leaf.length;
    if (bounds.reverse) for (let index = to - 1; index >= from; index--) yield leaf[index]!;
    else for (let index = from; index < to; index++) yield leaf[index]!;
  }
}

/** Index of the only leaf that may hold `key`: the last one that does not start after it. */
function leafIndex(leaves: SortedMapSnapshot, key: Uint8Array): number {
  let low = 0;
  let high = leaves.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(leaves[middle]![0]![0], key) <= 0) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Index of the first entry whose key is not less than `key`. */
function lowerBound(leaf: Leaf, key: Uint8Array): number {
  let low = 0;
  let high = leaf.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(leaf[middle]![0], key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
