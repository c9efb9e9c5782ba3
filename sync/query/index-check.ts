/**
 * @module
 * Owns the proof that an index agrees with the documents: the entries that documents should have and those that are there are added up,
 * each by its hash, as of one moment. Memory does not grow with the collection.
 */
import type { JsonObject } from '../../crdt/index.ts';
import type { AlarmLog } from '../alarm.ts';
import { scanThroughDamage } from '../damage-scan.ts';
import type { Database } from '../database.ts';
import { readView } from '../database-digest.ts';
import { jsonOf } from '../document-record.ts';
import { documentOf, successorOfPrefix, viewKey } from '../key.ts';
import { entriesOf, keysOf } from './index-key.ts';
import type { LocalIndex } from './local-index.ts';

export interface IndexVerdict {
  readonly collection: string;
  readonly name: string;
  readonly isEqual: boolean;
  /** Entries that are there. */
  readonly entries: number;
  /** Entries that should be. */
  readonly expected: number;
}

const decoder = new TextDecoder();

/** Sums of hashes of keys: equal for equal sets in any order. */
class KeySum {
  count = 0;
  #low = 0;
  #high = 0;

  add(key: Uint8Array): void {
    let [a, b] = [0x811c9dc5, 0x9e3779b9];
    for (let i = 0; i < key.length; i++) {
      a = Math.imul(a ^ key[i]!, 0x01000193);
      b = Math.imul(b ^ key[i]!, 0x85ebca6b);
      b ^= b >>> 13;
    }
    this.#low = (this.#low + a) | 0;
    this.#high = (this.#high + b) | 0;
    this.count++;
  }

  equals(other: KeySum): boolean {
    return this.count === other.count && this.#low === other.#low && this.#high === other.#high;
  }
}

/** Null when the index is not ready, or some document cannot be read: then nothing is known. */
export async function checkIndex(
  database: Database,
  index: LocalIndex,
  pause: () => Promise<void>,
): Promise<IndexVerdict | null> {
  const { db, store, commit } = database.parts;
  if (index.state !== 'ready' || index.isDropped) return null;
  const first = viewKey(db, index.collection, '');
  const [views, stored] = await commit.between(() => [
    scanThroughDamage(store, { gte: first, lt: successorOfPrefix(first) }),
    store.range({ gte: index.prefix, lt: successorOfPrefix(index.prefix), values: false }),
  ]);
  const [expected, actual] = [new KeySum(), new KeySum()];
  let isReadable = true;
  for await (const entries of views) {
    for (const [key, value] of entries) {
      const view = value === null ? null : readView(value);
      if (view === null) isReadable = false;
      else if (view.exists) {
        const document = JSON.parse(decoder.decode(jsonOf(view))) as JsonObject;
        const { id } = documentOf(key);
        for (const each of keysOf(index.prefix, entriesOf(index.definition, document), id)) expected.add(each);
      }
    }
    await pause();
  }
  for await (const entries of stored) {
    for (const [key] of entries) actual.add(key);
    await pause();
  }
  // Dropped meanwhile, its entries went.
  if (!isReadable || index.isDropped) return null;
  const { collection, name } = index;
  const isEqual = expected.equals(actual);
  return { collection, name, isEqual, entries: actual.count, expected: expected.count };
}

/** Checks the indexes of a database. One that differs raises an alarm and is built anew. */
export async function auditIndexes(
  database: Database,
  alarms: AlarmLog,
  pause: () => Promise<void>,
): Promise<readonly IndexVerdict[]> {
  const { indexes } = database.parts;
  const verdicts: IndexVerdict[] = [];
  for (const index of indexes.all()) {
    const verdict = await checkIndex(database, index, pause);
    if (verdict === null) continue;
    verdicts.push(verdict);
    if (verdict.isEqual || index.isDropped) continue;
    const documents = Math.max(1, Math.abs(verdict.entries - verdict.expected));
    const examples = [`${index.collection}/${index.name}`];
    alarms.raise({ kind: 'index', database: database.key, peer: null, documents, repaired: documents, examples });
    indexes.rebuild(index);
  }
  return verdicts;
}
