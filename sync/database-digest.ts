/**
 * @module
 * Owns the digest of one database in memory and on disk: the total, written with every commit, and its buckets, written only
 * when there is nothing else to do. Buckets that do not add up to the total, as after a crash, are summed up anew from the stored
 * documents while writes go on.
 */
import { BucketDigest, BucketHash, bucketTotalOf } from './bucket-digest.ts';
import { scanThroughDamage } from './damage-scan.ts';
import type { ScannedEntry } from './damage-scan.ts';
import { DigestSum } from './digest.ts';
import { decodeView, isCounted } from './document-record.ts';
import type { ViewRecord } from './document-record.ts';
import { bucketsKey, bucketsPageOf, digestKey, documentOf, rangeOf } from './key.ts';
import type { Sha256, Store, StoreOperation } from './port.ts';

export interface DatabaseDigestOptions {
  readonly store: Store;
  readonly db: number;
  readonly sha256: Sha256;
  readonly secret: Uint8Array;
  /** Runs something at a moment when the store holds exactly what the digest says: nothing is in flight. */
  readonly atRest: <T>(run: () => T) => Promise<T>;
}

/** All document heads of one moment. */
export interface HeadScan {
  /** The digest at that moment. */
  readonly digest: DigestSum;
  /** Views by key; null where one cannot be read. */
  readonly entries: AsyncIterable<readonly ScannedEntry[]>;
}

/** What came of adding up the stored documents. */
export interface Recount {
  /** They add up to the digest. */
  readonly isEqual: boolean;
  /** The digest at that moment, and what they add up to. */
  readonly was: DigestSum;
  readonly is: DigestSum;
  /** Buckets that differ from those in memory; empty when those were not known. */
  readonly buckets: readonly number[];
  readonly documents: number;
  /** Live documents and the bytes of their JSON, by collection. */
  readonly stats: ReadonlyMap<string, { readonly documents: number; readonly bytes: number }>;
  /** Keys of views that cannot be read. */
  readonly damaged: readonly Uint8Array[];
}

export class DatabaseDigest {
  readonly hash: BucketHash;
  readonly #store: Store;
  readonly #db: number;
  readonly #atRest: DatabaseDigestOptions['atRest'];
  readonly #total: DigestSum;
  /** Null until they are known. */
  #buckets: BucketDigest | null;
  /** What changed since a recount began. */
  #changes: BucketDigest | null = null;

  private constructor(options: DatabaseDigestOptions, total: DigestSum, buckets: BucketDigest | null) {
    const { store, db, sha256, secret, atRest } = options;
    this.hash = new BucketHash(sha256, secret);
    this.#store = store;
    this.#db = db;
    this.#atRest = atRest;
    this.#total = total;
    this.#buckets = buckets;
  }

  static async open(options: DatabaseDigestOptions): Promise<DatabaseDigest> {
    const { store, db } = options;
    const total = new DigestSum(await store.get(digestKey(db)));
    const buckets = new BucketDigest();
    for await (const entries of store.range(rangeOf('b', db))) {
      for (const [key, value] of entries) buckets.loadPage(bucketsPageOf(key), value);
    }
    const isKnown = buckets.total() === bucketTotalOf(total.toBytes());
    return new DatabaseDigest(options, total, isKnown ? buckets : null);
  }

  /** Null while they are not known. */
  get buckets(): BucketDigest | null {
    return this.#buckets;
  }

  toBytes(): Uint8Array {
    return this.#total.toBytes();
  }

  toHex(): string {
    return this.#total.toHex();
  }

  /** A document has another version. Null = it does not count: there is none, or a tombstone. */
  replace(documentKey: Uint8Array, before: Uint8Array | null, after: Uint8Array | null): void {
    const bucket = this.hash.of(documentKey);
    if (before !== null) this.#total.subtract(before);
    if (after !== null) this.#total.add(after);
    for (const buckets of [this.#buckets, this.#changes]) {
      if (before !== null) buckets?.subtract(bucket, before);
      if (after !== null) buckets?.add(bucket, after);
    }
  }

  /** All document heads. Iterate it to its end or leave the loop: it holds a snapshot of the store. */
  scan(): Promise<HeadScan> {
    return this.#atRest(() => ({
      digest: new DigestSum(this.#total.toBytes()),
      entries: scanThroughDamage(this.#store, rangeOf('j', this.#db)),
    }));
  }

  /**
   * Adds up the stored documents, and keeps their buckets if they are equal to the digest.
   *
   * @param pause - Called between portions; may reject to give up.
   * @param onStart - Called at the moment of which the documents are counted.
   */
  async recount(pause: () => Promise<void>, onStart: () => void = () => {}): Promise<Recount> {
    const changes = new BucketDigest();
    const scan = await this.#atRest(() => {
      this.#changes = changes;
      onStart();
      const digest = new DigestSum(this.#total.toBytes());
      return { digest, entries: scanThroughDamage(this.#store, rangeOf('j', this.#db)) };
    });
    const sum = new DigestSum();
    const counted = new BucketDigest();
    const stats = new Map<string, { documents: number; bytes: number }>();
    const damaged: Uint8Array[] = [];
    let documents = 0;
    let prefix: Uint8Array | null = null;
    let sums = { documents: 0, bytes: 0 };
    try {
      for await (const entries of scan.entries) {
        for (const [key, value] of entries) {
          documents++;
          const view = value === null ? null : readView(value);
          if (view === null) damaged.push(key);
          else if (isCounted(view)) {
            sum.add(view.element);
            counted.add(this.hash.of(key.subarray(5)), view.element);
            if (!view.exists) continue;
            // Keys come in order, so that a collection is named once.
            if (prefix === null || !startsWith(key, prefix)) {
              const { collection } = documentOf(key);
              prefix = key.slice(0, 5 + collection.length + 1);
              if (!stats.has(collection)) stats.set(collection, { documents: 0, bytes: 0 });
              sums = stats.get(collection)!;
            }
            sums.documents++;
            sums.bytes += view.bytes;
          }
        }
        await pause();
      }
    } finally {
      if (this.#changes === changes) this.#changes = null;
    }
    const isEqual = sum.toHex() === scan.digest.toHex();
    counted.join(changes);
    const buckets = this.#buckets?.differences(counted) ?? [];
    if (isEqual && (this.#buckets === null || buckets.length > 0)) {
      this.#buckets = counted;
      counted.markDirty();
    }
    return { isEqual, was: scan.digest, is: sum, buckets, documents, stats, damaged };
  }

  /**
   * The digest was not the sum over the documents, as a count at rest showed: puts that right.
   *
   * @param was - The digest at the time of the count, `is` - what it should have been.
   */
  correct(was: DigestSum, is: DigestSum): void {
    this.#total.subtract(was.toBytes());
    this.#total.add(is.toBytes());
    this.#buckets = null;
  }

  /** What has to be written so that the buckets are known at the next start. Nothing for a small database. */
  checkpoint(): Promise<StoreOperation[]> {
    return this.#atRest(() => {
      const buckets = this.#buckets;
      if (buckets === null || !buckets.isDense) return [];
      const pages = buckets.takeDirtyPages();
      return pages.map(([page, value]) => ({ type: 'put', key: bucketsKey(this.#db, page), value }));
    });
  }
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false;
  return true;
}

/** Null when it cannot be decoded. */
export function readView(view: Uint8Array): ViewRecord | null {
  try {
    return decodeView(view);
  } catch {
    return null;
  }
}
