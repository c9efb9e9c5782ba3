import { expect, test } from 'vitest';
import { RecentBodies } from '../../../../server/http/recent-bodies.ts';

test('[QU51] what was understood is kept once it comes twice, as long as it is asked for, and memory stays bounded', () => {
  const recent = new RecentBodies<object>();
  const [once, again] = [{}, {}];
  recent.offer('a', once);
  expect(recent.get('a')).toBeUndefined();
  recent.offer('a', again);
  expect(recent.get('a')).toBe(again);
  const others: object[] = [];
  for (let i = 0; i < 2000; i++) {
    others.push({});
    for (let times = 0; times < 2; times++) recent.offer(`b${i}`, others[i]!);
    if (i % 100 === 0) expect(recent.get('a')).toBe(again);
  }
  expect(recent.get('b1999')).toBe(others[1999]);
  const kept = others.filter((_, i) => recent.get(`b${i}`) !== undefined);
  expect(kept.length).toBeGreaterThan(100);
  expect(kept.length).toBeLessThanOrEqual(500);
  for (let i = 0; i < 600; i++) for (let times = 0; times < 2; times++) recent.offer(`c${i}`, {});
  expect(recent.get('a')).toBeUndefined();
});
