import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from '../../../server/yjs/pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** When something was done that is asked for every `everyMs`. */
function runsWith(clients: number, forMs: number, everyMs: (at: number) => number = () => 1): readonly number[] {
  const runs: number[] = [];
  const pace = paceOf(clients, () => runs.push(performance.now()));
  const start = performance.now();
  for (let at = 0; at < forMs;) {
    pace.ask();
    const step = everyMs(at);
    vi.advanceTimersByTime(step);
    at += step;
  }
  return runs.map((at) => at - start);
}

function paceOf(clients: number, run: () => void): Pace {
  return new Pace({ clients: () => clients, msPerClient: 0.2, msMax: 10 }, run);
}

test('[YJ70] what is asked for after a rest is done at once, however many are told', () => {
  for (const clients of [1, 50, 10_000]) expect(runsWith(clients, 1)).toEqual([0]);
});

test('[YJ70] what is asked for all the time is done the less often, the more are told', () => {
  expect(runsWith(2, 98)).toHaveLength(98);
  expect(runsWith(25, 995)).toHaveLength(200);
  expect(runsWith(50, 994)).toHaveLength(100);
  expect(runsWith(10_000, 994)).toHaveLength(100);
});

test('[YJ91] what comes at the pace, a little early or late, does not wait for it', () => {
  const early = (at: number): number => (at % 20 === 0 ? 7 : 13);
  expect(runsWith(50, 200, early)).toEqual(Array.from({ length: 20 }, (_, i) => i * 10 - (i % 2) * 3));
});

test('[YJ91] a rest is not made up for, nor is what was done unasked', () => {
  const runs: number[] = [];
  const pace = paceOf(50, () => runs.push(performance.now()));
  const start = performance.now();
  for (let i = 0; i < 5; i++) pace.now();
  for (let at = 0; at < 35; at++) {
    pace.ask();
    vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(1000);
  for (let at = 0; at < 20; at++) {
    pace.ask();
    vi.advanceTimersByTime(1);
  }
  expect(runs.slice(5).map((at) => at - start)).toEqual([10, 20, 30, 40, 1035, 1040, 1050]);
});

test('[YJ70] nothing that was asked for is left undone', () => {
  const runs: number[] = [];
  const pace = paceOf(100, () => runs.push(performance.now()));
  pace.ask();
  pace.ask();
  pace.ask();
  pace.flush();
  expect(runs).toHaveLength(2);
  pace.flush();
  vi.advanceTimersByTime(100);
  expect(runs).toHaveLength(2);
});
