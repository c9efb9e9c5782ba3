/**
 * @module
 * Owns the merging of single reads into batches: one trip to the thread pool costs more than one read from memory, so reads that
 * are asked for at about the same time travel together.
 */

/** Trips at a time: enough to use a second core and to let a read from memory pass one from disk. */
const TRIPS_MAX = 2;
const KEYS_PER_TRIP_MAX = 256;

interface Waiting<K, V> {
  readonly key: K;
  readonly resolve: (value: V | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** A value, nothing, or why this one key cannot be read. */
export type ReadOutcome<V> = V | undefined | Error;

export class ReadCoalescer<K, V> {
  readonly #readMany: (keys: readonly K[]) => Promise<readonly ReadOutcome<V>[]>;
  #waiting: Waiting<K, V>[] = [];
  #trips = 0;
  #isScheduled = false;

  /** @param readMany - One outcome per key, in order. May reject: then every key of that trip does. */
  constructor(readMany: (keys: readonly K[]) => Promise<readonly ReadOutcome<V>[]>) {
    this.#readMany = readMany;
  }

  get(key: K): Promise<V | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject });
      this.#schedule();
    });
  }

  /** Waits for the end of the microtask, so that reads issued together leave together. */
  #schedule(): void {
    if (this.#isScheduled || this.#trips >= TRIPS_MAX) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      while (this.#waiting.length > 0 && this.#trips < TRIPS_MAX) {
        void this.#travel(this.#waiting.splice(0, KEYS_PER_TRIP_MAX));
      }
    });
  }

  async #travel(group: readonly Waiting<K, V>[]): Promise<void> {
    this.#trips++;
    try {
      const outcomes = await this.#readMany(group.map(({ key }) => key));
      for (const [index, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[index];
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    } finally {
      this.#trips--;
      if (this.#waiting.length > 0) this.#schedule();
    }
  }
}
