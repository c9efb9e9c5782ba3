import { expect, test } from 'vitest';
import { MemoryRelease } from '../../../server/memory-release.ts';

const MEGABYTE = 1_048_576;

function setUp() {
  const state = { utilization: 0, usedBytes: 400 * MEGABYTE, collectedTo: 200 * MEGABYTE };
  const done: string[] = [];
  const release = new MemoryRelease({
    releaseCaches: () => void done.push('caches'),
    collectGarbage: () => {
      done.push('garbage');
      state.usedBytes = state.collectedTo;
    },
    utilization: () => state.utilization,
    usedBytes: () => state.usedBytes,
  });
  return { state, done, release };
}

test('[ND1] a node that rests lets go of its caches, then of garbage', () => {
  const { done, release } = setUp();
  release.look();
  expect(done).toEqual(['caches', 'garbage', 'garbage']);
});

test('[ND1] a node at work is not disturbed', () => {
  const { state, done, release } = setUp();
  state.utilization = 0.11;
  release.look();
  expect(done).toEqual([]);
});

test('[ND1] a node that rests on is left alone until it grew again', () => {
  const { state, done, release } = setUp();
  release.look();
  done.length = 0;
  state.usedBytes += 10 * MEGABYTE;
  release.look();
  expect(done).toEqual([]);
  state.usedBytes += 30 * MEGABYTE;
  release.look();
  expect(done).toEqual(['caches', 'garbage', 'garbage']);
});

test('[ND1] growth is counted from what the process had when the pages it gave back had left it', () => {
  const { state, done, release } = setUp();
  release.look();
  state.usedBytes = state.collectedTo - 70 * MEGABYTE;
  release.look();
  done.length = 0;
  state.usedBytes += 40 * MEGABYTE;
  release.look();
  expect(done).toEqual(['caches', 'garbage', 'garbage']);
});

test('[ND1] where garbage cannot be collected, caches are released once', () => {
  const { state, done } = setUp();
  const release = new MemoryRelease({
    releaseCaches: () => void done.push('caches'),
    collectGarbage: null,
    utilization: () => 0,
    usedBytes: () => state.usedBytes,
  });
  release.look();
  release.look();
  expect(done).toEqual(['caches']);
});
