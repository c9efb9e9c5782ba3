/**
 * @module
 * Owns knowing which of many documents are not here: in a replica that began with nothing one look at the keys replaces a read of each.
 * What is opened after the look began may have been written since, so of that it does not tell.
 */
import type { DatabaseParts } from './database.ts';
import type { DocumentName } from './equality.ts';
import { compareBytes, documentOf, successorOf, viewKey } from './key.ts';

/** Stored documents beyond that are not remembered: then nothing is known to be absent. */
const PRESENT_MAX = 256;

export class Absence {
  readonly #parts: Pick<DatabaseParts, 'store' | 'db' | 'table'>;
  readonly #opened: ReadonlySet<string>;
  #present: ReadonlySet<string> | null = null;

  /** To be ended. */
  constructor(parts: Pick<DatabaseParts, 'store' | 'db' | 'table'>) {
    this.#parts = parts;
    this.#opened = parts.table.beginLook();
  }

  end(): void {
    this.#parts.table.placed.endLook(this.#opened);
  }

  /** Looks for these documents, once. Finds nothing out when they are not in the order of keys. */
  async look(rows: readonly DocumentName[]): Promise<void> {
    const { store, db } = this.#parts;
    const keys = rows.map(({ collection, id }) => viewKey(db, collection, id));
    if (keys.length === 0 || keys.some((key, i) => i > 0 && compareBytes(keys[i - 1]!, key) >= 0)) return;
    const bounds = { gte: keys[0]!, lt: successorOf(keys.at(-1)!) };
    const present = new Set<string>();
    for await (const entries of store.range({ ...bounds, limit: PRESENT_MAX, values: false })) {
      for (const [key] of entries) present.add(nameOf(documentOf(key)));
    }
    if (present.size < PRESENT_MAX) this.#present = present;
  }

  get isKnown(): boolean {
    return this.#present !== null;
  }

  /** Is a document neither stored nor opened, of those that were looked for? */
  isAbsent(document: DocumentName): boolean {
    const name = nameOf(document);
    return this.#present !== null && !this.#present.has(name) && !this.#opened.has(name);
  }
}

export function nameOf({ collection, id }: DocumentName): string {
  return `${collection}\0${id}`;
}
