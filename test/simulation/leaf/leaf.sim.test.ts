/**
 * @module
 * Leaves beside a simulated cluster, by seed: whatever fails, what they were told holds, and in the end they have what the nodes have.
 * `SEED=n` runs that seed alone; `RUNS=n` that many.
 */
import { expect, test } from 'vitest';
import { addCounters } from '../trace.ts';
import type { Counters } from '../trace.ts';
import { makeLeafPlan } from './leaf-plan.ts';
import { runLeafPlan } from './run-leaf-plan.ts';

const RUNS_DEFAULT = 100;
const SEEDS_PER_TEST = 25;

const only = process.env['SEED'];
const runs = Number(process.env['RUNS'] ?? RUNS_DEFAULT);
const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i + 1) : [Number(only)];

async function runAll(some: readonly number[]): Promise<void> {
  const counters: Counters = {};
  for (const seed of some) {
    const report = await runLeafPlan(makeLeafPlan(seed), process.env['DEBUG_SIM'] === '1');
    addCounters(counters, report.counters);
    if (report.problems.length > 0)
      expect.fail([`leaf seed ${seed} failed`, ...report.problems, report.description].join('\n'));
  }
  // A simulation in which nothing happens proves nothing.
  if (some.length > 5) expect(counters['leaf writes answered']).toBeGreaterThan(some.length * 10);
}

for (let from = 0; from < seeds.length; from += SEEDS_PER_TEST) {
  const some = seeds.slice(from, from + SEEDS_PER_TEST);
  test(`[LF20] leaves keep every promise, seeds ${some[0]} … ${some.at(-1)}`, () => runAll(some));
}

test('[LF20] one seed has one trace', async () => {
  const [a, b] = [await runLeafPlan(makeLeafPlan(7)), await runLeafPlan(makeLeafPlan(7))];
  expect(b.digest).toBe(a.digest);
  expect(b.counters).toEqual(a.counters);
});
