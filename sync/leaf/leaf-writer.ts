/**
 * @module
 * Owns whom a leaf writes as: a Yjs client id that is drawn anew for every start, and whenever clocks of the present one could be used again.
 * It is stored with the first change that bears it, in one batch.
 */
import type { Random, Sha256 } from '../port.ts';
import { leafClientOf, WRITER_NONCE_BYTES } from './writer-id.ts';

export class LeafWriter {
  readonly #secret: Uint8Array;
  readonly #random: Random;
  readonly #sha256: Sha256;
  #nonce: Uint8Array;
  #client: number | null = null;

  constructor(secret: Uint8Array, random: Random, sha256: Sha256) {
    this.#secret = secret;
    this.#random = random;
    this.#sha256 = sha256;
    this.#nonce = random.bytes(WRITER_NONCE_BYTES);
  }

  get nonce(): Uint8Array {
    return this.#nonce;
  }

  get client(): number {
    return (this.#client ??= leafClientOf(this.#secret, this.#nonce, this.#sha256));
  }

  /** From the next write on. */
  renew(): void {
    this.#nonce = this.#random.bytes(WRITER_NONCE_BYTES);
    this.#client = null;
  }
}
