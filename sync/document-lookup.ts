/**
 * @module
 * Owns looking many documents up as of one moment. Reading keys of a snapshot one by one costs several times what reading many at
 * once from the store costs, and nearly all documents are still as they were: one whose version the vector of that moment covers
 * is as it was then, and only others are read from the snapshot.
 */
import type { Change } from './change-index.ts';
import type { Database } from './database.ts';
import { decodeView } from './document-record.ts';
import type { ViewRecord } from './document-record.ts';
import { stateKey, viewKey } from './key.ts';
import type { StoreSnapshot } from './port.ts';
import { sequenceOf } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

export interface FoundDocument {
  readonly record: ViewRecord;
  readonly base: Uint8Array | undefined;
}

/** Bytes read at a time, about. */
const BYTES_TARGET = 256 * 1024;
const DOCUMENTS_MAX = 128;

export class DocumentLookup {
  readonly #database: Database;
  readonly #view: StoreSnapshot;
  readonly #vector: VersionVector;
  /** Documents looked up together: few until their size is known. */
  #groupSize = 4;

  /** @param vector - That of the moment of the snapshot. */
  constructor(database: Database, view: StoreSnapshot, vector: VersionVector) {
    this.#database = database;
    this.#view = view;
    this.#vector = vector;
  }

  async *groups(changes: AsyncIterable<Change>): AsyncGenerator<readonly Change[]> {
    let group: Change[] = [];
    for await (const change of changes) {
      group.push(change);
      if (group.length < this.#groupSize) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  }

  /** By name. A document that is not there is left out. */
  async read(changes: readonly Change[]): Promise<ReadonlyMap<string, FoundDocument>> {
    const { store, db } = this.#database.parts;
    const wanted = [...new Map(changes.map((change) => [change.name, change])).values()];
    const keys = wanted.flatMap(({ collection, id }) => [viewKey(db, collection, id), stateKey(db, collection, id)]);
    // Of one moment, too: a view never comes with the base of another version.
    const values = wanted.length === 0 ? [] : await store.getMany(keys);
    const found = new Map<string, FoundDocument>();
    let bytes = 0;
    for (const [i, change] of wanted.entries()) {
      const view = values[2 * i];
      const base = values[2 * i + 1];
      bytes += (view?.length ?? 0) + (base?.length ?? 0);
      const record = view === undefined ? null : decodeView(view);
      // What is gone may have been there at that moment.
      const isCurrent = record !== null && this.#isOfMoment(record);
      const document = isCurrent ? { record, base } : await this.#readOld(change);
      if (document !== null) found.set(change.name, document);
    }
    const size = bytes / Math.max(1, wanted.length);
    if (wanted.length > 0)
      this.#groupSize = Math.max(1, Math.min(DOCUMENTS_MAX, Math.floor(BYTES_TARGET / (size + 1))));
    return found;
  }

  #isOfMoment({ vector }: ViewRecord): boolean {
    for (const [origin, seq] of vector) if (seq > sequenceOf(this.#vector, origin)) return false;
    return true;
  }

  async #readOld({ collection, id }: Change): Promise<FoundDocument | null> {
    const { db } = this.#database.parts;
    const view = await this.#view.get(viewKey(db, collection, id));
    if (view === undefined) return null;
    const record = decodeView(view);
    return { record, base: record.isFirst ? undefined : await this.#view.get(stateKey(db, collection, id)) };
  }
}
