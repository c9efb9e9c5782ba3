/**
 * @module
 * Owns how many documents are read at a time when their size is not known: few at first, then as many as fit in a number of bytes.
 */

const FIRST = 8;
const MOST = 256;

export class PageSize {
  readonly #bytes: number;
  #documents = FIRST;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  get documents(): number {
    return this.#documents;
  }

  /** Learns from what was read. */
  note(documents: number, bytes: number): void {
    if (documents === 0) return;
    const fitting = Math.floor((this.#bytes * documents) / (bytes + 1));
    this.#documents = Math.max(1, Math.min(MOST, fitting, this.#documents * 4));
  }
}
