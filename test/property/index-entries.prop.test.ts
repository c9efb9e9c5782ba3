/**
 * @module
 * Entries of an index in memory against a model: what is read from them is what is durable, whatever is read and written meanwhile, and
 * whenever blocks leave.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteCache } from '../../sync/byte-cache.ts';
import { MemoryStore } from '../../sync/index.ts';
import type { Store, StoreOperation } from '../../sync/index.ts';
import type { GroupCommit } from '../../sync/group-commit.ts';
import { compareBytes } from '../../sync/key.ts';
import type { EntryRequest } from '../../sync/query/entry-block.ts';
import { concat, positionOf } from '../../sync/query/index-key.ts';
import { IndexEntries } from '../../sync/query/index-entries.ts';
import type { EntryCache, EntryPage } from '../../sync/query/index-entries.ts';
import { encodeComponent } from '../../sync/query/value-order.ts';

const PREFIX = Uint8Array.of(101, 0, 0, 0, 1, 0, 0, 0, 1);
const NO_VALUE = new Uint8Array(0);
const VALUES = 700;

const placeOf = (n: number): Uint8Array => positionOf(encodeComponent(n).bytes, `d${n % 10}`);
const textOf = (position: Uint8Array): string => Buffer.from(position).toString('hex');

/** An index whose commits take as long as the test wants. */
class Bed {
  readonly store: Store = new MemoryStore();
  readonly cache: EntryCache;
  readonly index = { number: 1, prefix: PREFIX, version: 0, isChanging: false, isDropped: false };
  readonly entries: IndexEntries;
  readonly durable = new Set<number>();
  readonly commit: GroupCommit;
  #inFlight: { readonly changes: readonly (readonly [number, boolean])[]; readonly landed: () => void } | null = null;
  #landed: Promise<void> = Promise.resolve();

