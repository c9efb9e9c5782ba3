/**
 * @module
 * Owns how long characters took from who typed them to everybody else.
 */

/** Tenths of a millisecond that are told apart; more counts as the last. */
const SLOTS = 100_000;
const PER_MS = 10;

export class Delivery {
  /** When a character was due, by client; its clock is its index. */
  readonly #dueMs = new Map<number, number[]>();
  readonly #slots = new Uint32Array(SLOTS);
  #count = 0;
  /** Counts what arrives. */
  isMeasuring = true;

  note(client: number, clock: number, dueMs: number): void {
    const due = this.#dueMs.get(client) ?? [];
    due[clock] = dueMs;
    this.#dueMs.set(client, due);
  }

  arrive(client: number, from: number, to: number): void {
    const due = this.#dueMs.get(client);
    if (due === undefined || !this.isMeasuring) return;
    const nowMs = performance.now();
    for (let clock = from; clock < to; clock++) {
      const slot = Math.min(SLOTS - 1, Math.max(0, Math.floor((nowMs - due[clock]!) * PER_MS)));
      this.#slots[slot]!++;
      this.#count++;
    }
  }

  /** Deliveries counted. */
  get count(): number {
    return this.#count;
  }

  /** Milliseconds. */
  percentile(share: number): number {
    let left = this.#count * share;
    for (let slot = 0; slot < SLOTS; slot++) {
      left -= this.#slots[slot]!;
      if (left < 0) return (slot + 1) / PER_MS;
    }
    return Number.NaN;
  }
}
