/**
 * @module
 * Owns what the client takes from its surroundings: fetch, a clock, timers and randomness. All of it exists in Node, in browsers
 * and at the edge; tests pass their own.
 */

/** For tests. */
export interface ClientPorts {
  readonly fetch: typeof fetch;
  /** Milliseconds, monotonic. */
  now(): number;
  /** From 0 up to, not including, 1. */
  random(): number;
  /** Calls back once after that many milliseconds; returns the cancellation. */
  after(ms: number, work: () => void): () => void;
  /** A key that no other request has. */
  key(): string;
}

/** Bytes of randomness in an idempotency key. */
const KEY_BYTES = 16;

export function systemPorts(given: typeof fetch | undefined): ClientPorts {
  return {
    // Looked up at each call, so that a test or a polyfill may replace the global later.
    fetch: given ?? ((input, init) => globalThis.fetch(input, init)),
    now: () => performance.now(),
    random: () => Math.random(),
    after(ms, work) {
      const timer = setTimeout(work, ms);
      return () => clearTimeout(timer);
    },
    // Not `randomUUID`, which browsers offer to pages of secure origins only.
    key: () =>
      Array.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES)), (byte) => byte.toString(16).padStart(2, '0')).join(
        '',
      ),
  };
}
