/**
 * @module
 * The order of values: what is encoded compares as the values do.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../crdt/index.ts';
import { compareBytes } from '../../sync/key.ts';
import { COMPONENT_BYTES_MAX, compareValues, encodeComponent, KeyWriter, tagOf } from '../../sync/query/value-order.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', '\0', 'é', '\uffff', '😀', '', 'zz'), maxLength: 6 });
const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  text,
);
const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  ),
}));

const sign = (n: number): number => Math.sign(n);
const bytesOf = (each: JsonValue): Uint8Array => encodeComponent(each).bytes;

test('[QU2] encoded values compare as the values themselves, and are equal for equal ones only', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(sign(compareBytes(bytesOf(a), bytesOf(b)))).toBe(sign(compareValues(a, b)));
    }),
    { numRuns: 3000, seed: 1 },
  );
});

test('[QU2] the order is transitive and total over kinds', () => {
  const ascending: JsonValue[] = [
    null,
    false,
    true,
    -1e300,
    -1,
    -5e-324,
    0,
    5e-324,
    1,
    2,
    1e300,
    '',
    '\0',
    'a',
    'aa',
    'b',
    'é',
    '\uffff',
    '😀',
    [],
    [null],
    [1],
    [1, 0],
    ['a'],
    {},
    { a: 1 },
    { a: 1, b: 0 },
    { b: 0 },
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      expect(sign(compareBytes(bytesOf(a), bytesOf(b))), `${JSON.stringify(a)} against ${JSON.stringify(b)}`).toBe(
        sign(i - j),
      );
      expect(sign(compareValues(a, b))).toBe(sign(i - j));
    }
  }
  expect(compareBytes(encodeComponent(undefined).bytes, bytesOf(null))).toBeLessThan(0);
});

test('[QU2] no encoding is the beginning of another, so that they can follow one another', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [x, y] = [bytesOf(a), bytesOf(b)];
      if (compareBytes(x, y) === 0) return;
      expect(compareBytes(x, y.subarray(0, x.length))).not.toBe(0);
    }),
    { numRuns: 2000, seed: 2 },
  );
});

test('[QU2] inverted components come in the opposite order', () => {
  const inverted = (each: JsonValue): Uint8Array => {
    const writer = new KeyWriter();
    writer.component(each, true);
    return writer.take();
  };
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(sign(compareBytes(inverted(a), inverted(b)))).toBe(-sign(compareValues(a, b)) + 0);
    }),
    { numRuns: 2000, seed: 3 },
  );
});

test('[QU2] what is longer than a component is cut, and never comes on the wrong side of another value', () => {
  const stem = 'x'.repeat(COMPONENT_BYTES_MAX - 3);
  const long = fc.string({ unit: fc.constantFrom('a', 'é', '\0'), maxLength: 8 }).map((end) => stem + end);
  fc.assert(
    fc.property(long, long, (a, b) => {
      const [x, y] = [bytesOf(a), bytesOf(b)];
      expect(x.length).toBeLessThanOrEqual(COMPONENT_BYTES_MAX);
      const order = sign(compareBytes(x, y));
      expect([0, sign(compareValues(a, b))]).toContain(order);
    }),
    { numRuns: 1000, seed: 4 },
  );
  const huge = 'y'.repeat(1_000_000);
  expect(bytesOf(huge).length).toBe(COMPONENT_BYTES_MAX);
  expect(tagOf(huge)).toBe(bytesOf('y')[0]);
});
