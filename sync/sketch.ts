/**
 * @module
 * Owns sketches: what two replicas exchange to find the documents in which they differ without listing all of them. A rateless
 * invertible Bloom lookup table (Yang, Gilad, Alizadeh: "Practical Rateless Set Reconciliation", SIGCOMM 2024): an endless row of
 * cells of which about 1.4 per difference are enough, whatever the difference is, and of which any beginning can be sent.
 *
 * An element is a 56-bit *symbol*: a hash of a document version under the salt of one session, so that an accidental or chosen
 * collision does not last. Symbol x is in cell i with probability 1 / (1 + i / 2). A cell holds the exclusive or of its symbols
 * and of their check sums, and their number modulo 256. Subtracting the cells of two sets leaves those of the difference.
 *
 * Bytes of a cell: u24 high bits, u32 low bits, u24 check, u8 count; little end first.
 */
import { assert } from '../crdt/index.ts';
import { SyncError } from './errors.ts';

export const CELL_BYTES = 11;
/** Bytes of a symbol that names a document to the replica that has it: 40 bits are enough to find it there. */
export const SYMBOL_BYTES = 5;
/** Cells of one sketch at most: enough for about 45,000 differences. More are looked for in parts of the key space. */
export const CELLS_MAX = 65_536;

const MASK24 = 0xffffff;

/** A symbol as a number would lose bits: 56 of them do not fit a double. */
export interface Symbol56 {
  /** 24 bits. */
  readonly hi: number;
  /** 32 bits. */
  readonly lo: number;
}

/** Turns digest elements into the symbols of one session. */
export class SymbolHash {
  readonly #a: number;
  readonly #b: number;

  /** @param salt - 8 bytes, drawn by whoever opens the session. */
  constructor(salt: Uint8Array) {
    assert(salt.length === 8, 'a salt has eight bytes');
    this.#a = readUint32(salt, 0);
    this.#b = readUint32(salt, 4);
  }

  /** @param element - At least 16 bytes of a cryptographic hash. */
  of(element: Uint8Array): Symbol56 {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < 16; i += 4) {
      const word = readUint32(element, i);
      a = Math.imul(a ^ word, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul((b ^ ((word << 16) | (word >>> 16))) + a, 0x85ebca6b);
      b ^= b >>> 13;
    }
    return { hi: mix(a ^ Math.imul(b, 0xc2b2ae35)) & MASK24, lo: mix(b + Math.imul(a, 0x27d4eb2f)) >>> 0 };
  }
}

/** The cells [0, length) of a set. */
export class Sketch {
  readonly length: number;
  readonly his: Uint32Array;
  readonly los: Uint32Array;
  readonly checks: Uint32Array;
  readonly counts: Uint8Array;

  constructor(length: number) {
    assert(length > 0 && length <= CELLS_MAX, 'a sketch has a bounded number of cells');
    this.length = length;
    this.his = new Uint32Array(length);
    this.los = new Uint32Array(length);
    this.checks = new Uint32Array(length);
    this.counts = new Uint8Array(length);
  }

  /**
   * Reads cells that `encode` wrote.
   *
   * @throws SyncError `SYNC_FRAME_MALFORMED`
   */
  static decode(bytes: Uint8Array): Sketch {
    const length = bytes.length / CELL_BYTES;
    if (!Number.isInteger(length) || length === 0 || length > CELLS_MAX) {
      throw new SyncError('SYNC_FRAME_MALFORMED', `A sketch of ${bytes.length} bytes.`, {
        details: { bytes: bytes.length },
      });
    }
    const sketch = new Sketch(length);
    for (let i = 0, at = 0; i < length; i++, at += CELL_BYTES) {
      sketch.his[i] = readUint24(bytes, at);
      sketch.los[i] = readUint32(bytes, at + 3);
      sketch.checks[i] = readUint24(bytes, at + 7);
      sketch.counts[i] = bytes[at + 10]!;
    }
    return sketch;
  }

