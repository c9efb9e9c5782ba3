/**
 * @module
 * Owns the process that storage tests kill, starve and lie to. `hold DIR` opens a store and waits; `write DIR COUNT BYTES` writes
 * synced batches and prints a line per outcome: `ack N` only after batch N is durable, `error CODE` for a rejected one.
 */
import { RocksDbStore } from '../../server/storage/rocksdb-store.ts';
import { batchOf, readBatches } from './storage-batch.ts';

/** Writes attempted after the first failure: each must be refused. */
const ATTEMPTS_AFTER_FAILURE = 3;

const [command, directory, count = '0', valueBytes = '100'] = process.argv.slice(2);
const store = await RocksDbStore.open(directory!);
console.log('ready');
if (command === 'hold') await new Promise((resolve) => process.stdin.once('end', resolve).resume());
else await write(Number(count), Number(valueBytes));
await store.close();

async function write(batches: number, bytes: number): Promise<void> {
  let failures = 0;
  for (let n = 0; n < batches && failures <= ATTEMPTS_AFTER_FAILURE; n++) {
    try {
      await store.batch(batchOf(n, bytes), { sync: true });
      console.log(`ack ${n}`);
    } catch (error) {
      failures++;
      console.log(`error ${(error as { code?: string }).code ?? String(error)}`);
    }
  }
  console.log(`readable ${(await readBatches(store)).size}`);
}
