/**
 * @module
 * Owns the entries of one index that are in memory: blocks of them, each exactly as the last durable commit left it. To open an iterator
 * costs more than everything else in a small query, so a seek looks here first, and what is read from the store stays.
 *
 * Every durable change of an entry is made here as well, in the turn in which readers see its document. A read of the store may or may not
 * show a commit that is on its way meanwhile: that one is waited for, and all changes since the read began are made to what was read. They say
 * what is there and what is not, so it does no harm to make them twice.
 */
import { assert } from '../../crdt/index.ts';
import type { ByteCache, Slot } from '../byte-cache.ts';
import type { GroupCommit } from '../group-commit.ts';
import { compareBytes, successorOf } from '../key.ts';
import type { Store, StoreOperation } from '../port.ts';
import { packBlocks, readRun } from './entry-block.ts';
import type { EntryBlock, EntryRequest, EntryRun } from './entry-block.ts';
import { concat } from './index-key.ts';

/** Entries read at a time at least: to read them costs about as much as to open the iterator. */
const LOAD_MIN = 256;
/** Of a block when it is made; it may grow to twice as many. */
const BLOCK_MAX = 256;
/** So many changes while something is read: it is not worth to make them all again. */
const CHANGES_MAX = 4096;
/** A number holds so many exactly. */
const HEAD_BYTES = 6;
/** Before and behind all positions. */
const FIRST = new Uint8Array(0);
const LAST = Uint8Array.of(0xff);

/** A block, as long as it is in memory. */
export interface HeldBlock {
  readonly name: string;
  readonly owner: IndexEntries;
  block: EntryBlock;
  /** In the cache. */
  slot: Slot<HeldBlock> | null;
}

export type EntryCache = ByteCache<HeldBlock>;

export interface EntryPage extends EntryRun {
  /** The version of the index that they are of; null when it is not known. */
  readonly version: number | null;
}

/** What is to be known of an index. */
interface VersionedIndex {
  readonly number: number;
  readonly prefix: Uint8Array;
  readonly version: number;
  readonly isChanging: boolean;
  readonly isDropped: boolean;
}

interface Load {
  /** Durable since it began; null = too many. */
  changes: StoreOperation[] | null;
}

export class IndexEntries {
  readonly #index: VersionedIndex;
  readonly #cache: EntryCache;
  /** Ascending, without overlap. */
  readonly #held: HeldBlock[] = [];
  /** The first bytes of where each begins, as a number: what is far from what is looked for is not touched. */
  readonly #heads: number[] = [];
  readonly #loads = new Set<Load>();
  #serial = 0;

  /** @param cache - Shared with other indexes; tells `forget` what leaves it. */
  constructor(index: VersionedIndex, cache: EntryCache) {
    this.#index = index;
    this.#cache = cache;
  }

