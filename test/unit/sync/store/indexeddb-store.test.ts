import { IDBFactory, IDBKeyRange, IDBObjectStore } from 'fake-indexeddb';
import { afterEach, expect, test, vi } from 'vitest';
import { IndexedDbStore } from '../../../../sync/index.ts';
import type { IndexedDbOptions, StoreEntry } from '../../../../sync/index.ts';

afterEach(() => void vi.restoreAllMocks());

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (key: string, value: string) => ({ type: 'put' as const, key: bytes(key), value: bytes(value) });
const code = (expected: string) => expect.objectContaining({ name: 'StorageError', code: expected });
const ALL = { gte: bytes('a'), lt: bytes('z') };

type Factory = InstanceType<typeof IDBFactory>;
type Records = InstanceType<typeof IDBObjectStore>;

function fresh(): IndexedDbOptions & { factory: Factory } {
  return { factory: new IDBFactory(), keyRange: IDBKeyRange, inUseMs: 20 };
}

async function entriesOf(chunks: AsyncIterable<readonly StoreEntry[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const chunk of chunks) for (const entry of chunk) found.push(entry.map((e) => Buffer.from(e)).join('='));
  return found;
}

test('[EM2] data belongs to one store at a time: another is refused, and works once the first is closed', async () => {
  const options = fresh();
  const first = await IndexedDbStore.open('app', options);
  await first.batch([put('a', '1')], { sync: true });
  await expect(IndexedDbStore.open('app', options)).rejects.toEqual(code('STORAGE_IN_USE'));
  await first.batch([put('b', '2')], { sync: true });
  const other = await IndexedDbStore.open('elsewhere', options);
  expect(await entriesOf(other.range(ALL))).toEqual([]);
  await first.close();
  const second = await IndexedDbStore.open('app', options);
  expect(await entriesOf(second.range(ALL))).toEqual(['a=1', 'b=2']);
});

test('[EM2] a store that is let go within the patience is waited for', async () => {
  const options = { ...fresh(), inUseMs: 60_000 };
  const first = await IndexedDbStore.open('app', options);
  const second = IndexedDbStore.open('app', options);
  await first.batch([put('a', '1')], { sync: false });
  await first.close();
  expect(await entriesOf((await second).range(ALL))).toEqual(['a=1']);
});

test('[EM2] of many stores that are opened at once one opens', async () => {
  const options = fresh();
  const opened = await Promise.allSettled([1, 2, 3, 4].map(() => IndexedDbStore.open('app', options)));
  expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const refusals = opened.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  expect(refusals).toEqual(Array.from({ length: 3 }, () => code('STORAGE_IN_USE')));
});

test('[EM2] the database of another program is refused and left alone', async () => {
  const options = fresh();
  await new Promise<void>((resolve) => {
    const request = options.factory.open('app', 7);
    request.addEventListener('upgradeneeded', () => void request.result.createObjectStore('theirs'));
    request.addEventListener('success', () => {
      request.result.close();
      resolve();
    });
  });
  await expect(IndexedDbStore.open('app', options)).rejects.toEqual(code('STORAGE_FORMAT_UNSUPPORTED'));
  expect(await options.factory.databases()).toEqual([{ name: 'app', version: 7 }]);
});

test('[EM2] without IndexedDB the error says so', async () => {
  await expect(IndexedDbStore.open('app')).rejects.toEqual(code('STORAGE_OPEN_FAILED'));
});

test('[EM3] a batch with sync is written with strict durability', async () => {
  const store = await IndexedDbStore.open('app', fresh());
  const puts = vi.spyOn(IDBObjectStore.prototype, 'put');
  await store.batch([put('a', '1')], { sync: true });
  await store.batch([put('b', '2')], { sync: false });
  const durabilities = puts.mock.contexts.map((records: unknown) => (records as Records).transaction.durability);
  expect(durabilities).toEqual(['strict', 'relaxed']);
});

test('[EM3] a quota that is used up fails the write with STORAGE_FULL, and no part of the batch is kept', async () => {
  const store = await IndexedDbStore.open('app', fresh());
  await store.batch([put('a', '1')], { sync: true });
  const original = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: Records, value: unknown, key: unknown) {
    if (Buffer.from(value as Uint8Array).toString() === 'too much') throw new DOMException('', 'QuotaExceededError');
    return original.call(this, value, key);
  });
  const full = store.batch([put('a', '2'), put('b', 'too much')], { sync: true });
  await expect(full).rejects.toEqual(code('STORAGE_FULL'));
  await expect(store.batch([put('c', '3')], { sync: true })).rejects.toEqual(code('STORAGE_FAILED'));
  expect(await entriesOf(store.range(ALL))).toEqual(['a=1']);
});

test('[EM4] a snapshot that would need too much memory ends with an error, and writes go on', async () => {
  const store = await IndexedDbStore.open('app', { ...fresh(), viewBytesMax: 100 });
  await store.batch([put('a', 'x'.repeat(60)), put('b', 'x'.repeat(60))], { sync: false });
  const [held, beside] = [store.snapshot(), store.range(ALL)];
  await store.batch([put('a', 'new')], { sync: false });
  expect(Buffer.from((await held.get(bytes('a')))!).toString()).toBe('x'.repeat(60));
  // Written again: what was there at first is remembered once.
  for (let round = 0; round < 10; round++) await store.batch([put('a', 'y'.repeat(60))], { sync: false });
  await held.get(bytes('a'));
  await store.batch([put('b', 'new')], { sync: false });
  await expect(held.get(bytes('a'))).rejects.toEqual(code('STORAGE_IO'));
  await expect(entriesOf(beside)).rejects.toEqual(code('STORAGE_IO'));
  expect(await entriesOf(store.snapshot().range(ALL))).toEqual([`a=${'y'.repeat(60)}`, 'b=new']);
});
