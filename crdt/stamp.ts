/**
 * @module
 * Owns the stamp: one safe integer that carries a hybrid logical clock reading, milliseconds since 2024-01-01 (UTC) times 4096
 * plus a counter. It orders concurrent writes only (SPEC CR1); causality never depends on it.
 */

/** 2024-01-01T00:00:00Z in Unix milliseconds. */
export const STAMP_EPOCH_MS: number = 1_704_067_200_000;
/** Stamps per millisecond. */
export const STAMPS_PER_MS: number = 4096;

/** Encodes Unix milliseconds and a counter in [0, 4096) into a stamp. Times before 2024 give 0. */
export function encodeStamp(unixMs: number, counter: number): number {
  return Math.max(0, Math.floor(unixMs) - STAMP_EPOCH_MS) * STAMPS_PER_MS + counter;
}

/** Returns the Unix milliseconds of a stamp. */
export function stampMs(stamp: number): number {
  return Math.floor(stamp / STAMPS_PER_MS) + STAMP_EPOCH_MS;
}

/** Returns the counter of a stamp, in [0, 4096). */
export function stampCounter(stamp: number): number {
  return stamp % STAMPS_PER_MS;
}
