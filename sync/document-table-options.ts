/**
 * @module
 * Owns what a table of documents is opened with.
 */
import type { Sha256, Store } from './port.ts';
import type { Growth } from './growth.ts';
import type { IndexSet } from './query/index-set.ts';

export interface DocumentTableOptions {
  readonly store: Store;
  readonly db: number;
  /** Keys the digest elements, and so the entity tags. */
  readonly digestSecret: Uint8Array;
  readonly sha256: Sha256;
  /** Bytes of documents, and again of views, kept in memory. */
  readonly cacheBytesMax: number;
  /** Kept up to date with the views, in the same groups. */
  readonly indexes: IndexSet;
  /** Documents with at least so many bytes of JSON may be stored without it while they are edited. */
  readonly lateBytesMin?: number;
  /** When a document is marked for the compactor. */
  readonly growth?: Partial<Growth> | undefined;
  /** Runs something at a moment when nothing is in flight. */
  readonly atRest: <T>(run: () => T) => Promise<T>;
  /** Resolves when all that was touched is durable. */
  readonly commit: () => Promise<void>;
}
