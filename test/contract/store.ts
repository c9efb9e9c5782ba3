/**
 * @module
 * Owns the contract of `Store`: what every adapter must do, published as `atolldb/testing` for authors of adapters. Call
 * `storeContract` at the top level of a vitest file. SPEC.md section ST.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RangeOptions, Store, StoreEntry, StoreOperation } from '../../sync/index.ts';

/** A store under test, and what the contract needs to do to it from outside. */
export interface StoreFixture {
  readonly store: Store;
  /** Closes the current store, if it is open, and opens one over the same data. */
  readonly reopen: () => Promise<Store>;
  /** Closes everything and removes the data. */
  readonly destroy: () => Promise<void>;
  /** Makes the next write fail as a disk would; called only with `supports.failingWrites`. */
  readonly failNextWrite?: () => void;
}

/** What an adapter's fixture can do beyond the minimum. */
export interface StoreSupports {
  readonly failingWrites?: boolean;
}

const LARGE_VALUE_BYTES = 4 * 1024 * 1024;
const EVERYTHING = { gte: bytes(0), lt: bytes(0xff, 0xff, 0xff, 0xff, 0xff) };

/** Registers the contract tests for one adapter. */
export function storeContract(name: string, create: () => Promise<StoreFixture>, supports: StoreSupports = {}): void {
  describe(`${name} keeps the store contract`, () => {
    let fixture: StoreFixture;
    const current = (): StoreFixture => fixture;
    beforeEach(async () => {
      fixture = await create();
    });
    afterEach(() => fixture.destroy());

    pointReads(current);
    batches(current);
    describe('ranges', () => ranges(current));
    snapshots(current);
    views(current);
    clearing(current);
    extremes(current);
    lifecycle(current);
    if (supports.failingWrites === true) failures(current);
  });
}

function pointReads(current: () => StoreFixture): void {
  test('[ST1] a key reads as what was put last, and as nothing before and after', async () => {
    const { store } = current();
    expect(await store.get(key('a'))).toBeUndefined();
    await store.batch([put('a', 'one')], { sync: false });
    expect(text(await store.get(key('a')))).toBe('one');
    await store.batch([put('a', 'two')], { sync: false });
    expect(text(await store.get(key('a')))).toBe('two');
    await store.batch([del('a')], { sync: false });
    expect(await store.get(key('a'))).toBeUndefined();
  });

  test('[ST1] getMany answers in the order of the keys, repeated and missing ones too', async () => {
    const { store } = current();
    await store.batch([put('a', '1'), put('b', '2'), put('c', '3')], { sync: false });
    const values = await store.getMany(['c', 'x', 'a', 'c', 'b'].map(key));
    expect(values.map(text)).toEqual(['3', undefined, '1', '3', '2']);
    expect(await store.getMany([])).toEqual([]);
  });

  test('[ST1] a thousand reads at once each get their own answer', async () => {
    const { store } = current();
    const names = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    await store.batch(
      names.map((name) => put(name, `value of ${name}`)),
      { sync: false },
    );
    const values = await Promise.all([...names, 'missing'].map((name) => store.get(key(name))));
    expect(values.map(text)).toEqual([...names.map((name) => `value of ${name}`), undefined]);
  });

  test('[ST1] values are plain byte arrays whose slice is a copy', async () => {
    const { store } = current();
    await store.batch([put('a', 'abc')], { sync: false });
    const value = await store.get(key('a'));
    expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
    for await (const chunk of store.range(EVERYTHING)) {
      for (const part of chunk.flat()) expect(Object.getPrototypeOf(part)).toBe(Uint8Array.prototype);
    }
  });
}

