/**
 * @module
 * Owns the durable yardstick: raw `rocksdb`, one fsynced batch in flight while the next group collects. This is what the disk
 * allows; nothing durable can be much faster.
 */
import rocksdb, { type BatchOperation, type Database } from 'rocksdb';

interface Pending {
  readonly operation: BatchOperation;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class GroupCommitStore {
  readonly #db: Database;
  #pending: Pending[] = [];
  #isWriting = false;

  private constructor(db: Database) {
    this.#db = db;
  }

  static async open(directory: string): Promise<GroupCommitStore> {
    return new GroupCommitStore(await openRocksDb(directory));
  }

  /** Resolves after fsync. */
  put(key: Buffer, value: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ operation: { type: 'put', key, value }, resolve, reject });
      if (!this.#isWriting) this.#writeGroup();
    });
  }

  get(key: Buffer): Promise<Buffer | null> {
    return new Promise((resolve) => this.#db.get(key, {}, (error, value) => resolve(error ? null : (value ?? null))));
  }

  #writeGroup(): void {
    const group = this.#pending;
    this.#pending = [];
    this.#isWriting = true;
    this.#db.batch(
      group.map(({ operation }) => operation),
      { sync: true },
      (error) => {
        this.#isWriting = false;
        if (this.#pending.length > 0) this.#writeGroup();
        for (const { resolve, reject } of group)
          if (error) reject(error);
          else resolve();
      },
    );
  }
}

/** The engine with the options that Atoll gives it. */
export async function openRocksDb(directory: string): Promise<Database> {
  const db = rocksdb(directory);
  const options = { cacheSize: 33_554_432, writeBufferSize: 16_777_216, maxOpenFiles: 256, compression: true };
  await new Promise<void>((resolve, reject) => db.open(options, (error) => (error ? reject(error) : resolve())));
  return db;
}
