/**
 * @module
 * Owns the documents that batches are about to change: pinned and loaded, but for those that nobody has here and that are whole with
 * their first write. These are put in place without being opened (placed-documents.ts), most of all when much was missed.
 */
import { FirstRecord } from './batch.ts';
import type { Batch } from './batch.ts';
import { SYSTEM_KEY } from './catalog.ts';
import type { Database } from './database.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { OriginId } from './engine.ts';
import type { DocumentName } from './equality.ts';
import { viewKey } from './key.ts';
import { OPERATIONS } from './operation.ts';

export class MergedDocuments {
  readonly #database: Database;
  readonly #isPassing: boolean;
  readonly #slots = new Map<string, DocumentSlot>();
  /** To be put in place, unless somebody opens them before. */
  readonly #begun = new Map<string, DocumentName>();

  /** @param isPassing - Opened documents are some of many: see `DocumentSlot.isPassing`. */
  constructor(database: Database, isPassing: boolean) {
    this.#database = database;
    this.#isPassing = isPassing;
  }

  /** By `collection NUL id`. */
  get slots(): ReadonlyMap<string, DocumentSlot> {
    return this.#slots;
  }

  /** The documents of one more batch. */
  add({ records }: Batch): void {
    for (const record of records) {
      if (record.kind !== 'update') continue;
      const name = `${record.collection}\0${record.id}`;
      if (this.#slots.has(name)) continue;
      if (!this.#begun.delete(name) && record instanceof FirstRecord && this.#mayPlace(record)) {
        const { collection, id } = record;
        this.#begun.set(name, { collection, id });
      } else {
        this.#open(name, record);
      }
    }
  }

  #mayPlace(document: DocumentName): boolean {
    const isPlain = document.collection !== OPERATIONS && this.#database.key !== SYSTEM_KEY;
    const { db, table } = this.#database.parts;
    const { collection, id } = document;
    return isPlain && table.mayPlace(`${collection}\0${id}`, viewKey(db, collection, id));
  }

  #open(name: string, { collection, id }: DocumentName): void {
    const slot = this.#database.parts.table.acquire(collection, id);
    slot.isPassing = this.#isPassing;
    this.#slots.set(name, slot);
  }

  /** Resolves when what is opened is loaded. Ask {@link openTaken} then, without waiting for anything in between. */
  async ready(): Promise<void> {
    await ready([...this.#slots.values()]);
  }

  /**
   * Opens documents that somebody has here meanwhile: a client, or batches of another call that were ready at the same moment.
   *
   * @returns False when there are none, and batches can be merged in one go.
   */
  openTaken(): boolean {
    const taken = [...this.#begun].filter(([, document]) => !this.#mayPlace(document));
    for (const [name, document] of taken) {
      this.#begun.delete(name);
      this.#open(name, document);
    }
    return taken.length > 0;
  }

  /** Puts a document in its place that has no slot. It leaves with the open group. */
  place({ collection, id, first: content }: FirstRecord, origin: OriginId, seq: number): void {
    const { table } = this.#database.parts;
    const view = table.placed.viewOf({ collection, id, vector: new Map([[origin, seq]]), content });
    table.place(`${collection}\0${id}`, view);
  }

  release(): void {
    for (const slot of this.#slots.values()) this.#database.parts.table.release(slot);
  }
}
