/**
 * @module
 * Owns pages of index entries that were read lately: opening an iterator costs more than everything else in a small query. A page is of one
 * version of its index, which every durable change of an entry ends, so what is asked for again is as it is on the disk.
 */
import { ByteCache } from '../byte-cache.ts';
import type { CacheUsage } from '../byte-cache.ts';

/** Pages of more entries are not asked for again soon. */
const ENTRIES_MAX = 128;
const BYTES_MAX = 8 * 1024 * 1024;
/** Of an entry in memory, besides its key. */
const ENTRY_OVERHEAD = 400;

export interface PageRequest {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse: boolean;
  readonly limit: number;
}

/** Where a document stands. */
export interface Place {
  readonly id: string;
  /** In the order of the plan: components, then the id. */
  readonly position: Uint8Array;
  /** Of an entry of an index. */
  readonly component: Uint8Array;
}

/** An entry of an index. */
export interface Entry extends Place {
  readonly key: Uint8Array;
}

export interface EntryPage {
  readonly entries: readonly Entry[];
  /** The version of the index that they are of; null when a change was on its way: they may be of either. */
  readonly version: number | null;
}

interface VersionedIndex {
  readonly number: number;
  /** Grows with every durable change of its entries. */
  readonly version: number;
  readonly isChanging: boolean;
}

export class IndexPages {
  readonly #pages = new ByteCache<EntryPage>(BYTES_MAX);

  usage(): CacheUsage {
    return this.#pages.usage();
  }

  /** @param read - Reads them from the store, as they are at the time of the call or later. */
  get(
    index: VersionedIndex,
    request: PageRequest,
    read: (request: PageRequest) => Promise<readonly Entry[]>,
  ): EntryPage | Promise<EntryPage> {
    const name = request.limit > ENTRIES_MAX ? null : nameOf(index.number, index.version, request);
    const held = name === null ? undefined : this.#pages.get(name);
    return held ?? this.#read(index, name, read(request));
  }

  async #read(index: VersionedIndex, name: string | null, reading: Promise<readonly Entry[]>): Promise<EntryPage> {
    const { version, isChanging } = index;
    const entries = await reading;
    // A commit in the meantime: what was read may be from before it, or from after.
    if (isChanging || index.isChanging || index.version !== version) return { entries, version: null };
    const page = { entries, version };
    if (name !== null) this.#pages.set(name, page, weightOf(name, entries));
    return page;
  }
}

function nameOf(number: number, version: number, { gte, lt, reverse, limit }: PageRequest): string {
  return `${number}:${version}:${limit}${reverse ? '<' : '>'}${textOf(gte)}${textOf(lt)}`;
}

/** Byte by byte, after the length: another request has another name. */
function textOf(bytes: Uint8Array): string {
  return `${bytes.length}:${String.fromCharCode(...bytes)}`;
}

function weightOf(name: string, entries: readonly Entry[]): number {
  let weight = 200 + 2 * name.length;
  for (const { key, id } of entries) weight += ENTRY_OVERHEAD + key.length + id.length;
  return weight;
}
