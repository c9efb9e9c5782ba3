import { expect, test } from 'vitest';
import { formatDuration, Progress } from '../../../cli/progress.ts';

test('[CL1] on a terminal one line is redrawn with bar, share, rate and remaining time', () => {
  let now = 0;
  const written: string[] = [];
  const progress = new Progress({
    label: 'importing',
    total: 1000,
    write: (text) => written.push(text),
    redraw: true,
    now: () => now,
  });
  for (now = 100; now <= 5000; now += 10) progress.update(now / 10, now);
  expect(written.length).toBeLessThan(60);
  expect(written.at(-1)).toMatch(/^\r/);
  expect(written.at(-1)).toContain('importing  [############------------]  50 %');
  expect(written.at(-1)).toContain('1,000/s');
  expect(written.at(-1)).toMatch(/[56] s left/);
  progress.clear();
  expect(written.at(-1)).toBe('\r\u001b[K');
});

test('[CL1] elsewhere a plain line is written now and then, and nothing when it is unwanted', () => {
  let now = 0;
  const written: string[] = [];
  const progress = new Progress({
    label: 'importing',
    total: null,
    write: (text) => written.push(text),
    redraw: false,
    now: () => now,
  });
  for (now = 0; now <= 12_000; now += 100) progress.update(now, now);
  progress.clear();
  expect(written).toHaveLength(2);
  expect(written[0]).toBe('importing  5,000 documents  1,000/s\n');
  const silent = new Progress({ label: 'x', total: 1, write: null, redraw: true });
  silent.update(1, 1);
  silent.clear();
});

test('[CL1] durations are read at a glance', () => {
  expect([0, 41_001, 187_000, 3_723_000].map(formatDuration)).toEqual(['0 s', '42 s', '3:07', '1:02:03']);
});
