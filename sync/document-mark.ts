/**
 * @module
 * Owns the marks that the store keeps of documents for those who look for some of them: each is a key without a value, which follows with
 * the document.
 */
import type { DocumentSlot } from './document-slot.ts';
import type { StoreOperation } from './port.ts';

const NO_BYTES = new Uint8Array(0);

/** @param isDue - The compactor is to look at it. */
export function noteMarks(slot: DocumentSlot, conflicts: number, isDue: boolean, operations: StoreOperation[]): void {
  noteConflicts(slot, conflicts, operations);
  noteGrowth(slot, isDue, operations);
}

/** The list of documents that have losing values follows with the document. */
function noteConflicts(slot: DocumentSlot, conflicts: number, operations: StoreOperation[]): void {
  const had = (slot.durable?.conflicts ?? 0) > 0;
  if (had === conflicts > 0) return;
  const { conflictKey: key } = slot;
  operations.push(had ? { type: 'del', key } : { type: 'put', key, value: NO_BYTES });
}

/** The list of documents that the compactor looks at follows, too. */
function noteGrowth(slot: DocumentSlot, isDue: boolean, operations: StoreOperation[]): void {
  if (slot.isMarked === isDue) return;
  slot.isMarked = isDue;
  operations.push(
    isDue ? { type: 'put', key: slot.compactionKey, value: NO_BYTES } : { type: 'del', key: slot.compactionKey },
  );
}
