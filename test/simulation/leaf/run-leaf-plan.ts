/**
 * @module
 * Owns a run with leaves from its first action to the last check: faults end, everybody becomes equal, and what was deleted is forgotten
 * while leaves are away.
 */
import type { JsonObject } from '../../../crdt/index.ts';
import type { LeafSubscription, Replica } from '../../../sync/index.ts';
import { hasConverged } from '../final-check.ts';
import { runGuarded } from '../guarded-run.ts';
import { inVirtualTime } from '../in-virtual-time.ts';
import { describeError } from '../sim-node.ts';
import type { SimNode } from '../sim-node.ts';
import type { Counters } from '../trace.ts';
import { COLLECTIONS, describeLeafPlan } from './leaf-plan.ts';
import type { LeafPlan } from './leaf-plan.ts';
import { LeafWorld } from './leaf-world.ts';
import type { SimLeaf } from './sim-leaf.ts';

const CREATED_MS = 300;
const CONVERGENCE_MS_MAX = 120_000;
const FORGETTING_MS_MAX = 60_000;
const POLL_MS = 200;
/** What a node has just committed is told a moment later. */
const TOLD_MS = 3000;

export interface LeafReport {
  readonly problems: readonly string[];
  readonly counters: Readonly<Counters>;
  readonly digest: string;
  readonly description: string;
}

export async function runLeafPlan(plan: LeafPlan, isVerbose = false): Promise<LeafReport> {
  const world = new LeafWorld(plan, isVerbose);
  const { cluster } = world;
  await runGuarded(cluster, () => run(world));
  return {
    problems: cluster.problems,
    counters: cluster.trace.counters,
    digest: cluster.trace.digest(),
    description: [describeLeafPlan(plan), ...cluster.trace.recent().slice(-40)].join('\n'),
  };
}

async function run(world: LeafWorld): Promise<void> {
  const { plan, cluster, leaves } = world;
  const { time, nodes } = cluster;
  const isBroken = (): boolean => cluster.problems.length > 0;
  for (const node of nodes) time.after(plan.nodes.nodes[node.index]!.startsAt, () => node.start());
  time.after(CREATED_MS, () => create(world));
  for (const [i, leaf] of leaves.entries()) time.after(plan.leaves[i]!.startsAt, () => leaf.start());
  for (const action of plan.actions) time.after(action.at, () => world.perform(action));
  await time.run(plan.nodes.activeMs, isBroken);
  if (isBroken()) return;
  cluster.heal();
  create(world);
  await settle(world, leaves);
  if (!isBroken()) await check(world);
  if (!isBroken()) await forgetWithoutLeaves(world);
  cluster.checkAlarms();
  if (!isBroken()) await cluster.inspectAll();
}

/** The first node may have been down, or have lost what it had not acknowledged. */
function create({ cluster }: LeafWorld): void {
  const { replica } = cluster.nodes[0]!;
  if (replica === null || replica.databases().includes('app')) return;
  replica.createDatabase('app').catch((error: unknown) => cluster.trace.event(cluster.time.now, describeError(error)));
}

/** Everybody is up, connected and equal. */
async function settle(world: LeafWorld, leaves: readonly SimLeaf[]): Promise<void> {
  const { cluster } = world;
  const { time } = cluster;
  const deadline = time.now + CONVERGENCE_MS_MAX;
  const isSettled = (): boolean =>
    cluster.nodes.every(({ replica }) => replica?.databases().includes('app') === true) &&
    hasConverged(cluster) &&
    leaves.every(({ leaf }) => leaf?.status().isSettled === true);
  while (time.now < deadline) {
    await time.run(time.now + POLL_MS, () => cluster.problems.length > 0);
    if (cluster.problems.length > 0) return;
    cluster.checkDigests();
    cluster.checkForgotten();
    for (const each of [...cluster.nodes, ...leaves]) each.start();
    create(world);
    if (!isSettled()) continue;
    await time.run(time.now + TOLD_MS, () => cluster.problems.length > 0);
    // A connection to a node that is gone looks as it did, until a leaf has heard nothing for long.
    if (cluster.problems.length > 0 || (await differences(world, leaves)).length === 0) return;
  }
  const states = leaves.map(({ machine, leaf }) => `leaf ${machine}: ${JSON.stringify(leaf?.status() ?? 'down')}`);
  const who = hasConverged(cluster) ? 'the nodes are equal' : 'nor are the nodes equal';
  cluster.complain([`[LF8] not settled after ${CONVERGENCE_MS_MAX} ms, ${who}`, ...states].join('\n'));
  for (const problem of await differences(world, leaves)) cluster.complain(problem);
}

