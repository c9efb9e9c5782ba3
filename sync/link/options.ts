/**
 * @module
 * Owns every timing and limit of links. Defaults suit a LAN and the open internet alike; the simulation shrinks some of them.
 */
import { FRAME_BODY_BYTES_MAX, MESSAGE_BYTES_MAX } from '../protocol/limit.ts';
import { assert } from '../../crdt/index.ts';

export interface LinkOptions {
  /** Unacknowledged bytes a peer may have in flight towards us; announced in HELLO. Default 1 MiB. */
  readonly windowBytes: number;
  /** Data messages are filled up to about this size. Default 64 KiB. */
  readonly messageBytesTarget: number;
  /** A message may be this long, sent in parts: bounds the largest batch and snapshot chunk. Default 32 MiB. */
  readonly messageBytesMax: number;
  /** Bytes read ahead of what is sent, per link, when catching a peer up from the log. Default 64 KiB. */
  readonly readAheadBytes: number;
  /** Data waits while the channel holds more than this. Default 1 MiB. */
  readonly channelBufferBytesMax: number;
  /** How often a full channel is looked at again. Default 5. */
  readonly channelPollMs: number;
  /** Recent batches kept for all links together. Default 16 MiB. */
  readonly ringBytesMax: number;
  /** Smaller payloads are not worth deflating: both sides work longer on them than 100 Mbit/s take to carry the difference. Default 4,096. */
  readonly compressBytesMin: number;
  /** From socket to authenticated, at most. Default 5,000. */
  readonly handshakeMs: number;
  /** Liveness and progress are judged once per tick. Default 1,000. */
  readonly tickMs: number;
  /** Ticks between heartbeats. Default 5. */
  readonly heartbeatTicks: number;
  /** A peer that has been silent for this many ticks is dead. Default 15. */
  readonly silenceTicksMax: number;
  /** Acknowledgements under load wait at most this long, or for half a window. Default 20. */
  readonly ackDelayMs: number;
  /** Changes of our vector are announced at most this often. Default 150. */
  readonly announceMs: number;
  /** Origins the peer should get from somebody else are looked at this often … Default 150. */
  readonly lazySweepMs: number;
  /** … and sent by us after this many sweeps without progress (plus up to two, at random). Default 8. */
  readonly lazySweepsMin: number;
  /** Batches handed to the engine in one call, bytes: they are merged without a pause. Default 128 KiB. */
  readonly ingestBytesMax: number;
  /** A batch that misses something waits this long before we PULL: longer than links differ in delay. Default 200. */
  readonly pullDelayMs: number;
  /** Ticks without progress of something in flight, until we ask the peer whether it arrived. Default 2. */
  readonly stallTicks: number;
  /** Resends without any progress until the link is reset. Default 5. */
  readonly resendsMax: number;
  /** A peer with nothing of ours is offered a snapshot when it misses at least this many records. Default 1,000. */
  readonly snapshotRecordsMin: number;
  /** A peer that misses so many records may get the documents they changed instead. Default 5,000. */
  readonly coalesceRecordsMin: number;
  /** Ticks without a chunk until a snapshot is asked for again. Default 5. */
  readonly snapshotStallTicks: number;
  /** First delay before dialing again; doubles. Default 100. */
  readonly redialMsMin: number;
  /** Default 5,000. */
  readonly redialMsMax: number;
  /** A link that lived this long resets the back-off. Default 10,000. */
  readonly healthyMs: number;
  /** Links at most, dialed and accepted together. Default 256. */
  readonly linksMax: number;
}

export const DEFAULT_LINK_OPTIONS: LinkOptions = {
  windowBytes: 1024 * 1024,
  messageBytesTarget: 64 * 1024,
  messageBytesMax: MESSAGE_BYTES_MAX,
  readAheadBytes: 64 * 1024,
  channelBufferBytesMax: 1024 * 1024,
  channelPollMs: 5,
  ringBytesMax: 16 * 1024 * 1024,
  compressBytesMin: 4096,
  handshakeMs: 5000,
  tickMs: 1000,
  heartbeatTicks: 5,
  silenceTicksMax: 15,
  ackDelayMs: 20,
  announceMs: 150,
  lazySweepMs: 150,
  lazySweepsMin: 8,
  ingestBytesMax: 128 * 1024,
  pullDelayMs: 200,
  stallTicks: 2,
  resendsMax: 5,
  snapshotRecordsMin: 1000,
  coalesceRecordsMin: 5000,
  snapshotStallTicks: 5,
  redialMsMin: 100,
  redialMsMax: 5000,
  healthyMs: 10_000,
  linksMax: 256,
};

export function resolveLinkOptions(options: Partial<LinkOptions> = {}): LinkOptions {
  const resolved = { ...DEFAULT_LINK_OPTIONS, ...options };
  assert(resolved.messageBytesTarget <= FRAME_BODY_BYTES_MAX / 2, 'a data message fits a frame');
  assert(resolved.windowBytes >= resolved.messageBytesTarget * 2, 'the window holds two messages');
  return resolved;
}
