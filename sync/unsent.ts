/**
 * @module
 * Owns the list of what only this node holds of its own writes: documents that its records touched which no member is known to
 * hold. For a node that was removed, or whose history is another than the one its peers hold: what is found here can be written
 * anew elsewhere.
 */
import type { Database } from './database.ts';
import { decodeView, jsonOf } from './document-record.ts';
import type { OriginId } from './engine.ts';
import { documentOf, publicViews, rangeOf } from './key.ts';

/** A document as this node has it; without `doc` it was deleted here. */
export interface UnsentDocument {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
  readonly doc?: Uint8Array;
}

export interface UnsentSource {
  readonly database: Database;
  /** Origin of this node → sequence up to which others hold it. */
  readonly floors: ReadonlyMap<OriginId, number>;
}

/** In the order of sources, collections and ids. Reads every document, because the log need not go back that far. */
export async function* unsentDocuments(sources: readonly UnsentSource[]): AsyncGenerator<UnsentDocument> {
  for (const { database, floors } of sources) {
    const { store, db, table } = database.parts;
    const bounds = { ...rangeOf('j', db), gte: publicViews(db) };
    for await (const entries of table.late.reading(null, () => store.range(bounds))) {
      for (const [key, value] of entries) {
        const view = decodeView(value);
        if (!isAbove(view.vector, floors)) continue;
        yield { database: database.name, ...documentOf(key), ...(view.exists && { doc: jsonOf(view) }) };
      }
    }
  }
}

function isAbove(version: ReadonlyMap<OriginId, number>, floors: ReadonlyMap<OriginId, number>): boolean {
  for (const [origin, seq] of version) if (seq > (floors.get(origin) ?? Infinity)) return true;
  return false;
}
