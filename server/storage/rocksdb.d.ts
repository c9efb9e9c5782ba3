/**
 * The part of npm `rocksdb` 5.2.1 (abstract-leveldown 7) that RocksDbStore uses. The package ships no types and is no longer
 * developed, so its version is pinned exactly and nothing outside this folder may know it.
 */
declare module 'rocksdb' {
  type Done = (error?: Error | null) => void;

  interface OpenOptions {
    readonly cacheSize: number;
    readonly writeBufferSize: number;
    readonly maxOpenFiles: number;
    readonly compression: boolean;
  }

  interface BatchOperation {
    readonly type: 'put' | 'del';
    readonly key: Buffer;
    readonly value?: Buffer;
  }

  /** Operations are handed to RocksDB one by one, which costs half of what an array of objects does. */
  interface ChainedBatch {
    put(key: Buffer, value: Buffer): ChainedBatch;
    del(key: Buffer): ChainedBatch;
    write(options: { readonly sync: boolean }, callback: Done): void;
  }

  interface RangeBounds {
    readonly gte: Buffer;
    readonly lt: Buffer;
  }

  interface IteratorOptions extends RangeBounds {
    readonly reverse: boolean;
    readonly limit: number;
    readonly values: boolean;
    /** Bytes after which the binding hands over what it has read. */
    readonly highWaterMark: number;
  }

  interface NativeIterator {
    /** Entries read ahead, last one first, each as value then key. Internal to the binding, stable because it is pinned. */
    cache: Buffer[] | null;
    /** Moves to the first key not below `target`; not while `next` is under way. */
    seek(target: Buffer): void;
    next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
    end(callback: Done): void;
  }

  interface Database {
    open(options: OpenOptions, callback: Done): void;
    close(callback: Done): void;
    get(key: Buffer, options: object, callback: (error: Error | null, value?: Buffer) => void): void;
    getMany(
      keys: readonly Buffer[],
      options: object,
      callback: (error: Error | null, values: (Buffer | undefined)[]) => void,
    ): void;
    batch(): ChainedBatch;
    batch(operations: readonly BatchOperation[], options: { readonly sync: boolean }, callback: Done): void;
    clear(bounds: RangeBounds, callback: Done): void;
    /** The empty string for a property that there is none of. Only of an open database. */
    getProperty(name: string): string;
    iterator(options: IteratorOptions): NativeIterator;
  }

  export default function rocksdb(location: string): Database;
  export type { BatchOperation, ChainedBatch, Database, NativeIterator, OpenOptions };
}
