/**
 * @module
 * Owns cutting an input of any size into its elements: the lines of newline-delimited JSON, or the top-level elements of one
 * JSON array. Looks at bytes only and keeps at most one element in memory. SPEC.md CL10–CL12.
 */

/** Where a splitter may begin: behind an element, or at the start of the input. */
export interface InputPosition {
  /** Bytes before it. */
  readonly offset: number;
  /** Elements before it. */
  readonly number: number;
  /** Its line, from 1. */
  readonly line: number;
}

/** One document of the input, not parsed. */
export interface InputElement {
  /** From 1. */
  readonly number: number;
  /** Line on which it begins, from 1. */
  readonly line: number;
  /** Behind the element: where a resumed run continues. */
  readonly end: InputPosition;
  readonly size: number;
  /** Null when the element is larger than the limit; then its bytes were not kept. */
  readonly bytes: Uint8Array | null;
}

export type InputFormat = 'ndjson' | 'array';

export const INPUT_START: InputPosition = { offset: 0, number: 0, line: 1 };

export interface ElementSplitter {
  /** Elements completed by these bytes. @throws InputSyntaxError */
  push(chunk: Uint8Array): InputElement[];
  /** The element that ends with the input, if any. @throws InputSyntaxError when the input is cut off. */
  finish(): InputElement[];
}

/** The input as a whole cannot be cut into elements. */
export class InputSyntaxError extends Error {}

export const BYTE = {
  tab: 0x09,
  newline: 0x0a,
  return: 0x0d,
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

export function isBlank(byte: number): boolean {
  return byte === BYTE.space || byte === BYTE.newline || byte === BYTE.return || byte === BYTE.tab;
}

/** Collects the bytes of one element from the chunks it spans, up to the limit. */
export class ElementBuffer {
  readonly #bytesMax: number;
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#size;
  }

  append(piece: Uint8Array): void {
    this.#size += piece.length;
    if (this.#size > this.#bytesMax) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  /** Hands the element out and starts the next one. */
  take(): { size: number; bytes: Uint8Array | null } {
    const size = this.#size;
    const bytes =
      size > this.#bytesMax
        ? null
        : this.#pieces.length === 1
          ? (this.#pieces[0] as Uint8Array)
          : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    return { size, bytes };
  }
}
