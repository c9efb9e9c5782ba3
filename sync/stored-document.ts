/**
 * @module
 * Owns reading the documents of a database in key order. Views and bases lie in two ranges with the same order, and are read side
 * by side.
 */
import { decodeView } from './document-record.ts';
import type { ViewRecord } from './document-record.ts';
import { compareBytes, rangeOf } from './key.ts';
import type { Store, StoreEntry } from './port.ts';

export interface DocumentOnStore {
  /** Of the view. */
  readonly key: Uint8Array;
  readonly record: ViewRecord;
  /** For `statePartsOf`. */
  readonly base: Uint8Array | undefined;
}

/** @param store - A snapshot, unless nothing is written meanwhile: the two ranges must show one moment. */
export async function* readDocuments(store: Pick<Store, 'range'>, db: number): AsyncGenerator<DocumentOnStore> {
  const bases = flatten(store.range(rangeOf('y', db)));
  let next = await bases.next();
  try {
    for await (const [key, value] of flatten(store.range(rangeOf('j', db)))) {
      // The keys differ in their first byte only.
      while (next.done !== true && compareBytes(next.value[0].subarray(1), key.subarray(1)) < 0)
        next = await bases.next();
      const isSame = next.done !== true && compareBytes(next.value[0].subarray(1), key.subarray(1)) === 0;
      yield { key, record: decodeView(value), base: isSame ? (next.value as StoreEntry)[1] : undefined };
    }
  } finally {
    await bases.return(undefined);
  }
}

async function* flatten(chunks: AsyncIterable<readonly StoreEntry[]>): AsyncGenerator<StoreEntry> {
  for await (const entries of chunks) yield* entries;
}
