/**
 * @module
 * Owns what a replica has forgotten of a database: of every origin the last change that went with a tombstone. It tells whether a
 * peer has seen every delete that left no trace here. One that has not (it was given up as stale, or its disk was set back) may
 * still hold the documents: what it lacks is then given to it together with the names of all that is left (snapshot-source.ts),
 * and what it sends of such a document is taken from it only when it has caught up.
 */
import * as decoding from 'lib0/decoding';
import { encodeDocumentVector, readDocumentVector } from './document-record.ts';
import type { OriginId } from './engine.ts';
import { forgottenKey } from './key.ts';
import type { Store, StoreOperation } from './port.ts';

/** Origin → sequence. */
export type ForgottenVector = ReadonlyMap<OriginId, number>;

export class Forgotten {
  readonly #db: number;
  readonly #vector: Map<OriginId, number>;

  private constructor(db: number, vector: Map<OriginId, number>) {
    this.#db = db;
    this.#vector = vector;
  }

  static async open(store: Store, db: number): Promise<Forgotten> {
    const value = await store.get(forgottenKey(db));
    return new Forgotten(db, value === undefined ? new Map() : readDocumentVector(decoding.createDecoder(value)));
  }

  get vector(): ForgottenVector {
    return this.#vector;
  }

  /** @returns What has to be written with the commit that forgets. */
  join(vector: ForgottenVector): StoreOperation[] {
    let isMore = false;
    for (const [origin, seq] of vector) {
      if (seq <= (this.#vector.get(origin) ?? 0)) continue;
      this.#vector.set(origin, seq);
      isMore = true;
    }
    if (!isMore) return [];
    return [{ type: 'put', key: forgottenKey(this.#db), value: encodeDocumentVector(this.#vector) }];
  }
}

/** Is everything in `vector` at or below `bound`? */
export function isWithin(vector: ForgottenVector, bound: Pick<ForgottenVector, 'get'>): boolean {
  for (const [origin, seq] of vector) if (seq > (bound.get(origin) ?? 0)) return false;
  return true;
}
