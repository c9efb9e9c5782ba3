/**
 * @module
 * Owns the documents of one moment as symbols of one session: their sketch, and the way from a symbol back to its document. Made
 * from what is on disk, not from what is kept in memory about it.
 */
import { BUCKETS } from './bucket-digest.ts';
import { scanThroughDamage } from './damage-scan.ts';
import type { DatabaseDigest } from './database-digest.ts';
import { DigestSum } from './digest.ts';
import { elementOfView, isCountedView } from './document-record.ts';
import type { BucketRange, DocumentIndex } from './equality.ts';
import { successorOf } from './key.ts';
import type { Store } from './port.ts';
import { Sketch, SymbolHash, shortSymbolName } from './sketch.ts';
import type { Symbol56 } from './sketch.ts';

/** Cells made while the documents are read. */
const CELLS_AT_ONCE = 4096;
/** Documents between two keys that are remembered: what has to be read to find one. */
const DOCUMENTS_PER_MARK = 256;
/** Symbols added to a longer sketch without a pause. */
const SYMBOLS_PER_PAUSE = 20_000;

export interface SymbolIndexOptions {
  readonly store: Store;
  readonly digest: DatabaseDigest;
  readonly salt: Uint8Array;
  readonly buckets: BucketRange;
  /** Between portions of work. */
  readonly pause: () => Promise<void>;
}

export class SymbolIndex implements DocumentIndex {
  readonly #options: SymbolIndexOptions;
  readonly #hash: SymbolHash;
  #his = new Uint32Array(1024);
  #los = new Uint32Array(1024);
  #length = 0;
  /** The view keys of every so many documents. */
  readonly #marks: Uint8Array[] = [];
  #last: Uint8Array | null = null;
  #sketch = new Sketch(CELLS_AT_ONCE);
  readonly #sum = new DigestSum();
  #digestThen = new DigestSum();
  #damaged = 0;

  private constructor(options: SymbolIndexOptions) {
    this.#options = options;
    this.#hash = new SymbolHash(options.salt);
  }

  static async build(options: SymbolIndexOptions): Promise<SymbolIndex> {
    const index = new SymbolIndex(options);
    const scan = await options.digest.scan();
    index.#digestThen = scan.digest;
    for await (const entries of scan.entries) {
      for (const [key, value] of entries) index.#read(key, value);
      await options.pause();
    }
    return index;
  }

  get documents(): number {
    return this.#length;
  }

  /** How far the digest was from the sum over the documents at that moment; null when it was right, or is not known. */
  get digestError(): { readonly was: DigestSum; readonly is: DigestSum } | null {
    if (this.#damaged > 0 || this.#options.buckets.count < BUCKETS) return null;
    if (this.#sum.toHex() === this.#digestThen.toHex()) return null;
    return { was: this.#digestThen, is: this.#sum };
  }

  #read(key: Uint8Array, view: Uint8Array | null): void {
    const element = view === null ? null : elementOfView(view);
    if (element === null) {
      this.#damaged++;
      return;
    }
    if (!isCountedView(view!)) return;
    this.#sum.add(element);
    if (!this.#isWithin(key)) return;
    const symbol = this.#hash.of(element);
    if (this.#length === this.#his.length) this.#grow();
    if (this.#length % DOCUMENTS_PER_MARK === 0) this.#marks.push(key.slice());
    this.#his[this.#length] = symbol.hi;
    this.#los[this.#length] = symbol.lo;
    this.#length++;
    this.#last = key;
    this.#sketch.add(symbol);
  }

  #isWithin(key: Uint8Array): boolean {
    const { first, count } = this.#options.buckets;
    if (count >= BUCKETS) return true;
    const bucket = this.#options.digest.hash.of(key.subarray(5));
    return bucket >= first && bucket < first + count;
  }

  #grow(): void {
    const his = new Uint32Array(this.#his.length * 2);
    his.set(this.#his);
    this.#his = his;
    const los = new Uint32Array(this.#los.length * 2);
    los.set(this.#los);
    this.#los = los;
  }

  async sketch(cells: number): Promise<Sketch> {
    if (cells <= this.#sketch.length) return this.#sketch;
    const sketch = new Sketch(cells);
    for (let i = 0; i < this.#length; i++) {
      sketch.add({ hi: this.#his[i]!, lo: this.#los[i]! });
      if (i % SYMBOLS_PER_PAUSE === SYMBOLS_PER_PAUSE - 1) await this.#options.pause();
    }
    this.#sketch = sketch;
    return sketch;
  }

  /** The keys of views by the short name of their symbol. A document that has another version by now is not found. */
  async find(symbols: readonly Symbol56[]): Promise<Map<string, Uint8Array>> {
    const wanted = new Set(symbols.map(shortSymbolName));
    const found = new Map<string, Uint8Array>();
    for (const mark of this.#marksOf(symbols, wanted)) {
      const lt = this.#marks[mark + 1] ?? successorOf(this.#last!);
      for await (const entries of scanThroughDamage(this.#options.store, { gte: this.#marks[mark]!, lt })) {
        for (const [key, view] of entries) {
          const element = view === null || !isCountedView(view) ? null : elementOfView(view);
          const name = element === null ? '' : shortSymbolName(this.#hash.of(element));
          if (wanted.has(name)) found.set(name, key);
        }
      }
      await this.#options.pause();
    }
    return found;
  }

  #marksOf(symbols: readonly Symbol56[], wanted: ReadonlySet<string>): Set<number> {
    const los = new Set(symbols.map(({ lo }) => lo));
    const marks = new Set<number>();
    for (let i = 0; i < this.#length; i++) {
      if (!los.has(this.#los[i]!)) continue;
      if (wanted.has(shortSymbolName({ hi: this.#his[i]!, lo: this.#los[i]! })))
        marks.add(Math.floor(i / DOCUMENTS_PER_MARK));
    }
    return marks;
  }
}
