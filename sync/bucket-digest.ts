/**
 * @module
 * Owns the sums of digest elements over 65,536 buckets of documents: where two databases, or memory and disk, differ. Each is
 * the sum modulo 2^64 of the first eight bytes of its elements, so together they are the first eight bytes of the digest: a copy
 * read from disk proves by itself whether it belongs to the digest stored with it.
 *
 * A small database holds the few buckets it uses, a large one an array of 512 KiB.
 */
import type { Sha256 } from './port.ts';

export const BUCKETS = 65_536;
/** Buckets that are stored together: 2 KiB. */
export const BUCKETS_PER_PAGE = 256;
export const PAGES: number = BUCKETS / BUCKETS_PER_PAGE;
const PAGE_BYTES = BUCKETS_PER_PAGE * 8;
/** Buckets in use from which the array is smaller than the map. */
const SPARSE_MAX = 2048;

/** Which bucket a document is in: a hash of its key under a key of the database. */
export class BucketHash {
  readonly #seed: number;

  constructor(sha256: Sha256, secret: Uint8Array) {
    const seed = sha256(secret, new TextEncoder().encode(' buckets'));
    this.#seed = new DataView(seed.buffer, seed.byteOffset).getInt32(0, true);
  }

  /** @param documentKey - Collection, 0, id. */
  of(documentKey: Uint8Array): number {
    return (this.full(documentKey) >>> 8) & (BUCKETS - 1);
  }

  /** All 32 bits of the hash. */
  full(documentKey: Uint8Array): number {
    let hash = this.#seed;
    for (let i = 0; i < documentKey.length; i++) {
      hash = Math.imul(hash ^ documentKey[i]!, 0x5bd1e995);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
    return hash ^ (hash >>> 15);
  }
}

export class BucketDigest {
  /** Bucket → its place in `#sums`; null once `#sums` has a place for every bucket. */
  #places: Map<number, number> | null = new Map();
  /** Low and high 32 bits of every sum. */
  #sums = new Uint32Array(16);
  readonly #dirty = new Set<number>();

  /** Pages that changed since `takeDirtyPages`. */
  get dirtyPages(): number {
    return this.#dirty.size;
  }

  /** Large enough that reading it is faster than adding up the documents again. */
  get isDense(): boolean {
    return this.#places === null;
  }

  /** Approximate bytes of memory. */
  get memoryBytes(): number {
    return this.#sums.byteLength + (this.#places?.size ?? 0) * 40;
  }

  add(bucket: number, element: Uint8Array): void {
    this.#change(bucket, readUint32(element, 0), readUint32(element, 4));
  }

  subtract(bucket: number, element: Uint8Array): void {
    const low = readUint32(element, 0);
    const high = readUint32(element, 4);
    // The negative number in two's complement.
    this.#change(bucket, -low >>> 0, (low === 0 ? -high : ~high) >>> 0);
  }

  /** Adds every sum of another digest. */
  join(other: BucketDigest): void {
    for (const [bucket, low, high] of other.#entries()) this.#change(bucket, low, high);
  }

  /** The sum of one bucket. */
  sumOf(bucket: number): bigint {
    const at = this.#places === null ? bucket * 2 : this.#places.get(bucket);
    return at === undefined ? 0n : (BigInt(this.#sums[at + 1]!) << 32n) | BigInt(this.#sums[at]!);
  }

  /** The sum of all buckets. */
  total(): bigint {
    let low = 0;
    let high = 0;
    for (const [, bucketLow, bucketHigh] of this.#entries()) {
      low += bucketLow;
      high = (high + bucketHigh + (low > 0xffffffff ? 1 : 0)) >>> 0;
      low >>>= 0;
    }
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** Buckets whose sums differ, ascending. */
  differences(other: BucketDigest): number[] {
    const buckets = new Set<number>();
    for (const [bucket] of this.#entries()) buckets.add(bucket);
    for (const [bucket] of other.#entries()) buckets.add(bucket);
    return [...buckets].filter((bucket) => this.sumOf(bucket) !== other.sumOf(bucket)).sort((a, b) => a - b);
  }

  /** Pages that changed since the last call, with their bytes. */
  takeDirtyPages(): [page: number, bytes: Uint8Array][] {
    const pages = [...this.#dirty].sort((a, b) => a - b);
    this.#dirty.clear();
    return pages.map((page) => [page, this.#encodePage(page)]);
  }

  /** Everything counts as changed: what is on disk is not of this digest. */
  markDirty(): void {
    for (let page = 0; page < PAGES; page++) this.#dirty.add(page);
  }

  #encodePage(page: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_BYTES);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < BUCKETS_PER_PAGE; i++) {
      view.setBigUint64(i * 8, this.sumOf(page * BUCKETS_PER_PAGE + i), true);
    }
    return bytes;
  }

  /** Adds a stored page. One of another length is left out, and then the total tells. */
  loadPage(page: number, bytes: Uint8Array): void {
    if (bytes.length !== PAGE_BYTES || page >= PAGES) return;
    for (let i = 0; i < BUCKETS_PER_PAGE; i++) {
      this.#change(page * BUCKETS_PER_PAGE + i, readUint32(bytes, i * 8), readUint32(bytes, i * 8 + 4));
    }
    this.#dirty.delete(page);
  }

  #change(bucket: number, low: number, high: number): void {
    if (low === 0 && high === 0) return;
    const at = this.#place(bucket);
    const sum = this.#sums[at]! + low;
    this.#sums[at] = sum;
    this.#sums[at + 1] = this.#sums[at + 1]! + high + (sum > 0xffffffff ? 1 : 0);
    this.#dirty.add(bucket >>> 8);
  }

  #place(bucket: number): number {
    const places = this.#places;
    if (places === null) return bucket * 2;
    let at = places.get(bucket);
    if (at !== undefined) return at;
    if (places.size >= SPARSE_MAX) return this.#spread(places, bucket);
    at = places.size * 2;
    if (at >= this.#sums.length) {
      const sums = new Uint32Array(this.#sums.length * 2);
      sums.set(this.#sums);
      this.#sums = sums;
    }
    places.set(bucket, at);
    return at;
  }

  #spread(places: ReadonlyMap<number, number>, bucket: number): number {
    const sums = new Uint32Array(BUCKETS * 2);
    for (const [each, at] of places) {
      sums[each * 2] = this.#sums[at]!;
      sums[each * 2 + 1] = this.#sums[at + 1]!;
    }
    this.#sums = sums;
    this.#places = null;
    return bucket * 2;
  }

  *#entries(): Generator<readonly [bucket: number, low: number, high: number]> {
    if (this.#places !== null) {
      for (const [bucket, at] of this.#places) yield [bucket, this.#sums[at]!, this.#sums[at + 1]!];
    } else {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        const low = this.#sums[bucket * 2]!;
        const high = this.#sums[bucket * 2 + 1]!;
        if (low !== 0 || high !== 0) yield [bucket, low, high];
      }
    }
  }
}

/** What the buckets of a digest must add up to. */
export function bucketTotalOf(digest: Uint8Array): bigint {
  return new DataView(digest.buffer, digest.byteOffset).getBigUint64(0, true);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
