/**
 * @module
 * Owns how documents are cut into the chunks of a snapshot, and how they are merged. The defaults suit everybody; simulations make more of less.
 */

export interface SnapshotOptions {
  /** Documents are added to a chunk until it has this size; one document may exceed it. Default 192 KiB. */
  readonly chunkBytes: number;
  /** So few changes are looked up, whatever a scan would cost. Default 500. */
  readonly changesMin: number;
  /** A snapshot of at most so many bytes, and 2048 documents, is merged in one commit (SE9). Default 2 MiB. */
  readonly atomicBytesMax: number;
}

export const DEFAULT_SNAPSHOT_OPTIONS: SnapshotOptions = {
  chunkBytes: 192 * 1024,
  changesMin: 500,
  atomicBytesMax: 2 * 1024 * 1024,
};
