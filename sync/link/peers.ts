/**
 * @module
 * Owns the set of links of a replica: whom to dial, whom to accept, and which of two links to one node survives.
 */
import type { Engine, OriginId } from '../engine.ts';
import type { Channel, Clock, Compressor, Dialer, Random, Timers } from '../port.ts';
import type { LinkOptions } from './options.ts';
import type { PeersStatus } from './status.ts';

/** Who we are to peers. */
export interface Identity {
  readonly nodeId: string;
  readonly name: string;
  /** Where others may dial us, or null. */
  readonly url: string | null;
  readonly origin: OriginId;
}

/** What the owner of the links may want to know. */
export type PeersEvent =
  | { readonly type: 'live'; readonly node: string; readonly name: string; readonly url: string | null; readonly origin: OriginId }
  | { readonly type: 'closed'; readonly node: string | null; readonly code: number; readonly reason: string }
  /** Somebody else uses our origin, or knows more of it than we do: take a new one at once. */
  | { readonly type: 'origin-conflict'; readonly node: string; readonly reason: string };

export interface PeersDependencies {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Without one, links are only accepted. */
  readonly dialer?: Dialer | undefined;
  readonly compressor?: Compressor | undefined;
  /** Read at every handshake, so that a new origin is used at once. */
  readonly identity: () => Identity;
  /** The cluster secret; empty when there is none. */
  readonly secret: Uint8Array;
  readonly options?: Partial<LinkOptions> | undefined;
  readonly onEvent?: ((event: PeersEvent) => void) | undefined;
}

export interface Peers {
  /** Keeps a link to the node at `url` (--join). Restarts an address that was given up. */
  addPeer(url: string): void;
  /** Keeps a link to an address from the replicated member list. */
  learn(url: string): void;
  /** An incoming channel, before any message was delivered. */
  accept(channel: Channel): void;
  status(): PeersStatus;
  /** Closes every link and stops dialing. */
  close(): void;
}

export function createPeers(dependencies: PeersDependencies): Peers {
  // Interim, until the links land: a replica without links.
  void dependencies;
  return { addPeer() {}, learn() {}, accept() {}, status: () => ({ links: [], dials: [] }), close() {} };
}
