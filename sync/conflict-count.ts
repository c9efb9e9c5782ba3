/**
 * @module
 * Owns counting losing values as they come to be: each time a merge leaves a document with more of them than it had. Writes here see all
 * that is held and can only take some away. Kept in memory, for operators.
 */
import { isInternalCollection } from './names.ts';

/** Counted by name; clients make as many collections as they like. */
const COLLECTIONS_MAX = 200;
/** Of all further ones. No collection has this name. */
export const OTHER_COLLECTIONS = '_other';

export class ConflictCount {
  readonly #counts = new Map<string, number>();

  /** @param grown - Losing values that a document has now, less those it had. */
  note(collection: string, grown: number): void {
    if (grown <= 0 || isInternalCollection(collection)) return;
    const isCounted = this.#counts.has(collection) || this.#counts.size < COLLECTIONS_MAX;
    const name = isCounted ? collection : OTHER_COLLECTIONS;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + grown);
  }

  /** Since the start. */
  get byCollection(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}
