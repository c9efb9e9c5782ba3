/**
 * @module
 * Owns which documents are stored without their JSON. To render and write a large document costs as much as it has content, and
 * editors change it many times a second: so the view that a commit writes then is *late*, it has everything but the JSON, which
 * follows from the state that is stored beside it. A late view gets its JSON before it is read, and when its document is left alone.
 * Nothing here needs an order of writes: after a crash the marks in the store say what is late.
 */
import type { StoredDocument } from './document-record.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot, DurableVersion } from './document-slot.ts';
import { documentOf, lateKeyOf, rangeOf } from './key.ts';
import type { Store, StoreOperation } from './port.ts';

/** Documents with less JSON are cheap enough to be written whole. */
export const LATE_BYTES_MIN = 4096;

const EVERY = '';
const NO_BYTES = new Uint8Array(0);

/** What a document table gives. */
export interface LateViewSource {
  acquire(collection: string, id: string): DocumentSlot;
  release(slot: DocumentSlot): void;
  /** Puts a document into the open group, changed or not. */
  include(slot: DocumentSlot): void;
  /** Resolves when the open group is durable. */
  commit(): Promise<void>;
}

/** Reads the marks: slot names. */
export async function readLateNames(store: Store, db: number): Promise<string[]> {
  const names: string[] = [];
  for await (const entries of store.range({ ...rangeOf('u', db), values: false })) {
    for (const [key] of entries) {
      const { collection, id } = documentOf(key);
      names.push(`${collection}\0${id}`);
    }
  }
  return names;
}

/** The document exists, and readers have to wait for its JSON. */
export function isLate(version: DurableVersion | null): boolean {
  return version !== null && version.exists && version.document === null;
}

export class LateViews {
  readonly #source: LateViewSource;
  /** By slot name, from the moment it is sealed late until a whole view is durable. */
  readonly #names: Set<string>;
  /** Sealed late since the last sweep. */
  #fresh = new Set<string>();
  /** Collections that are read just now; `EVERY` = all. */
  readonly #holds = new Map<string, number>();

  /** @param names - What is late in the store. */
  constructor(source: LateViewSource, names: readonly string[]) {
    this.#source = source;
    this.#names = new Set(names);
  }

  get size(): number {
    return this.#names.size;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Notes how a view is sealed. */
  seal({ name, viewKey }: DocumentSlot, isNowLate: boolean, operations: StoreOperation[]): void {
    const wasLate = this.#names.has(name);
    const key = lateKeyOf(viewKey);
    if (wasLate && !isNowLate) operations.push({ type: 'del', key });
    if (!isNowLate) return;
    if (!wasLate) operations.push({ type: 'put', key, value: NO_BYTES });
    this.#names.add(name);
    this.#fresh.add(name);
  }

  /** A view is durable. */
  settle(name: string, version: DurableVersion): void {
    if (isLate(version)) return;
    this.#names.delete(name);
    this.#fresh.delete(name);
  }

  /** Must views of a collection be sealed whole? */
  isHeld(collection: string): boolean {
    return this.#holds.size > 0 && (this.#holds.has(EVERY) || this.#holds.has(collection));
  }

  /** Views of a collection, `null` = of all, that are sealed from now on are whole, until the returned function is called. */
  hold(collection: string | null): () => void {
    const key = collection ?? EVERY;
    this.#holds.set(key, (this.#holds.get(key) ?? 0) + 1);
    return () => {
      const left = this.#holds.get(key)! - 1;
      if (left === 0) this.#holds.delete(key);
      else this.#holds.set(key, left);
    };
  }

  /**
   * Reads from the store, a range of which shows whole views of a collection; `null` = of all.
   *
   * @throws StorageError
   */
  async *reading<T>(collection: string | null, read: () => AsyncIterable<T>): AsyncGenerator<T> {
    const release = this.hold(collection);
    try {
      await this.#complete(this.#namesIn(collection));
      yield* read();
    } finally {
      release();
    }
  }

  /** The same for something that is read at once. */
  async during<T>(collections: readonly string[], read: () => Promise<T>): Promise<T> {
    const releases = collections.map((collection) => this.hold(collection));
    try {
      await this.#complete(collections.flatMap((collection) => this.#namesIn(collection)));
      return await read();
    } finally {
      for (const release of releases) release();
    }
  }

  /** A document as it was when its view had been completed. */
  async get(name: string): Promise<StoredDocument | null> {
    const [document] = await this.#complete([name]);
    return document!;
  }

  /** Completes views whose documents were not changed since the last call. */
  async completeIdle(): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = new Set();
    await this.#complete([...this.#names].filter((name) => !fresh.has(name)));
  }

  #namesIn(collection: string | null): string[] {
    if (this.#names.size === 0) return [];
    return [...this.#names].filter((name) => collection === null || name.startsWith(`${collection}\0`));
  }

  async #complete(names: readonly string[]): Promise<readonly (StoredDocument | null)[]> {
    const slots = names.map((name) => {
      const split = name.indexOf('\0');
      return this.#source.acquire(name.slice(0, split), name.slice(split + 1));
    });
    const releases = slots.map(({ collection }) => this.hold(collection));
    try {
      await ready(slots);
      for (const slot of slots) this.#source.include(slot);
      if (slots.length > 0) await this.#source.commit();
      // What is sealed whole stays so until the holds are given back.
      return slots.map(({ durable }) => durable?.document ?? null);
    } finally {
      for (const release of releases) release();
      for (const slot of slots) this.#source.release(slot);
    }
  }
}
