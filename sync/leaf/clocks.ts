/**
 * @module
 * Owns comparing what two copies of a document have: Yjs state vectors, as Yjs encodes them.
 */
import * as decoding from 'lib0/decoding';

/** Client id → its next clock. */
export type Clocks = ReadonlyMap<number, number>;

/** Throws a RangeError-like error for what is not a state vector; the caller wraps it. */
export function decodeClocks(stateVector: Uint8Array): Clocks {
  const clocks = new Map<number, number>();
  if (stateVector.length === 0) return clocks;
  const from = decoding.createDecoder(stateVector);
  for (let left = decoding.readVarUint(from); left > 0; left--) {
    const client = decoding.readVarUint(from);
    clocks.set(client, decoding.readVarUint(from));
  }
  return clocks;
}

/** Does a copy hold something that the other one does not? */
export function isBeyond(copy: Clocks, other: Clocks): boolean {
  for (const [client, clock] of copy) if (clock > (other.get(client) ?? 0)) return true;
  return false;
}
