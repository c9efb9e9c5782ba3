/**
 * @module
 * Owns the Yjs client ids of leaves. A leaf proves that an id is its own by telling the node what it is the hash of: nobody else can write
 * under it, although everybody who reads a document sees it. A leaf draws a new id for every start, so that no clock is used twice
 * when its store has lost something. PROTOCOL.md section "Leaves".
 */
import type { Sha256 } from '../port.ts';

export const LEAF_SECRET_BYTES = 16;
export const WRITER_NONCE_BYTES = 16;
/** Above the ids of editors, of nodes, and of operations that were made twice. */
export const LEAF_CLIENT_MIN: number = 2 ** 52;
/** Hashing again and again makes it 256 times as costly to find another secret for an id, and takes a node a quarter of a millisecond. */
const ROUNDS = 256;
/** Of what a leaf is called in status and logs. */
const ID_BYTES = 8;

const utf8 = new TextEncoder();

/** The client id that belongs to a secret and a nonce: a number in [2^52, 2^53). */
export function leafClientOf(secret: Uint8Array, nonce: Uint8Array, sha256: Sha256): number {
  let hash = sha256(utf8.encode('atoll leaf writer 1\n'), secret, nonce);
  for (let round = 1; round < ROUNDS; round++) hash = sha256(hash);
  const view = new DataView(hash.buffer, hash.byteOffset);
  return LEAF_CLIENT_MIN + (view.getUint32(0) % 2 ** 20) * 2 ** 32 + view.getUint32(4);
}

/** What somebody who is no node is called in conflicts and history: a leaf, or an editor. */
export function nameOfWriter(client: number): string {
  return client >= LEAF_CLIENT_MIN ? `leaf-${client.toString(36)}` : String(client);
}

/** The name of a leaf; says nothing about its secret. */
export function leafIdOf(secret: Uint8Array, sha256: Sha256): string {
  const hash = sha256(utf8.encode('atoll leaf 1\n'), secret);
  return Array.from(hash.subarray(0, ID_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
