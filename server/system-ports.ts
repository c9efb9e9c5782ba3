/**
 * @module
 * Owns the clock, timers, randomness and hashing of the real world, as the ports of the replication engine.
 */
import { createHash, hash, randomBytes } from 'node:crypto';
import type { Clock, Random, Sha256, Timers } from '../sync/index.ts';

/** Up to here, copying the parts together is cheaper than a hash object. */
const SHORT_BYTES = 4096;

export const systemClock: Clock = { now: () => Date.now() };

/** Timers do not keep the process alive: the listening socket does. */
export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon: setImmediate,
};

/** One call of the platform for short inputs, where setting up a hash object would cost as much as hashing. */
export const nativeSha256: Sha256 = (...parts) => {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length <= SHORT_BYTES) return hash('sha256', Buffer.concat(parts, length), 'buffer');
  const state = createHash('sha256');
  for (const part of parts) state.update(part);
  return state.digest();
};

export const cryptoRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) };
