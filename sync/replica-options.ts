/**
 * @module
 * Owns what a replica is given from outside: ports, who it is, and how it is to behave.
 */
import type { AtollError, Limits } from '../crdt/index.ts';
import { SyncError } from './errors.ts';
import type { CollectionOptions } from './collector.ts';
import type { CompactionOptions } from './compactor.ts';
import type { Incident } from './incident.ts';
import type { LogRetention } from './log-cutter.ts';
import type { LinkOptions } from './link/options.ts';
import type { PeersEvent } from './link/peers.ts';
import type { SchemaCompiler } from './schema.ts';
import type { Clock, Compressor, Dialer, Random, Sha256, Store, Timers } from './port.ts';
import { parseJoinToken } from './protocol/admission.ts';
import type { JoinToken } from './protocol/admission.ts';
import type { SnapshotOptions } from './snapshot-options.ts';

export interface ReplicaOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Opens links; without one the replica only accepts them. */
  readonly dialer?: Dialer;
  /** Compresses frames; without one they travel as they are. */
  readonly compressor?: Compressor;
  /** Default: a portable one. */
  readonly sha256?: Sha256;
  /** Shown to people. Default `n-` and the start of the node id. */
  readonly name?: string;
  /** The one address other nodes are told. Without it nobody dials this node. */
  readonly advertise?: string;
  /** Shared by all members; default: what a join token was exchanged for, else empty. */
  readonly clusterSecret?: Uint8Array;
  /** Exchanged for the secret at the first link, when there is none yet. */
  readonly joinToken?: string;
  /** Will it be told to join others? Then it is not complete before it has caught up with one. Default false. */
  readonly isJoining?: boolean;
  /** A member that was not seen for so long is not waited for. Default 7 days. */
  readonly staleAfterMs?: number;
  /** Bytes of documents, again of views, and half as much of indexes, kept in memory per database. Default 32 MiB. */
  readonly cacheBytesMax?: number;
  /** Documents with so many bytes of JSON are stored without it while they are edited by Yjs clients. Default 4 KiB. */
  readonly lateBytesMin?: number;
  /** Limits of documents. Default those of the crdt layer. */
  readonly limits?: Limits;
  /** Reads JSON Schemas. Without one, schemas are refused, and those set by other nodes are not checked here. */
  readonly compileSchema?: SchemaCompiler;
  readonly link?: Partial<LinkOptions>;
  /** How much history is kept. */
  readonly log?: Partial<LogRetention>;
  /** When tombstones are forgotten. */
  readonly collection?: Partial<CollectionOptions>;
  /** When documents leave their history behind. */
  readonly compaction?: Partial<CompactionOptions>;
  /** How documents are given to who lacks them. */
  readonly snapshot?: Partial<SnapshotOptions>;
  /** Storage failed: the replica acknowledges nothing more and should be closed. Called once. */
  readonly onFailure?: (error: AtollError) => void;
  readonly onPeerEvent?: (event: PeersEvent) => void;
  /** Something is or was wrong with the identity of this node or a peer. Called once for each. */
  readonly onIncident?: (incident: Incident) => void;
  /** Stored documents checked per second, besides those that are used; default none. */
  readonly scrubPerSecond?: number;
}

/**
 * What peers prove: the secret, or a token as long as there is no secret.
 *
 * @throws SyncError `SYNC_TOKEN_INVALID` for what is not a join token.
 */
export function chooseSecret(
  { clusterSecret, joinToken }: ReplicaOptions,
  stored: Uint8Array | null,
): Uint8Array | JoinToken {
  if (clusterSecret !== undefined) return clusterSecret;
  if (stored !== null) return stored;
  if (joinToken === undefined) return new Uint8Array();
  const token = parseJoinToken(joinToken);
  if (token !== null) return token;
  throw new SyncError('SYNC_TOKEN_INVALID', 'This is not a join token; `atoll cluster token` makes one.');
}

/** Lets what waits have its turn. */
export function pauseOf(timers: Timers): () => Promise<void> {
  const soon = timers.soon ?? ((run: () => void): void => void timers.after(0, run));
  return () => new Promise((resolve) => soon(resolve));
}
