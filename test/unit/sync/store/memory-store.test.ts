import { expect, test } from 'vitest';
import { MemoryStore, StorageError, type StoreAccess } from '../../../../sync/index.ts';
import { SortedMap } from '../../../../sync/store/sorted-map.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (name: string) => ({ type: 'put', key: bytes(name), value: bytes(name) }) as const;

async function names(store: MemoryStore): Promise<string> {
  let found = '';
  for await (const chunk of store.range({ gte: bytes('a'), lt: bytes('zz') })) {
    for (const [key] of chunk) found += new TextDecoder().decode(key);
  }
  return found;
}

test('[ST15] a crash takes what was not synced, and a later sync saves what came before it', async () => {
  const store = new MemoryStore();
  await store.batch([put('a')], { sync: false });
  await store.batch([put('b')], { sync: true });
  await store.batch([put('c')], { sync: false });
  expect(store.unsyncedBatches).toBe(1);
  expect(await names(store)).toBe('abc');
  expect(await names(store.crash())).toBe('ab');
});

test('[ST15] a crash may keep the oldest unsynced batches, each whole', async () => {
  for (const [kept, found] of [
    [0, 'a'],
    [1, 'abc'],
    [2, 'abcd'],
    [3, 'abcde'],
    [9, 'abcde'],
  ] as const) {
    const store = new MemoryStore();
    await store.batch([put('a')], { sync: true });
    await store.batch([put('b'), put('c')], { sync: false });
    await store.batch([put('d')], { sync: false });
    await store.batch([put('e')], { sync: false });
    expect(await names(store.crash(kept))).toBe(found);
  }
});

test('[ST15] a batch whose fsync has not returned may or may not survive, and its writer is never told that it did', async () => {
  for (const kept of [0, 1]) {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const store = new MemoryStore({ intercept: (access) => (access.type === 'batch' ? gate : undefined) });
    const write = store.batch([put('a')], { sync: true });
    await Promise.resolve();
    await Promise.resolve();
    expect(store.unsyncedBatches).toBe(1);
    const survivor = store.crash(kept, {});
    release();
    await expect(write).rejects.toMatchObject({ code: 'STORAGE_CLOSED' });
    expect(await names(survivor)).toBe(kept === 1 ? 'a' : '');
  }
});

test('[ST15] after a failed fsync nothing more is written, and a crash may keep the failed batch', async () => {
  const seen: string[] = [];
  const intercept = (access: StoreAccess): void => {
    seen.push(access.type);
    if (access.type === 'batch' && access.sync) throw new StorageError('STORAGE_IO', 'injected');
  };
  const store = new MemoryStore({ intercept });
  await store.batch([put('a')], { sync: false });
  await expect(store.batch([put('b')], { sync: true })).rejects.toMatchObject({ code: 'STORAGE_IO' });
  await expect(store.batch([put('c')], { sync: false })).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    details: { cause: 'STORAGE_IO' },
  });
  expect(await names(store)).toBe('a');
  await store.close();
  expect(await names(store.crash(2, {}))).toBe('ab');
  expect(seen).toEqual(['batch', 'batch', 'range']);
});

test('[ST15] the dead store rejects everything and does not touch its survivor', async () => {
  const store = new MemoryStore();
  await store.batch([put('a')], { sync: true });
  const survivor = store.crash();
  await expect(store.batch([put('b')], { sync: true })).rejects.toMatchObject({ code: 'STORAGE_CLOSED' });
  await expect(store.get(bytes('a'))).rejects.toMatchObject({ code: 'STORAGE_CLOSED' });
  await survivor.batch([put('c')], { sync: true });
  expect(await names(survivor.crash())).toBe('ac');
});

test('[ST15] clear is not atomic: a crash may keep a part of it', async () => {
  const store = new MemoryStore();
  const keys = Array.from({ length: 600 }, (_, index) => put(`k${String(index).padStart(3, '0')}`));
  await store.batch(keys, { sync: true });
  await store.clear({ gte: bytes('k'), lt: bytes('l') });
  expect(store.size).toBe(0);
  expect(store.unsyncedBatches).toBe(3);
  expect(store.crash(1).size).toBe(600 - 256);
});

test('a write between two snapshots makes one or two leaves anew and shares all others', async () => {
  const map = new SortedMap();
  let before = new Set(map.snapshot());
  for (let index = 0; index < 10_000; index++) {
    map.set(bytes(String((index * 7919) % 10_000).padStart(6, '0')), bytes('v'));
    const after = map.snapshot();
    expect(after.filter((leaf) => !before.has(leaf)).length).toBeLessThanOrEqual(2);
    before = new Set(after);
  }
  expect(map.size).toBe(10_000);
});

test('a hundred thousand keys in random order are written, synced one by one and read', async () => {
  const store = new MemoryStore();
  const order = Array.from({ length: 100_000 }, (_, index) => String((index * 7919) % 100_000).padStart(6, '0'));
  for (const name of order) await store.batch([put(name)], { sync: true });
  for (const name of order) await store.get(bytes(name));
  expect(store.size).toBe(100_000);
}, 120_000);