function batches(current: () => StoreFixture): void {
  test('[ST2] of two operations on one key in a batch the later wins', async () => {
    const { store } = current();
    const operations = [put('a', '1'), put('a', '2'), put('b', '1'), del('b'), del('c'), put('c', '3')];
    await store.batch(operations, { sync: true });
    expect((await store.getMany(['a', 'b', 'c'].map(key))).map(text)).toEqual(['2', undefined, '3']);
  });

  test('[ST2] batches that are not awaited apply in call order', async () => {
    const { store } = current();
    const writes = Array.from({ length: 200 }, (_, n) => store.batch([put('a', String(n))], { sync: n % 10 === 0 }));
    await Promise.all(writes);
    expect(text(await store.get(key('a')))).toBe('199');
  });

  test('[ST2] a reader sees a batch whole or not at all', async () => {
    const { store } = current();
    const names = Array.from({ length: 50 }, (_, index) => `k${index}`);
    let isWriting = true;
    const writer = (async () => {
      for (let round = 0; round < 100; round++) {
        await store.batch(
          names.map((name) => put(name, String(round))),
          { sync: false },
        );
      }
      isWriting = false;
    })();
    while (isWriting) {
      expect(new Set((await store.getMany(names.map(key))).map(text)).size).toBe(1);
      const seen = await collect(store, EVERYTHING);
      expect(new Set(seen.map(([, value]) => text(value))).size).toBeLessThanOrEqual(1);
    }
    await writer;
  });

  test('[ST2] an empty batch is fine', async () => {
    const { store } = current();
    await store.batch([], { sync: true });
    expect(await collect(store, EVERYTHING)).toEqual([]);
  });
}

function ranges(current: () => StoreFixture): void {
  const range = async (options: Omit<RangeOptions, 'gte' | 'lt'> & { gte?: string; lt?: string }): Promise<string> => {
    const bounds = { gte: key(options.gte ?? 'a'), lt: key(options.lt ?? 'z') };
    return (await collect(current().store, { ...options, ...bounds })).map(([found]) => text(found)).join('');
  };
  beforeEach(() =>
    current().store.batch(
      'hbdfaceg'.split('').map((c) => put(c, c + c)),
      { sync: false },
    ),
  );

  test('[ST3] a range yields the keys from gte up to, not including, lt, in order', async () => {
    expect(await range({})).toBe('abcdefgh');
    expect(await range({ gte: 'c', lt: 'f' })).toBe('cde');
    expect(await range({ gte: 'bb', lt: 'ee' })).toBe('cde');
    expect(await range({ gte: 'c', lt: 'c' })).toBe('');
    expect(await range({ gte: 'f', lt: 'c' })).toBe('');
    expect(await range({ gte: 'x', lt: 'y' })).toBe('');
  });

  test('[ST3] reverse starts below lt and ends at gte', async () => {
    expect(await range({ reverse: true })).toBe('hgfedcba');
    expect(await range({ gte: 'c', lt: 'f', reverse: true })).toBe('edc');
    expect(await range({ gte: 'c', lt: 'zz', reverse: true })).toBe('hgfedc');
  });

  test('[ST3] limit counts entries from the start of the iteration', async () => {
    expect(await range({ limit: 0 })).toBe('');
    expect(await range({ limit: 1 })).toBe('a');
    expect(await range({ limit: 3 })).toBe('abc');
    expect(await range({ limit: 3, reverse: true })).toBe('hgf');
    expect(await range({ limit: 100 })).toBe('abcdefgh');
  });

  test('[ST3] values come along, or as empty arrays when they are not wanted', async () => {
    const bounds = { gte: key('a'), lt: key('c') };
    expect((await collect(current().store, bounds)).map(([, value]) => text(value))).toEqual(['aa', 'bb']);
    const bare = await collect(current().store, { ...bounds, values: false });
    expect(bare.map(([found, value]) => [text(found), value.length])).toEqual([
      ['a', 0],
      ['b', 0],
    ]);
  });

  test('[ST3] a long range comes in several chunks without gaps or repeats', async () => {
    const names = Array.from({ length: 5000 }, (_, index) => `n${String(index).padStart(5, '0')}`);
    await current().store.batch(
      names.map((name) => put(name, name.repeat(30))),
      { sync: false },
    );
    for (const reverse of [false, true]) {
      let chunks = 0;
      const seen: string[] = [];
      for await (const chunk of current().store.range({ gte: key('n'), lt: key('o'), reverse })) {
        chunks++;
        for (const [found, value] of chunk) {
          expect(value.length).toBe(180);
          seen.push(text(found)!);
        }
      }
      expect(seen).toEqual(reverse ? names.toReversed() : names);
      expect(chunks).toBeGreaterThan(2);
    }
  });
}

