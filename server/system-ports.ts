/**
 * @module
 * Owns the clock, timers and randomness of the real world, as the ports of the replication engine.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Random, Timers } from '../sync/index.ts';

export const systemClock: Clock = { now: () => Date.now() };

/** Timers do not keep the process alive: the listening socket does. */
export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const cryptoRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) };
