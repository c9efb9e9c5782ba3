/**
 * @module
 * Owns what a node tells of merging, of its caches and of RocksDB. SPEC.md OB60, OB61.
 */
import type { StoreStatistics } from '../storage/store-statistics.ts';
import type { AddMetric } from './node-metrics.ts';

export function addEngineMetrics(add: AddMetric): void {
  add(
    'atoll_merge_conflicts_total',
    'Losing values that merges made since the start, by collection.',
    ['database', 'collection'],
    (metric, { measures }) => {
      for (const { count, ...labels } of measures.conflicts) metric.set(labels, count);
    },
  );
  add(
    'atoll_pending_causal_updates',
    'Changes received that wait for others they build on.',
    ['peer'],
    (metric, { status }) => {
      for (const { node, waiting } of status.links) if (node !== null) metric.set({ peer: node }, waiting);
    },
  );
  addCaches(add);
  addStore(add);
}

function addCaches(add: AddMetric): void {
  const perCache = (name: string, help: string, member: 'bytes' | 'entries' | 'hits' | 'misses'): void =>
    add(name, help, ['cache'], (metric, { measures }) => {
      for (const [cache, usage] of Object.entries(measures.caches)) metric.set({ cache }, usage[member]);
    });
  perCache('atoll_cache_bytes', 'Memory of a cache, about.', 'bytes');
  perCache('atoll_cache_entries', 'Entries of a cache.', 'entries');
  perCache('atoll_cache_hits_total', 'Looked for in a cache and found.', 'hits');
  perCache('atoll_cache_misses_total', 'Looked for in a cache and not found.', 'misses');
}

/** Names that say the unit. */
const STORE: Readonly<Record<keyof StoreStatistics, readonly [name: string, help: string]>> = {
  memtableBytes: ['memtable_bytes', 'Memory of what is not yet in a table file.'],
  blockCacheBytes: ['block_cache_bytes', 'Memory of blocks of table files.'],
  tableReaderBytes: ['table_reader_bytes', 'Memory of indexes and filters of table files.'],
  tableBytes: ['table_bytes', 'Size of all table files.'],
  liveBytes: ['live_bytes', 'Size of what is not overwritten or deleted, about.'],
  keys: ['keys', 'Keys, about.'],
  compactionBytes: ['pending_compaction_bytes', 'What compaction has to rewrite, about.'],
  compactions: ['running_compactions', 'Compactions that run now.'],
  snapshots: ['snapshots', 'Snapshots held open, by reads too.'],
  levelZeroFiles: ['level_zero_files', 'Table files that are not yet merged into the levels.'],
  stopped: ['write_stopped', 'Whether writes wait for compaction.'],
  errors: ['background_errors_total', 'Flushes and compactions that failed.'],
};

function addStore(add: AddMetric): void {
  for (const member of Object.keys(STORE) as (keyof StoreStatistics)[]) {
    const [name, help] = STORE[member];
    add(`atoll_store_${name}`, help, [], (metric, { store }) => {
      if (store !== null) metric.set(store[member]);
    });
  }
}
