/**
 * @module
 * Owns entries of an index that follow one another, packed: all that there are between two places, so that it is also known what is not
 * there. A block is never modified; what changes is another block, and positions that were handed out stay what they are.
 */
import { compareBytes, successorOf } from '../key.ts';
import { idLengthOf, idOf } from './index-key.ts';

/** Where a document stands. */
export interface Place {
  readonly id: string;
  /** In the order of the plan: components, then the id. */
  readonly position: Uint8Array;
  /** Of an entry of an index. */
  readonly component: Uint8Array;
}

/** In memory, besides what is packed. */
const OVERHEAD = 500;

/** An entry of an index. Most are only asked for their id. */
export class Entry implements Place {
  readonly id: string;
  readonly position: Uint8Array;

  constructor(position: Uint8Array) {
    this.position = position;
    this.id = idOf(position);
  }

  get component(): Uint8Array {
    const { position } = this;
    return position.subarray(0, position.length - 2 - idLengthOf(position));
  }
}

export class EntryBlock {
  /** Everything from here on … */
  readonly from: Uint8Array;
  /** … and before this is here. */
  readonly to: Uint8Array;
  readonly #bytes: Uint8Array;
  /** Where each position ends. */
  readonly #ends: Uint32Array;

  private constructor(from: Uint8Array, to: Uint8Array, bytes: Uint8Array, ends: Uint32Array) {
    this.from = from;
    this.to = to;
    this.#bytes = bytes;
    this.#ends = ends;
  }

  /** @param positions - Ascending. */
  static of(from: Uint8Array, to: Uint8Array, positions: readonly Uint8Array[]): EntryBlock {
    const ends = new Uint32Array(positions.length);
    let length = 0;
    for (const [i, position] of positions.entries()) ends[i] = length += position.length;
    const bytes = new Uint8Array(length);
    for (const [i, position] of positions.entries()) bytes.set(position, ends[i]! - position.length);
    return new EntryBlock(from, to, bytes, ends);
  }

  get count(): number {
    return this.#ends.length;
  }

  /** Bytes in memory. */
  get weight(): number {
    return OVERHEAD + this.#bytes.length + 4 * this.#ends.length;
  }

  covers(position: Uint8Array): boolean {
    return compareBytes(this.from, position) <= 0 && compareBytes(position, this.to) < 0;
  }

  positionAt(i: number): Uint8Array {
    return this.#bytes.subarray(this.#startOf(i), this.#ends[i]);
  }

  entryAt(i: number): Entry {
    return new Entry(this.positionAt(i));
  }

