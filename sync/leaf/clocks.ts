/**
 * @module
 * Owns comparing what two copies of a document have: Yjs state vectors, as Yjs encodes them.
 */
import * as decoding from 'lib0/decoding';
import { generationClientOf } from '../../crdt/index.ts';
import { malformed } from '../protocol/field.ts';

/** Client id → its next clock. */
export type Clocks = ReadonlyMap<number, number>;

/** @throws SyncError `SYNC_FRAME_MALFORMED` for what is not a state vector. */
export function decodeClocks(stateVector: Uint8Array): Clocks {
  const clocks = new Map<number, number>();
  if (stateVector.length === 0) return clocks;
  try {
    const from = decoding.createDecoder(stateVector);
    for (let left = decoding.readVarUint(from); left > 0; left--) {
      const client = decoding.readVarUint(from);
      clocks.set(client, decoding.readVarUint(from));
    }
    return clocks;
  } catch {
    throw malformed('not a state vector');
  }
}

/** The generation of a document that a copy is of. */
export function generationOf(stateVector: Uint8Array): number {
  return generationClientOf(decodeClocks(stateVector).keys());
}

/** Does a copy hold something that the other one does not? */
export function isBeyond(copy: Clocks, other: Clocks): boolean {
  for (const [client, clock] of copy) if (clock > (other.get(client) ?? 0)) return true;
  return false;
}

/**
 * Have two copies something in common? A document that is begun anew has not: whoever forgets a delete writes as another client from then
 * on. Nor has one that was compacted: clocks mean something else in it.
 */
export function isRelated(copy: Clocks, other: Clocks): boolean {
  if (generationClientOf(copy.keys()) !== generationClientOf(other.keys())) return false;
  for (const client of copy.keys()) if (other.has(client)) return true;
  return false;
}
