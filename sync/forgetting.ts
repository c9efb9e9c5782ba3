/**
 * @module
 * Owns what is done so that a document leaves no trace: the same whether its tombstone is collected, others have forgotten it, or a
 * document that begins anew takes its place.
 */
import { FirstRecord } from './batch.ts';
import type { UpdateRecord } from './batch.ts';
import type { Database } from './database.ts';
import { toFirstContent, updateOf } from './document-record.ts';
import type { DocumentChange } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { OriginId } from './engine.ts';
import type { ForgottenVector } from './forgotten.ts';

/** A change that was made here, for the log, by an origin. */
export function recordOf(
  { vector, collection, id, document: { first } }: DocumentSlot,
  change: DocumentChange,
  origin: OriginId,
): UpdateRecord {
  // There may have been a tombstone that others still have, and others may have forgotten what a record without this builds on.
  const isAnew = vector.size === 0;
  if (isAnew && !(change instanceof Uint8Array)) return new FirstRecord(collection, id, change);
  const update = updateOf(change);
  if (!isAnew) return { kind: 'update', collection, id, update };
  // What an editor began is not ours to make again.
  if (first?.client !== origin) return { kind: 'update', collection, id, update, isAnew };
  return { kind: 'update', collection, id, update, isAnew, first: toFirstContent(first) };
}

/** Forgets documents: they are as if nobody had ever written them, with the next commit. */
export function forget(database: Database, slots: readonly DocumentSlot[]): void {
  for (const slot of slots) {
    noteForgotten(database, slot.vector);
    database.parts.table.forget(slot);
  }
}

/** What a document was goes, because something takes its place. Returns how to undo that, until something is sealed. */
export function supersede(database: Database, slot: DocumentSlot): () => void {
  noteForgotten(database, slot.vector);
  return slot.forget();
}

function noteForgotten(database: Database, vector: ForgottenVector): void {
  const { epoch, forgotten, renewEpoch } = database.parts;
  // What this process wrote under its present epoch, it would number again (I2).
  if (vector.has(epoch.origin)) renewEpoch();
  database.extraOperations.push(...forgotten.join(vector));
}
