/**
 * @module
 * Owns the runs of the store contract against our own adapters.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RocksDbStore } from '../../server/storage/rocksdb-store.ts';
import { IDBFactory, IDBKeyRange, IDBObjectStore } from 'fake-indexeddb';
import { afterEach, vi } from 'vitest';
import { IndexedDbStore, MemoryStore, StorageError } from '../../sync/index.ts';
import { type StoreFixture, storeContract } from './store.ts';

const memoryFixture = async (): Promise<StoreFixture> => {
  let isFailing = false;
  let store = new MemoryStore({
    intercept: (access) => {
      if (access.type !== 'batch' || !isFailing) return;
      isFailing = false;
      throw new StorageError('STORAGE_IO', 'injected');
    },
  });
  return {
    store,
    async reopen() {
      await store.close();
      return (store = store.crash());
    },
    destroy: () => store.close(),
    failNextWrite() {
      isFailing = true;
    },
  };
};

storeContract('MemoryStore', memoryFixture, { failingWrites: true });

const rocksDbFixture = async (): Promise<StoreFixture> => {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-store-'));
  let store = await RocksDbStore.open(directory);
  return {
    store,
    async reopen() {
      await store.close();
      return (store = await RocksDbStore.open(directory));
    },
    async destroy() {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

storeContract('RocksDbStore', rocksDbFixture);

const indexedDbFixture = async (): Promise<StoreFixture> => {
  const options = { factory: new IDBFactory(), keyRange: IDBKeyRange };
  let store = await IndexedDbStore.open('atoll', options);
  return {
    store,
    async reopen() {
      await store.close();
      return (store = await IndexedDbStore.open('atoll', options));
    },
    destroy: () => store.close(),
    failNextWrite() {
      vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementationOnce(() => {
        throw new DOMException('injected', 'UnknownError');
      });
    },
  };
};

afterEach(() => void vi.restoreAllMocks());

// What stands in for a browser's takes a turn of the event loop for each of thousands of keys.
vi.setConfig({ testTimeout: 60_000 });

storeContract('IndexedDbStore', indexedDbFixture, { failingWrites: true });
