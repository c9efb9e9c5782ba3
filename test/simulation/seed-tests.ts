/**
 * @module
 * Owns the simulation tests over seeds. `SEED=n` runs that seed alone; `RUNS=n` that many; default seeds are always the same.
 */
import { expect, test } from 'vitest';
import { addReport, createTotals, explainFailure, runSeed } from './seeds.ts';

const RUNS_DEFAULT = 1000;
/** Seeds per test: enough to keep the report short, few enough to see where time goes. */
const SEEDS_PER_TEST = 25;

/** Defines the tests of one share of the seeds. */
export function testSeeds(name: string, share: number, shares: number): void {
  const only = process.env['SEED'];
  if (only !== undefined) {
    test.runIf(share === 0)(`${name}, seed ${only}`, () => runAll([Number(only)]));
    return;
  }
  const runs = Number(process.env['RUNS'] ?? RUNS_DEFAULT);
  const seeds = Array.from({ length: runs }, (_, i) => i + 1).filter((seed) => seed % shares === share);
  for (let from = 0; from < seeds.length; from += SEEDS_PER_TEST) {
    const some = seeds.slice(from, from + SEEDS_PER_TEST);
    test(`${name}, seeds ${some[0]} … ${some.at(-1)}`, () => runAll(some));
  }
}

async function runAll(seeds: readonly number[]): Promise<void> {
  const totals = createTotals();
  for (const seed of seeds) {
    const report = await runSeed(seed);
    addReport(totals, report);
    if (report.problems.length > 0) expect.fail(await explainFailure(report));
  }
  expect(totals.runs).toBe(seeds.length);
  // A simulation in which nothing happens proves nothing.
  if (seeds.length <= 5) return;
  expect(totals.counters['writes acknowledged']).toBeGreaterThan(seeds.length * 20);
  expect(totals.counters['documents compacted']).toBeGreaterThan(seeds.length / 5);
}
