/**
 * @module
 * Owns the contract between the storage engine of a replica and its links: what a link may ask for and what it is told. The
 * replica implements it; unit tests of links fake it.
 */
import type { Equality } from './equality.ts';
import type { Presence } from './presence.ts';
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
  | { readonly outcome: 'blocked'; readonly missing: readonly SequenceRange[] }
  /** It may build on a document that was forgotten here; nothing happened. A snapshot of the sender brings the document. */
  | { readonly outcome: 'forgotten' };

/** The documents a peer is missing, as of one moment, in opaque chunks of at most about 200 KiB. */
export interface SnapshotSource {
  /** That of the same moment: what the peer may adopt when it has merged every chunk. */
  readonly vector: VersionVector;
  /** To be called once. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Frees what it holds. Idempotent. */
  close(): Promise<void>;
}

/** What a replica holds of a snapshot that was interrupted: all documents up to one, as of the moment that the vector says. */
export interface HeldPart {
  /** `collection NUL id` of the last document. */
  readonly until: Uint8Array;
  readonly vector: VersionVector;
}

/** How far a snapshot has got that is on its way in. */
export interface SnapshotProgress {
  readonly phase: 'receiving' | 'merging';
  /** Received, or merged, by phase. */
  readonly documents: number;
  /** To be expected in this phase: the donor's estimate, or exact. */
  readonly documentsTotal: number;
  /** Bytes received. */
  readonly bytes: number;
}

/** A snapshot on its way in. Nothing of it shows in the database before it is complete. */
export interface SnapshotSink {
  /** What an interrupted transfer left, newest last; to be told to the donor, who may leave it out. */
  readonly held: readonly HeldPart[];
  /** Keeps one chunk; resolves when durable. In any order, repetition does no harm. */
  add(index: number, chunk: Uint8Array): Promise<void>;
  /**
   * Every chunk was added: merges them and joins `vector` into ours. From when that is under way it is finished whatever
   * happens. Resolves when durable.
   *
   * @throws SyncError `SYNC_BATCH_MALFORMED`: the sender is broken.
   */
  complete(vector: VersionVector): Promise<void>;
  /** The transfer is over. What was added stays for the next one if that can go on from there, unless it was complete. */
  close(): Promise<void>;
}

export interface Engine {
  /** Keys of the databases held here, e.g. `_system.0`, `app.0`. */
  databases(): readonly string[];
  /** Keys of databases that exist and are not wanted here: they are placed elsewhere. */
  unwanted(): readonly string[];
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
   * @param onMerged - Called when only the disk is waited for: what follows may be handed in.
   * @throws SyncError `SYNC_BATCH_MALFORMED`, `SYNC_CHAIN_FORKED`: the sender is broken or forked; nothing was applied.
   */
  ingest(database: string, batches: readonly Uint8Array[], onMerged?: () => void): Promise<readonly IngestResult[]>;
  /** Calls back after every durable commit, without batches when the vector moved by a snapshot. Returns the unsubscribe function. */
  onDurable(listener: (database: string, batches: readonly DurableBatch[]) => void): () => void;
  /** Would the documents that changed after a position cost a peer clearly less than the records it misses? An estimate. */
  prefersDocuments(database: string, since: (origin: OriginId) => number): Promise<boolean>;
  /** The documents that are newer than `since` and not in `held`. Waits while a snapshot is being merged here. */
  snapshot(database: string, since: VersionVector, held: readonly HeldPart[]): Promise<SnapshotSource>;
  /** What left no trace here. Only from a peer that holds all of it a snapshot may be taken. */
  forgotten(database: string): ReadonlyMap<OriginId, number>;
  /** A place for the snapshot of a peer; creates an unknown database. */
  receiveSnapshot(database: string): SnapshotSink;
  /** A snapshot is being merged: some documents are newer than the vector says, so none is to be given or asked for. */
  isMerging(database: string): boolean;
  /** Batches wait for something else than the disk: for a damaged document, or until a snapshot is merged. */
  isHeldUp(database: string): boolean;
  /** What links compare databases with; without it they do not. */
  readonly equality?: Equality;
  /** Passed on by links when it is there. */
  readonly presence?: Presence;
  /** The node id that owns an origin, once known. */
  nodeOf(origin: OriginId): string | undefined;
}
