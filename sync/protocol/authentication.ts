/**
 * @module
 * Owns the proof of the cluster secret: an HMAC over both HELLOs (hence both nonces) and the prover's role, so that a proof can
 * be neither replayed on another connection nor reflected to its maker.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { NODE_FINGERPRINT_BYTES } from './limit.ts';

export type LinkRole = 'dialer' | 'acceptor';

const CONTEXT = new TextEncoder().encode('atoll link 1\n');
const ROLE_BYTES = { dialer: 1, acceptor: 2 } as const;

/**
 * Computes what the side in `role` sends in AUTH.
 *
 * @param dialerHello - The HELLO frame as sent, all of its bytes.
 */
export function computeMac(
  secret: Uint8Array,
  role: LinkRole,
  dialerHello: Uint8Array,
  acceptorHello: Uint8Array,
): Uint8Array {
  return hmac
    .create(sha256, secret)
    .update(CONTEXT)
    .update(Uint8Array.of(ROLE_BYTES[role]))
    .update(sha256(dialerHello))
    .update(sha256(acceptorHello))
    .digest();
}

/** Names a connection: both HELLOs, hence both nonces. */
export function computeTranscript(dialerHello: Uint8Array, acceptorHello: Uint8Array): Uint8Array {
  return sha256.create().update(sha256(dialerHello)).update(sha256(acceptorHello)).digest();
}

/** Compares in constant time. */
export function isSameMac(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ (b[i] ?? 0);
  return difference === 0;
}

/** Short stand-in for a node id in lists of links, as hex. */
export function fingerprintNode(nodeId: string): string {
  return toHex(sha256(new TextEncoder().encode(nodeId)).subarray(0, NODE_FINGERPRINT_BYTES));
}

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(i * 2, i * 2 + 2), 16));
}
