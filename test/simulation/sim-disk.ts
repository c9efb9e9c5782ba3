/**
 * @module
 * Owns the disk of a simulated node: a memory store whose reads, writes and fsyncs take virtual time, can be slowed down, can
 * fail, lose what was not synced when the node dies, and have entries that cannot be read any more, as RocksDB has when a bit
 * flips: the checksum of the entry is wrong.
 */
import { StorageError } from '../../sync/errors.ts';
import { compareBytes } from '../../sync/store/byte-order.ts';
import type { StoreAccess } from '../../sync/store/memory-store.ts';
import { MemoryStore } from '../../sync/store/memory-store.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface DiskProfile {
  /** Share of reads that are not served from the page cache. */
  readonly coldReads: number;
  readonly readMsMax: number;
  readonly fsyncMsMin: number;
  readonly fsyncMsMax: number;
}

export class SimDisk {
  /** Multiplies every latency. */
  slowdown = 1;
  /** The next synced write fails, as a full or broken disk does. */
  isBroken = false;
  readonly #random: SeededRandom;
  readonly #profile: DiskProfile;
  readonly #onAccess: () => void;
  #store = new MemoryStore();
  /** Keys whose values cannot be read, until they are written again. */
  readonly #damaged = new Map<string, Uint8Array>();
  #after: (delayMs: number, run: () => void) => unknown = () => {};

  /** @param onAccess - Called before every access; may throw. */
  constructor(random: SeededRandom, profile: DiskProfile, onAccess: () => void) {
    this.#onAccess = onAccess;
    this.#random = random;
    this.#profile = profile;
  }

  /**
   * Mounts the disk for a new process, which must be the only one.
   *
   * @param after - Schedules what happens in that process, and nothing once it is dead.
   */
  open(after: (delayMs: number, run: () => void) => unknown): MemoryStore {
    this.isBroken = false;
    this.#after = after;
    this.#store = this.#store.crash(0, { intercept: (access) => this.#intercept(access) });
    return this.#store;
  }

  /**
   * Cuts the power: keeps what was synced and `unsyncedKept` of the oldest other batches.
   *
   * @returns A private copy of what is left, for inspection.
   */
  crash(unsyncedKept: number): MemoryStore {
    this.#store = this.#store.crash(unsyncedKept, {});
    return this.#store.crash(0, {});
  }

  /** A copy of a disk nobody uses. */
  copy(): MemoryStore {
    return this.#store.crash(0, {});
  }

  /** Puts other content on a disk nobody uses. */
  replace(content: MemoryStore): void {
    this.#store = content.crash(0, {});
  }

  /** A copy of a disk in use, as it would be after a crash. */
  peek(): MemoryStore {
    return this.#store.copy();
  }

  /** Flips a bit in the value of every key given. */
  damage(keys: readonly Uint8Array[]): void {
    for (const key of keys) this.#damaged.set(String(key), key);
  }

  get damagedEntries(): number {
    return this.#damaged.size;
  }

  /** Batches a crash at this moment may lose. */
  get unsyncedBatches(): number {
    return this.#store.unsyncedBatches;
  }

  #intercept(access: StoreAccess): void | Promise<void> {
    this.#onAccess();
    if (access.type === 'batch' && access.sync && this.isBroken) {
      throw new StorageError('STORAGE_IO', 'simulated: the disk failed');
    }
    this.#checkDamage(access);
    const delayMs = this.#latency(access) * this.slowdown;
    if (delayMs === 0) return;
    // After a crash nothing of the dead process goes on: its operations stay pending for ever.
    return new Promise((resolve) => this.#after(delayMs, () => resolve()));
  }

  #checkDamage(access: StoreAccess): void {
    if (this.#damaged.size === 0) return;
    if (access.type === 'batch') {
      for (const { key } of access.operations) this.#damaged.delete(String(key));
      return;
    }
    const isMet = [...this.#damaged.values()].some((key) =>
      access.type === 'read'
        ? access.keys.some((each) => compareBytes(each, key) === 0)
        : access.values && compareBytes(access.gte, key) <= 0 && compareBytes(key, access.lt) < 0,
    );
    if (isMet) throw new StorageError('STORAGE_CORRUPT', 'simulated: a checksum does not match');
  }

  #latency(access: StoreAccess): number {
    const { coldReads, readMsMax, fsyncMsMin, fsyncMsMax } = this.#profile;
    if (access.type !== 'batch') return this.#random.chance(coldReads) ? readMsMax * this.#random.float() : 0;
    if (!access.sync) return 0;
    return fsyncMsMin + (fsyncMsMax - fsyncMsMin) * this.#random.float() ** 3;
  }
}
