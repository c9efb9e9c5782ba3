/**
 * @module
 * Owns running seeds: which ones, what a failure prints, and the totals.
 */
import { describePlan, makePlan } from './plan.ts';
import type { PlanOptions } from './plan.ts';
import { runPlan } from './run-plan.ts';
import type { RunReport } from './run-plan.ts';
import { shrinkPlan } from './shrink.ts';
import { addCounters } from './trace.ts';
import type { Counters } from './trace.ts';

const SHRINK_MS = 20_000;
const RECENT_LINES = 40;

export interface Totals {
  runs: number;
  failed: number;
  simulatedMs: number;
  convergenceMs: number[];
  counters: Counters;
}

export function createTotals(): Totals {
  return { runs: 0, failed: 0, simulatedMs: 0, convergenceMs: [], counters: {} };
}

export function addReport(totals: Totals, report: RunReport): void {
  totals.runs++;
  if (report.problems.length > 0) totals.failed++;
  else totals.convergenceMs.push(report.convergenceMs);
  totals.simulatedMs += report.simulatedMs;
  addCounters(totals.counters, report.counters);
}

/** Runs one seed. */
export function runSeed(seed: number, options: PlanOptions = {}): Promise<RunReport> {
  return runPlan(makePlan(seed, options), process.env['DEBUG_SIM'] === '1');
}

/** Everything a person needs to reproduce and understand a failure. The shortened run may fail in another way than the whole. */
export async function explainFailure(
  report: RunReport,
  options: PlanOptions = {},
  shrinkMs: number = SHRINK_MS,
): Promise<string> {
  const { plan, report: shortest, runs } = await shrinkPlan(makePlan(report.seed, options), report, shrinkMs);
  return [
    `Simulation seed ${report.seed} failed. Replay: SEED=${report.seed} npm run test:sim  (every event: DEBUG_SIM=1)`,
    ...report.problems.map((problem) => `- ${problem}`),
    `Shortest failing schedule found in ${runs} runs (${plan.actions.length} actions):`,
    describePlan(plan),
    ...shortest.problems.map((problem) => `- ${problem}`),
    `Last events of it:`,
    ...shortest.recent.slice(-RECENT_LINES).map((line) => `  ${line}`),
  ].join('\n');
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
