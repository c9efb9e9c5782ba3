/**
 * @module
 * Owns what a replica counts for operators besides its status: losing values that came to be, and how its caches fare.
 */
import type { CacheUsage } from './byte-cache.ts';
import type { Replica } from './replica.ts';

export interface ReplicaMeasures {
  /** Losing values that merges made since the start. */
  readonly conflicts: readonly { readonly database: string; readonly collection: string; readonly count: number }[];
  /** Over all databases, by what is kept. */
  readonly caches: Readonly<Record<CacheName, CacheUsage>>;
}

export type CacheName = 'documents' | 'views' | 'index_entries';

const EMPTY: CacheUsage = { bytes: 0, entries: 0, hits: 0, misses: 0 };

export function measureReplica(replica: Replica): ReplicaMeasures {
  const conflicts: { database: string; collection: string; count: number }[] = [];
  const caches: Record<CacheName, CacheUsage> = { documents: EMPTY, views: EMPTY, index_entries: EMPTY };
  for (const name of replica.databases()) {
    const { table, indexes } = replica.database(name).parts;
    for (const [collection, count] of table.merges.byCollection) conflicts.push({ database: name, collection, count });
    const usage = { ...table.cacheUsage(), index_entries: indexes.cacheUsage() };
    for (const cache of ['documents', 'views', 'index_entries'] as const) {
      caches[cache] = add(caches[cache], usage[cache]);
    }
  }
  return { conflicts, caches };
}

function add(a: CacheUsage, b: CacheUsage): CacheUsage {
  return {
    bytes: a.bytes + b.bytes,
    entries: a.entries + b.entries,
    hits: a.hits + b.hits,
    misses: a.misses + b.misses,
  };
}
