/**
 * @module
 * Owns reading bytes in lib0's encoding. Throws a RangeError on anything malformed; callers turn that into a coded error.
 */

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Below this many bytes, building a string by hand is faster than a decoder. */
const SHORT_STRING = 24;
/** `any` values nest; our own never more than three deep. */
const ANY_DEPTH_MAX = 8;

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  uint8(): number {
    const byte = this.#bytes[this.#position++];
    if (byte === undefined) throw new RangeError('unexpected end');
    return byte;
  }

  /** Reads bytes; they are not copied. */
  take(length: number): Uint8Array {
    const start = this.#position;
    if (length > this.#bytes.length - start) throw new RangeError('unexpected end');
    this.#position = start + length;
    return this.#bytes.subarray(start, start + length);
  }

  varUint(): number {
    let byte = this.uint8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let scale = 128; ; scale *= 128) {
      byte = this.uint8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('integer too large');
      if (byte < 0x80) return value;
    }
  }

  string(): string {
    const length = this.varUint();
    const start = this.#position;
    const end = start + length;
    if (end > this.#bytes.length) throw new RangeError('unexpected end');
    this.#position = end;
    if (length < SHORT_STRING) {
      let text = '';
      let at = start;
      for (; at < end; at++) {
        const code = this.#bytes[at] as number;
        if (code > 0x7f) break;
        text += String.fromCharCode(code);
      }
      if (at === end) return text;
    }
    try {
      return UTF8.decode(this.#bytes.subarray(start, end));
    } catch {
      throw new RangeError('ill-formed UTF-8');
    }
  }

  /** Reads one lib0 `any`. Objects come without prototypes. */
  any(depth = 0): unknown {
    if (depth > ANY_DEPTH_MAX) throw new RangeError('nested too deeply');
    switch (this.uint8()) {
      case 127:
        return undefined;
      case 126:
        return null;
      case 125:
        return this.#varInt();
      case 124:
        return this.#view.getFloat32(this.#skip(4));
      case 123:
        return this.#view.getFloat64(this.#skip(8));
      case 122:
        return this.#view.getBigInt64(this.#skip(8));
      case 121:
        return false;
      case 120:
        return true;
      case 119:
        return this.string();
      case 118:
        return this.#object(depth);
      case 117:
        return this.#array(depth);
      case 116:
        return this.#binary();
      default:
        throw new RangeError('unknown type');
    }
  }

  #array(depth: number): unknown[] {
    const length = this.varUint();
    const array: unknown[] = [];
    for (let index = 0; index < length; index++) array.push(this.any(depth + 1));
    return array;
  }

  #object(depth: number): object {
    const size = this.varUint();
    const object = Object.create(null) as Record<string, unknown>;
    for (let index = 0; index < size; index++) {
      const key = this.string();
      object[key] = this.any(depth + 1);
    }
    return object;
  }

  #binary(): Uint8Array {
    const length = this.varUint();
    const start = this.#skip(length);
    return this.#bytes.slice(start, start + length);
  }

  #varInt(): number {
    let byte = this.uint8();
    const isNegative = (byte & 0x40) !== 0;
    let value = byte & 0x3f;
    for (let scale = 64; byte >= 0x80; scale *= 128) {
      byte = this.uint8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('integer too large');
    }
    return isNegative ? -value : value;
  }

  #skip(length: number): number {
    const start = this.#position;
    if (start + length > this.#bytes.length) throw new RangeError('unexpected end');
    this.#position = start + length;
    return start;
  }
}
