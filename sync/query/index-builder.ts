/**
 * @module
 * Owns building indexes while writes go on, one at a time: portion by portion the stored documents are read, and their entries are
 * written together with how far the build has come, while the next portion is being read. After a crash it goes on from there.
 *
 * Portions that follow one another are read of one moment, a *stretch*: what changes during it writes its own entries, and is left out.
 */
import type { JsonObject } from '../../crdt/index.ts';
import { scanThroughDamage } from '../damage-scan.ts';
import type { ScannedEntry } from '../damage-scan.ts';
import type { Database } from '../database.ts';
import { readView } from '../database-digest.ts';
import { contentOfView } from '../document-record.ts';
import { documentOf, successorOf, successorOfPrefix, viewKey } from '../key.ts';
import type { BuiltDocument, BuiltPortion } from './index-set.ts';
import type { LocalIndex } from './local-index.ts';

/** Of a portion. */
const DOCUMENTS_MAX = 2000;
const BYTES_MAX = 1_048_576;
/** Of a stretch: a moment is kept on the disk for as long as it is read. */
const STRETCH_DOCUMENTS = 50_000;
/** Names of changed documents are kept in memory. */
const STRETCH_CHANGES = 10_000;
/** Documents between two pauses. */
const SLICE = 256;

export interface IndexBuilderOptions {
  readonly database: Database;
  readonly pause: () => Promise<void>;
  /** The store takes nothing more. */
  readonly fail: (error: unknown) => void;
}

const decoder = new TextDecoder();

export class IndexBuilder {
  readonly #options: IndexBuilderOptions;
  readonly #waiting: LocalIndex[] = [];
  /** Of dropped indexes. */
  readonly #numbers: number[] = [];
  #current: LocalIndex | null = null;
  /** The portion before is durable. */
  #written: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isOpen = true;

  constructor(options: IndexBuilderOptions) {
    this.#options = options;
  }

  /** Builds an index, unless that is under way, in the background. */
  build(index: LocalIndex): void {
    if (!this.#waiting.includes(index) && this.#current !== index) this.#waiting.push(index);
    this.#start();
  }

  /** Removes the entries of a dropped index, in the background. */
  remove(number: number): void {
    this.#numbers.push(number);
    this.#start();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run().finally(() => {
      this.#isRunning = false;
      if (this.#waiting.length + this.#numbers.length > 0 && this.#isOpen) this.#start();
    });
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const number = this.#numbers.shift();
        if (number !== undefined) {
          await this.#options.database.parts.indexes.clear(number);
          continue;
        }
        this.#current = this.#waiting.shift() ?? null;
        if (this.#current === null) return;
        await this.#build(this.#current);
      }
    } catch (error) {
      this.#handleFailure(error);
    } finally {
      this.#current = null;
    }
  }

  /** What ends a build ends all of this database: it is closed, or the store has failed. Anything else is shown with the index. */
  #handleFailure(error: unknown): void {
    const { code = '', message } = error as { code?: string; message: string };
    if (code === 'SYNC_CLOSED' || code === 'STORAGE_CLOSED') this.#isOpen = false;
    else if (code.startsWith('STORAGE_')) {
      this.#isOpen = false;
      this.#options.fail(error);
    } else if (this.#current !== null) this.#current.failure = message;
  }

  async #build(index: LocalIndex): Promise<void> {
    const { database } = this.#options;
    const { indexes, commit, table } = database.parts;
    index.failure = null;
    let after = index.until;
    do {
      // What is on its way leaves out what has changed since its own moment.
      await this.#written;
      const stretch = table.late.reading(index.collection, () => this.#readStretch(index, after));
      for await (const portion of stretch) {
        await this.#written;
        if (index.isDropped) return;
        indexes.stage(portion);
        this.#written = commit.join(database);
        // Whoever awaits it next is told.
        this.#written.catch(() => {});
        after = portion.until;
      }
    } while (after !== null);
    await this.#written;
    // Only now everything is there to be read.
    index.state = 'ready';
    index.isDirty = true;
    await commit.join(database);
  }

  /** @param after - The last document read before; null = none. */
  async *#readStretch(index: LocalIndex, after: string | null): AsyncGenerator<BuiltPortion> {
    const { database, pause } = this.#options;
    const { db, store, commit, indexes } = database.parts;
    const prefix = viewKey(db, index.collection, '');
    const gte = after === null ? prefix : successorOf(viewKey(db, index.collection, after));
    const bounds = { gte, lt: successorOfPrefix(prefix) };
    const { scan, changed } = await commit.between(() => ({
      changed: indexes.watch(index),
      scan: scanThroughDamage(store, bounds),
    }));
    let [total, sincePause] = [0, 0];
    let portion = new Portion(index, prefix.length, changed);
    for await (const entries of scan) {
      for (const entry of entries) {
        if (!portion.add(entry)) this.#handleDamage(entry);
        if (++sincePause === SLICE) {
          sincePause = 0;
          await pause();
          database.assertOpen();
          if (index.isDropped) return;
        }
        if (!portion.isFull) continue;
        yield portion.finish(documentOf(entry[0]).id);
        total += portion.read;
        if (total >= STRETCH_DOCUMENTS || changed.size >= STRETCH_CHANGES) return;
        portion = new Portion(index, prefix.length, changed);
      }
    }
    yield portion.finish(null);
  }

  /** A document that cannot be read gets its entries when it is replaced; one that was deleted has none. */
  #handleDamage([key, value]: ScannedEntry): void {
    if (value === null || readView(value) === null) this.#options.database.parts.table.onDamage(documentOf(key));
  }
}

class Portion {
  readonly #index: LocalIndex;
  readonly #nameAt: number;
  readonly #changed: ReadonlySet<string>;
  readonly #documents: BuiltDocument[] = [];
  #bytes = 0;
  /** Documents looked at. */
  read = 0;

  /** @param nameAt - Where the id begins in the key of a view. */
  constructor(index: LocalIndex, nameAt: number, changed: ReadonlySet<string>) {
    this.#index = index;
    this.#nameAt = nameAt;
    this.#changed = changed;
  }

  get isFull(): boolean {
    return this.read >= DOCUMENTS_MAX || this.#bytes >= BYTES_MAX;
  }

  /** @returns False when there is no document to be read. */
  add([key, value]: ScannedEntry): boolean {
    this.read++;
    const content = value === null ? null : contentOfView(value);
    if (content === null) return false;
    const document = JSON.parse(decoder.decode(content.json)) as JsonObject;
    const id = key.subarray(this.#nameAt);
    this.#documents.push({ id, keys: this.#index.keysOf(document, id) });
    this.#bytes += content.json.length;
    return true;
  }

  /** @param until - The last document looked at; null = that was all. */
  finish(until: string | null): BuiltPortion {
    return { index: this.#index, documents: this.#documents, changed: this.#changed, until, read: this.read };
  }
}
