/**
 * @module
 * Owns the product's promise as one experiment: three nodes, a partition during which all accept writes, a node killed in the
 * middle of them, and afterwards three equal databases in which nothing acknowledged is missing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { awaitEqual } from '../harness/convergence.ts';
import { packLines, uploadBulk } from '../harness/bulk-upload.ts';
import type { NodeProcess } from '../harness/node-process.ts';
import { cityLines, loadCities } from '../workload/city.ts';
import {
  Check,
  type CheckResult,
  checkCities,
  checkComplementary,
  checkConflicts,
  checkCounters,
  checkSurvival,
  collectionOf,
} from './check.ts';
import { Cluster } from './cluster.ts';
import { Journal } from './journal.ts';
import { NodeWriter } from './node-writer.ts';
import { CITIES, COUNTER, COUNTERS, COUNTER_FIELD, COUNTER_START, DATABASE, type Plan, createPlan } from './plan.ts';
import type { ProofReport } from './report.ts';
import type { ProofScale } from './scale.ts';
import { runVerify } from './verify-command.ts';

const CONVERGENCE_TIMEOUT_MS = 300_000;
/** The node is killed when this share of its writes is acknowledged. */
const KILL_AT = 0.4;
const KILL_DELAY_MS = 5;

export interface ProofOptions {
  readonly scale: ProofScale;
  readonly directory: string;
  readonly progress: (message: string) => void;
}

/** What the phases of one run share. */
interface Run {
  readonly scale: ProofScale;
  readonly cluster: Cluster;
  readonly plan: Plan;
  readonly journal: Journal;
  readonly checks: CheckResult[];
}

/** Never throws for a broken promise: the report says so. Throws when the experiment itself could not be done. */
export async function provePartition({ scale, directory, progress }: ProofOptions): Promise<ProofReport> {
  const plan = createPlan(scale, loadCities());
  const cluster = await Cluster.start(directory);
  const run: Run = { scale, cluster, plan, journal: new Journal(), checks: [] };
  const phases: { name: string; seconds: number }[] = [];
  const phase = async <T>(name: string, body: () => Promise<T>): Promise<T> => {
    progress(name);
    const startMs = performance.now();
    const result = await body();
    phases.push({ name, seconds: (performance.now() - startMs) / 1000 });
    return result;
  };
  try {
    await phase(
      `import ${plan.cities.length.toLocaleString('en-US')} cities through n1, until all three nodes are equal`,
      () => load(run),
    );
    await phase('cut n3 off', () => cut(run));
    await phase('write on all three nodes; kill -9 n2 in the middle and start it again', () => writeApart(run));
    await phase('see that n3 was really cut off, and served all the same', () => inspectPartition(run));
    await phase('heal, until all three nodes are equal', async () => {
      cluster.heal();
      await awaitEqual(cluster.clients(), { database: DATABASE, timeoutMs: CONVERGENCE_TIMEOUT_MS });
    });
    const convergenceSeconds = phases.at(-1)!.seconds;
    const verify = await phase('atoll verify', () => runVerify(cluster.nodes));
    await phase('compare every document on every node with what clients know', () => inspectOutcome(run));
    const writes = cluster.nodes.map(({ name }) => ({
      node: name,
      acknowledged: run.journal.count(name, true),
      indeterminate: run.journal.count(name, false),
    }));
    const passed = verify.exitCode === 0 && verify.equal && run.checks.every(({ failed }) => failed === 0);
    return {
      passed,
      cities: plan.cities.length,
      scale,
      phases,
      convergenceSeconds,
      writes,
      verify,
      checks: run.checks,
    };
  } finally {
    await cluster.stop();
  }
}

async function load({ cluster, plan }: Run): Promise<void> {
  const [first] = cluster.nodes;
  await first.client().database(DATABASE).create();
  await uploadBulk(first.url, `/v1/${DATABASE}/${CITIES}/bulk`, packLines(cityLines(plan.cities)), plan.cities.length);
  await collectionOf(first.client(), COUNTERS).put(COUNTER.shared, { [COUNTER_FIELD]: COUNTER_START });
  await awaitEqual(cluster.clients(), {
    database: DATABASE,
    timeoutMs: CONVERGENCE_TIMEOUT_MS,
    documents: plan.cities.length + 1,
  });
}

async function cut({ cluster }: Run): Promise<void> {
  cluster.partition();
}

async function writeApart(run: Run): Promise<void> {
  const { cluster, plan, journal, checks, scale } = run;
  const [first, second, third] = cluster.nodes.map((node) => new NodeWriter(node, journal)) as [
    NodeWriter,
    NodeWriter,
    NodeWriter,
  ];
  const [, victim] = cluster.nodes;
  const killAt = Math.ceil(plan.writes[1].length * KILL_AT);
  const restarted = new Promise<void>((resolve, reject) => {
    second.onAcknowledged = (count) => {
      if (count === killAt) killAndRestart(run, victim, second).then(resolve, reject);
    };
  });
  await Promise.all([
    first.run(plan.writes[0], scale.connections),
    second.run(plan.writes[1], scale.connections),
    third.run(plan.writes[2], scale.connections),
    restarted,
  ]);
  const readBack = new Check('a client that writes and then reads on one node sees its write');
  for (const writer of [first, second, third]) {
    for (const failure of writer.readBackFailures) readBack.add(failure);
    for (let at = writer.readBackFailures.length; at < writer.readBacks; at++) readBack.add(null);
  }
  checks.push(readBack.result());
}

/** While it is checked, the node is cut off from everybody, so that nobody can give it back what it lost. */
async function killAndRestart(
  { cluster, plan, journal, checks }: Run,
  victim: NodeProcess,
  writer: NodeWriter,
): Promise<void> {
  // One group commit answers many requests at once; a little later the next ones are in flight.
  await delay(KILL_DELAY_MS);
  writer.pause();
  await victim.kill();
  const wire = cluster.wire('1-2');
  wire.cut();
  await victim.restart();
  checks.push(await checkSurvival(victim, plan, journal.acknowledgedBy(victim.name), journal));
  wire.heal();
  writer.resume();
}

async function inspectPartition({ cluster, checks }: Run): Promise<void> {
  const [first, , third] = cluster.nodes;
  const digests = await Promise.all([first, third].map((node) => node.client().database(DATABASE).digest()));
  const apart = new Check('before healing, n1 and n3 hold different databases');
  apart.add(digests[0]?.digest === digests[1]?.digest ? 'they are equal: the partition leaks' : null);
  checks.push(apart.result());
  const ready = new Check('before healing, every node is ready');
  for (const { url, name } of cluster.nodes) {
    const { status } = await fetch(`${url}/readyz`);
    ready.add(status === 200 ? null : `${name} answered ${status}`);
  }
  checks.push(ready.result());
}

async function inspectOutcome({ cluster, plan, journal, checks }: Run): Promise<void> {
  checks.push(await checkCities(cluster.nodes, plan, journal));
  checks.push(await checkConflicts(cluster.nodes, plan, journal));
  checks.push(await checkComplementary(cluster.nodes[2], plan));
  checks.push(await checkCounters(cluster.nodes, journal));
}
