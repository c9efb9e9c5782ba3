/**
 * @module
 * Owns the clock, timers, randomness and hashing of the real world, as the ports of the replication engine.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock, Random, Sha256, Timers } from '../sync/index.ts';

export const systemClock: Clock = { now: () => Date.now() };

/** Timers do not keep the process alive: the listening socket does. */
export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const nativeSha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const cryptoRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) };
