/**
 * @module
 * Owns the shortening of failing plans: actions are taken out as long as the run still fails.
 */
import type { Action, Plan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import type { RunReport } from './run-plan.ts';

export interface Shrunk {
  readonly plan: Plan;
  readonly report: RunReport;
  readonly runs: number;
}

/**
 * Delta debugging (Zeller 2002) over the actions of a plan, for at most `budgetMs` of real time.
 *
 * @param report - Of the failing run of `plan`.
 */
export async function shrinkPlan(plan: Plan, report: RunReport, budgetMs: number): Promise<Shrunk> {
  const deadline = Date.now() + budgetMs;
  let best: Shrunk = { plan, report, runs: 0 };
  let runs = 0;
  let parts = 2;
  while (parts <= best.plan.actions.length * 2 && Date.now() < deadline) {
    const size = Math.max(1, Math.ceil(best.plan.actions.length / parts));
    let isShorter = false;
    for (let from = 0; from < best.plan.actions.length && Date.now() < deadline;) {
      const candidate = { ...best.plan, actions: without(best.plan.actions, from, size) };
      runs++;
      const result = await runPlan(candidate);
      if (result.problems.length > 0) {
        best = { plan: candidate, report: result, runs };
        isShorter = true;
      } else {
        from += size;
      }
    }
    if (size === 1 && !isShorter) break;
    parts *= 2;
  }
  return { ...best, runs };
}

function without(actions: readonly Action[], from: number, count: number): Action[] {
  return [...actions.slice(0, from), ...actions.slice(from + count)];
}
