/**
 * @module
 * Owns what is counted of a collection, and its bytes in the store.
 */
import type { DurableVersion } from './document-slot.ts';

/** Live documents of a collection and the bytes of their JSON. */
export interface CollectionStats {
  documents: number;
  bytes: number;
}

/** A version takes the place of another one. */
export function count(sums: CollectionStats, before: DurableVersion | null, after: DurableVersion): void {
  sums.documents += Number(after.exists) - Number(before?.exists ?? false);
  sums.bytes += (after.exists ? after.bytes : 0) - (before?.exists === true ? before.bytes : 0);
}

export function encodeStats({ documents, bytes }: CollectionStats): Uint8Array {
  const value = new Uint8Array(16);
  const view = new DataView(value.buffer);
  view.setFloat64(0, documents);
  view.setFloat64(8, bytes);
  return value;
}

export function decodeStats(value: Uint8Array): CollectionStats {
  const view = new DataView(value.buffer, value.byteOffset);
  return { documents: view.getFloat64(0), bytes: view.getFloat64(8) };
}

/** Live documents of all collections. */
export function documentsIn(stats: ReadonlyMap<string, Readonly<CollectionStats>>): number {
  let total = 0;
  for (const { documents } of stats.values()) total += documents;
  return total;
}
