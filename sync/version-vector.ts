/**
 * @module
 * Owns version vectors: which contiguous prefix of every origin's log a replica holds (invariant I3). The same bytes serve
 * as the session token, the feed cursor and the reconnect summary.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { Base } from './lineage.ts';

/** One origin's position. `chain` is the 16-byte hash chain at `seq`: two replicas at one position must agree on it. */
export interface VectorEntry {
  readonly seq: number;
  readonly chain: Uint8Array;
  /** What the origin began with; left out when it began with nothing. */
  readonly base?: Base;
}

/** Origin → position. It iterates over what is *listed*, and answers for what follows from that, too (lineage.ts). */
export interface VersionVector extends Iterable<readonly [number, VectorEntry]> {
  /** Origins listed. */
  readonly size: number;
  get(origin: number): VectorEntry | undefined;
  keys(): Iterable<number>;
  /** Origins that are not listed, because they follow from those that are. */
  readonly folded?: ReadonlyMap<number, VectorEntry>;
}

export const CHAIN_BYTES = 16;
const NO_BASE: Base = new Map();
/** The chain before the first batch of an origin. */
export const GENESIS_CHAIN: Uint8Array = new Uint8Array(CHAIN_BYTES);

/** Sequence number held of `origin`; 0 = none. */
export function sequenceOf(vector: VersionVector, origin: number): number {
  return vector.get(origin)?.seq ?? 0;
}

/** True when `a` holds everything `b` holds. */
export function dominates(a: VersionVector, b: VersionVector): boolean {
  for (const [origin, { seq }] of b) if (sequenceOf(a, origin) < seq) return false;
  return true;
}

/** Pointwise maximum of what is listed. */
export function join(a: VersionVector, b: VersionVector): ReadonlyMap<number, VectorEntry> {
  const result = new Map(a);
  for (const [origin, entry] of b) if (sequenceOf(a, origin) < entry.seq) result.set(origin, entry);
  return result;
}

/** Bytes of what is listed: varUint n, then n × (varUint origin, varUint seq, 16 B chain, base), origins ascending. */
export function encodeVector(vector: VersionVector): Uint8Array {
  const encoder = encoding.createEncoder();
  writeVector(encoder, vector);
  return encoding.toUint8Array(encoder);
}

export function writeVector(encoder: encoding.Encoder, vector: VersionVector): void {
  encoding.writeVarUint(encoder, vector.size);
  for (const origin of [...vector.keys()].sort((a, b) => a - b)) {
    const { seq, chain, base } = vector.get(origin)!;
    encoding.writeVarUint(encoder, origin);
    encoding.writeVarUint(encoder, seq);
    encoding.writeUint8Array(encoder, chain);
    writeBase(encoder, base ?? NO_BASE);
  }
}

/** Throws a RangeError-like decoding error on truncated input; the caller wraps it. */
export function decodeVector(bytes: Uint8Array): ReadonlyMap<number, VectorEntry> {
  return readVector(decoding.createDecoder(bytes));
}

export function readVector(decoder: decoding.Decoder): ReadonlyMap<number, VectorEntry> {
  const size = decoding.readVarUint(decoder);
  const vector = new Map<number, VectorEntry>();
  for (let i = 0; i < size; i++) {
    const origin = decoding.readVarUint(decoder);
    const seq = decoding.readVarUint(decoder);
    const chain = decoding.readUint8Array(decoder, CHAIN_BYTES).slice();
    const base = readBase(decoder);
    vector.set(origin, { seq, chain, ...(base.size > 0 && { base }) });
  }
  return vector;
}

/** varUint n, then n × (varUint origin, varUint seq), origins ascending. */
export function writeBase(encoder: encoding.Encoder, base: Base): void {
  encoding.writeVarUint(encoder, base.size);
  for (const origin of [...base.keys()].sort((a, b) => a - b)) {
    encoding.writeVarUint(encoder, origin);
    encoding.writeVarUint(encoder, base.get(origin)!);
  }
}

export function readBase(decoder: decoding.Decoder): Base {
  const base = new Map<number, number>();
  for (let left = decoding.readVarUint(decoder); left > 0; left--) {
    base.set(decoding.readVarUint(decoder), decoding.readVarUint(decoder));
  }
  return base;
}

export function encodeBase(base: Base): Uint8Array {
  const encoder = encoding.createEncoder();
  writeBase(encoder, base);
  return encoding.toUint8Array(encoder);
}

export function decodeBase(bytes: Uint8Array): Base {
  return readBase(decoding.createDecoder(bytes));
}
