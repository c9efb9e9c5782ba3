/**
 * @module
 * Owns the digest of a database: the sum modulo 2^256 of one hash per document over (document key, document vector), deleted
 * documents included. Equal version vectors must mean equal digests (I9). A sum, so a write costs one subtraction and one
 * addition; keyed by the caller's key so that chosen document ids cannot aim at collisions.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Sha256 } from './port.ts';

export const ELEMENT_BYTES = 32;
const WORDS = 8;

/** The hash of one document version. `version` = encoded document vector. */
export function computeElement(
  sha256: Sha256,
  key: Uint8Array,
  documentKey: Uint8Array,
  version: Uint8Array,
): Uint8Array {
  const length = Uint8Array.of(documentKey.length >> 8, documentKey.length & 0xff);
  return sha256(key, length, documentKey, version);
}

export class DigestSum {
  readonly #words: Uint32Array;

  /** @param bytes - As returned by `toBytes`; omitted = the digest of nothing. */
  constructor(bytes?: Uint8Array) {
    this.#words = new Uint32Array(WORDS);
    if (bytes) for (let i = 0; i < WORDS; i++) this.#words[i] = readWord(bytes, i);
  }

  add(element: Uint8Array): void {
    let carry = 0;
    for (let i = 0; i < WORDS; i++) {
      const sum = this.#words[i]! + readWord(element, i) + carry;
      this.#words[i] = sum;
      carry = sum > 0xffffffff ? 1 : 0;
    }
  }

  subtract(element: Uint8Array): void {
    let borrow = 0;
    for (let i = 0; i < WORDS; i++) {
      const difference = this.#words[i]! - readWord(element, i) - borrow;
      this.#words[i] = difference;
      borrow = difference < 0 ? 1 : 0;
    }
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(ELEMENT_BYTES);
    const view = new DataView(bytes.buffer);
    this.#words.forEach((word, i) => view.setUint32(i * 4, word, true));
    return bytes;
  }

  toHex(): string {
    return bytesToHex(this.toBytes());
  }
}

function readWord(bytes: Uint8Array, index: number): number {
  const i = index * 4;
  return (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)) >>> 0;
}
