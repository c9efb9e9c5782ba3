/**
 * @module
 * Owns admission by a join token: the text of a token, the key both sides prove in its stead, and the sealing of the cluster
 * secret under that key, so that who listens without knowing the token learns neither. PROTOCOL.md section "Admission".
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Random } from '../port.ts';
import { isSameMac, toHex } from './authentication.ts';

const ID_BYTES = 8;
const TOKEN_BYTES = 24;
const TAG_BYTES = 16;
const BLOCK_BYTES = 32;
const PATTERN = /^atolljoin_([0-9a-f]{16})_([0-9a-f]{48})$/;
const CONTEXT = new TextEncoder().encode('atoll admission 1\n');
const STREAM = 1;
const TAG = 2;

/** What a joining node holds. */
export interface JoinToken {
  /** Names the token; not secret. */
  readonly id: string;
  /** What both sides prove. Members store it instead of the token. */
  readonly key: Uint8Array;
}

export function createJoinToken(random: Random): JoinToken & { readonly text: string } {
  const text = `atolljoin_${toHex(random.bytes(ID_BYTES))}_${toHex(random.bytes(TOKEN_BYTES))}`;
  return { text, ...parseJoinToken(text)! };
}

/** `null` for what is not a token. */
export function parseJoinToken(text: string): JoinToken | null {
  const id = PATTERN.exec(text)?.[1];
  return id === undefined ? null : { id, key: sha256(new TextEncoder().encode(text)) };
}

/** Encrypts and authenticates the cluster secret for the holder of the token, on this connection only. */
export function sealSecret(key: Uint8Array, transcript: Uint8Array, secret: Uint8Array): Uint8Array {
  const hidden = mask(key, transcript, secret);
  const sealed = new Uint8Array(TAG_BYTES + hidden.length);
  sealed.set(computeTag(key, transcript, hidden));
  sealed.set(hidden, TAG_BYTES);
  return sealed;
}

/** The secret; `null` when it was sealed with another key, for another connection, or changed on its way. */
export function unsealSecret(key: Uint8Array, transcript: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (sealed.length < TAG_BYTES) return null;
  const hidden = sealed.subarray(TAG_BYTES);
  const isGenuine = isSameMac(computeTag(key, transcript, hidden), sealed.subarray(0, TAG_BYTES));
  return isGenuine ? mask(key, transcript, hidden) : null;
}

/** HMAC in counter mode: a stream that is used once, because both sides' nonces are in the transcript. */
function mask(key: Uint8Array, transcript: Uint8Array, bytes: Uint8Array): Uint8Array {
  const result = bytes.slice();
  for (let offset = 0, block = 0; offset < bytes.length; offset += BLOCK_BYTES, block++) {
    const stream = hmac
      .create(sha256, key)
      .update(CONTEXT)
      .update(Uint8Array.of(STREAM, block >> 8, block & 0xff))
      .update(transcript)
      .digest();
    for (let i = 0; i < BLOCK_BYTES && offset + i < bytes.length; i++) result[offset + i]! ^= stream[i]!;
  }
  return result;
}

function computeTag(key: Uint8Array, transcript: Uint8Array, hidden: Uint8Array): Uint8Array {
  const mac = hmac.create(sha256, key).update(CONTEXT).update(Uint8Array.of(TAG)).update(transcript).update(hidden);
  return mac.digest().subarray(0, TAG_BYTES);
}
