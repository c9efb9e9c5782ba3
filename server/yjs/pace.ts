/**
 * @module
 * Owns how often something happens that costs the more, the more clients are told: at once after a rest, and once in an interval that
 * grows with their number. What comes in between goes together. What another node tells at such a pace arrives a little early or late,
 * so only the average counts: half an interval may be saved and spent.
 */

export interface PaceOptions {
  /** How many are told. */
  readonly clients: () => number;
  readonly msPerClient: number;
  /** Nobody waits longer. */
  readonly msMax: number;
}

export class Pace {
  readonly #options: PaceOptions;
  readonly #run: () => void;
  /** When the next is due by the average. */
  #dueMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: PaceOptions, run: () => void) {
    this.#options = options;
    this.#run = run;
  }

  get #intervalMs(): number {
    const { clients, msPerClient, msMax } = this.#options;
    return Math.min(clients() * msPerClient, msMax);
  }

  /** There is something to do: now, or when the interval is over. */
  ask(): void {
    if (this.#timer !== null) return;
    const waitMs = this.#dueMs - this.#intervalMs / 2 - performance.now();
    // Timers know whole milliseconds.
    if (waitMs < 1) this.now();
    else this.#timer = setTimeout(() => this.now(), Math.floor(waitMs));
  }

  /** Does not wait, if anything was asked for. */
  flush(): void {
    if (this.#timer !== null) this.now();
  }

  now(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const nowMs = performance.now();
    const intervalMs = this.#intervalMs;
    // Nobody pays for what was done unasked.
    this.#dueMs = Math.min(Math.max(this.#dueMs, nowMs), nowMs + intervalMs / 2) + intervalMs;
    this.#run();
  }
}
