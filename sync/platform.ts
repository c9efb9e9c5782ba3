/**
 * @module
 * Owns what every platform the engine runs on has: the clock, timers and randomness of browsers, workers and Node, as ports. The only
 * file of the engine that reaches for them; nothing uses it unless an embedding program leaves a port out.
 */
import type { Clock, Random, Timers } from './port.ts';

export const platformClock: Clock = { now: () => Date.now() };

export const platformRandom: Random = { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) };

const { setImmediate: soon } = globalThis as { setImmediate?: (run: () => void) => unknown };

export const platformTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  // Browsers have none; a microtask serves there.
  ...(soon !== undefined && { soon: (run: () => void): void => void soon(run) }),
};
