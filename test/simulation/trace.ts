/**
 * @module
 * Owns the trace of a run: one hash over everything that happened (equal seeds must give equal traces), the last events in
 * words for a failure report, and the counters a campaign prints.
 */
import { createHash } from 'node:crypto';

const RECENT_EVENTS_MAX = 200;

export type Counters = Record<string, number>;

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #recent: string[] = [];
  readonly counters: Counters = {};
  /** Set by `DEBUG_SIM=1`: prints every event. */
  readonly #isVerbose: boolean;

  constructor(isVerbose: boolean) {
    this.#isVerbose = isVerbose;
  }

  /** Records one event; `bytes` take part in the hash only. */
  event(now: number, text: string, bytes?: Uint8Array): void {
    const line = `${now.toFixed(3)} ${text}`;
    this.#hash.update(line);
    if (bytes !== undefined) this.#hash.update(bytes);
    this.#recent.push(line);
    if (this.#recent.length > 2 * RECENT_EVENTS_MAX) this.#recent.splice(0, RECENT_EVENTS_MAX);
    if (this.#isVerbose) process.stderr.write(`${line}\n`);
  }

  /** Says more, for people only. */
  debug(describe: () => string): void {
    if (this.#isVerbose) process.stderr.write(`    ${describe()}\n`);
  }

  count(name: string, amount = 1): void {
    this.counters[name] = (this.counters[name] ?? 0) + amount;
  }

  maximum(name: string, value: number): void {
    this.counters[name] = Math.max(this.counters[name] ?? 0, value);
  }

  recent(): readonly string[] {
    return this.#recent.slice(-RECENT_EVENTS_MAX);
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 32);
  }
}

/** Adds `from` to `into`; names that start with `max ` keep the maximum. */
export function addCounters(into: Counters, from: Readonly<Counters>): void {
  for (const [name, value] of Object.entries(from)) {
    into[name] = name.startsWith('max ') ? Math.max(into[name] ?? 0, value) : (into[name] ?? 0) + value;
  }
}
