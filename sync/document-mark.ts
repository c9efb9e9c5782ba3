/**
 * @module
 * Owns the marks that the store keeps of documents for those who look for some of them: each is a key that follows with the document.
 */
import type { DocumentSlot } from './document-slot.ts';
import type { StoreOperation } from './port.ts';

const NO_BYTES = new Uint8Array(0);

/** What marks a document. */
export interface DocumentMarks {
  /** Losing values that it has. */
  readonly conflicts: number;
  /** It is much larger than what it shows. */
  readonly hasGrown: boolean;
}

export function noteMarks(
  slot: DocumentSlot,
  { conflicts, hasGrown }: DocumentMarks,
  operations: StoreOperation[],
): void {
  const note = (had: boolean, has: boolean, key: Uint8Array): void => {
    if (had !== has) operations.push(has ? { type: 'put', key, value: NO_BYTES } : { type: 'del', key });
  };
  note((slot.durable?.conflicts ?? 0) > 0, conflicts > 0, slot.conflictKey);
  note(slot.hasGrown, hasGrown, slot.compactionKey);
  slot.hasGrown = hasGrown;
}