  /** Adds a symbol, or, with `weight` -1, takes it out. */
  add({ hi, lo }: Symbol56, weight: 1 | -1 = 1): void {
    const { his, los, checks, counts, length } = this;
    const check = checkOf(hi, lo);
    const cells = new CellsOf(hi, lo);
    for (let i = 0; i < length; i = cells.next()) {
      his[i] = his[i]! ^ hi;
      los[i] = los[i]! ^ lo;
      checks[i] = checks[i]! ^ check;
      counts[i] = counts[i]! + weight;
    }
  }

  /** The cells of the difference of two sets: with count 1 what only `this` has, with -1 what only `other` has. */
  subtract(other: Sketch): Sketch {
    const result = new Sketch(Math.min(this.length, other.length));
    for (let i = 0; i < result.length; i++) {
      result.his[i] = this.his[i]! ^ other.his[i]!;
      result.los[i] = this.los[i]! ^ other.los[i]!;
      result.checks[i] = this.checks[i]! ^ other.checks[i]!;
      result.counts[i] = this.counts[i]! - other.counts[i]!;
    }
    return result;
  }

  /** The cells [from, to) as bytes. */
  encode(from: number = 0, to: number = this.length): Uint8Array {
    const bytes = new Uint8Array((to - from) * CELL_BYTES);
    for (let i = from, at = 0; i < to; i++, at += CELL_BYTES) {
      writeUint24(bytes, at, this.his[i]!);
      writeUint32(bytes, at + 3, this.los[i]!);
      writeUint24(bytes, at + 7, this.checks[i]!);
      bytes[at + 10] = this.counts[i]!;
    }
    return bytes;
  }
}

/** The cells that a symbol is in: 0, then ever rarer. Exact on every machine: integers, and square roots as IEEE 754 rounds them. */
export class CellsOf {
  #a: number;
  #b: number;
  #cell = 0;

  constructor(hi: number, lo: number) {
    this.#a = mix(lo ^ 0x9e3779b9);
    this.#b = mix(hi + Math.imul(lo, 0x2c1b3c6d)) | 1;
  }

  /** The next cell after the last one returned, beginning behind cell 0. */
  next(): number {
    // xoroshiro64*
    const a = this.#a;
    const b = this.#b ^ a;
    const random = Math.imul(a, 0x9e3779bb) >>> 0;
    this.#a = ((a << 26) | (a >>> 6)) ^ b ^ (b << 9);
    this.#b = (b << 13) | (b >>> 19);
    const gap = Math.ceil((this.#cell + 1.5) * (65_536 / Math.sqrt(random + 1) - 1));
    this.#cell += gap > 0 ? gap : 1;
    return this.#cell;
  }
}

/** The probability with which a symbol is in a cell. */
export function densityOf(cell: number): number {
  return 1 / (1 + cell / 2);
}

export function checkOf(hi: number, lo: number): number {
  return mix(Math.imul(hi, 0xcc9e2d51) + mix(lo ^ 0x1b873593)) & MASK24;
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

export function writeSymbol(bytes: Uint8Array, at: number, { hi, lo }: Symbol56): void {
  bytes[at] = hi;
  writeUint32(bytes, at + 1, lo);
}

/** Of the high bits only the lowest eight are known. */
export function readSymbol(bytes: Uint8Array, at: number): Symbol56 {
  return { hi: bytes[at]!, lo: readUint32(bytes, at + 1) };
}

/** What `readSymbol` leaves of a symbol, as a key of maps. */
export function shortSymbolName({ hi, lo }: Symbol56): string {
  return `${hi & 0xff}:${lo}`;
}

/** A symbol as a key of maps: exact below 2^53, so its bits are folded into text. */
export function symbolName({ hi, lo }: Symbol56): string {
  return `${hi}:${lo}`;
}

function readUint24(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (readUint24(bytes, at) | (bytes[at + 3]! << 24)) >>> 0;
}

function writeUint24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  writeUint24(bytes, at, value);
  bytes[at + 3] = value >>> 24;
}
