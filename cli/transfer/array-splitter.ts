/**
 * @module
 * Owns finding the top-level elements of one JSON array without parsing them: only strings and brackets are followed, so an
 * element that is not valid JSON inside is reported by whoever parses it.
 */
import {
  BYTE,
  ElementBuffer,
  INPUT_START,
  InputSyntaxError,
  isBlank,
  type ElementSplitter,
  type InputElement,
  type InputPosition,
} from './element-splitter.ts';

/** Where the scan stands between two bytes. */
type State = 'before-array' | 'first' | 'next' | 'element' | 'after' | 'end';

export class ArraySplitter implements ElementSplitter {
  readonly #buffer: ElementBuffer;
  #state: State;
  #offset: number;
  #number: number;
  #line: number;
  #elementLine = 1;
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** A resumed run starts behind an element, so it expects a comma or the end of the array. */
  constructor(elementBytesMax: number, start: InputPosition = INPUT_START) {
    this.#buffer = new ElementBuffer(elementBytesMax);
    this.#offset = start.offset;
    this.#number = start.number;
    this.#line = start.line;
    this.#state = start.offset === 0 ? 'before-array' : 'after';
  }

  push(chunk: Uint8Array): InputElement[] {
    const elements: InputElement[] = [];
    const base = this.#offset;
    let index = 0;
    while (index < chunk.length) {
      if (this.#state !== 'element') {
        this.#outside(chunk[index] as number);
        // A byte that begins an element is read again as part of it.
        if (this.#stateNow() !== 'element') index += 1;
        this.#offset = base + index;
        continue;
      }
      const end = this.#scan(chunk, index);
      this.#buffer.append(chunk.subarray(index, end));
      this.#offset = base + end;
      index = end;
      if (this.#stateNow() === 'after') elements.push(this.#take());
    }
    return elements;
  }

  finish(): InputElement[] {
    if (this.#state === 'end') return [];
    if (this.#state === 'before-array') throw new InputSyntaxError('the input is empty; expected a JSON array');
    throw new InputSyntaxError(
      `the JSON array is cut off after element ${this.#number}, at line ${this.#line}: its closing ] is missing`,
    );
  }

  /** Reads the field anew: narrowing does not see that a method changed it. */
  #stateNow(): State {
    return this.#state;
  }

  #outside(byte: number): void {
    if (isBlank(byte)) {
      if (byte === BYTE.newline) this.#line += 1;
      return;
    }
    const closes = byte === BYTE.closeBracket;
    if (this.#state === 'before-array' && byte === BYTE.openBracket) this.#state = 'first';
    else if (this.#state === 'after' && byte === BYTE.comma) this.#state = 'next';
    else if ((this.#state === 'after' || this.#state === 'first') && closes) this.#state = 'end';
    else if ((this.#state === 'first' || this.#state === 'next') && !closes && byte !== BYTE.comma) this.#begin();
    else
      throw new InputSyntaxError(
        `unexpected ${JSON.stringify(String.fromCharCode(byte))} at line ${this.#line}, after element ${this.#number} of the JSON array`,
      );
  }

  #begin(): void {
    this.#state = 'element';
    this.#elementLine = this.#line;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
  }

  /** Follows the element from `index`; returns where it, or the chunk, ends. */
  #scan(chunk: Uint8Array, index: number): number {
    let at = index;
    while (at < chunk.length) {
      if (this.#inString) {
        at = this.#scanString(chunk, at);
        continue;
      }
      const byte = chunk[at] as number;
      at += 1;
      if (byte === BYTE.quote) {
        this.#inString = true;
      } else if (byte === BYTE.openBrace || byte === BYTE.openBracket) {
        this.#depth += 1;
      } else if (byte === BYTE.closeBrace || byte === BYTE.closeBracket) {
        // A bracket at depth 0 closes the array itself, behind a scalar element.
        if (this.#depth === 0) return this.#complete(at - 1);
        this.#depth -= 1;
        if (this.#depth === 0) return this.#complete(at);
      } else if (this.#depth === 0 && (byte === BYTE.comma || isBlank(byte))) {
        return this.#complete(at - 1);
      } else if (byte === BYTE.newline) {
        this.#line += 1;
      }
    }
    return chunk.length;
  }

  /** Follows a string to behind its closing quote, or to the end of the chunk. */
  #scanString(chunk: Uint8Array, index: number): number {
    let escaped = this.#escaped;
    for (let at = index; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (escaped) escaped = false;
      else if (byte === BYTE.backslash) escaped = true;
      else if (byte === BYTE.quote) {
        this.#inString = false;
        this.#escaped = false;
        return at + 1;
      }
    }
    this.#escaped = escaped;
    return chunk.length;
  }

  #complete(end: number): number {
    this.#state = 'after';
    return end;
  }

  #take(): InputElement {
    this.#number += 1;
    const end = { offset: this.#offset, number: this.#number, line: this.#line };
    return { number: this.#number, line: this.#elementLine, end, ...this.#buffer.take() };
  }
}
