/**
 * @module
 * Owns compression of frames between nodes with zlib's raw deflate, fast rather than small.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Compressor } from '../sync/index.ts';

export const zlibCompressor: Compressor = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, bytesMax) => inflateRawSync(bytes, { maxOutputLength: bytesMax }),
};
