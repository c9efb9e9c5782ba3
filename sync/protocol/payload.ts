/**
 * @module
 * Owns payloads: batches in a row (varUint length, bytes), or one snapshot chunk, deflated when that pays. A deflated group is
 * remembered, so that pushing it to several peers compresses it once.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { Compressor } from '../port.ts';
import { malformed } from './field.ts';
import { FRAME_BODY_BYTES_MAX } from './limit.ts';
import type { Payload } from './message.ts';

/** Deflate must save this share, or the receiver's time is wasted. */
const RATIO_MAX = 0.9;

interface Remembered {
  readonly batches: readonly Uint8Array[];
  readonly payload: Payload;
}

export class PayloadCodec {
  readonly #compressor: Compressor | undefined;
  readonly #compressBytesMin: number;
  readonly #remembered = new WeakMap<Uint8Array, Remembered>();

  constructor(compressor: Compressor | undefined, compressBytesMin: number) {
    this.#compressor = compressor;
    this.#compressBytesMin = compressBytesMin;
  }

  get canDeflate(): boolean {
    return this.#compressor !== undefined;
  }

  encodeBatches(batches: readonly Uint8Array[], deflate: boolean): Payload {
    const encoder = encoding.createEncoder();
    for (const batch of batches) encoding.writeVarUint8Array(encoder, batch);
    const bytes = encoding.toUint8Array(encoder);
    if (!deflate || !this.#isWorthDeflating(bytes)) return { codec: 'none', bytes };
    const first = batches[0]!;
    const known = this.#remembered.get(first);
    if (known !== undefined && isSame(known.batches, batches)) return known.payload;
    const payload = this.#deflate(bytes);
    this.#remembered.set(first, { batches: [...batches], payload });
    return payload;
  }

  encodeChunk(chunk: Uint8Array, deflate: boolean): Payload {
    return deflate && this.#isWorthDeflating(chunk) ? this.#deflate(chunk) : { codec: 'none', bytes: chunk };
  }

  /**
   * Copies the batches out of a payload, because a view would pin the socket's buffer for as long as the batch is kept.
   *
   * @throws SyncError `SYNC_FRAME_MALFORMED`
   */
  decodeBatches(payload: Payload): Uint8Array[] {
    const batches: Uint8Array[] = [];
    try {
      const decoder = decoding.createDecoder(this.#inflate(payload));
      while (decoding.hasContent(decoder)) batches.push(decoding.readVarUint8Array(decoder).slice());
    } catch {
      throw malformed('the batches of a payload');
    }
    return batches;
  }

  /** @throws SyncError `SYNC_FRAME_MALFORMED` */
  decodeChunk(payload: Payload): Uint8Array {
    try {
      return this.#inflate(payload).slice();
    } catch {
      throw malformed('a deflated payload');
    }
  }

  #isWorthDeflating(bytes: Uint8Array): boolean {
    // Above a frame it would block the event loop for too long.
    return (
      this.#compressor !== undefined && bytes.length >= this.#compressBytesMin && bytes.length <= FRAME_BODY_BYTES_MAX
    );
  }

  #deflate(bytes: Uint8Array): Payload {
    const deflated = this.#compressor!.deflate(bytes);
    return deflated.length < bytes.length * RATIO_MAX
      ? { codec: 'deflate', bytes: deflated }
      : { codec: 'none', bytes };
  }

  #inflate(payload: Payload): Uint8Array {
    if (payload.codec === 'none') return payload.bytes;
    if (this.#compressor === undefined) throw malformed('deflate was not agreed');
    return this.#compressor.inflate(payload.bytes, FRAME_BODY_BYTES_MAX);
  }
}

function isSame(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => bytes === b[i]);
}
