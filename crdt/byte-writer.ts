/**
 * @module
 * Owns writing bytes in lib0's encoding, the subset our updates use. A writer of our own, because small documents are written
 * by the hundred thousand and lib0's copies strings byte by byte; a test compares the two.
 */

const UTF8 = new TextEncoder();
const FLOAT: DataView = new DataView(new ArrayBuffer(8));
/** Largest integer that lib0 writes as a variable-length one; larger ones are floats. */
const VAR_INT_MAX = 0x7fffffff;

/** Keeps one buffer for all that it writes. */
export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(512);
  #length = 0;

  /** Returns a copy of what was written and starts again. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    // One huge document must not pin its buffer for ever.
    if (this.#bytes.length > 65_536) this.#bytes = new Uint8Array(512);
    return bytes;
  }

  /** Forgets what an aborted write left. */
  reset(): void {
    this.#length = 0;
  }

  uint8(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  varUint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.uint8(0x80 | (rest % 128));
      rest = Math.floor(rest / 128);
    }
    this.uint8(rest);
  }

  string(text: string): void {
    const { length } = text;
    if (this.#bytes.length - this.#length < length * 3 + 5) this.#grow(length * 3 + 5);
    if (length < 128 && this.#ascii(text)) return;
    const encoded = UTF8.encode(text);
    this.varUint(encoded.length);
    this.raw(encoded);
  }

  /** Writes a JSON scalar as lib0 `any`. */
  scalar(value: string | number | boolean | null): void {
    if (typeof value === 'string') {
      this.uint8(119);
      this.string(value);
    } else if (typeof value === 'number') {
      this.#number(value);
    } else if (value === null) {
      this.uint8(126);
    } else {
      this.uint8(value ? 120 : 121);
    }
  }

  /** Starts an `any` array of `length` members. */
  arrayHead(length: number): void {
    this.uint8(117);
    this.varUint(length);
  }

  /** Starts an `any` object of `size` members, each a `string` then an `any`. */
  objectHead(size: number): void {
    this.uint8(118);
    this.varUint(size);
  }

  /** Writes bytes as lib0 `any`. */
  binary(bytes: Uint8Array): void {
    this.uint8(116);
    this.bytes(bytes);
  }

  /** Writes bytes after their number. */
  bytes(bytes: Uint8Array): void {
    this.varUint(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    if (this.#bytes.length - this.#length < bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #ascii(text: string): boolean {
    const bytes = this.#bytes;
    const { length } = text;
    let at = this.#length;
    bytes[at++] = length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.#length = at;
    return true;
  }

  #number(value: number): void {
    if (Number.isInteger(value) && Math.abs(value) <= VAR_INT_MAX) {
      this.uint8(125);
      this.#varInt(value);
    } else if (Math.fround(value) === value) {
      this.uint8(124);
      FLOAT.setFloat32(0, value);
      for (let index = 0; index < 4; index++) this.uint8(FLOAT.getUint8(index));
    } else {
      this.uint8(123);
      FLOAT.setFloat64(0, value);
      for (let index = 0; index < 8; index++) this.uint8(FLOAT.getUint8(index));
    }
  }

  #varInt(value: number): void {
    const isNegative = value < 0;
    let rest = isNegative ? -value : value;
    this.uint8((rest > 0x3f ? 0x80 : 0) | (isNegative ? 0x40 : 0) | (rest & 0x3f));
    rest = Math.floor(rest / 64);
    while (rest > 0) {
      this.uint8((rest > 0x7f ? 0x80 : 0) | (rest & 0x7f));
      rest = Math.floor(rest / 128);
    }
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + needed));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
