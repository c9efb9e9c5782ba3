/**
 * @module
 * Owns what the parts of a link (sender, receiver, announcer) may touch: injected ports, the things all links share, and the
 * channel behind `send`. Nothing here reads a clock or arms a timer by itself.
 */
import type { Engine, OriginId } from '../engine.ts';
import type { Message } from '../protocol/message.ts';
import type { PayloadCodec } from '../protocol/payload.ts';
import type { Clock, Random, Timers } from '../port.ts';
import type { LinkOptions } from './options.ts';
import type { HoldingsSource } from './relay.ts';
import type { Ring } from './ring.ts';

/** What HELLO told us, once AUTH proved it. */
export interface PeerIdentity {
  readonly nodeId: string;
  readonly name: string;
  readonly url: string | null;
  readonly origin: OriginId;
  /** Hex of the peer's boot nonce. */
  readonly boot: string;
  /** Hex of the nonce it drew for this link. */
  readonly nonce: string;
  readonly windowBytes: number;
  readonly canDeflate: boolean;
}

/** What a peer holds of an origin that belongs to this node. */
export interface PeerHistory {
  readonly database: string;
  readonly origin: OriginId;
  readonly seq: number;
  /** What this node holds of it. */
  readonly held: number;
  /** Other bytes under the same numbers. */
  readonly isForked: boolean;
}

/** Shared by all links of a replica. */
export interface LinkShared {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly options: LinkOptions;
  readonly payloads: PayloadCodec;
  readonly ring: Ring;
  /** Database → the link its snapshot is being fetched from: one donor at a time. */
  readonly fetches: Map<string, object>;
  /** Who this process writes as now; may change at any time. */
  ownOrigin(): OriginId;
  /** Database and origin → the link that delivered it last: who delivers the same later is pruned. */
  readonly upstreams: Map<string, object>;
  /** The node that owns an origin, from the engine or from a HELLO. */
  nodeOf(origin: OriginId): string | undefined;
  /** What is known of members beyond our links; without it nothing is passed on. */
  readonly holdings?: HoldingsSource | undefined;
  /** A peer acknowledged something. */
  readonly onProgress?: (() => void) | undefined;
  /** Fingerprints (hex) of the nodes we have live links to. */
  linkedNodes(): readonly string[];
}

export interface LinkContext extends LinkShared {
  readonly selfNode: string;
  readonly peer: PeerIdentity;
  send(message: Message): void;
  /** Bytes the channel still holds. */
  channelBytes(): number;
  close(code: number, reason: string): void;
  /** The peer holds other or more of what this node wrote than this node does. */
  reportHistory(history: PeerHistory): void;
}