  /** What is known of a page without the store, as it is now; null = nothing. */
  peek(request: EntryRequest): EntryPage | null {
    const { reverse } = request;
    const run = readRun((place) => this.#use(place, reverse), request);
    return run === null ? null : { ...run, version: this.#index.version };
  }

  /** Reads a page of which nothing is known. */
  async load(request: EntryRequest, store: Store, commit: GroupCommit): Promise<EntryPage> {
    const load: Load = { changes: [] };
    this.#loads.add(load);
    let blocks: readonly EntryBlock[];
    try {
      blocks = await this.#read(request, store);
    } catch (error) {
      this.#loads.delete(load);
      throw error;
    }
    if (!this.#index.isChanging) return this.#keep(load, blocks, request);
    // The page is given as it is, and believed by nobody.
    void commit.landed().then(() => {
      if (commit.failure === null) this.#keep(load, blocks, request);
    });
    return { ...runOf(blocks, request), version: null };
  }

  /** What was read is, with the changes since, what is there now. */
  #keep(load: Load, read: readonly EntryBlock[], request: EntryRequest): EntryPage {
    this.#loads.delete(load);
    const { version, isDropped } = this.#index;
    if (load.changes === null || isDropped) return { ...runOf(read, request), version: null };
    const blocks = this.#changed(read, load.changes);
    for (const block of blocks) this.#insert(block);
    return { ...runOf(blocks, request), version };
  }

  /** Entries changed, durably. */
  change(operations: readonly StoreOperation[]): void {
    for (const load of this.#loads) {
      if (load.changes === null) continue;
      if (load.changes.length + operations.length > CHANGES_MAX) load.changes = null;
      else load.changes.push(...operations);
    }
    if (this.#held.length === 0) return;
    for (const operation of operations) {
      const position = this.#positionOf(operation);
      const at = this.#find(position, false);
      if (at >= 0) this.#replace(at, changedBlock(this.#held[at]!.block, operation, position));
    }
  }

  /** A block leaves the cache. */
  forget(held: HeldBlock): void {
    const at = this.#find(held.block.from, false);
    if (this.#held[at] === held) this.#remove(at);
  }

  /** The index is gone. */
  clear(): void {
    for (const { name } of this.#held) this.#cache.delete(name);
    this.#held.length = 0;
    this.#heads.length = 0;
  }

  #use(place: Uint8Array, reverse: boolean): EntryBlock | undefined {
    const at = this.#find(place, reverse);
    return at < 0 ? undefined : this.#cache.use(this.#held[at]!.slot!).block;
  }

  /** Which block covers a place, or, in reverse, what comes right before it; -1 = none. */
  #find(place: Uint8Array, reverse: boolean): number {
    const at = this.#before(place, reverse);
    return at >= 0 && isAt(this.#held[at]!.block, place, reverse) ? at : -1;
  }

  /** The last block that begins at a place or before it; in reverse, before it. */
  #before(place: Uint8Array, reverse: boolean): number {
    const bound = reverse ? 0 : 1;
    const head = headOf(place);
    let [low, high] = [0, this.#heads.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const difference = this.#heads[middle]! - head;
      const order = difference === 0 ? compareBytes(this.#held[middle]!.block.from, place) : difference;
      if (order < bound) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** All there is from where the page begins to what is known already, or so many. */
  async #read(request: EntryRequest, store: Store): Promise<readonly EntryBlock[]> {
    const { reverse } = request;
    const limit = Math.max(LOAD_MIN, request.limit);
    const { gte, lt } = this.#gapOf(request);
    const { prefix } = this.#index;
    const bounds = { gte: concat(prefix, gte), lt: concat(prefix, lt) };
    const positions: Uint8Array[] = [];
    // With their values, which are empty: what is read is checked then.
    for await (const entries of store.range({ ...bounds, reverse, limit })) {
      for (const [key] of entries) positions.push(key.subarray(prefix.length));
    }
    const last = positions.length < limit ? null : positions.at(-1)!;
    if (!reverse) return packBlocks(gte, last === null ? lt : successorOf(last), positions, BLOCK_MAX);
    return packBlocks(last ?? gte, lt, positions.reverse(), BLOCK_MAX);
  }

  /** More than the page may need, unless that is much. */
  #gapOf({ gte, lt, reverse, limit }: EntryRequest): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
    const at = this.#before(reverse ? lt : gte, reverse);
    if (limit > LOAD_MIN) return { gte, lt };
    if (reverse) return { gte: this.#held[at]?.block.to ?? FIRST, lt };
    return { gte, lt: this.#held[at + 1]?.block.from ?? LAST };
  }

  #changed(blocks: readonly EntryBlock[], changes: readonly StoreOperation[]): readonly EntryBlock[] {
    if (changes.length === 0) return blocks;
    const result = [...blocks];
    for (const operation of changes) {
      const position = this.#positionOf(operation);
      const at = result.findIndex((block) => block.covers(position));
      if (at >= 0) result[at] = changedBlock(result[at]!, operation, position);
    }
    return result;
  }

  #positionOf({ key }: StoreOperation): Uint8Array {
    return key.subarray(this.#index.prefix.length);
  }

  /** Adds what nobody else has read meanwhile. */
  #insert(block: EntryBlock): void {
    const before = this.#before(block.from, false);
    const from = later(block.from, this.#held[before]?.block.to);
    const to = earlier(block.to, this.#held[before + 1]?.block.from);
    if (compareBytes(from, to) >= 0) return;
    const isWhole = from === block.from && to === block.to;
    this.#add(before + 1, isWhole ? block : block.between(from, to));
  }

  #add(at: number, block: EntryBlock): void {
    const held: HeldBlock = { name: `${this.#index.number}:${this.#serial++}`, owner: this, block, slot: null };
    this.#held.splice(at, 0, held);
    this.#heads.splice(at, 0, headOf(block.from));
    held.slot = this.#cache.set(held.name, held, block.weight);
  }

  #remove(at: number): void {
    this.#held.splice(at, 1);
    this.#heads.splice(at, 1);
  }

  #replace(at: number, block: EntryBlock): void {
    const held = this.#held[at]!;
    if (block === held.block) return;
    if (block.count <= 2 * BLOCK_MAX) {
      held.block = block;
      held.slot = this.#cache.set(held.name, held, block.weight);
      return;
    }
    const [first, second] = block.halves();
    this.#remove(at);
    this.#cache.delete(held.name);
    this.#add(at, first);
    this.#insert(second);
  }
}

/** Orders positions as far as it goes. */
function headOf(position: Uint8Array): number {
  let head = 0;
  for (let i = 0; i < HEAD_BYTES; i++) head = head * 256 + (position[i] ?? 0);
  return head;
}

function runOf(blocks: readonly EntryBlock[], request: EntryRequest): EntryRun {
  const run = readRun((place) => blocks.find((block) => isAt(block, place, request.reverse)), request);
  assert(run, 'what was read begins where the page does');
  return run;
}

function isAt({ from, to }: EntryBlock, place: Uint8Array, reverse: boolean): boolean {
  const [start, end] = [compareBytes(from, place), compareBytes(place, to)];
  return reverse ? start < 0 && end <= 0 : start <= 0 && end < 0;
}

function changedBlock(block: EntryBlock, { type }: StoreOperation, position: Uint8Array): EntryBlock {
  return type === 'put' ? block.with(position) : block.without(position);
}

function later(a: Uint8Array, b: Uint8Array | undefined): Uint8Array {
  return b === undefined || compareBytes(a, b) >= 0 ? a : b;
}

function earlier(a: Uint8Array, b: Uint8Array | undefined): Uint8Array {
  return b === undefined || compareBytes(a, b) <= 0 ? a : b;
}
