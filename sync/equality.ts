/**
 * @module
 * Owns the contract between storage and links about the proof of equality: what a link may ask for to compare this replica with
 * a peer, and what it brings back. Engines without it are not compared.
 */
import type { Sketch, Symbol56 } from './sketch.ts';
import type { VersionVector } from './version-vector.ts';

/** First bytes of SHA-256 of the version vector, and of the digest. */
export const FINGERPRINT_BYTES = 8;

/** A database at one moment: replicas with one `vector` must have one `digest` (I9). */
export interface Fingerprint {
  readonly vector: Uint8Array;
  readonly digest: Uint8Array;
}

/** Part of the documents, by bucket. */
export interface BucketRange {
  readonly first: number;
  readonly count: number;
}

/** The documents of one moment, as symbols of one session. Holds 8 bytes a document until it is dropped. */
export interface DocumentIndex {
  readonly documents: number;
  /** The cells [0, cells), or more. */
  sketch(cells: number): Promise<Sketch>;
}

/** What came of documents from a peer. */
export interface RepairReport {
  /** Documents that this replica should have had as the peer did. */
  readonly repaired: number;
  /** Some of them, as `collection/id`. */
  readonly examples: readonly string[];
}

export interface Equality {
  /** The same object until something changes. Null for a database that is not here, or that cannot be compared now. */
  fingerprint(database: string): Fingerprint | null;
  /** A peer with the same vector had the same digest, or another one. */
  noteCompared(database: string, peer: string, isEqual: boolean): void;
  /** Databases of which the disk does not hold what memory says, whatever the digests are. */
  suspects(): readonly string[];
  /** Takes the turn to compare a database; false while somebody else has it. */
  begin(database: string): boolean;
  end(database: string): void;
  index(database: string, salt: Uint8Array, buckets: BucketRange): Promise<DocumentIndex>;
  /**
   * Reads documents of an index, about `bytesMax` bytes, at least one.
   *
   * @returns Opaque rows for `merge`, and how many of the symbols, from the first, they answer.
   */
  read(
    database: string,
    index: DocumentIndex,
    symbols: readonly Symbol56[],
    bytesMax: number,
  ): Promise<{ readonly rows: Uint8Array; readonly done: number }>;
  /**
   * Merges documents that a peer holds and that our vector says we hold as well; resolves when durable.
   *
   * @throws SyncError `SYNC_BATCH_MALFORMED`
   */
  merge(database: string, rows: Uint8Array): Promise<RepairReport>;
  /** A comparison of documents ended. `atPeer`: documents that the peer had to take from us. */
  conclude(database: string, index: DocumentIndex, peer: string, report: RepairReport, atPeer: number): void;
  /** A batch of the log could not be read. */
  noteLogDamage(database: string, origin: number): void;
  /** Something of a database could not be read: finds out what. */
  noteDamage(database: string): void;
  /** Documents that are to be fetched from this peer: they cannot be read here, or their content is not the right one. */
  quarantined(database: string, peer: string): readonly DocumentName[];
  /** Documents checked last, to be compared with peers; a new array for each sample. */
  sample(): { readonly database: string; readonly documents: readonly ContentSample[] } | null;
  /**
   * Compares documents with those of a peer.
   *
   * @returns Ours that differ from them.
   */
  compare(database: string, theirs: readonly ContentSample[], peer: string): Promise<readonly ContentSample[]>;
  /** Reads documents by name for a peer that lost them; nothing unless we hold all that `since` covers. */
  readNamed(
    database: string,
    names: readonly DocumentName[],
    since: VersionVector,
    bytesMax: number,
  ): Promise<Uint8Array | null>;
  /** Puts documents of a peer in the place of those that cannot be read. */
  replace(database: string, rows: Uint8Array, peer: string): Promise<void>;
}

/** What a document is here: replicas with one element must have one content. */
export interface ContentSample extends DocumentName {
  /** First bytes of the digest element. */
  readonly element: Uint8Array;
  /** First bytes of the hash of the normalised state. */
  readonly content: Uint8Array;
}

export interface DocumentName {
  readonly collection: string;
  readonly id: string;
}
