/**
 * @module
 * Owns cutting newline-delimited JSON into lines. Blank lines are skipped.
 */
import {
  BYTE,
  ElementBuffer,
  INPUT_START,
  isBlank,
  type ElementSplitter,
  type InputElement,
  type InputPosition,
} from './element-splitter.ts';

export class LineSplitter implements ElementSplitter {
  readonly #buffer: ElementBuffer;
  #offset: number;
  #number: number;
  #line: number;

  constructor(elementBytesMax: number, start: InputPosition = INPUT_START) {
    this.#buffer = new ElementBuffer(elementBytesMax);
    this.#offset = start.offset;
    this.#number = start.number;
    this.#line = start.line;
  }

  push(chunk: Uint8Array): InputElement[] {
    const elements: InputElement[] = [];
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(BYTE.newline, from);
      if (at === -1) break;
      this.#buffer.append(chunk.subarray(from, at));
      this.#offset += at + 1 - from;
      elements.push(...this.#take());
      this.#line += 1;
      from = at + 1;
    }
    this.#buffer.append(chunk.subarray(from));
    this.#offset += chunk.length - from;
    return elements;
  }

  finish(): InputElement[] {
    return this.#take();
  }

  #take(): InputElement[] {
    const { size, bytes } = this.#buffer.take();
    if (size === 0 || bytes?.every(isBlank) === true) return [];
    this.#number += 1;
    const end = { offset: this.#offset, number: this.#number, line: this.#line + 1 };
    return [{ number: this.#number, line: this.#line, end, size, bytes }];
  }
}
