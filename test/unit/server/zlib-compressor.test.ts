import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { zlibCompressor } from '../../../server/zlib-compressor.ts';

const LENGTHS = [1, 255, 256, 257, 511, 512, 1023, 4096, 4097, 16_384, 32_768, 32_769, 300_000];

test.each(LENGTHS)('%i bytes come back from deflate, as small as with all the memory of zlib', (length) => {
  // Half of it repeats from as far back as the length allows.
  const half = randomBytes(Math.ceil(length / 2));
  const bytes = Buffer.concat([half, half]).subarray(0, length);
  const deflated = zlibCompressor.deflate(bytes);
  expect(Buffer.from(zlibCompressor.inflate(deflated, length))).toEqual(bytes);
  expect(deflated.length).toBeLessThanOrEqual(deflateRawSync(bytes, { level: 6 }).length);
});

test('what inflates to more than was allowed is refused', () => {
  const deflated = zlibCompressor.deflate(new Uint8Array(100_000));
  expect(() => zlibCompressor.inflate(deflated, 99_999)).toThrow();
});
