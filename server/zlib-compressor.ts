/**
 * @module
 * Owns compression of frames between nodes with zlib's raw deflate: small enough for what was missed, and still a few microseconds a record.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Compressor } from '../sync/index.ts';

const WINDOW_BITS_MIN = 9;
const WINDOW_BITS_MAX = 15;
const MEMORY_LEVEL_MAX = 8;
/** So much of a window deflate does not look back to. */
const LOOK_AHEAD_BYTES = 262;

export const zlibCompressor: Compressor = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 3, ...memoryFor(bytes.length) }),
  inflate: (bytes, bytesMax) => inflateRawSync(bytes, { maxOutputLength: bytesMax }),
};

/**
 * As much memory as the input can use: the output is the same, but clearing zlib's default of 256 KiB takes three times as long
 * as compressing what one write sends.
 */
function memoryFor(length: number): { readonly windowBits: number; readonly memLevel: number } {
  const windowBits = Math.min(
    WINDOW_BITS_MAX,
    Math.max(WINDOW_BITS_MIN, Math.ceil(Math.log2(length + LOOK_AHEAD_BYTES))),
  );
  return { windowBits, memLevel: Math.min(MEMORY_LEVEL_MAX, windowBits - 6) };
}
