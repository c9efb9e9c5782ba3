import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from '../../../server/yjs/pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** When something was done that is asked for all the time. */
function runsWith(clients: number, forMs: number): readonly number[] {
  const runs: number[] = [];
  const pace = new Pace(
    () => clients,
    () => runs.push(performance.now()),
  );
  const start = performance.now();
  for (let at = 0; at < forMs; at++) {
    pace.ask();
    vi.advanceTimersByTime(1);
  }
  return runs.map((at) => at - start);
}

test('[YJ70] what is asked for after a rest is done at once, however many are told', () => {
  for (const clients of [1, 50, 10_000]) expect(runsWith(clients, 1)).toEqual([0]);
});

test('[YJ70] what is asked for all the time is done the less often, the more are told', () => {
  expect(runsWith(2, 98)).toHaveLength(98);
  expect(runsWith(25, 98)).toHaveLength(20);
  expect(runsWith(50, 98)).toHaveLength(10);
  expect(runsWith(10_000, 98)).toHaveLength(10);
});

test('[YJ70] nothing that was asked for is left undone', () => {
  const runs: number[] = [];
  const pace = new Pace(
    () => 100,
    () => runs.push(performance.now()),
  );
  pace.ask();
  pace.ask();
  pace.flush();
  expect(runs).toHaveLength(2);
  pace.flush();
  vi.advanceTimersByTime(100);
  expect(runs).toHaveLength(2);
});
