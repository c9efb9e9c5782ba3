/**
 * @module
 * Owns reading JSON that is written anew on its way to a node. `JSON.parse` would make `1e400` null, round long integers and keep
 * one of two equal keys, and the node could not refuse any more what it never got to see. SPEC.md CL11.
 */
import { parseJson } from '../crdt/json-parse.ts';
import type { JsonValue } from '../crdt/json-value.ts';

/** Limits are the node's to hold. Depth has one here too, the largest a node can have, because reading recurses. */
const LIMITS = { depthMax: 512, documentBytesMax: Infinity, keyBytesMax: Infinity };

/** @throws CrdtError that says what is wrong and where. */
export function parseInput(bytes: Uint8Array): JsonValue {
  return parseJson(bytes, LIMITS);
}
