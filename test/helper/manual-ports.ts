/**
 * @module
 * Owns ports under a test's control: a clock that stands still, timers that fire on request, counted randomness.
 */
import type { Clock, Random, Timers } from '../../sync/index.ts';

export class ManualClock implements Clock {
  constructor(ms: number = Date.UTC(2026, 0, 1)) {
    this.ms = ms;
  }

  ms: number;

  now(): number {
    return this.ms;
  }
}

/** Timers that never fire: for tests of what does not depend on time. */
export const idleTimers: Timers = { after: () => () => undefined };

/** A small deterministic generator; not for cryptography. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  return { bytes: (length) => Uint8Array.from({ length }, next) };
}
