/**
 * @module
 * Owns the campaign: fresh seeds for a given time on all processors, with progress and totals.
 *
 *     npm run test:sim:campaign -- --minutes 10 [--first 1000001] [--writes 90] [--workers 2] [--json FILE]
 *
 * Exit code 1 when any seed failed; each failure prints its seed, what broke, and the shortest schedule found.
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { RunReport } from './run-plan.ts';
import { addReport, createTotals, explainFailure, percentile, runSeed } from './seeds.ts';
import type { Totals } from './seeds.ts';

const PROGRESS_MS = 15_000;
const FAILURES_EXPLAINED_MAX = 5;

interface Settings {
  readonly minutes: number;
  readonly first: number;
  readonly writes: number;
  readonly workers: number;
  /** Stop at the first failure. */
  readonly untilFailure: boolean;
  readonly json: string | undefined;
}

type WorkerMessage = { readonly report: RunReport; readonly explanation: string | null };

function parseSettings(): Settings {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      first: { type: 'string' },
      writes: { type: 'string', default: '90' },
      workers: { type: 'string', default: String(availableParallelism()) },
      'until-failure': { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  return {
    minutes: Number(values.minutes),
    // Not the seeds of the test suite; different every time unless told otherwise.
    first: Number(values.first ?? (Date.now() % 1_000_000_000) + 1_000_000),
    writes: Number(values.writes),
    workers: Number(values.workers),
    untilFailure: values['until-failure'],
    json: values.json,
  };
}

/** A worker runs every `workers`-th seed until it is killed. */
async function work(settings: Settings, share: number): Promise<void> {
  let explained = 0;
  for (let seed = settings.first + share; ; seed += settings.workers) {
    const options = { writes: settings.writes };
    const report = await runSeed(seed, options);
    const isExplained = report.problems.length > 0 && explained++ < FAILURES_EXPLAINED_MAX;
    const explanation = isExplained
      ? await explainFailure(report, options, settings.untilFailure ? 0 : undefined)
      : null;
    const message: WorkerMessage = { report: { ...report, recent: [] }, explanation };
    await new Promise((resolve) => process.send!(message, resolve));
  }
}

function lead(settings: Settings): void {
  const startedAt = Date.now();
  const totals = createTotals();
  const failedSeeds: number[] = [];
  const workers = Array.from({ length: settings.workers }, (_, share) =>
    fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
      env: { ...process.env, SIMULATION_SHARE: String(share), SIMULATION_FIRST: String(settings.first) },
    }),
  );
  const finish = (): void => {
    clearInterval(progress);
    clearTimeout(timeout);
    for (const worker of workers) worker.removeAllListeners().kill();
    printTotals(settings, totals, failedSeeds, Date.now() - startedAt);
    process.exitCode = failedSeeds.length > 0 ? 1 : 0;
  };
  const progress = setInterval(() => printProgress(totals, Date.now() - startedAt), PROGRESS_MS);
  const timeout = setTimeout(finish, settings.minutes * 60_000);
  for (const worker of workers) {
    worker.on('message', ({ report, explanation }: WorkerMessage) => {
      addReport(totals, report);
      if (report.problems.length === 0) return;
      failedSeeds.push(report.seed);
      console.log(explanation ?? `seed ${report.seed} failed: ${report.problems[0]}`);
      if (settings.untilFailure) finish();
    });
    worker.on('exit', (code) => {
      console.error(`a worker ended with code ${code}`);
      failedSeeds.push(-1);
      finish();
    });
  }
}

function printProgress(totals: Totals, elapsedMs: number): void {
  const { runs, failed, counters, simulatedMs } = totals;
  console.log(
    `${Math.round(elapsedMs / 1000)} s: ${runs} seeds, ${failed} failed, ${counters['writes acknowledged'] ?? 0} writes acknowledged, ` +
      `${counters['messages delivered'] ?? 0} messages, ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours`,
  );
}

function printTotals(settings: Settings, totals: Totals, failedSeeds: readonly number[], elapsedMs: number): void {
  const seconds = elapsedMs / 1000;
  const { runs, convergenceMs, simulatedMs } = totals;
  console.log(
    `\nseeds from ${settings.first}: ${runs} runs in ${seconds.toFixed(0)} s (${(runs / seconds).toFixed(1)} per second)`,
  );
  console.log(`simulated time: ${(simulatedMs / 3_600_000).toFixed(2)} h`);
  console.log(
    `convergence after the last fault, ms: p50 ${percentile(convergenceMs, 0.5).toFixed(0)}, p99 ${percentile(convergenceMs, 0.99).toFixed(0)}, max ${percentile(convergenceMs, 1).toFixed(0)}`,
  );
  for (const [name, value] of Object.entries(totals.counters).sort()) console.log(`${name}: ${value}`);
  console.log(`failed seeds: ${failedSeeds.length === 0 ? 'none' : failedSeeds.join(' ')}`);
  if (settings.json === undefined) return;
  const { counters } = totals;
  writeFileSync(
    settings.json,
    JSON.stringify({ first: settings.first, runs, seconds, simulatedMs, failedSeeds, counters }, null, 2),
  );
}

const share = process.env['SIMULATION_SHARE'];
if (share === undefined) lead(parseSettings());
else await work({ ...parseSettings(), first: Number(process.env['SIMULATION_FIRST']) }, Number(share));
