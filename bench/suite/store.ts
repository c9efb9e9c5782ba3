/**
 * @module
 * Owns what the store adds to RocksDB: checksums, one write at a time, coalesced reads.
 */
import { join } from 'node:path';
import type { BatchOperation, Database } from 'rocksdb';
import { RocksDbStore } from '../../server/index.ts';
import { interleave, median } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import { openRocksDb } from '../yardstick/group-commit-store.ts';
import type { Suite, SuiteContext } from './suite.ts';

const VALUE_BYTES = 1_024;
const INFLIGHT_READS = 32;

interface Stores {
  readonly store: RocksDbStore;
  readonly raw: Database;
}

export const storeSuite: Suite = {
  name: 'store',
  question:
    'How much of what RocksDB can do is left after checksums and ordering? Values of 1 KB; every batch is fsynced.',
  async run(context) {
    const { directory } = context;
    const store = await RocksDbStore.open(join(directory, 'store'));
    const raw = await openRocksDb(join(directory, 'raw'));
    const stores = { store, raw };
    const measures: Measure[] = [];
    for (const batchSize of [1, 50, 500]) {
      context.progress(`batches of ${batchSize}`);
      measures.push(await measureBatches(context, stores, batchSize));
    }
    context.progress('reads');
    measures.push(await measureReads(context, stores));
    await store.close();
    await new Promise<void>((resolve, reject) => raw.close((error) => (error ? reject(error) : resolve())));
    return measures;
  },
};

async function measureBatches({ config }: SuiteContext, { store, raw }: Stores, batchSize: number): Promise<Measure> {
  const values = createValues(config.seed, 100);
  const { batches, rounds } = config.store;
  const batch = (round: number, at: number): (BatchOperation & { readonly value: Buffer })[] =>
    Array.from({ length: batchSize }, (_, index) => ({
      type: 'put' as const,
      key: keyOf(batchSize, (round * batches + at) * batchSize + index),
      value: values[index % values.length]!,
    }));
  const run = async (
    write: (operations: ReturnType<typeof batch>) => Promise<void>,
    round: number,
  ): Promise<number> => {
    const prepared = Array.from({ length: batches }, (_, at) => batch(round, at));
    const startMs = performance.now();
    for (const operations of prepared) await write(operations);
    return (batches * batchSize * 1000) / (performance.now() - startMs);
  };
  // Written as the store itself may: `put` with a value.
  const writeStore = (operations: ReturnType<typeof batch>): Promise<void> =>
    store.batch(operations as Parameters<RocksDbStore['batch']>[0], { sync: true });
  const { first, second } = await interleave(
    rounds,
    (round) => run(writeStore, round),
    (round) => run((operations) => writeRaw(raw, operations), round),
  );
  return {
    name: `batches of ${batchSize}, one after another`,
    value: median(first),
    unit: '/s',
    yardstick: { name: 'raw rocksdb', value: median(second) },
  };
}

/** 32 readers, each asking for its next value when it got one. */
async function measureReads({ config }: SuiteContext, { store, raw }: Stores): Promise<Measure> {
  const batchSize = 500;
  const { batches, rounds } = config.store;
  const total = batches * batchSize;
  const reads = Math.min(total, 50_000);
  const run = async (read: (key: Buffer) => Promise<unknown>, round: number): Promise<number> => {
    const random = new SeededRandom(config.seed + round);
    const startMs = performance.now();
    const reader = async (): Promise<void> => {
      for (let at = 0; at < reads / INFLIGHT_READS; at++) {
        if ((await read(keyOf(batchSize, random.integer(total)))) === undefined) throw new Error('a value is missing');
      }
    };
    await Promise.all(Array.from({ length: INFLIGHT_READS }, reader));
    return (reads * 1000) / (performance.now() - startMs);
  };
  const readRaw = (key: Buffer): Promise<Buffer | undefined> =>
    new Promise((resolve, reject) => raw.get(key, {}, (error, value) => (error ? reject(error) : resolve(value))));
  const { first, second } = await interleave(
    rounds,
    (round) => run((key) => store.get(key), round),
    (round) => run(readRaw, round),
  );
  return {
    name: `reads, ${INFLIGHT_READS} in flight`,
    value: median(first),
    unit: '/s',
    yardstick: { name: 'raw rocksdb, get each', value: median(second) },
  };
}

function writeRaw(raw: Database, operations: readonly BatchOperation[]): Promise<void> {
  return new Promise((resolve, reject) =>
    raw.batch(operations, { sync: true }, (error) => (error ? reject(error) : resolve())),
  );
}

function createValues(seed: number, count: number): Buffer[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => Buffer.from(JSON.stringify(createFlatRecord(random, VALUE_BYTES))));
}

function keyOf(batchSize: number, at: number): Buffer {
  return Buffer.from(`${batchSize}/${String(at).padStart(9, '0')}`);
}
