import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NameFilter } from '../../sync/name-filter.ts';

const hash = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test('[DB61] a name that was added is never taken for one that was not', () => {
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 3000 }), (hashes) => {
      const filter = new NameFilter();
      expect(hashes.every((each) => filter.add(each))).toBe(true);
      expect(hashes.every((each) => filter.mayHold(each))).toBe(true);
    }),
  );
});

test('[DB61] of names that were not added one in a hundred at most is taken for one that was, and memory has a bound', () => {
  const filter = new NameFilter(19);
  let state = 1;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) | 0);
  const mixed = (n: number): number => Math.imul(n ^ (n >>> 15), 0x2c1b3c6d) ^ (n >>> 12);
  for (let i = 0; i < 30_000; i++) filter.add(mixed(next()));
  let wrong = 0;
  for (let i = 0; i < 5_000; i++) if (filter.mayHold(mixed(next()))) wrong++;
  expect(wrong).toBeLessThan(50);
  let names = 30_000;
  while (filter.add(mixed(next()))) names++;
  expect(names).toBeLessThan(50_000);
  expect(filter.memoryBytes).toBeLessThan(80_000);
});
