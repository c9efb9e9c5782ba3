/**
 * @module
 * Owns what the store needs of IndexedDB, as types of our own: a program without the browser's types can use it, and what stands in
 * for IndexedDB elsewhere fits.
 */

interface EventSource {
  addEventListener(type: string, listener: () => void): void;
}

export interface IdbRequest extends EventSource {
  readonly result: unknown;
  readonly error: { readonly name: string; readonly message: string } | null;
}

export interface IdbCursor {
  readonly key: unknown;
  readonly value?: unknown;
  continue(): void;
}

export interface IdbObjectStore {
  get(key: Uint8Array): IdbRequest;
  getAll(range: unknown, count?: number): IdbRequest;
  getAllKeys(range: unknown, count?: number): IdbRequest;
  openCursor(range: unknown, direction: 'prev'): IdbRequest;
  openKeyCursor(range: unknown, direction: 'prev'): IdbRequest;
  put(value: Uint8Array, key: Uint8Array): IdbRequest;
  delete(key: unknown): IdbRequest;
}

export interface IdbTransaction extends EventSource {
  readonly error: { readonly name: string; readonly message: string } | null;
  objectStore(name: string): IdbObjectStore;
  abort(): void;
}

export interface IdbDatabase extends EventSource {
  readonly version: number;
  readonly objectStoreNames: { readonly length: number; contains(name: string): boolean };
  createObjectStore(name: string): unknown;
  transaction(
    store: string,
    mode: 'readonly' | 'readwrite',
    options?: { readonly durability: 'strict' | 'relaxed' },
  ): IdbTransaction;
  close(): void;
}

/** As `globalThis.indexedDB`. */
export interface IdbFactory {
  open(name: string, version?: number): IdbRequest;
}

/** As `globalThis.IDBKeyRange`. */
export interface IdbKeyRange {
  bound(lower: Uint8Array, upper: Uint8Array, isLowerOpen: boolean, isUpperOpen: boolean): unknown;
}
