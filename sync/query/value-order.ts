/**
 * @module
 * Owns the one order of JSON values that queries, sorting and indexes share, and its encoding as bytes: comparing the bytes of two
 * values compares the values. On-disk format of index entries.
 *
 * missing < null < false < true < numbers < strings (by code point) < arrays (element by element) < objects (sorted members, one
 * after another). A value is its tag, then what follows it:
 *
 * | value | bytes |
 * |---|---|
 * | missing, null, false, true | tag |
 * | number | tag, IEEE 754 double, big-endian: sign bit flipped, of a negative one all bits |
 * | string | tag, UTF-8 with 0 as `00 FF`, `00` |
 * | array | tag, elements, `00` |
 * | object | tag, for each member its name as a string and its value, `00` |
 *
 * No encoding is the beginning of another, so encodings can follow one another. One that is longer than COMPONENT_BYTES_MAX is cut
 * there: values that begin alike are then equal to an index and a sort, and told apart by reading the document.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { compareBytes } from '../key.ts';

export const COMPONENT_BYTES_MAX = 1024;

export const TAG = {
  missing: 0x08,
  null: 0x10,
  false: 0x18,
  true: 0x20,
  number: 0x28,
  string: 0x30,
  array: 0x38,
  object: 0x40,
} as const;

/** A value, or that there is none. */
export type Indexed = JsonValue | undefined;

export function tagOf(value: Indexed): number {
  if (value === undefined) return TAG.missing;
  if (value === null) return TAG.null;
  if (typeof value === 'number') return TAG.number;
  if (typeof value === 'string') return TAG.string;
  if (typeof value === 'boolean') return value ? TAG.true : TAG.false;
  return Array.isArray(value) ? TAG.array : TAG.object;
}

/** Tags of one kind of value: a comparison by order is between values of one kind only. */
export function kindOf(tag: number): number {
  return tag === TAG.false ? TAG.true : tag;
}

/** Negative, zero or positive; of whole values, however long. */
export function compareValues(a: JsonValue, b: JsonValue): number {
  if (a === b) return 0;
  const tag = tagOf(a);
  const difference = tag - tagOf(b);
  if (difference !== 0) return difference;
  if (tag === TAG.number) return (a as number) - (b as number);
  if (tag === TAG.string) return compareText(a as string, b as string);
  return compareBytes(encodeWhole(a), encodeWhole(b));
}

/** By code point: that is the order of UTF-8. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

function encodeWhole(value: JsonValue): Uint8Array {
  const writer = new KeyWriter();
  writer.value(value, Infinity);
  return writer.take();
}

/** One value as it stands in keys: at most COMPONENT_BYTES_MAX bytes. */
export function encodeComponent(value: Indexed): { readonly bytes: Uint8Array; readonly isCut: boolean } {
  const isCut = componentWriter.component(value, false);
  return { bytes: componentWriter.take(), isCut };
}

/** The bytes with which strings that begin with `text` begin: at most COMPONENT_BYTES_MAX. */
export function encodePrefix(text: string): Uint8Array {
  componentWriter.stringPrefix(text, COMPONENT_BYTES_MAX);
  return componentWriter.take().subarray(0, COMPONENT_BYTES_MAX);
}

const scratch = new DataView(new ArrayBuffer(8));

/** Puts keys together. */
export class KeyWriter {
  #bytes = new Uint8Array(128);
  length = 0;

  /** A copy of what was written; the writer is empty afterwards. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.length);
    this.length = 0;
    return bytes;
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /**
   * A value of bounded length.
   *
   * @param isDescending - Inverts its bytes, so that greater values come first.
   * @returns Whether it was cut.
   */
  component(value: Indexed, isDescending: boolean): boolean {
    const start = this.length;
    const end = start + COMPONENT_BYTES_MAX;
    this.value(value, end);
    const isCut = this.length > end;
    if (isCut) this.length = end;
    if (isDescending) for (let i = start; i < this.length; i++) this.#bytes[i]! ^= 0xff;
    return isCut;
  }

  /** UTF-8, then its length in two bytes. */
  id(id: string | Uint8Array): void {
    const start = this.length;
    if (typeof id === 'string') this.#units(id, Infinity);
    else this.raw(id);
    const length = this.length - start;
    this.#byte(length >> 8);
    this.#byte(length & 0xff);
  }

  /** Stops soon after `end`, where it will be cut. */
  value(value: Indexed, end: number): void {
    const tag = tagOf(value);
    this.#byte(tag);
    if (tag === TAG.number) this.#number(value as number);
    else if (tag === TAG.string) this.#text(value as string, end);
    else if (tag === TAG.array) this.#array(value as readonly JsonValue[], end);
    else if (tag === TAG.object) this.#object(value as JsonObject, end);
  }

  /** The bytes of strings that begin with `text`, without their end. */
  stringPrefix(text: string, end: number): void {
    this.#byte(TAG.string);
    this.#units(text, end);
  }

  #array(elements: readonly JsonValue[], end: number): void {
    for (const element of elements) {
      if (this.length > end) return;
      this.value(element, end);
    }
    this.#byte(0);
  }

  #object(object: JsonObject, end: number): void {
    for (const key of Object.keys(object).sort()) {
      if (this.length > end) return;
      this.#byte(TAG.string);
      this.#text(key, end);
      this.value(object[key], end);
    }
    this.#byte(0);
  }

  #text(text: string, end: number): void {
    this.#units(text, end);
    this.#byte(0);
  }

  #units(text: string, end: number): void {
    for (let i = 0; i < text.length && this.length <= end; i++) {
      this.#reserve(4);
      let code = text.charCodeAt(i);
      if (code < 0x80) {
        this.#bytes[this.length++] = code;
        if (code === 0) this.#bytes[this.length++] = 0xff;
        continue;
      }
      if (code >= 0xd800 && code < 0xdc00) code = text.codePointAt(i++)!;
      this.#multibyte(code);
    }
  }

  #multibyte(code: number): void {
    const bytes = this.#bytes;
    if (code < 0x800) bytes[this.length++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) bytes[this.length++] = 0xe0 | (code >> 12);
      else {
        bytes[this.length++] = 0xf0 | (code >> 18);
        bytes[this.length++] = 0x80 | ((code >> 12) & 63);
      }
      bytes[this.length++] = 0x80 | ((code >> 6) & 63);
    }
    bytes[this.length++] = 0x80 | (code & 63);
  }

  #number(value: number): void {
    this.#reserve(8);
    // -0 is 0.
    scratch.setFloat64(0, value + 0);
    const isNegative = scratch.getUint8(0) >= 0x80;
    for (let i = 0; i < 8; i++) {
      const byte = scratch.getUint8(i);
      this.#bytes[this.length++] = isNegative ? byte ^ 0xff : i === 0 ? byte | 0x80 : byte;
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = byte;
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.length + more));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}

const componentWriter = new KeyWriter();
