/**
 * @module
 * Owns how often something happens that costs the more, the more clients are told: at once after a rest, and at most once in an interval
 * that grows with their number. What comes in between goes together.
 */

/** What it takes to tell one client is some 10 µs: a document takes a twentieth of the processor for that, however much is typed. */
const INTERVAL_MS_PER_CLIENT = 0.2;
/** Nobody waits longer. */
const INTERVAL_MS_MAX = 10;

export class Pace {
  readonly #run: () => void;
  readonly #clients: () => number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;

  /** @param clients - How many are told. */
  constructor(clients: () => number, run: () => void) {
    this.#clients = clients;
    this.#run = run;
  }

  /** There is something to do: now, or when the interval is over. */
  ask(): void {
    if (this.#timer !== null) return;
    const intervalMs = Math.min(this.#clients() * INTERVAL_MS_PER_CLIENT, INTERVAL_MS_MAX);
    const waitMs = this.#lastMs + intervalMs - performance.now();
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
    this.#lastMs = performance.now();
    this.#run();
  }
}
