/**
 * @module
 * Owns version vectors: which contiguous prefix of every origin's log a replica holds (invariant I3). The same bytes serve
 * as the session token, the feed cursor and the reconnect summary.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';

/** One origin's position. `chain` is the 16-byte hash chain at `seq`: two replicas at one position must agree on it. */
export interface VectorEntry {
  readonly seq: number;
  readonly chain: Uint8Array;
}

/** Origin → position. Iteration order is insertion order; `encodeVector` sorts. */
export type VersionVector = ReadonlyMap<number, VectorEntry>;

export const CHAIN_BYTES = 16;
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

/** Pointwise maximum. */
export function join(a: VersionVector, b: VersionVector): VersionVector {
  const result = new Map(a);
  for (const [origin, entry] of b) if (sequenceOf(result, origin) < entry.seq) result.set(origin, entry);
  return result;
}

/** Bytes: varUint n, then n × (varUint origin, varUint seq, 16 B chain), origins ascending. */
export function encodeVector(vector: VersionVector): Uint8Array {
  const encoder = encoding.createEncoder();
  writeVector(encoder, vector);
  return encoding.toUint8Array(encoder);
}

export function writeVector(encoder: encoding.Encoder, vector: VersionVector): void {
  encoding.writeVarUint(encoder, vector.size);
  for (const origin of [...vector.keys()].sort((a, b) => a - b)) {
    const { seq, chain } = vector.get(origin)!;
    encoding.writeVarUint(encoder, origin);
    encoding.writeVarUint(encoder, seq);
    encoding.writeUint8Array(encoder, chain);
  }
}

/** Throws a RangeError-like decoding error on truncated input; the caller wraps it. */
export function decodeVector(bytes: Uint8Array): VersionVector {
  return readVector(decoding.createDecoder(bytes));
}

export function readVector(decoder: decoding.Decoder): VersionVector {
  const size = decoding.readVarUint(decoder);
  const vector = new Map<number, VectorEntry>();
  for (let i = 0; i < size; i++) {
    const origin = decoding.readVarUint(decoder);
    const seq = decoding.readVarUint(decoder);
    vector.set(origin, { seq, chain: decoding.readUint8Array(decoder, CHAIN_BYTES).slice() });
  }
  return vector;
}
