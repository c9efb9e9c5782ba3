/**
 * @module
 * Owns the contract between the storage engine of a replica and its links: what a link may ask for and what it is told. The
 * replica implements it; unit tests of links fake it.
 */
import type { VersionVector } from './version-vector.ts';

/** Random number in [2^32, 2^42): names one epoch (process start) of one node and is its Yjs client id. */
export type OriginId = number;

/** A batch that has just become durable here. */
export interface DurableBatch {
  readonly origin: OriginId;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** The encoded batch, byte-identical on every replica (I4). */
  readonly bytes: Uint8Array;
}

export interface SequenceRange {
  readonly origin: OriginId;
  /** Inclusive. */
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

export type IngestResult =
  | { readonly outcome: 'applied' }
  /** The vector covers it already; nothing happened. */
  | { readonly outcome: 'duplicate' }
  /** A gap in its origin's sequence, or dependencies not covered; nothing happened. */
  | { readonly outcome: 'blocked'; readonly missing: readonly SequenceRange[] };

/** The documents a peer is missing, as opaque chunks of at most about 200 KiB. */
export interface SnapshotSource {
  /** What the peer may adopt after it persisted every chunk. */
  readonly vector: VersionVector;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface Engine {
  /** Keys of the databases held here, e.g. `_system.0`, `app.0`. */
  databases(): readonly string[];
  /** The durable version vector; empty for an unknown database. Do not modify. */
  vector(database: string): VersionVector;
  /**
   * Reads encoded batches of one origin after `afterSeq`, in sequence, about `bytesMax` bytes but at least one if any exist.
   * `'floor'`: the log does not hold the batch that follows `afterSeq` although the vector covers it.
   */
  readLog(
    database: string,
    origin: OriginId,
    afterSeq: number,
    bytesMax: number,
  ): Promise<readonly Uint8Array[] | 'floor'>;
  /**
   * Validates, applies and persists batches; resolves when durable, one result per batch. Creates an unknown database.
   *
   * @throws SyncError `SYNC_BATCH_MALFORMED`, `SYNC_CHAIN_FORKED`: the sender is broken or forked; nothing was applied.
   */
  ingest(database: string, batches: readonly Uint8Array[]): Promise<readonly IngestResult[]>;
  /** Calls back after every durable commit. Returns the unsubscribe function. */
  onDurable(listener: (database: string, batches: readonly DurableBatch[]) => void): () => void;
  snapshot(database: string, since: VersionVector): SnapshotSource;
  /** Persists one chunk; resolves when durable. Idempotent. */
  ingestSnapshot(database: string, chunk: Uint8Array): Promise<void>;
  /** Joins `vector` into ours, after every chunk of the snapshot was persisted. */
  adoptVector(database: string, vector: VersionVector): Promise<void>;
  /** The node id that owns an origin, once known. */
  nodeOf(origin: OriginId): string | undefined;
}
