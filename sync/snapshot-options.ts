/**
 * @module
 * Owns how documents are cut into the chunks of a snapshot. The defaults suit everybody; simulations make more of less.
 */

export interface SnapshotOptions {
  /** Documents are added to a chunk until it has this size; one document may exceed it. Default 192 KiB. */
  readonly chunkBytes: number;
  /** So few changes are looked up, whatever a scan would cost. Default 500. */
  readonly changesMin: number;
}

export const DEFAULT_SNAPSHOT_OPTIONS: SnapshotOptions = { chunkBytes: 192 * 1024, changesMin: 500 };
