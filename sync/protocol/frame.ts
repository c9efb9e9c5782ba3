/**
 * @module
 * Owns frames: one binary message of a channel = u8 format | u32 CRC-32 over the rest | u8 type | body. Messages longer than a
 * frame travel as PART frames and are put together here.
 */
import * as encoding from 'lib0/encoding';
import { SyncError } from '../errors.ts';
import { readMessage, writeMessage } from './codec.ts';
import { malformed } from './field.ts';
import { computeCrc32 } from './crc32.ts';
import { FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES, MESSAGE_BYTES_MAX } from './limit.ts';
import { MESSAGE_TYPES } from './message.ts';
import type { Message, PartMessage } from './message.ts';
import { FRAME_FORMAT } from './version.ts';

/** Room for the three numbers in front of a part's bytes. */
const PART_BYTES = FRAME_BODY_BYTES_MAX - 32;

/**
 * Encodes a message as one frame, or as several PART frames when its body exceeds 256 KiB.
 *
 * @param nextPartId - Distinguishes consecutive long messages of one link.
 * @throws SyncError `SYNC_FRAME_TOO_LARGE` above `MESSAGE_BYTES_MAX`.
 */
export function encodeFrames(message: Message, nextPartId: () => number): Uint8Array[] {
  const frame = encodeFrame(message);
  const length = frame.length - FRAME_HEADER_BYTES;
  if (length <= FRAME_BODY_BYTES_MAX) return [frame];
  if (length > MESSAGE_BYTES_MAX) throw tooLarge(length, MESSAGE_BYTES_MAX);
  // What is cut is the type byte followed by the body.
  const whole = frame.subarray(FRAME_HEADER_BYTES - 1);
  const id = nextPartId();
  const count = Math.ceil(whole.length / PART_BYTES);
  return Array.from({ length: count }, (_, index) =>
    encodeFrame({
      type: 'part',
      id,
      index,
      count,
      bytes: whole.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
    }),
  );
}

/** Encodes one frame of any length; `encodeFrames` checks it. */
export function encodeFrame(message: Message): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FRAME_FORMAT);
  encoding.writeUint32(encoder, 0);
  encoding.writeUint8(encoder, MESSAGE_TYPES[message.type]);
  writeMessage(encoder, message);
  const frame = encoding.toUint8Array(encoder);
  const crc = computeCrc32(frame, FRAME_HEADER_BYTES - 1);
  new DataView(frame.buffer, frame.byteOffset).setUint32(1, crc, true);
  return frame;
}

/**
 * Decodes one frame. Byte fields are views of `frame`.
 *
 * @throws SyncError `SYNC_FRAME_TOO_LARGE`, `SYNC_VERSION_UNSUPPORTED` (unknown format byte), `SYNC_FRAME_MALFORMED`.
 */
export function decodeFrame(frame: Uint8Array): Message {
  if (frame.length < FRAME_HEADER_BYTES) throw malformed('shorter than its header');
  const length = frame.length - FRAME_HEADER_BYTES;
  if (length > FRAME_BODY_BYTES_MAX) throw tooLarge(length, FRAME_BODY_BYTES_MAX);
  if (frame[0] !== FRAME_FORMAT) {
    throw new SyncError('SYNC_VERSION_UNSUPPORTED', `Frame format ${frame[0]} is unknown.`, {
      details: { format: frame[0]! },
    });
  }
  const crc = new DataView(frame.buffer, frame.byteOffset).getUint32(1, true);
  if (computeCrc32(frame, FRAME_HEADER_BYTES - 1) !== crc) throw malformed('wrong checksum');
  return readMessage(frame[FRAME_HEADER_BYTES - 1]!, frame.subarray(FRAME_HEADER_BYTES));
}

/** Puts the parts of one message at a time together, in any order; a new message discards an unfinished one. */
export class PartAssembler {
  readonly #messageBytesMax: number;
  #id = -1;
  #parts = new Map<number, Uint8Array>();
  #bytes = 0;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Bytes held of an unfinished message. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** @returns The whole message with its last part, or null. */
  add(part: PartMessage): Message | null {
    if (part.count < 2 || part.index >= part.count || part.count * PART_BYTES > this.#messageBytesMax + PART_BYTES) {
      throw malformed('a part does not fit its message');
    }
    if (part.id !== this.#id) this.#reset(part.id);
    if (!this.#parts.has(part.index)) {
      this.#parts.set(part.index, part.bytes.slice());
      this.#bytes += part.bytes.length;
    }
    if (this.#parts.size < part.count) return null;
    const whole = new Uint8Array(this.#bytes);
    let position = 0;
    for (let index = 0; index < part.count; index++) {
      const bytes = this.#parts.get(index);
      if (bytes === undefined) throw malformed('the parts of a message disagree');
      whole.set(bytes, position);
      position += bytes.length;
    }
    this.#reset(part.id);
    if (whole[0] === MESSAGE_TYPES.part) throw malformed('a part within a part');
    return readMessage(whole[0]!, whole.subarray(1));
  }

  #reset(id: number): void {
    this.#id = id;
    this.#parts = new Map();
    this.#bytes = 0;
  }
}

function tooLarge(actual: number, limit: number): SyncError {
  return new SyncError('SYNC_FRAME_TOO_LARGE', `A frame of ${actual} bytes exceeds ${limit}.`, {
    details: { actual, limit },
  });
}