/** Reads need virtual time. */
function inTime<T>({ cluster }: LeafWorld, work: Promise<T>): Promise<T> {
  return inVirtualTime(cluster, CONVERGENCE_MS_MAX, work);
}

async function check(world: LeafWorld): Promise<void> {
  const { cluster, history } = world;
  for (const collection of COLLECTIONS) {
    const content = await inTime(world, readAll(cluster.nodes[0]!.replica!, collection));
    for (const problem of history.check(collection, content)) cluster.complain(problem);
  }
}

/** Where leaves do not show what the nodes have of their subscriptions. */
async function differences(world: LeafWorld, leaves: readonly SimLeaf[]): Promise<readonly string[]> {
  const { nodes, trace } = world.cluster;
  const found: string[] = [];
  for (const collection of COLLECTIONS) {
    const content = await inTime(world, readAll(nodes[0]!.replica!, collection));
    for (const leaf of leaves) {
      const subscription = leaf.subscriptions.find((each) => each.collection === collection);
      if (subscription === undefined || leaf.leaf === null) continue;
      const there = [...content].filter(([id, document]) => isWanted(subscription, id, document));
      const here = leaf.leaf
        .collection('app', collection)
        .list()
        .map(({ id, doc }) => [id, doc] as const);
      trace.count('leaf documents compared', here.length);
      if (textOf(there) === textOf(here)) continue;
      found.push(`[LF7] leaf ${leaf.machine} shows of ${collection} ${textOf(here)}, the nodes ${textOf(there)}`);
    }
  }
  return found;
}

function textOf(documents: readonly (readonly [string, JsonObject])[]): string {
  return JSON.stringify([...documents].sort(([a], [b]) => (a < b ? -1 : 1))).slice(0, 600);
}

function isWanted({ ids, filter }: LeafSubscription, id: string, document: JsonObject): boolean {
  if (ids !== undefined) return ids.includes(id);
  return filter === undefined || document['group'] === filter['group'];
}

async function readAll(replica: Replica, collection: string): Promise<Map<string, JsonObject>> {
  const content = new Map<string, JsonObject>();
  const { items } = await replica.database('app').list(collection, { limit: 1000 });
  for (const { id, json } of items) content.set(id, JSON.parse(new TextDecoder().decode(json)) as JsonObject);
  return content;
}

/** Leaves are away, a document is deleted, and the nodes forget it all the same; the leaves return, and it does not. */
async function forgetWithoutLeaves(world: LeafWorld): Promise<void> {
  const { cluster, leaves } = world;
  const { time, nodes } = cluster;
  const { replica } = nodes[0]!;
  const database = replica!.database('app');
  await inTime(world, database.write('lives', 'last', { kind: 'replace', value: { group: 'a' } }));
  await time.run(time.now + TOLD_MS);
  for (const leaf of leaves) leaf.crash(0);
  const collectedOn = ({ replica: each }: SimNode): number =>
    each!.status().databases.find(({ name }) => name === 'app')!.tombstones.collected;
  const before = nodes.map(collectedOn);
  await inTime(world, database.write('lives', 'last', { kind: 'delete' }));
  const isForgotten = (): boolean => nodes.every((node, i) => collectedOn(node) > before[i]!);
  for (const node of nodes) {
    const { members } = node.replica!.status();
    if (members.length > nodes.length) cluster.complain(`[LF3] a leaf is a member: ${JSON.stringify(members)}`);
  }
  const deadline = time.now + FORGETTING_MS_MAX;
  while (!isForgotten() && time.now < deadline && cluster.problems.length === 0) await time.run(time.now + POLL_MS);
  if (!isForgotten()) return cluster.complain('[LF3] what was deleted is not forgotten while leaves are away');
  cluster.checkForgotten();
  await settle(world, leaves);
  if (cluster.problems.length === 0) await check(world);
}
