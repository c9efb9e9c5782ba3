/**
 * @module
 * Owns the ids that this node makes for documents without one: UUIDs version 7 (RFC 9562), which sort by the time of their making.
 * SPEC.md HT8.
 */
import type { Clock, Random } from '../../sync/index.ts';

/** Largest value of the twelve bits below the milliseconds. */
const COUNTER_MAX = 0xfff;
/** A new millisecond starts its counter below this, so that there is room to count. */
const COUNTER_START_MAX = 0x7ff;

/** One per node: ids of one source sort in the order they were made, also within a millisecond and when the clock goes back. */
export class SortableIds {
  readonly #clock: Clock;
  readonly #random: Random;
  #ms = 0;
  #counter = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  next(): string {
    const bytes = Buffer.from(this.#random.bytes(16));
    this.#advance(bytes.readUInt16BE(6) & COUNTER_START_MAX);
    bytes.writeUIntBE(this.#ms, 0, 6);
    bytes.writeUInt16BE(0x7000 | this.#counter, 6);
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** Counts within a millisecond; a full counter borrows from the next one. */
  #advance(start: number): void {
    const now = Math.floor(this.#clock.now());
    if (now > this.#ms) {
      this.#ms = now;
      this.#counter = start;
    } else if (this.#counter < COUNTER_MAX) {
      this.#counter++;
    } else {
      this.#ms++;
      this.#counter = start;
    }
  }
}
