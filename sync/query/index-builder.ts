/**
 * @module
 * Owns building indexes while writes go on, one at a time: portion by portion the stored documents are read, and their entries are
 * written together with how far the build has come. After a crash it goes on from there.
 */
import type { JsonObject } from '../../crdt/index.ts';
import { scanThroughDamage } from '../damage-scan.ts';
import type { Database } from '../database.ts';
import { readView } from '../database-digest.ts';
import { contentOfView } from '../document-record.ts';
import { documentOf, successorOf, successorOfPrefix, viewKey } from '../key.ts';
import type { LocalIndex } from './local-index.ts';

/** Of a portion. */
const DOCUMENTS_MAX = 2000;
const BYTES_MAX = 1_048_576;
/** Documents between two pauses. */
const SLICE = 256;

export interface IndexBuilderOptions {
  readonly database: Database;
  readonly pause: () => Promise<void>;
  /** The store takes nothing more. */
  readonly fail: (error: unknown) => void;
}

interface Read {
  readonly documents: { id: string; keys: readonly Uint8Array[] }[];
  readonly until: string | null;
  readonly read: number;
}

const decoder = new TextDecoder();

export class IndexBuilder {
  readonly #options: IndexBuilderOptions;
  readonly #waiting: LocalIndex[] = [];
  /** Of dropped indexes. */
  readonly #numbers: number[] = [];
  #current: LocalIndex | null = null;
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
    for (;;) {
      if (index.isDropped) return;
      database.assertOpen();
      const { documents, until, read } = await table.late.during([index.collection], () => this.#read(index));
      if (index.isDropped) return;
      indexes.stage({ index, documents, until, read });
      await commit.join(database);
      if (until === null) break;
    }
    // Only now everything is there to be read.
    index.state = 'ready';
    index.isDirty = true;
    await commit.join(database);
  }

  async #read(index: LocalIndex): Promise<Read> {
    const { database, pause } = this.#options;
    const { db, store, commit, table, indexes } = database.parts;
    const first = viewKey(db, index.collection, '');
    const gte = index.until === null ? first : successorOf(viewKey(db, index.collection, index.until));
    const scan = await commit.between(() => {
      indexes.beginPortion(index);
      return scanThroughDamage(store, { gte, lt: successorOfPrefix(first) });
    });
    const documents: Read['documents'] = [];
    let [read, bytes] = [0, 0];
    for await (const entries of scan) {
      for (const [key, value] of entries) {
        const name = documentOf(key);
        const content = value === null ? null : contentOfView(value);
        if (content !== null) {
          const document = JSON.parse(decoder.decode(content.json)) as JsonObject;
          documents.push({ id: name.id, keys: index.keysOf(document, name.id) });
          bytes += content.json.length;
        }
        // It gets its entries when it is replaced.
        else if (value === null || readView(value) === null) table.onDamage(name);
        if (++read % SLICE === 0) await pause();
        if (read >= DOCUMENTS_MAX || bytes >= BYTES_MAX) return { documents, until: name.id, read };
      }
    }
    return { documents, until: null, read };
  }
}