  /** How many are before a position. */
  rankOf(position: Uint8Array): number {
    let [low, high] = [0, this.#ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** With one more, which it covers; the same block if it has it. */
  with(position: Uint8Array): EntryBlock {
    const at = this.rankOf(position);
    if (at < this.count && this.#compare(at, position) === 0) return this;
    return this.#splice(at, at, position);
  }

  without(position: Uint8Array): EntryBlock {
    const at = this.rankOf(position);
    if (at === this.count || this.#compare(at, position) !== 0) return this;
    return this.#splice(at, at + 1, NO_BYTES);
  }

  /** What of it is between two places, which it covers. */
  between(from: Uint8Array, to: Uint8Array): EntryBlock {
    return this.#part(from, to, this.rankOf(from), this.rankOf(to));
  }

  /** Two that are half as long. */
  halves(): readonly [EntryBlock, EntryBlock] {
    const middle = this.count >>> 1;
    const split = this.positionAt(middle).slice();
    return [this.#part(this.from, split, 0, middle), this.#part(split, this.to, middle, this.count)];
  }

  #startOf(i: number): number {
    return i === 0 ? 0 : this.#ends[i - 1]!;
  }

  #compare(i: number, position: Uint8Array): number {
    const bytes = this.#bytes;
    const start = this.#startOf(i);
    const length = this.#ends[i]! - start;
    const shared = Math.min(length, position.length);
    for (let j = 0; j < shared; j++) {
      const difference = bytes[start + j]! - position[j]!;
      if (difference !== 0) return difference;
    }
    return length - position.length;
  }

  #part(from: Uint8Array, to: Uint8Array, first: number, end: number): EntryBlock {
    const start = this.#startOf(first);
    const ends = this.#ends.slice(first, end);
    for (let i = 0; i < ends.length; i++) ends[i]! -= start;
    const bytes = this.#bytes.slice(start, start + (ends.at(-1) ?? 0));
    return new EntryBlock(from, to, bytes, ends);
  }

  /** Puts a position, or nothing, in the place of some. */
  #splice(first: number, end: number, position: Uint8Array): EntryBlock {
    const [start, rest] = [this.#startOf(first), this.#startOf(end)];
    const added = position.length === 0 ? 0 : 1;
    const shift = start + position.length - rest;
    const bytes = new Uint8Array(this.#bytes.length + shift);
    bytes.set(this.#bytes.subarray(0, start));
    bytes.set(position, start);
    bytes.set(this.#bytes.subarray(rest), start + position.length);
    const ends = new Uint32Array(this.count + added - (end - first));
    ends.set(this.#ends.subarray(0, first));
    if (added === 1) ends[first] = start + position.length;
    for (let i = end, to = first + added; i < this.count; i++, to++) ends[to] = this.#ends[i]! + shift;
    return new EntryBlock(this.from, this.to, bytes, ends);
  }
}

const NO_BYTES = new Uint8Array(0);

/** Blocks of at most so many, for positions that follow one another and are all between two places. */
export function packBlocks(
  from: Uint8Array,
  to: Uint8Array,
  positions: readonly Uint8Array[],
  countMax: number,
): readonly EntryBlock[] {
  const blocks: EntryBlock[] = [];
  let start = from;
  for (let at = 0; at === 0 || at < positions.length; at += countMax) {
    // A copy: what was read from the store does not stay because of it.
    const end = positions[at + countMax]?.slice() ?? to;
    blocks.push(EntryBlock.of(start, end, positions.slice(at, at + countMax)));
    start = end;
  }
  return blocks;
}

/** Entries in the order of a page, and where those begin that follow. */
export interface EntryRun {
  readonly entries: readonly Entry[];
  /** Null = there is nothing behind them. For a reverse page the place before which to go on. */
  readonly next: Uint8Array | null;
}

/** A part of an index in one direction. */
export interface EntryRequest {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse: boolean;
  readonly limit: number;
}

/**
 * Reads on from block to block until there is one missing; null when that is the first.
 *
 * @param find - The block that covers a place, or, in reverse, what comes right before it.
 */
export function readRun(find: (place: Uint8Array) => EntryBlock | undefined, request: EntryRequest): EntryRun | null {
  return request.reverse ? readBackward(find, request) : readForward(find, request);
}

function readForward(
  find: (place: Uint8Array) => EntryBlock | undefined,
  { gte, lt, limit }: EntryRequest,
): EntryRun | null {
  const entries: Entry[] = [];
  for (let at = gte; ;) {
    const block = find(at);
    if (block === undefined) return at === gte ? null : { entries, next: at };
    const isLast = compareBytes(lt, block.to) <= 0;
    const end = isLast ? block.rankOf(lt) : block.count;
    for (let i = block.rankOf(at); i < end; i++) {
      if (entries.length === limit) return { entries, next: block.positionAt(i) };
      entries.push(block.entryAt(i));
    }
    if (isLast) return { entries, next: null };
    at = block.to;
  }
}

function readBackward(
  find: (place: Uint8Array) => EntryBlock | undefined,
  { gte, lt, limit }: EntryRequest,
): EntryRun | null {
  const entries: Entry[] = [];
  for (let at = lt; ;) {
    const block = find(at);
    if (block === undefined) return at === lt ? null : { entries, next: at };
    const isLast = compareBytes(block.from, gte) <= 0;
    const start = isLast ? block.rankOf(gte) : 0;
    for (let i = block.rankOf(at) - 1; i >= start; i--) {
      if (entries.length === limit) return { entries, next: successorOf(block.positionAt(i)) };
      entries.push(block.entryAt(i));
    }
    if (isLast) return { entries, next: null };
    at = block.from;
  }
}
