/**
 * @module
 * Owns knowing without a read that a document was never stored: most documents that are created are new, and to look for one costs more
 * than to write it. What is written is noted from the opening of the database on, so that whatever this process wrote is
 * known whatever a scan shows (I2); what was there before is read once, when it is worth it, and relied on only if it adds up to the digest.
 */
import type { BucketHash } from './bucket-digest.ts';
import type { HeadScan } from './database-digest.ts';
import { DigestSum } from './digest.ts';
import { elementOfView, isCountedView } from './document-record.ts';
import { NameFilter } from './name-filter.ts';

/** Reading a stored name costs so much less than looking for one that is not there. */
const SCANNED_PER_MISS = 64;
/** For fewer it is never worth it. */
const MISSES_MIN = 16;

export interface KnownNamesOptions {
  readonly hash: BucketHash;
  /** All documents of one moment at which nothing is in flight. */
  readonly scan: () => Promise<HeadScan>;
  /** Nothing was stored when the database was opened. */
  readonly isEmpty: boolean;
}

export class KnownNames {
  readonly #hash: BucketHash;
  readonly #scan: () => Promise<HeadScan>;
  /** Null once there are too many. */
  #filter: NameFilter | null = new NameFilter();
  #isComplete: boolean;
  #misses = 0;
  #isScanning = false;

  constructor({ hash, scan, isEmpty }: KnownNamesOptions) {
    this.#hash = hash;
    this.#scan = scan;
    this.#isComplete = isEmpty;
  }

  /** The store holds no such document, nor a tombstone of one, for certain. What is in memory only is not known here. */
  lacks(documentKey: Uint8Array): boolean {
    return this.#isComplete && this.#filter?.mayHold(this.#hash.full(documentKey)) === false;
  }

  /** To be called before it is stored. */
  add(documentKey: Uint8Array): void {
    if (this.#filter?.add(this.#hash.full(documentKey)) === false) this.#filter = null;
  }

  /**
   * A document was looked for in the store and is not there.
   *
   * @param documents - How many there are, about.
   */
  handleMiss(documents: number): void {
    if (this.#isComplete || this.#isScanning || this.#filter === null) return;
    this.#misses++;
    if (this.#misses < Math.max(MISSES_MIN, documents / SCANNED_PER_MISS)) return;
    this.#isScanning = true;
    this.#readAll().then(
      (isWhole) => {
        this.#isComplete = isWhole;
      },
      // Nothing is relied on then; whoever needs what cannot be read meets the error.
      () => undefined,
    );
  }

  /** An entry that damage hides from the scan is missing in the sum. */
  async #readAll(): Promise<boolean> {
    const { digest, entries } = await this.#scan();
    const sum = new DigestSum();
    for await (const chunk of entries) {
      for (const [key, view] of chunk) {
        this.add(key.subarray(5));
        const element = view === null ? null : elementOfView(view);
        if (element === null) return false;
        if (isCountedView(view!)) sum.add(element);
      }
    }
    return sum.toHex() === digest.toHex();
  }
}
