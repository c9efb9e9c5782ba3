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

const scratch = new Uint8Array(SHORT_BYTES);

/** As text, one byte a character: a buffer of the platform's costs twice what hashing does, and memory outside the heap. */
function hashShort(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) {
    scratch.set(part, length);
    length += part.length;
  }
  const text = hash('sha256', scratch.subarray(0, length), 'binary');
  const digest = new Uint8Array(text.length);
  for (let i = 0; i < digest.length; i++) digest[i] = text.charCodeAt(i);
  return digest;
}

/** One call of the platform for short inputs, where setting up a hash object would cost as much as hashing. */
export const nativeSha256: Sha256 = (...parts) => {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length <= SHORT_BYTES) return hashShort(parts);
  const state = createHash('sha256');
  for (const part of parts) state.update(part);
  return state.digest();
};

export const cryptoRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) };
