/**
 * @module
 * Owns a Bloom filter over names: one that was not added is told from those that were without looking it up, up to one in a hundred
 * that is taken for one of them. It grows by layers, each eight times the last, and names never leave it.
 */

/** Bits of the first layer, as a power of two: 1 KiB. */
const FIRST_BITS = 13;
/** Each layer has eight times the bits of the one before. */
const GROWTH_BITS = 3;
/** The largest has 4 MiB. */
const LAST_BITS = 25;
const BITS_PER_NAME = 16;
const PROBES = 6;

interface Layer {
  readonly words: Uint32Array;
  /** What is left of a hash shifted so far is the place of a bit. */
  readonly shift: number;
  /** Names that it still takes. */
  left: number;
}

export class NameFilter {
  readonly #layers: Layer[] = [];
  readonly #lastBits: number;

  /** @param lastBits - Bits of the largest layer, as a power of two. */
  constructor(lastBits: number = LAST_BITS) {
    this.#lastBits = lastBits;
  }

  /** Bytes of memory. */
  get memoryBytes(): number {
    return this.#layers.reduce((sum, { words }) => sum + words.byteLength, 0);
  }

  /**
   * @param hash - Of the name, 32 bits.
   * @returns False when it is full, after about two million names: from then on it knows nothing.
   */
  add(hash: number): boolean {
    if (this.mayHold(hash)) return true;
    let layer = this.#layers.at(-1);
    if (layer === undefined || layer.left === 0) {
      const bits = FIRST_BITS + GROWTH_BITS * this.#layers.length;
      if (bits > this.#lastBits) return false;
      layer = { words: new Uint32Array(2 ** (bits - 5)), shift: 32 - bits, left: 2 ** bits / BITS_PER_NAME };
      this.#layers.push(layer);
    }
    layer.left--;
    const step = stepOf(hash);
    for (let i = 0, probe = hash; i < PROBES; i++, probe = (probe + step) | 0) {
      const bit = probe >>> layer.shift;
      layer.words[bit >>> 5]! |= 1 << (bit & 31);
    }
    return true;
  }

  /** False = it was never added. */
  mayHold(hash: number): boolean {
    const step = stepOf(hash);
    return this.#layers.some((layer) => isIn(layer, hash, step));
  }
}

function isIn({ words, shift }: Layer, hash: number, step: number): boolean {
  for (let i = 0, probe = hash; i < PROBES; i++, probe = (probe + step) | 0) {
    const bit = probe >>> shift;
    if ((words[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
  }
  return true;
}

/** Odd, so that the probes of a name differ. */
function stepOf(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 15)) | 1;
}
