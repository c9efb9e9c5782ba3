import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BucketDigest, bucketTotalOf } from '../../sync/bucket-digest.ts';
import { DatabaseDigest } from '../../sync/database-digest.ts';
import { computeElement } from '../../sync/digest.ts';
import { encodeDocumentVector, encodeView } from '../../sync/document-record.ts';
import { digestKey, viewKey } from '../../sync/key.ts';
import { MemoryStore } from '../../sync/index.ts';
import { portableSha256 } from '../../sync/sha256.ts';

const DB = 3;
const SECRET = Uint8Array.of(7);
const NO_PAUSE = (): Promise<void> => Promise.resolve();

/** Moments with nothing in flight. */
class Rest {
  #isInFlight = false;
  #waiting: (() => void)[] = [];

  set isInFlight(isInFlight: boolean) {
    this.#isInFlight = isInFlight;
    if (!isInFlight) for (const run of this.#waiting.splice(0)) run();
  }

  readonly wait = <T>(run: () => T): Promise<T> =>
    this.#isInFlight ? new Promise((resolve) => this.#waiting.push(() => resolve(run()))) : Promise.resolve(run());
}

/** A table of documents without documents: it writes what a commit of a real one writes. */
class FakeTable {
  readonly store: MemoryStore;
  readonly digest: DatabaseDigest;
  readonly #held: Map<string, Uint8Array>;

  readonly #rest: Rest;

  private constructor(store: MemoryStore, digest: DatabaseDigest, rest: Rest, held: Map<string, Uint8Array>) {
    this.store = store;
    this.#rest = rest;
    this.digest = digest;
    this.#held = held;
  }

  static async open(store: MemoryStore, held: ReadonlyMap<string, Uint8Array> = new Map()): Promise<FakeTable> {
    const rest = new Rest();
    const options = { store, db: DB, sha256: portableSha256, secret: SECRET, atRest: rest.wait };
    return new FakeTable(store, await DatabaseDigest.open(options), rest, new Map(held));
  }

  /** A group of writes: (document, version). */
  async commit(writes: readonly (readonly [number, number])[]): Promise<void> {
    this.#rest.isInFlight = true;
    const operations = writes.map(([document, version]) => {
      const key = viewKey(DB, 'c', String(document));
      const vector = encodeDocumentVector(new Map([[5, version]]));
      const element = computeElement(portableSha256, SECRET, key.subarray(5), vector);
      this.digest.replace(key.subarray(5), this.#held.get(String(document)) ?? null, element);
      this.#held.set(String(document), element);
      const json = Uint8Array.of(123, 125);
      const record = { exists: true, element, modified: 1, conflicts: 0, json, bytes: 2, isFirst: true, updates: [] };
      return { type: 'put', key, value: encodeView(record, vector) } as const;
    });
    const total = { type: 'put', key: digestKey(DB), value: this.digest.toBytes() } as const;
    await this.store.batch([...operations, total], { sync: true });
    this.#rest.isInFlight = false;
  }

  async checkpoint(): Promise<void> {
    const operations = await this.digest.checkpoint();
    if (operations.length > 0) await this.store.batch(operations, { sync: false });
  }

  async crash(unsyncedKept: number): Promise<FakeTable> {
    return FakeTable.open(this.store.crash(unsyncedKept), this.#held);
  }

  /** The buckets as they must be. */
  get expected(): BucketDigest {
    const buckets = new BucketDigest();
    for (const [document, element] of this.#held) {
      buckets.add(this.digest.hash.of(viewKey(DB, 'c', document).subarray(5)), element);
    }
    return buckets;
  }
}

/** So many documents that the buckets are worth a checkpoint. */
async function fill(): Promise<FakeTable> {
  const table = await FakeTable.open(new MemoryStore());
  await table.commit(Array.from({ length: 2500 }, (_, i) => [i, 1]));
  return table;
}

test('[EQ1] [EQ2] buckets are the same after any writes, checkpoints, crashes and recounts, or they are unknown', async () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('write' as const), document: fc.nat(3000), version: fc.nat(9) }),
    },
    { weight: 2, arbitrary: fc.constant({ do: 'checkpoint' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), kept: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.constant({ do: 'recount' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      let table = await fill();
      for (const each of steps) {
        if (each.do === 'write') await table.commit([[each.document, each.version]]);
        else if (each.do === 'checkpoint') await table.checkpoint();
        else if (each.do === 'crash') table = await table.crash(each.kept);
        else expect(await table.digest.recount(NO_PAUSE)).toMatchObject({ isEqual: true, damaged: [] });
        const { buckets } = table.digest;
        if (buckets === null) continue;
        expect(buckets.differences(table.expected)).toEqual([]);
        expect(buckets.total()).toBe(bucketTotalOf(table.digest.toBytes()));
      }
      await table.digest.recount(NO_PAUSE);
      expect(table.digest.buckets?.differences(table.expected)).toEqual([]);
    }),
    { seed: 20261123, numRuns: 12 },
  );
});

test('[EQ2] a checkpoint of a quiet database is taken at its word after a crash, one that is behind is not', async () => {
  let table = await fill();
  expect((await table.digest.checkpoint()).length).toBeGreaterThan(200);
  await table.commit([[1, 2]]);
  table = await table.crash(0);
  expect(table.digest.buckets).toBeNull();
  await table.digest.recount(NO_PAUSE);
  await table.checkpoint();
  await table.commit([[1, 3]]);
  // Only what changed is written again.
  expect(await table.digest.checkpoint()).toHaveLength(1);
  table = await fill();
  await table.checkpoint();
  await table.commit([]);
  table = await table.crash(0);
  expect(table.digest.buckets?.differences(table.expected)).toEqual([]);
});

test('[EQ2] writes go on while documents are counted, also writes that are on their way to the disk when it begins', async () => {
  let table = await fill();
  await table.commit([[0, 3]]);
  table = await table.crash(0);
  let version = 10;
  const inFlight = table.commit([
    [4, 7],
    [9000, 1],
  ]);
  const recount = await table.digest.recount(async () => {
    await table.commit(Array.from({ length: 50 }, (_, i) => [i * 70, version]));
    version++;
  });
  await inFlight;
  expect(version).toBeGreaterThan(11);
  expect(recount).toMatchObject({ isEqual: true, documents: 2501 });
  expect(table.digest.buckets?.differences(table.expected)).toEqual([]);
});

test('[EQ2] a view that is damaged or missing on disk shows in the count, and nothing is taken from it', async () => {
  const table = await fill();
  await table.digest.recount(NO_PAUSE);
  await table.store.batch([{ type: 'del', key: viewKey(DB, 'c', '17') }], { sync: true });
  const bucket = table.digest.hash.of(viewKey(DB, 'c', '17').subarray(5));
  expect(await table.digest.recount(NO_PAUSE)).toMatchObject({ isEqual: false, buckets: [bucket], documents: 2499 });
  const key = viewKey(DB, 'c', '18');
  await table.store.batch([{ type: 'put', key, value: Uint8Array.of(1) }], { sync: true });
  expect(await table.digest.recount(NO_PAUSE)).toMatchObject({ isEqual: false, damaged: [key] });
  expect(table.digest.buckets?.differences(table.expected)).toEqual([]);
});
