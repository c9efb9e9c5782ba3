/**
 * @module
 * Owns what a commit carries of the documents of a database.
 */
import type { CollectionStats } from './collection-stats.ts';
import type { DocumentSlot, DurableVersion } from './document-slot.ts';
import type { PlacedDocument } from './placed-documents.ts';
import type { StoreOperation } from './port.ts';

export interface SealedDocuments {
  readonly operations: readonly StoreOperation[];
  readonly slots: readonly (readonly [DocumentSlot, DurableVersion])[];
  /** Documents that were not opened. */
  readonly placed: readonly PlacedDocument[];
  readonly digest: string;
  /** Of the collections touched. */
  readonly stats: ReadonlyMap<string, CollectionStats>;
}
