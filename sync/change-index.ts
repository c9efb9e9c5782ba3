/**
 * @module
 * Owns the change index: for what was cut from the log, which document the last change by an origin was of. With it a peer that
 * is behind the log still costs only the documents that changed (I7): of every document and origin, the sequence in its
 * document vector is in the log or in the index. An entry whose document has moved on is *stale*, and removed when met.
 */
import { decodeBatchHeader, recordNames } from './batch.ts';
import type { OriginId } from './engine.ts';
import { changeKey, changeOf, documentOfName, logRange } from './key.ts';
import type { StoreEntry, StoreOperation } from './port.ts';

const encoder = new TextEncoder();

/** A document, and a change of it. */
export interface Change {
  readonly seq: number;
  readonly collection: string;
  readonly id: string;
  /** `collection NUL id` */
  readonly name: string;
  /** Of the index; `null` for a record of the log. */
  readonly key: Uint8Array | null;
}

interface Readable {
  range(bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array }): AsyncIterable<readonly StoreEntry[]>;
}

/** What has to be in the index when no batch of the log says it: every origin that a document names. */
export function indexDocument(
  db: number,
  viewKey: Uint8Array,
  vector: Iterable<readonly [OriginId, number]>,
): StoreOperation[] {
  const value = viewKey.subarray(5);
  return [...vector].map(([origin, seq]) => ({ type: 'put', key: changeKey(db, origin, seq), value }));
}

/** What has to be in the index when batches of one origin leave the log: of every document the last change among them. */
export function indexBatches(db: number, batches: readonly Uint8Array[]): StoreOperation[] {
  const last = new Map<string, Uint8Array>();
  for (const bytes of batches) {
    const { origin } = decodeBatchHeader(bytes);
    for (const [name, seq] of lastOf(bytes)) last.set(name, changeKey(db, origin, seq));
  }
  return [...last].map(([name, key]) => ({ type: 'put', key, value: encoder.encode(name) }));
}

/** `collection NUL id` → sequence of its last record in a batch. */
function lastOf(bytes: Uint8Array): Map<string, number> {
  const { firstSeq } = decodeBatchHeader(bytes);
  const last = new Map<string, number>();
  recordNames(bytes).forEach((name, i) => {
    if (name !== null) last.set(name, firstSeq + i);
  });
  return last;
}

/** Changes by an origin after a sequence, those of the index first. What is in both may come twice. */
export async function* changesAfter(
  store: Readable,
  db: number,
  origin: OriginId,
  after: number,
): AsyncGenerator<Change> {
  const end = 2 ** 48 - 1;
  for await (const entries of store.range({ gte: changeKey(db, origin, after + 1), lt: changeKey(db, origin, end) })) {
    for (const [key, value] of entries) {
      const document = documentOfName(value);
      yield { seq: changeOf(key).seq, key, ...document, name: `${document.collection}\0${document.id}` };
    }
  }
  for await (const entries of store.range(logRange(db, origin, after + 1, end))) {
    for (const [, bytes] of entries) {
      for (const [name, seq] of lastOf(bytes)) {
        const split = name.indexOf('\0');
        yield { seq, key: null, name, collection: name.slice(0, split), id: name.slice(split + 1) };
      }
    }
  }
}
