/**
 * @module
 * Owns reading the documents of a database in key order. Views and bases lie in two ranges with the same order, and are read side
 * by side.
 */
import { compareBytes, rangeOf } from './key.ts';
import type { Store, StoreEntry } from './port.ts';

export interface DocumentOnStore {
  /** Of the view. */
  readonly key: Uint8Array;
  /** Encoded: most are passed on without being decoded. */
  readonly view: Uint8Array;
  /** For `contentOf`. */
  readonly base: Uint8Array | undefined;
}

/**
 * All documents, as many at a time as the store gives: a turn for each would cost more than to read it.
 *
 * @param store - A snapshot, unless nothing is written meanwhile: the two ranges must show one moment.
 */
export async function* readDocuments(
  store: Pick<Store, 'range'>,
  db: number,
): AsyncGenerator<readonly DocumentOnStore[]> {
  const bases = new Bases(store.range(rangeOf('y', db)));
  try {
    for await (const views of store.range(rangeOf('j', db))) {
      const documents: DocumentOnStore[] = [];
      for (const [key, view] of views) {
        while (bases.isBefore(key)) await bases.read();
        documents.push({ key, view, base: bases.of(key) });
      }
      yield documents;
    }
  } finally {
    await bases.close();
  }
}

/** The bases beside the views. */
class Bases {
  readonly #chunks: AsyncIterator<readonly StoreEntry[]>;
  #entries: readonly StoreEntry[] = [];
  #at = 0;
  #isOver = false;

  constructor(chunks: AsyncIterable<readonly StoreEntry[]>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Goes to the base of a view, or past its place. True when more has to be read for that. */
  isBefore(viewKey: Uint8Array): boolean {
    while (this.#at < this.#entries.length && compareNames(this.#entries[this.#at]![0], viewKey) < 0) this.#at++;
    return this.#at === this.#entries.length && !this.#isOver;
  }

  async read(): Promise<void> {
    const next = await this.#chunks.next();
    this.#isOver = next.done === true;
    this.#entries = next.done === true ? [] : next.value;
    this.#at = 0;
  }

  of(viewKey: Uint8Array): Uint8Array | undefined {
    const entry = this.#entries[this.#at];
    return entry !== undefined && compareNames(entry[0], viewKey) === 0 ? entry[1] : undefined;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** The keys differ in their first byte only. */
function compareNames(baseKey: Uint8Array, viewKey: Uint8Array): number {
  return compareBytes(baseKey.subarray(1), viewKey.subarray(1));
}
