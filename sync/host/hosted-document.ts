/**
 * @module
 * Owns one document as a node gives it to a leaf: all of it, or what the leaf lacks. What is given is durable (I1).
 */
import type { Database } from '../database.ts';
import { etagOf } from '../document-record.ts';
import { ready } from '../document-slot.ts';
import type { DocumentSlot } from '../document-slot.ts';
import { decodeClocks, isBeyond } from '../leaf/clocks.ts';

export interface HostedDocument {
  readonly etag: string;
  /** Canonical JSON. */
  readonly json: string;
  readonly isWhole: boolean;
  /** Yjs v1 updates, to be applied in order. */
  readonly parts: readonly Uint8Array[];
}

/**
 * Reads a document; `null` when there is none, or none any more.
 *
 * @param held - The Yjs state vector of the leaf's copy; empty = it has none. A copy that holds what the document does not gets all of it:
 *   it may be of a document that was deleted and forgotten.
 * @throws SyncError `SYNC_FRAME_MALFORMED` for what is not a state vector; StorageError
 */
export async function readHosted(
  database: Database,
  { collection, id }: { readonly collection: string; readonly id: string },
  held: Uint8Array,
): Promise<HostedDocument | null> {
  const { table, commit } = database.parts;
  const slot = table.acquire(collection, id);
  try {
    await ready([slot]);
    const hosted = describe(database, slot, held);
    if (slot.hasOpenChanges) await commit.join(database);
    return hosted;
  } finally {
    table.release(slot);
  }
}

function describe(database: Database, slot: DocumentSlot, held: Uint8Array): HostedDocument | null {
  const { document } = slot;
  const { exists, json } = document.view();
  if (!exists) return null;
  const clocks = decodeClocks(held);
  const isWhole =
    held.length === 0 ||
    isBeyond(clocks, decodeClocks(document.encodeStateVector())) ||
    document.isCompactedSince(clocks);
  return {
    etag: etagOf(database.parts.table.elementOf(slot)),
    json,
    isWhole,
    parts: isWhole ? document.encodeParts() : [document.encodeDiff(held)],
  };
}