function snapshots(current: () => StoreFixture): void {
  const names = Array.from({ length: 3000 }, (_, index) => `k${String(index).padStart(4, '0')}`);

  test('[ST4] a range shows the state at its call, whatever is written before and while it is read', async () => {
    const { store } = current();
    await store.batch(
      names.map((name) => put(name, 'old')),
      { sync: false },
    );
    const range = store.range(EVERYTHING);
    await store.batch([...names.map((name) => put(name, 'new')), put('zzz', 'new')], { sync: false });
    let seen = 0;
    for await (const chunk of range) {
      for (const [, value] of chunk) expect(text(value)).toBe('old');
      seen += chunk.length;
      await store.batch([del(names[seen] ?? 'zzz'), put(`k${seen}x`, 'new')], { sync: false });
    }
    expect(seen).toBe(names.length);
  });

  test('[ST5] an iteration that stops early, or whose consumer throws, leaves the store working', async () => {
    const { store } = current();
    await store.batch(
      names.map((name) => put(name, 'value')),
      { sync: false },
    );
    for (let round = 0; round < 20; round++) {
      for await (const chunk of store.range(EVERYTHING)) if (chunk.length > 0) break;
    }
    const throwing = async (): Promise<void> => {
      for await (const chunk of store.range(EVERYTHING)) throw new Error(`consumer failed after ${chunk.length}`);
    };
    await expect(throwing()).rejects.toThrow('consumer failed');
    expect((await collect(store, EVERYTHING)).length).toBe(names.length);
  });
}

function views(current: () => StoreFixture): void {
  const names = Array.from({ length: 3000 }, (_, index) => `k${String(index).padStart(4, '0')}`);
  const bounds = { gte: key('k'), lt: key('l') };
  const fill = (value: string): Promise<void> =>
    current().store.batch(
      names.map((name) => put(name, value.repeat(200))),
      { sync: false },
    );

  test('[ST17] a snapshot shows the state at its call, by key and by range, until it is closed', async () => {
    const { store } = current();
    await fill('old');
    await store.batch([put('empty', ''), put('l', 'beyond')], { sync: false });
    const snapshot = store.snapshot();
    await fill('new');
    await store.batch([del('k0001'), put('k0000x', 'new'), put('a', 'new')], { sync: false });
    expect(text(await snapshot.get(key('k0001')))).toBe('old'.repeat(200));
    expect(await snapshot.get(key('k0000x'))).toBeUndefined();
    expect(await snapshot.get(key('a'))).toBeUndefined();
    expect(await snapshot.get(key('zzz'))).toBeUndefined();
    expect((await snapshot.get(key('empty')))!.length).toBe(0);
    const seen: string[] = [];
    for await (const chunk of snapshot.range(bounds)) {
      // Reads between two chunks do not disturb the range.
      expect(text(await snapshot.get(key('k2999')))).toBe('old'.repeat(200));
      for (const [found, value] of chunk) {
        expect(text(value)).toBe('old'.repeat(200));
        seen.push(text(found)!);
      }
    }
    expect(seen).toEqual(names);
    await snapshot.close();
    await snapshot.close();
    await expect(snapshot.get(key('k0001'))).rejects.toEqual(expect.objectContaining({ code: 'STORAGE_CLOSED' }));
  });

  test('[ST17] reads of one snapshot may overlap, and an empty range is empty', async () => {
    const { store } = current();
    await fill('v');
    const snapshot = store.snapshot();
    const ranges = [
      { gte: key('k1'), lt: key('k2') },
      { gte: key('k'), lt: key('k1') },
    ];
    const [points, ...counts] = await Promise.all([
      Promise.all(names.slice(0, 50).map((name) => snapshot.get(key(name)))),
      ...ranges.map(async (range) => {
        let entries = 0;
        for await (const chunk of snapshot.range(range)) entries += chunk.length;
        return entries;
      }),
    ]);
    expect(points.every((value) => text(value) === 'v'.repeat(200))).toBe(true);
    expect(counts).toEqual([1000, 1000]);
    for await (const chunk of snapshot.range({ gte: key('x'), lt: key('x') })) expect(chunk).toEqual([]);
    await snapshot.close();
  });

  test('[ST17] a store closes with its snapshots', async () => {
    const { store } = current();
    await fill('v');
    const [snapshot, unused] = [store.snapshot(), store.snapshot()];
    const reading = (async () => {
      for await (const chunk of snapshot.range(bounds)) if (chunk.length > 0) await store.close();
    })();
    const closed = expect.objectContaining({ code: 'STORAGE_CLOSED' });
    await expect(reading).rejects.toEqual(closed);
    await expect(unused.get(key('k0001'))).rejects.toEqual(closed);
    await unused.close();
  });
}

