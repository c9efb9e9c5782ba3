/**
 * @module
 * Owns pages of index keys that were read lately: opening an iterator costs more than everything else in a small query. A page is of one
 * version of its index, which every durable change of an entry ends, so what is asked for again is as it is on the disk.
 */
import { ByteCache } from '../byte-cache.ts';
import type { CacheUsage } from '../byte-cache.ts';

/** Pages of more keys are not asked for again soon. */
const KEYS_MAX = 128;
const BYTES_MAX = 8 * 1024 * 1024;
/** Of a key in memory, besides its bytes. */
const KEY_OVERHEAD = 120;

export interface PageRequest {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse: boolean;
  readonly limit: number;
}

interface VersionedIndex {
  readonly number: number;
  /** Grows with every durable change of its entries. */
  readonly version: number;
}

export class IndexPages {
  readonly #pages = new ByteCache<readonly Uint8Array[]>(BYTES_MAX);

  usage(): CacheUsage {
    return this.#pages.usage();
  }

  /** @param read - Reads them from the store, as they are at the time of the call or later. */
  async get(
    index: VersionedIndex,
    request: PageRequest,
    read: (request: PageRequest) => Promise<readonly Uint8Array[]>,
  ): Promise<readonly Uint8Array[]> {
    if (request.limit > KEYS_MAX) return read(request);
    const { version } = index;
    const name = nameOf(index.number, version, request);
    const held = this.#pages.get(name);
    if (held !== undefined) return held;
    const keys = await read(request);
    // A commit in the meantime: what was read may be from before it.
    if (index.version === version) this.#pages.set(name, keys, weightOf(name, keys));
    return keys;
  }
}

function nameOf(number: number, version: number, { gte, lt, reverse, limit }: PageRequest): string {
  return `${number}:${version}:${limit}${reverse ? '<' : '>'}${textOf(gte)}${textOf(lt)}`;
}

/** Byte by byte, after the length: another request has another name. */
function textOf(bytes: Uint8Array): string {
  return `${bytes.length}:${String.fromCharCode(...bytes)}`;
}

function weightOf(name: string, keys: readonly Uint8Array[]): number {
  let weight = 200 + 2 * name.length;
  for (const key of keys) weight += KEY_OVERHEAD + key.length;
  return weight;
}
