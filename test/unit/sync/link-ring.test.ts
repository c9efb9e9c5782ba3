import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Ring } from '../../../sync/link/ring.ts';
import type { DurableBatch } from '../../../sync/engine.ts';

const batch = (origin: number, firstSeq: number, lastSeq: number, length = 100): DurableBatch => ({
  origin,
  firstSeq,
  lastSeq,
  bytes: new Uint8Array(length),
});

test('[AE2] recent batches are found by the position they follow', () => {
  const ring = new Ring(10_000);
  ring.add('a.0', [batch(1, 1, 3), batch(2, 1, 1), batch(1, 4, 4)], 50);
  expect(ring.next('a.0', 1, 0)).toMatchObject({ firstSeq: 1, lastSeq: 3 });
  expect(ring.next('a.0', 1, 3)).toMatchObject({ firstSeq: 4 });
  expect(ring.next('a.0', 1, 4)).toBeUndefined();
  expect(ring.next('a.0', 1, 1)).toBeUndefined();
  expect(ring.next('b.0', 1, 0)).toBeUndefined();
  expect(ring.summarize('a.0', 1, 3)).toEqual({ records: 1, bytes: 100, sinceMs: 50 });
  expect(ring.summarize('a.0', 9, 3)).toEqual({ records: 0, bytes: 0, sinceMs: null });
});

test('[I10] recent batches never take more memory than they may, however many there were', () => {
  const ring = new Ring(10_000);
  for (let seq = 1; seq <= 5000; seq++) {
    ring.add('a.0', [batch(seq % 3, Math.ceil(seq / 3), Math.ceil(seq / 3))], seq);
    expect(ring.bytes).toBeLessThanOrEqual(10_000);
  }
  expect(ring.next('a.0', 1, 1500)).toBeUndefined();
  expect(ring.next('a.0', 1, 1660)).toMatchObject({ firstSeq: 1661 });
  ring.add('a.0', [batch(1, 1668, 1668, 20_000)], 0);
  expect(ring.bytes).toBe(0);
});

test('[AE12] after a jump what is older cannot be continued', () => {
  const ring = new Ring(10_000);
  ring.add('a.0', [batch(1, 1, 1), batch(1, 100, 100)], 0);
  expect(ring.next('a.0', 1, 0)).toBeUndefined();
  expect(ring.next('a.0', 1, 99)).toMatchObject({ firstSeq: 100 });
});

test('[ND1] a ring that was cleared holds none of its batches', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const ring = new Ring(10_000);
  const held = [1, 2, 3].map((seq) => {
    const batches = [batch(1, seq, seq)];
    ring.add('a.0', batches, 0);
    return new WeakRef(batches[0]!.bytes);
  });
  ring.clear();
  // What a WeakRef was made for lives until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect(held.map((reference) => reference.deref())).toEqual([undefined, undefined, undefined]);
  expect(ring.bytes).toBe(0);
  ring.add('a.0', [batch(1, 4, 4)], 0);
  expect(ring.next('a.0', 1, 3)).toMatchObject({ firstSeq: 4 });
  expect(ring.next('a.0', 1, 2)).toBeUndefined();
});
