/**
 * @module
 * Owns a run: carries out a plan on a simulated cluster, ends every fault, waits for convergence, checks everything.
 */
import { Cluster } from './cluster.ts';
import { injectFault } from './fault.ts';
import { runGuarded } from './guarded-run.ts';
import { checkFinalState, describeDifferences, hasConverged } from './final-check.ts';
import { inVirtualTime } from './in-virtual-time.ts';
import { checkAllIndexes } from './index-check.ts';
import { checkRemoved } from './removed-check.ts';
import type { Action, Plan, WorkloadName } from './plan.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimClient } from './sim-client.ts';
import { describeError } from './sim-node.ts';
import type { Counters } from './trace.ts';
import { ChaosWorkload } from './workload/chaos.ts';
import { CounterWorkload } from './workload/counters.ts';
import { InsertWorkload } from './workload/inserts.ts';
import { KeyedWorkload } from './workload/keyed.ts';
import { LifecycleWorkload } from './workload/lifecycles.ts';
import { RegisterWorkload } from './workload/registers.ts';
import { ListWorkload, MoveWorkload, TextWorkload } from './workload/sequences.ts';
import { SessionWorkload } from './workload/sessions.ts';
import { SetWorkload } from './workload/sets.ts';
import { SwapWorkload } from './workload/swaps.ts';
import type { Workload } from './workload/workload.ts';

/** Liveness L1: everybody is equal this long after the last fault has ended and the last node is up. */
export const CONVERGENCE_MS_MAX = 90_000;
const POLL_MS = 100;
/** Real time one run may take: more means that virtual time does not advance. */
const EVENTS_MAX = 3_000_000;

export interface RunReport {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly counters: Readonly<Counters>;
  readonly digest: string;
  readonly simulatedMs: number;
  /** From the end of the last fault to equality. */
  readonly convergenceMs: number;
  readonly recent: readonly string[];
}

/**
 * @param onConverged - Called with the cluster once all nodes are equal.
 * @param onActed - Called after the last action, while faults last.
 */
export async function runPlan(
  plan: Plan,
  isVerbose = false,
  onConverged: (cluster: Cluster) => void = () => {},
  onActed: (cluster: Cluster) => void = () => {},
): Promise<RunReport> {
  const cluster = new Cluster(plan, isVerbose);
  const convergenceMs = (await runGuarded(cluster, () => run(cluster, onConverged, onActed))) ?? 0;
  return {
    seed: plan.seed,
    problems: cluster.problems,
    counters: cluster.trace.counters,
    digest: cluster.trace.digest(),
    simulatedMs: cluster.time.now,
    convergenceMs,
    recent: cluster.trace.recent(),
  };
}

async function run(
  cluster: Cluster,
  onConverged: (cluster: Cluster) => void,
  onActed: (cluster: Cluster) => void,
): Promise<number> {
  const { plan, time, nodes } = cluster;
  const workloads = createWorkloads(plan);
  for (const node of nodes) time.after(plan.nodes[node.index]!.startsAt, () => node.start());
  for (const action of plan.actions) time.after(action.at, () => perform(cluster, workloads, action));
  await time.run(plan.activeMs, () => isBroken(cluster));
  if (!isBroken(cluster)) onActed(cluster);
  cluster.heal();
  const healedAt = time.now;
  const isDone = await waitForConvergence(cluster);
  const convergenceMs = time.now - healedAt;
  if (cluster.problems.length > 0) return convergenceMs;
  if (!isDone) {
    cluster.complain(`[L1] did not converge within ${CONVERGENCE_MS_MAX} ms:\n${describeDifferences(cluster)}`);
    return convergenceMs;
  }
  // They write by themselves; what they have begun stays as it is.
  cluster.endCompaction();
  if (!(await waitForConvergence(cluster))) cluster.complain('did not converge after the end of compaction');
  onConverged(cluster);
  await settle(cluster, workloads);
  return convergenceMs;
}

function isBroken(cluster: Cluster): boolean {
  if (cluster.time.processed > EVENTS_MAX) cluster.complain(`more than ${EVENTS_MAX} events`);
  return cluster.problems.length > 0;
}