function clearing(current: () => StoreFixture): void {
  test('[ST6] clear deletes the keys within its bounds and no others, also when repeated', async () => {
    const { store } = current();
    const names = Array.from({ length: 2000 }, (_, index) => `m${String(index).padStart(4, '0')}`);
    await store.batch([put('a', '1'), ...names.map((name) => put(name, '2')), put('n', '3')], { sync: true });
    await store.clear({ gte: key('m'), lt: key('n') });
    await store.clear({ gte: key('m'), lt: key('n') });
    expect((await collect(store, EVERYTHING)).map(([found]) => text(found))).toEqual(['a', 'n']);
    await store.clear({ gte: key('b'), lt: key('b') });
    await store.clear({ gte: key('z'), lt: key('a') });
    expect((await collect(store, EVERYTHING)).length).toBe(2);
    await store.batch([put('m1', 'back')], { sync: false });
    expect(text(await store.get(key('m1')))).toBe('back');
  });
}

function extremes(current: () => StoreFixture): void {
  test('[ST7] keys of any bytes sort as unsigned bytes, a prefix first', async () => {
    const { store } = current();
    const sorted = [[0], [0, 0], [0, 0xff], [0x7f], [0x80], [0x80, 0], [0xff], [0xff, 0], [0xff, 0xff]].map((b) =>
      bytes(...b),
    );
    await store.batch(
      sorted.toReversed().map((k) => ({ type: 'put', key: k, value: k })),
      { sync: true },
    );
    const seen = await collect(store, EVERYTHING);
    expect(seen.map(([found]) => hex(found))).toEqual(sorted.map(hex));
    expect(seen.map(([, value]) => hex(value))).toEqual(sorted.map(hex));
    for (const k of sorted) expect(hex((await store.get(k))!)).toBe(hex(k));
    expect((await collect(store, { gte: bytes(0x80), lt: bytes(0xff, 0) })).length).toBe(3);
  });

  test('[ST7] values may be empty or four mebibytes long', async () => {
    const { store } = current();
    const large = Uint8Array.from({ length: LARGE_VALUE_BYTES }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
    const operations: StoreOperation[] = [
      put('empty', ''),
      ...['x', 'y', 'z'].map((k) => ({ ...put(k, ''), value: large })),
    ];
    await store.batch(operations, { sync: true });
    expect((await store.get(key('empty')))?.length).toBe(0);
    expect(isEqual((await store.get(key('y')))!, large)).toBe(true);
    const seen = await collect(store, { gte: key('x'), lt: key('zz') });
    expect(seen.map(([found, value]) => [text(found), isEqual(value, large)])).toEqual([
      ['x', true],
      ['y', true],
      ['z', true],
    ]);
  });

  test('[ST7] keys and values that are views into larger buffers are stored as what they show', async () => {
    const { store } = current();
    const backing = Uint8Array.from({ length: 64 }, (_, index) => index);
    await store.batch([{ type: 'put', key: backing.subarray(8, 10), value: backing.subarray(20, 24) }], {
      sync: false,
    });
    const [entry] = await collect(store, EVERYTHING);
    expect(entry!.map(hex)).toEqual(['0809', '14151617']);
  });
}

function lifecycle(current: () => StoreFixture): void {
  test('[ST8] close finishes the writes asked for before it, and is idempotent', async () => {
    const { store, reopen } = current();
    const writes = Array.from({ length: 20 }, (_, n) => store.batch([put(`k${n}`, 'kept')], { sync: false }));
    await Promise.all([...writes, store.close(), store.close()]);
    const reopened = await reopen();
    expect((await collect(reopened, EVERYTHING)).length).toBe(20);
  });

  test('[ST8] after close everything rejects with STORAGE_CLOSED', async () => {
    const { store } = current();
    await store.close();
    const closed = expect.objectContaining({ code: 'STORAGE_CLOSED' });
    await expect(store.get(key('a'))).rejects.toEqual(closed);
    await expect(store.getMany([key('a')])).rejects.toEqual(closed);
    await expect(store.batch([put('a', '1')], { sync: true })).rejects.toEqual(closed);
    await expect(store.clear(EVERYTHING)).rejects.toEqual(closed);
    await expect(collect(store, EVERYTHING)).rejects.toEqual(closed);
  });

  test('[ST8] closing under a running iteration ends it with STORAGE_CLOSED', async () => {
    const { store } = current();
    const names = Array.from({ length: 5000 }, (_, index) => `k${index}`);
    await store.batch(
      names.map((name) => put(name, name.repeat(20))),
      { sync: false },
    );
    const reading = (async () => {
      for await (const chunk of store.range(EVERYTHING)) if (chunk.length > 0) await store.close();
    })();
    await expect(reading).rejects.toEqual(expect.objectContaining({ code: 'STORAGE_CLOSED' }));
  });

  test('[ST9] what was written is there after reopening, and what was deleted is not', async () => {
    const { store, reopen } = current();
    await store.batch([put('a', '1'), put('b', '2'), put('c', '3')], { sync: true });
    await store.batch([del('b'), put('c', '4')], { sync: true });
    let reopened = await reopen();
    expect((await reopened.getMany(['a', 'b', 'c'].map(key))).map(text)).toEqual(['1', undefined, '4']);
    await reopened.batch([put('d', '5')], { sync: true });
    reopened = await reopen();
    expect((await collect(reopened, EVERYTHING)).map(([found]) => text(found)).join('')).toBe('acd');
  });
}

function failures(current: () => StoreFixture): void {
  test('[ST10] after the first failed write every later one rejects with STORAGE_FAILED, while reads go on', async () => {
    const fixture = current();
    const { store } = fixture;
    await store.batch([put('a', 'kept')], { sync: true });
    fixture.failNextWrite?.();
    const first = store.batch([put('b', 'lost')], { sync: true });
    const queued = store.batch([put('c', 'refused')], { sync: true });
    await expect(first).rejects.toEqual(expect.objectContaining({ name: 'StorageError' }));
    const failed = expect.objectContaining({ code: 'STORAGE_FAILED' });
    await expect(queued).rejects.toEqual(failed);
    await expect(store.batch([put('d', 'refused')], { sync: false })).rejects.toEqual(failed);
    await expect(store.clear(EVERYTHING)).rejects.toEqual(failed);
    expect((await store.getMany(['a', 'c', 'd'].map(key))).map(text)).toEqual(['kept', undefined, undefined]);
  });
}

async function collect(store: Store, options: RangeOptions): Promise<StoreEntry[]> {
  const entries: StoreEntry[] = [];
  for await (const chunk of store.range(options)) entries.push(...chunk);
  return entries;
}

function put(name: string, value: string): StoreOperation & { readonly type: 'put' } {
  return { type: 'put', key: key(name), value: key(value) };
}

function del(name: string): StoreOperation {
  return { type: 'del', key: key(name) };
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function key(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

function hex(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Much faster than `toEqual` on megabytes. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
