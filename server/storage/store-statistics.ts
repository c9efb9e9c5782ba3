/**
 * @module
 * Owns what RocksDB says of itself, under names of our own.
 */

/** All of one moment. Bytes, unless the name says otherwise. */
export interface StoreStatistics {
  readonly memtableBytes: number;
  readonly blockCacheBytes: number;
  /** Indexes and filters of open files that are not in the block cache. */
  readonly tableReaderBytes: number;
  /** On the disk, what was overwritten included. */
  readonly tableBytes: number;
  /** Of which live, about. */
  readonly liveBytes: number;
  readonly keys: number;
  /** What compaction has to rewrite. */
  readonly compactionBytes: number;
  readonly compactions: number;
  readonly snapshots: number;
  readonly levelZeroFiles: number;
  /** 1 while writes wait for compaction. */
  readonly stopped: number;
  readonly errors: number;
}

const PROPERTIES: Readonly<Record<keyof StoreStatistics, string>> = {
  memtableBytes: 'size-all-mem-tables',
  blockCacheBytes: 'block-cache-usage',
  tableReaderBytes: 'estimate-table-readers-mem',
  tableBytes: 'total-sst-files-size',
  liveBytes: 'estimate-live-data-size',
  keys: 'estimate-num-keys',
  compactionBytes: 'estimate-pending-compaction-bytes',
  compactions: 'num-running-compactions',
  snapshots: 'num-snapshots',
  levelZeroFiles: 'num-files-at-level0',
  stopped: 'is-write-stopped',
  errors: 'background-errors',
};

export function readStatistics(property: (name: string) => string): StoreStatistics {
  const values = Object.entries(PROPERTIES).map(([name, key]) => [name, Number(property(`rocksdb.${key}`))]);
  return Object.fromEntries(values) as unknown as StoreStatistics;
}
