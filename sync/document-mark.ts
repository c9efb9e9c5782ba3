/**
 * @module
 * Owns the marks that the store keeps of documents for those who look for some of them: each is a key that follows with
 * the document.
 */
import type { DocumentSlot, Growing } from './document-slot.ts';
import type { StoreOperation } from './port.ts';

const NO_BYTES = new Uint8Array(0);

const MARKS: Readonly<Record<Growing, Uint8Array>> = { grown: NO_BYTES, open: Uint8Array.of(1) };

export function isOpenMark(value: Uint8Array): boolean {
  return value.length > 0;
}

export function noteMarks(
  slot: DocumentSlot,
  conflicts: number,
  growing: Growing | null,
  operations: StoreOperation[],
): void {
  noteConflicts(slot, conflicts, operations);
  noteGrowing(slot, growing, operations);
}

/** The list of documents that have losing values follows with the document. */
function noteConflicts(slot: DocumentSlot, conflicts: number, operations: StoreOperation[]): void {
  const had = (slot.durable?.conflicts ?? 0) > 0;
  if (had === conflicts > 0) return;
  const { conflictKey: key } = slot;
  operations.push(had ? { type: 'del', key } : { type: 'put', key, value: NO_BYTES });
}

/** The list of documents that the compactor looks at follows, too. */
function noteGrowing(slot: DocumentSlot, growing: Growing | null, operations: StoreOperation[]): void {
  if (slot.growing === growing) return;
  slot.growing = growing;
  const { compactionKey: key } = slot;
  operations.push(growing === null ? { type: 'del', key } : { type: 'put', key, value: MARKS[growing] });
}
