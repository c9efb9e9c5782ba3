/**
 * @module
 * Owns the messages between two linked replicas, as values. Their bytes are in codec.ts, their meaning in PROTOCOL.md.
 */
import type { HeldPart, OriginId, SequenceRange } from '../engine.ts';
import type { VersionVector } from '../version-vector.ts';
import type { PresenceRoom } from '../presence.ts';
import type { RepairMessage } from './repair-message.ts';

/** Type bytes of frames. */
export const MESSAGE_TYPES = {
  hello: 1,
  auth: 2,
  vector: 3,
  data: 4,
  ack: 5,
  pull: 6,
  offer: 7,
  'snapshot-request': 8,
  'snapshot-chunk': 9,
  'snapshot-end': 10,
  ping: 11,
  pong: 12,
  part: 13,
  bye: 14,
  admission: 15,
  holdings: 16,
  prune: 17,
  digest: 20,
  sketch: 21,
  'sketch-request': 22,
  differences: 23,
  'document-request': 24,
  'document-fetch': 25,
  documents: 26,
  'repair-end': 27,
  content: 28,
  presence: 40,
} as const;

export type MessageType = keyof typeof MESSAGE_TYPES;

/** First message of both sides. Readers ignore what follows the fields they know. */
export interface HelloMessage {
  readonly type: 'hello';
  readonly versionMin: number;
  readonly versionMax: number;
  readonly nodeId: string;
  readonly name: string;
  /** Where the sender may be dialed; empty = nowhere. */
  readonly url: string;
  readonly origin: OriginId;
  /** Drawn at process start: one origin with two boot nonces is a cloned machine. 8 B. */
  readonly bootNonce: Uint8Array;
  /** Drawn per connection. 16 B. */
  readonly nonce: Uint8Array;
  /** Capability bits. */
  readonly supports: number;
  readonly requires: number;
  /** Unacknowledged bytes the sender is ready to hold. */
  readonly windowBytes: number;
  /** Id of the join token that a dialer without the secret proves instead; else empty. */
  readonly token: string;
}

export interface AuthMessage {
  readonly type: 'auth';
  readonly mac: Uint8Array;
}

/** The cluster secret for a node that proved a join token. */
export interface AdmissionMessage {
  readonly type: 'admission';
  readonly sealed: Uint8Array;
}

/** What a node holds durably, by its own word. The newest word of a node counts, lower positions included. */
export interface HoldingsEntry {
  readonly node: string;
  /** Hybrid logical clock of the node. */
  readonly stamp: number;
  readonly databases: readonly {
    readonly database: string;
    readonly positions: readonly (readonly [origin: OriginId, seq: number])[];
  }[];
}

/** Words of nodes that the receiver may not be linked to. */
export interface HoldingsMessage {
  readonly type: 'holdings';
  readonly entries: readonly HoldingsEntry[];
}

/** Who is looking at which documents: what changed lately, or everybody at the sender. Never stored, never repeated. */
export interface PresenceMessage {
  readonly type: 'presence';
  readonly rooms: readonly PresenceRoom[];
}

/** Do not send these origins at once: the sender gets them from somebody else first. */
export interface PruneMessage {
  readonly type: 'prune';
  readonly database: string;
  readonly origins: readonly OriginId[];
}

/** One entry of a durable vector, with enough of its chain to notice a fork. */
export interface Position {
  readonly origin: OriginId;
  readonly seq: number;
  /** First 4 B of the chain at `seq`. */
  readonly chainPrefix: Uint8Array;
}

export interface DatabasePositions {
  readonly database: string;
  /** `full`: every entry. `changed`: some entries. `declined`: the sender wants nothing of this database. */
  readonly kind: 'full' | 'changed' | 'declined';
  readonly positions: readonly Position[];
}

/** What the sender holds durably. A receiver joins it into what it knows of the sender. */
export interface VectorMessage {
  readonly type: 'vector';
  /** Cumulative offset of the peer's stream that is processed, as in ACK. */
  readonly offset: number;
  /** The sender holds no database that is not listed. */
  readonly complete: boolean;
  /** Fingerprints of the nodes the sender is linked to; null = unchanged. */
  readonly links: readonly Uint8Array[] | null;
  readonly databases: readonly DatabasePositions[];
}

export interface Payload {
  readonly codec: 'none' | 'deflate';
  readonly bytes: Uint8Array;
}

/** Batches. `offset` is where the message starts in the stream; it is `weight` bytes long there. */
export interface DataMessage {
  readonly type: 'data';
  readonly database: string;
  readonly offset: number;
  /** Bytes of the batches, uncompressed: what the receiver has to hold. */
  readonly weight: number;
  readonly payload: Payload;
}

export interface AckMessage {
  readonly type: 'ack';
  /** Everything before it in the peer's stream is durable, or was dropped and will be asked for again. */
  readonly offset: number;
  readonly databases: readonly DatabasePositions[];
}

/** Send again, whatever was sent before. */
export interface PullMessage {
  readonly type: 'pull';
  readonly database: string;
  /** The sender's full vector. */
  readonly positions: readonly Position[];
  /** Empty = everything after `positions`. */
  readonly ranges: readonly SequenceRange[];
}

/** The sender cannot or will not serve the database from its log: ask for a snapshot. */
export interface OfferMessage {
  readonly type: 'offer';
  readonly database: string;
  /** Records the peer lacks. */
  readonly records: number;
}

export interface SnapshotRequestMessage {
  readonly type: 'snapshot-request';
  readonly database: string;
  /** Chosen by the requester; a new one replaces a transfer of the same database. */
  readonly transfer: number;
  readonly since: VersionVector;
  readonly held: readonly HeldPart[];
}

export interface SnapshotChunkMessage {
  readonly type: 'snapshot-chunk';
  readonly transfer: number;
  readonly index: number;
  readonly offset: number;
  readonly weight: number;
  readonly payload: Payload;
}

export interface SnapshotEndMessage {
  readonly type: 'snapshot-end';
  readonly transfer: number;
  readonly chunks: number;
  readonly vector: VersionVector;
}

/** Asks whether everything sent before it arrived. */
export interface PingMessage {
  readonly type: 'ping';
  readonly id: number;
  /** Answer with a complete VECTOR first. */
  readonly probe: boolean;
}

export interface PongMessage {
  readonly type: 'pong';
  readonly id: number;
  readonly wallMs: number;
  /** Bytes received before the PING and not yet processed. */
  readonly pendingBytes: number;
}

/** A slice of a message that is longer than a frame. */
export interface PartMessage {
  readonly type: 'part';
  readonly id: number;
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** Last message: the close code and why, for channels that lose them. */
export interface ByeMessage {
  readonly type: 'bye';
  readonly code: number;
  readonly reason: string;
}

export type Message =
  | RepairMessage
  | HelloMessage
  | AuthMessage
  | VectorMessage
  | DataMessage
  | AckMessage
  | PullMessage
  | OfferMessage
  | SnapshotRequestMessage
  | SnapshotChunkMessage
  | SnapshotEndMessage
  | PingMessage
  | PongMessage
  | PartMessage
  | ByeMessage
  | AdmissionMessage
  | HoldingsMessage
  | PruneMessage
  | PresenceMessage;