  constructor(bytesMax: number) {
    this.cache = new ByteCache(bytesMax, (held) => held.owner.forget(held));
    this.entries = new IndexEntries(this.index, this.cache);
    this.commit = { failure: null, landed: () => this.#landed } as unknown as GroupCommit;
  }

  /** Shows on the disk, and is not durable for anybody. */
  async begin(changes: readonly (readonly [number, boolean])[]): Promise<void> {
    if (this.#inFlight !== null) return;
    let landed = (): void => {};
    this.#landed = new Promise((resolve) => (landed = resolve));
    this.#inFlight = { changes, landed };
    this.index.isChanging = true;
    await this.store.batch(changes.map(toOperation), { sync: true });
  }

  end(): void {
    if (this.#inFlight === null) return;
    const { changes, landed } = this.#inFlight;
    this.#inFlight = null;
    for (const [n, isThere] of changes) {
      if (isThere) this.durable.add(n);
      else this.durable.delete(n);
    }
    this.index.version++;
    this.index.isChanging = false;
    this.entries.change(changes.map(toOperation));
    landed();
  }

  /** What is durable, of what the page is about. */
  expectPage({ gte, lt, reverse, limit }: EntryRequest, page: EntryPage): void {
    const all = [...this.durable].map(placeOf).sort(compareBytes);
    const within = all.filter((each) => compareBytes(each, gte) >= 0 && compareBytes(each, lt) < 0);
    const ordered = (reverse ? within.reverse() : within).map(textOf);
    const given = page.entries.map(({ position }) => textOf(position));
    expect(given).toEqual(ordered.slice(0, given.length));
    expect(given.length).toBeLessThanOrEqual(limit);
    if (page.next === null) expect(given.length).toBe(ordered.length);
    else {
      const { next } = page;
      // Nothing between what was given and where to go on.
      const passed = within.filter((each) => (reverse ? compareBytes(each, next) >= 0 : compareBytes(each, next) < 0));
      expect(passed.length).toBe(given.length);
    }
  }
}

function toOperation([n, isThere]: readonly [number, boolean]): StoreOperation {
  const key = concat(PREFIX, placeOf(n));
  return isThere ? { type: 'put', key, value: NO_VALUE } : { type: 'del', key };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
};

const change = fc.tuple(fc.nat(VALUES), fc.boolean());
const request = fc.record({
  from: fc.integer({ min: -1, max: VALUES }),
  length: fc.oneof(fc.nat(5), fc.nat(VALUES)),
  reverse: fc.boolean(),
  limit: fc.constantFrom(1, 3, 11, 200),
});
const step = fc.oneof(
  { weight: 4, arbitrary: request },
  { weight: 2, arbitrary: fc.array(change, { minLength: 1, maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constant('end' as const) },
  { weight: 2, arbitrary: fc.constant('settle' as const) },
);

function toRequest({
  from,
  length,
  reverse,
  limit,
}: { from: number; length: number } & Pick<EntryRequest, 'reverse' | 'limit'>): EntryRequest {
  const gte = encodeComponent(from).bytes;
  return { gte, lt: encodeComponent(from + length + 1).bytes, reverse, limit };
}

test('[QU60] entries in memory are those that are durable, whatever is read, written or let go of meanwhile', async () => {
  let [hits, loads] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(VALUES), { maxLength: 600, size: 'max' }),
      fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }),
      fc.constantFrom(1200, 20_000, 1_000_000),
      async (first, steps, bytesMax) => {
        const bed = new Bed(bytesMax);
        await bed.begin(first.map((n) => [n, true] as const));
        bed.end();
        const reading: Promise<void>[] = [];
        for (const each of steps) {
          if (each === 'end') bed.end();
          else if (each === 'settle') await settle();
          else if (Array.isArray(each)) await bed.begin(each);
          else {
            const wanted = toRequest(each as never);
            const page = bed.entries.peek(wanted);
            if (page !== null) {
              hits++;
              bed.expectPage(wanted, page);
              continue;
            }
            loads++;
            const load = async (): Promise<void> => {
              const loaded = await bed.entries.load(wanted, bed.store, bed.commit);
              // What nobody vouches for may be of either side of a commit.
              if (loaded.version === bed.index.version) bed.expectPage(wanted, loaded);
            };
            reading.push(load());
          }
          expect(bed.cache.bytes).toBeLessThanOrEqual(bytesMax);
        }
        bed.end();
        await Promise.all(reading);
        await settle();
        for (let from = -1; from < VALUES; from += 97) {
          for (const reverse of [false, true]) {
            const wanted = toRequest({ from, length: 150, reverse, limit: 20 });
            const page = bed.entries.peek(wanted) ?? (await bed.entries.load(wanted, bed.store, bed.commit));
            expect(page.version).toBe(bed.index.version);
            bed.expectPage(wanted, page);
          }
        }
      },
    ),
    { numRuns: 150, seed: 60 },
  );
  expect(hits).toBeGreaterThan(500);
  expect(loads).toBeGreaterThan(500);
}, 120_000);

test('[QU61] blocks of entries grow, part and leave, and their bytes stay within the limit', async () => {
  const bytesMax = 40_000;
  const bed = new Bed(bytesMax);
  await bed.begin(Array.from({ length: 300 }, (_, n) => [n * 2, true] as const));
  bed.end();
  const wanted = toRequest({ from: -1, length: 10_000, reverse: false, limit: 400 });
  await bed.entries.load(wanted, bed.store, bed.commit);
  for (let n = 1; n < 4000; n += 2) {
    await bed.begin([[n, true]]);
    bed.end();
    expect(bed.cache.bytes).toBeLessThanOrEqual(bytesMax);
  }
  expect(bed.cache.size).toBeGreaterThan(1);
  const places = Array.from({ length: 80 }, (_, i) => toRequest({ from: i * 50, length: 1, reverse: false, limit: 1 }));
  const missing = places.filter((each) => bed.entries.peek(each) === null).length;
  expect(missing).toBeGreaterThan(0);
  expect(missing).toBeLessThan(places.length);
  for (let from = 0; from < 4000; from += 50) {
    const request_ = toRequest({ from, length: 40, reverse: false, limit: 50 });
    bed.expectPage(request_, bed.entries.peek(request_) ?? (await bed.entries.load(request_, bed.store, bed.commit)));
  }
  bed.entries.clear();
  expect([bed.cache.bytes, bed.cache.size]).toEqual([0, 0]);
});
