import { expect, test } from 'vitest';
import { ByteCache } from '../../../sync/byte-cache.ts';

test('[ST16] the least recently used entries leave until the weights fit', () => {
  const cache = new ByteCache<string>(10);
  cache.set('a', 'A', 4);
  cache.set('b', 'B', 4);
  expect(cache.get('a')).toBe('A');
  cache.set('c', 'C', 4);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['A', undefined, 'C']);
  expect([cache.bytes, cache.size]).toEqual([8, 2]);
  cache.set('d', 'D', 10);
  expect([cache.bytes, cache.size, cache.get('d')]).toEqual([10, 1, 'D']);
});

test('[ST16] a value heavier than the cache is not kept and drops what it replaces', () => {
  const cache = new ByteCache<string>(10);
  cache.set('a', 'old', 1);
  cache.set('b', 'B', 1);
  cache.set('a', 'new', 11);
  expect([cache.get('a'), cache.get('b'), cache.bytes]).toEqual([undefined, 'B', 1]);
});

test('[ST16] replacing, deleting and clearing keep the sum of weights exact', () => {
  const cache = new ByteCache<number>(100);
  for (let n = 0; n < 50; n++) cache.set(`k${n % 7}`, n, n % 13);
  expect(cache.size).toBe(7);
  cache.set('k0', 1, 5);
  cache.set('k0', 2, 7);
  const before = cache.bytes;
  expect([cache.delete('k0'), cache.delete('k0')]).toEqual([true, false]);
  expect(cache.bytes).toBe(before - 7);
  cache.clear();
  expect([cache.bytes, cache.size]).toEqual([0, 0]);
});

test('[ST16] a cache of zero bytes keeps nothing that weighs something', () => {
  const cache = new ByteCache<number>(0);
  cache.set('a', 1, 1);
  expect([cache.get('a'), cache.bytes]).toEqual([undefined, 0]);
});
