/**
 * @module
 * Owns what links report about themselves. JSON-ready; shown by `GET /v1/_cluster`.
 */
import type { OriginId } from '../engine.ts';

export type LinkState = 'connecting' | 'hello' | 'auth' | 'live' | 'closed';

/** What the peer is not known to hold of ours. */
export interface LinkLag {
  /** Log records, exact by sequence numbers. */
  readonly entries: number;
  /** Best effort, from the recent batches in memory. */
  readonly bytes: number;
  /** Age of the oldest batch the peer has not acknowledged; 0 when it has everything. */
  readonly seconds: number;
}

export interface LinkStatus {
  /** Node id; null before HELLO. */
  readonly node: string | null;
  readonly name: string | null;
  /** Epoch in which the peer said HELLO; null before. */
  readonly origin: OriginId | null;
  /** The address we dialed, or else the one the peer advertises. */
  readonly url: string | null;
  readonly direction: 'dialed' | 'accepted';
  readonly state: LinkState;
  /** Served from the log because it is too far behind for the recent batches in memory. */
  readonly lagging: boolean;
  /** Wall clock, ms, when `state` was entered. */
  readonly since: number;
  readonly lag: LinkLag;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Memory held because of this peer; at most the window and 64 KB (I10). */
  readonly heldBytes: number;
  /** Peer's wall clock minus ours, ms; null until measured. */
  readonly clockSkewMs: number | null;
  readonly roundTripMs: number | null;
  /** Batches received that were news. */
  readonly applied: number;
  /** Batches received twice. */
  readonly duplicates: number;
  /** Changes received that wait for others they build on. */
  readonly waiting: number;
  /** Databases being fetched from this peer as snapshots. */
  readonly snapshots: readonly string[];
  /** Databases being compared with this peer. */
  readonly comparing: readonly string[];
  readonly lastError: string | null;
}

/** An address we keep a link to. */
export interface DialStatus {
  readonly url: string;
  readonly node: string | null;
  readonly source: 'join' | 'learned';
  /** `resting`: not needed, because other links are enough. */
  readonly state: 'linked' | 'dialing' | 'waiting' | 'stopped' | 'resting';
  readonly attempts: number;
  readonly lastError: string | null;
}

export interface PeersStatus {
  readonly links: readonly LinkStatus[];
  readonly dials: readonly DialStatus[];
}
