import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toBase64Url } from '../../sync/base64url.ts';
import { etagOf } from '../../sync/document-record.ts';

test('base64url is what the platform makes of the same bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
    }),
    { numRuns: 1000, seed: 64 },
  );
  const long = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7919) & 0xff);
  expect(toBase64Url(long)).toBe(Buffer.from(long).toString('base64url'));
});

test('a tag is the first 96 bits of the element, base64url in quotes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(20), (bytes, at) => {
      expect(etagOf(bytes, at)).toBe(`"${Buffer.from(bytes.subarray(at, at + 12)).toString('base64url')}"`);
    }),
    { numRuns: 500, seed: 65 },
  );
});
