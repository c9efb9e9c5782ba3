import fc from 'fast-check';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { expect, test } from 'vitest';
import { IndexedDbStore, MemoryStore } from '../../sync/index.ts';
import type { Store, StoreEntry, StoreSnapshot } from '../../sync/index.ts';

const key = fc.uint8Array({ minLength: 1, maxLength: 2, max: 6 });
const bounds = fc.record({ gte: key, lt: key });
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      entries: fc.array(fc.tuple(key, fc.option(fc.uint8Array({ maxLength: 2 }))), { maxLength: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), bounds }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('look' as const), at: fc.nat(), key, bounds }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('range' as const),
      options: fc.record({ gte: key, lt: key, reverse: fc.boolean(), values: fc.boolean(), limit: fc.nat(30) }),
      between: fc.tuple(key, fc.uint8Array({ maxLength: 2 })),
    }),
  },
);

test('[EM4] the store of browsers answers as the one in memory, by key, range and snapshot, while writes go on', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
      const browser = await IndexedDbStore.open('app', { factory: new IDBFactory(), keyRange: IDBKeyRange });
      const memory = new MemoryStore();
      const snapshots: [StoreSnapshot, StoreSnapshot][] = [];
      const both = (run: (store: Store) => Promise<unknown>) => Promise.all([run(browser), run(memory)]);
      for (const each of steps) {
        if (each.kind === 'batch') {
          const operations = each.entries.map(([k, value]) =>
            value === null ? { type: 'del' as const, key: k } : { type: 'put' as const, key: k, value },
          );
          await both((store) => store.batch(operations, { sync: false }));
        } else if (each.kind === 'clear') {
          await both((store) => store.clear(each.bounds));
        } else if (each.kind === 'snapshot') {
          snapshots.push([browser.snapshot(), memory.snapshot()]);
        } else if (each.kind === 'look' && snapshots.length > 0) {
          const [ours, theirs] = snapshots[each.at % snapshots.length]!;
          expect(await ours.get(each.key)).toEqual(await theirs.get(each.key));
          expect(await read(ours.range(each.bounds))).toEqual(await read(theirs.range(each.bounds)));
        } else if (each.kind === 'range') {
          const [k, value] = each.between;
          const ranges = [browser.range(each.options), memory.range(each.options)];
          await both((store) => store.batch([{ type: 'put', key: k, value }], { sync: false }));
          const [ours, theirs] = await Promise.all(ranges.map(read));
          expect(ours).toEqual(theirs);
        }
      }
      await both((store) => store.close());
    }),
    { numRuns: 40, seed: 20_261_123 },
  );
});

async function read(chunks: AsyncIterable<readonly StoreEntry[]>): Promise<StoreEntry[]> {
  const entries: StoreEntry[] = [];
  for await (const chunk of chunks) entries.push(...chunk);
  return entries;
}
