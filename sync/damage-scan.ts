/**
 * @module
 * Owns reading a range of the store in which entries may be damaged: a damaged one is reported, and the others are read all the
 * same. Until the first damage everything is of one moment; behind it the scan goes on with what is there by then.
 */
import { StorageError } from './errors.ts';
import { successorOf } from './key.ts';
import type { Store } from './port.ts';

/** `value` is null where it cannot be read. */
export type ScannedEntry = readonly [key: Uint8Array, value: Uint8Array | null];

/** Entries read one by one around a damaged one. */
const DETOUR_ENTRIES = 256;

interface ScanBounds {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  /** Entries that will be looked at, if there is no damage. Default all. */
  readonly limit?: number;
}

/** The range is taken at the call, not at the first step. */
export function scanThroughDamage(store: Store, bounds: ScanBounds): AsyncIterable<readonly ScannedEntry[]> {
  return follow(store, bounds, store.range(bounds));
}

async function* follow(
  store: Store,
  bounds: ScanBounds,
  first: AsyncIterable<readonly ScannedEntry[]>,
): AsyncGenerator<readonly ScannedEntry[]> {
  let gte = bounds.gte;
  for (let range = first; ; range = store.range({ gte, lt: bounds.lt })) {
    try {
      for await (const entries of range) {
        gte = successorOf(entries.at(-1)![0]);
        yield entries;
      }
      return;
    } catch (error) {
      if (!isCorrupt(error)) throw error;
    }
    const entries = await readSingly(store, gte, bounds.lt);
    if (entries.length === 0) return;
    gte = successorOf(entries.at(-1)![0]);
    yield entries;
  }
}

async function readSingly(store: Store, gte: Uint8Array, lt: Uint8Array): Promise<ScannedEntry[]> {
  const result: ScannedEntry[] = [];
  for await (const entries of store.range({ gte, lt, limit: DETOUR_ENTRIES, values: false })) {
    for (const [key] of entries) {
      const value = await readOne(store, key);
      if (value !== undefined) result.push([key, value]);
    }
  }
  return result;
}

async function readOne(store: Store, key: Uint8Array): Promise<Uint8Array | null | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

export function isCorrupt(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'STORAGE_CORRUPT';
}