async function waitForConvergence(cluster: Cluster): Promise<boolean> {
  const { time } = cluster;
  const deadline = time.now + CONVERGENCE_MS_MAX;
  while (time.now < deadline) {
    await time.run(time.now + POLL_MS, () => isBroken(cluster));
    if (cluster.problems.length > 0) return false;
    cluster.checkDigests();
    cluster.checkForgotten();
    for (const node of cluster.nodes) node.start();
    const isBusy = cluster.history.attempts.some(({ status }) => status === 'pending');
    if (!isBusy && hasConverged(cluster)) return true;
  }
  const stuck = cluster.history.attempts.find(({ status }) => status === 'pending');
  if (stuck) cluster.complain(`[L2] write #${stuck.id} on node ${stuck.node} was never answered`);
  return false;
}

/** Runs on for a while, reads everything, and looks at the disks; sometimes starts all nodes once more from them. */
async function settle(cluster: Cluster, workloads: readonly Workload[]): Promise<void> {
  const { time, plan, nodes } = cluster;
  await time.run(time.now + 2000, () => isBroken(cluster));
  if (!hasConverged(cluster)) cluster.complain('converged, and then differed again without any write');
  if (cluster.problems.length === 0) await checkInTime(cluster, workloads);
  cluster.checkAlarms();
  await cluster.inspectAll();
  if (!plan.hasFinalPowerLoss || cluster.problems.length > 0) return;
  for (const node of nodes) node.start();
  if (!(await waitForConvergence(cluster))) cluster.complain('did not converge after a restart of all nodes');
  else await checkInTime(cluster, workloads);
}

/** The checks read through the replicas, whose disks need virtual time to answer. */
async function checkInTime(cluster: Cluster, workloads: readonly Workload[]): Promise<void> {
  const check = async (): Promise<void> => {
    await checkRemoved(cluster);
    await checkFinalState(cluster, workloads);
    await checkAllIndexes(cluster);
  };
  await inVirtualTime(cluster, CONVERGENCE_MS_MAX, check());
}

function createWorkloads({ largeShare, dropShare }: Plan): Workload[] {
  return [
    new InsertWorkload(largeShare),
    new CounterWorkload(),
    new SetWorkload(),
    new RegisterWorkload(),
    new ListWorkload(),
    new MoveWorkload(),
    new TextWorkload(),
    new LifecycleWorkload(),
    new SwapWorkload(),
    new ChaosWorkload(dropShare),
    new KeyedWorkload(),
    new SessionWorkload(),
  ];
}

function perform(cluster: Cluster, workloads: readonly Workload[], action: Action): void {
  const { plan, trace, time } = cluster;
  cluster.checkDigests();
  cluster.checkForgotten();
  cluster.checkLinks();
  if (action.type === 'fault') {
    trace.event(time.now, `fault ${action.fault.type}`);
    trace.count(`fault ${action.fault.type}`);
    return injectFault(cluster, action.fault);
  }
  // It waited for a paused node, and by now the run only looks whether all become equal.
  if (cluster.isHealed) return trace.count('writes given up');
  const { replica, process } = cluster.nodes[action.node]!;
  if (process !== null && process.host.pausedUntil > time.now) {
    time.after(process.host.pausedUntil - time.now, () => perform(cluster, workloads, action));
    return;
  }
  if (replica === null) return trace.count('client found its node down');
  const { database } = action;
  const key = action.type === 'write' ? action.key : 0;
  const random = new SeededRandom(plan.seed).fork(`client ${key}`);
  const client = new SimClient({ cluster, node: action.node, replica, database, random, unique: key });
  const work = (): Promise<unknown> => {
    if (action.type === 'write') return findWorkload(workloads, action.workload).step(client);
    if (action.type === 'create-database')
      return client.attempt('create database', () => replica.createDatabase(database));
    if (action.type === 'define-index') return client.defineIndex(action.collection, action.definition);
    return client.attempt('drop database', () => replica.dropDatabase(database));
  };
  work().catch((error: unknown) => cluster.complain(`${action.type} broke: ${describeError(error)}`));
}

function findWorkload(workloads: readonly Workload[], name: WorkloadName): Workload {
  return workloads.find((workload) => workload.name === name)!;
}
