/**
 * @module
 * Owns plans: what a seed means. A plan is plain data, made before anything runs, so that it can be printed, and shortened
 * when it fails. Actions are independent of each other: any subset of them is a plan too.
 */
import { makeClients } from './client-plan.ts';
import type { DamageFault } from './damage-fault.ts';
import type { IdentityFault } from './identity-fault.ts';
import type { JsonObject } from '../../crdt/index.ts';
import type { CollectionOptions } from '../../sync/collector.ts';
import type { CompactionOptions } from '../../sync/compactor.ts';
import type { LogRetention } from '../../sync/log-cutter.ts';
import type { SnapshotOptions } from '../../sync/snapshot-options.ts';
import type { DiskProfile } from './sim-disk.ts';
import type { NetworkProfile } from './sim-channel.ts';
import { SeededRandom } from './seeded-random.ts';

export type Topology = 'mesh' | 'line' | 'star' | 'ring';

export type WorkloadName =
  | 'inserts'
  | 'counters'
  | 'sets'
  | 'registers'
  | 'lists'
  | 'moves'
  | 'texts'
  | 'lifecycles'
  | 'swaps'
  | 'chaos'
  | 'keyed'
  | 'sessions';

export type Direction = readonly [from: number, to: number];

export type Fault =
  /** Cuts directions, all at once or (swizzle-clog) one by one, and mends them in another order. */
  | { readonly type: 'partition' | 'one-way' | 'swizzle' | 'flap'; readonly cuts: readonly Cut[] }
  | {
      readonly type: 'slow-link';
      readonly directions: readonly Direction[];
      readonly factor: number;
      readonly forMs: number;
    }
  | {
      readonly type: 'crash';
      readonly node: number;
      readonly isPowerLoss: boolean;
      readonly unsyncedKept: number;
      readonly forMs: number;
    }
  /** Cuts the power at the very moment the next write is acknowledged. */
  | { readonly type: 'crash-after-reply'; readonly node: number; readonly forMs: number }
  | { readonly type: 'crash-all'; readonly unsyncedKept: number; readonly forMs: number }
  /** Crashes a node; `afterMs` later its disk is replaced by a copy from that moment (or an empty one), as from a backup. */
  | {
      readonly type: 'restore';
      readonly node: number;
      readonly isEmpty: boolean;
      readonly afterMs: number;
      readonly forMs: number;
    }
  | { readonly type: 'stop'; readonly node: number; readonly forMs: number }
  /** Freezes a process (SIGSTOP): nothing of it runs, its peers cannot tell. */
  | { readonly type: 'pause'; readonly node: number; readonly forMs: number }
  | { readonly type: 'slow-disk'; readonly node: number; readonly factor: number; readonly forMs: number }
  | { readonly type: 'disk-failure'; readonly node: number; readonly forMs: number }
  | { readonly type: 'clock-jump'; readonly node: number; readonly byMs: number }
  /** A member puts another one out of the cluster for ever, whatever the other is doing. */
  | { readonly type: 'remove'; readonly node: number; readonly by: number };

export interface Cut {
  readonly direction: Direction;
  readonly afterMs: number;
  readonly forMs: number;
}

export type Action =
  | { readonly at: number; readonly type: 'create-database'; readonly node: number; readonly database: string }
  | { readonly at: number; readonly type: 'drop-database'; readonly node: number; readonly database: string }
  | {
      readonly at: number;
      readonly type: 'write';
      readonly node: number;
      readonly database: string;
      readonly workload: WorkloadName;
      readonly key: number;
    }
  | {
      readonly at: number;
      readonly type: 'define-index';
      readonly node: number;
      readonly database: string;
      readonly collection: string;
      /** Null drops it. */
      readonly definition: JsonObject | null;
    }
  | { readonly at: number; readonly type: 'fault'; readonly fault: Fault | IdentityFault | DamageFault };

export interface NodePlan {
  readonly startsAt: number;
  readonly clockOffsetMs: number;
  /** Milliseconds gained per virtual second. */
  readonly clockDriftMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly nodes: readonly NodePlan[];
  readonly topology: Topology;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  /** A node is asked for a snapshot when this many records are missing. */
  readonly snapshotRecordsMin: number;
  /** A peer that misses so many records may get documents instead. */
  readonly coalesceRecordsMin: number;
  readonly log: Partial<LogRetention>;
  readonly snapshot?: Partial<SnapshotOptions>;
  /** When tombstones are forgotten. */
  readonly collection?: Partial<CollectionOptions>;
  /** When documents leave their history behind. */
  readonly compaction?: Partial<CompactionOptions>;
  /** Seconds between heartbeats: with each, nodes say all they hold. Default 5. */
  readonly heartbeatTicks?: number;
  readonly staleAfterMs?: number;
  readonly windowBytes: number;
  /** Small: peers are served from the log, not from memory. */
  readonly ringBytesMax: number;
  readonly messageBytesTarget: number;
  readonly largeShare: number;
  readonly dropShare: number;
  readonly activeMs: number;
  /** Cuts the power of all nodes once more when they have converged. */
  readonly hasFinalPowerLoss: boolean;
  /** Documents that every node checks per second; default none. */
  readonly scrubPerSecond?: number;
  readonly actions: readonly Action[];
}

export interface PlanOptions {
  /** Client writes per run, about. Default 90. */
  readonly writes?: number;
}

const DATABASES = ['alpha', 'beta'] as const;
const SCRATCH = 'scratch';

/** Are two nodes neighbours? */
export function isConnected(topology: Topology, nodes: number, a: number, b: number): boolean {
  if (topology === 'mesh') return true;
  if (topology === 'star') return a === 0 || b === 0;
  const distance = Math.abs(a - b);
  return distance === 1 || (topology === 'ring' && distance === nodes - 1);
}

export function makePlan(seed: number, options: PlanOptions = {}): Plan {
  const random = new SeededRandom(seed).fork('plan');
  const drawnCount = random.int(2, 5);
  const wide = new SeededRandom(seed).fork('wide');
  const nodeCount = wide.chance(0.02) ? wide.int(6, 9) : drawnCount;
  const writes = Math.round((options.writes ?? 90) * (0.4 + 1.2 * random.float()));
  const activeMs = random.pick([2000, 8000, 20_000, 60_000]);
  const hasLateNode = random.chance(0.3);
  const faults = [
    ...makeFaults(random, nodeCount, activeMs),
    ...makeEpochs(seed, nodeCount, activeMs),
    ...makeManyEpochs(seed, nodeCount, activeMs),
    ...makeStrobes(seed, nodeCount, activeMs),
    ...makeRemovals(seed, nodeCount, activeMs),
  ];
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    startsAt: hasLateNode && index === nodeCount - 1 ? activeMs * (0.4 + 0.5 * random.float()) : random.int(0, 200),
    clockOffsetMs: makeClockOffset(random),
    clockDriftMs: random.chance(0.3) ? random.int(-200, 200) : 0,
  }));
  return {
    seed,
    nodes,
    topology: random.pick(['mesh', 'mesh', 'line', 'star', 'ring'] as const),
    network: makeNetwork(random),
    disk: {
      coldReads: random.pick([0, 0.1, 0.6]),
      readMsMax: random.pick([1, 20]),
      fsyncMsMin: 0.2,
      fsyncMsMax: random.pick([2, 20, 150]),
    },
    snapshotRecordsMin: random.pick([10, 40, 1000]),
    ...makeRetention(new SeededRandom(seed).fork('log')),
    ...makeCollection(new SeededRandom(seed).fork('collection'), nodeCount),
    compaction: makeCompaction(new SeededRandom(seed).fork('compaction'), nodeCount),
    windowBytes: random.pick([128, 256, 1024]) * 1024,
    ringBytesMax: random.pick([1, 64, 16 * 1024]) * 1024,
    messageBytesTarget: random.pick([2, 64]) * 1024,
    largeShare: random.chance(0.15) ? 0.5 : 0.01,
    dropShare: random.chance(0.2) ? 0.4 : 0,
    activeMs,
    hasFinalPowerLoss: random.chance(0.25),
    actions: [
      ...makeDatabases(random, nodeCount, activeMs),
      ...makeWrites(random, nodeCount, activeMs, writes),
      ...makeClients({ seed, nodes, activeMs, faults }),
      ...faults,
    ].sort((a, b) => a.at - b.at),
  };
}

/** In a third of the runs nothing is cut. */
function makeRetention(random: SeededRandom): Pick<Plan, 'coalesceRecordsMin' | 'log' | 'snapshot'> {
  const log = {
    bytesMin: random.pick([0, 3000, Infinity]),
    bytesMax: random.pick([1000, 20_000, Infinity]),
    ageMsMax: random.pick([3000, Infinity, Infinity, Infinity]),
    intervalMs: 300,
  };
  return {
    coalesceRecordsMin: random.pick([5, 5000]),
    log: random.chance(0.3) ? { bytesMin: Infinity } : log,
    // Small chunks of scans: what breaks off can be gone on with.
    snapshot: random.chance(0.5) ? { chunkBytes: 1000, changesMin: 0, atomicBytesMax: 0 } : {},
  };
}

/** All nodes have to know each other first: what one wrote before it met the others, those who have forgotten more take differently. */
function makeCollection(random: SeededRandom, membersMin: number): Pick<Plan, 'collection' | 'heartbeatTicks'> {
  const collection = { intervalMs: random.pick([50, 400, 2000]), epochMs: random.pick([300, 3000]), membersMin };
  return { collection, heartbeatTicks: random.pick([1, 5]) };
}

/** Whatever was written twice has grown. */
function makeCompaction(random: SeededRandom, membersMin: number): Partial<CompactionOptions> {
  const intervalMs = random.pick([50, 400, 2000]);
  return { intervalMs, bytesMin: 0, ratioMin: 1.05, quietMs: 0, membersMin, shareMax: 10 };
}

const YEAR_MS = 31_536_000_000;

/** Mostly near the truth, sometimes an hour off, rarely a battery that has died. */
function makeClockOffset(random: SeededRandom): number {
  const scale = random.weighted<'near' | 'hour' | 'decade'>({ near: 60, hour: 35, decade: 5 });
  if (scale === 'decade') return random.pick([-10, 10]) * YEAR_MS;
  const limitMs = scale === 'hour' ? 3_600_000 : 50;
  return random.int(-limitMs, limitMs);
}

function makeNetwork(random: SeededRandom): NetworkProfile {
  const isLossy = random.chance(0.55);
  const hasFaults = random.chance(0.8);
  const latencyMsMin = random.pick([0.2, 2, 20]);
  return {
    mode: isLossy ? 'lossy' : 'stream',
    latencyMsMin,
    latencyMsMax: latencyMsMin * random.pick([1.5, 5, 20]),
    loss: !hasFaults ? 0 : isLossy ? random.pick([0.01, 0.05, 0.2]) : random.pick([0.001, 0.01]),
    duplicate: hasFaults && isLossy ? random.pick([0, 0.05, 0.2]) : 0,
    reorder: hasFaults && isLossy ? random.pick([0, 0.05, 0.3]) : 0,
    bandwidth: random.pick([100, 1000, 100_000]),
  };
}

function makeDatabases(random: SeededRandom, nodes: number, activeMs: number): Action[] {
  const actions: Action[] = [];
  for (const database of DATABASES) {
    // Two nodes at once, or nearly: they must end up with one database.
    for (let i = random.int(1, 2); i > 0; i--) {
      actions.push({ at: random.int(300, 500), type: 'create-database', node: random.int(0, nodes - 1), database });
    }
  }
  if (!random.chance(0.15)) return actions;
  for (let i = random.int(2, 5); i > 0; i--) {
    const at = random.int(300, activeMs);
    const type = random.pick(['create-database', 'drop-database'] as const);
    actions.push({ at, type, node: random.int(0, nodes - 1), database: SCRATCH });
  }
  return actions;
}

function makeWrites(random: SeededRandom, nodes: number, activeMs: number, count: number): Action[] {
  const mix: Partial<Record<WorkloadName, number>> = {};
  const names: WorkloadName[] = [
    'inserts',
    'counters',
    'sets',
    'registers',
    'lists',
    'moves',
    'texts',
    'lifecycles',
    'swaps',
    'chaos',
  ];
  for (const name of names) if (random.chance(0.7)) mix[name] = 0.2 + random.float();
  if (Object.keys(mix).length === 0) mix.chaos = 1;
  const burstiness = random.float();
  const actions: Action[] = [];
  let at = 400;
  for (let key = 1; key <= count; key++) {
    // Bursts put several writes into one commit group; gaps leave time to fall silent.
    if (!random.chance(burstiness)) at = 400 + random.float() * (activeMs - 400);
    const database = random.chance(0.8) ? DATABASES[0] : random.chance(0.8) ? DATABASES[1] : SCRATCH;
    const workload = database === SCRATCH ? 'chaos' : random.weighted(mix);
    actions.push({ at, type: 'write', node: random.int(0, nodes - 1), database, workload, key });
  }
  return actions;
}

/** Processes that take a new epoch while they run. Drawn from a stream of their own. */
function makeEpochs(seed: number, nodes: number, activeMs: number): Action[] {
  const random = new SeededRandom(seed).fork('epochs');
  const count = random.chance(0.3) ? random.int(1, 4) : 0;
  return Array.from({ length: count }, () => {
    const fault = { type: 'new-epoch', node: random.int(0, nodes - 1) } as const;
    return { at: random.float() * activeMs, type: 'fault', fault };
  });
}

/** Nodes that begin epochs again and again, most of them at one time, so that vectors fold while everything else happens. */
function makeManyEpochs(seed: number, nodes: number, activeMs: number): Action[] {
  const random = new SeededRandom(seed).fork('many epochs');
  if (!random.chance(0.15)) return [];
  const busy = random.int(0, nodes - 1);
  return Array.from({ length: random.int(15, 40) }, () => {
    const node = random.chance(0.6) ? busy : random.int(0, nodes - 1);
    const isRestart = random.chance(0.2);
    const forMs = random.float() * 0.02 * activeMs;
    const fault = isRestart ? ({ type: 'stop', node, forMs } as const) : ({ type: 'new-epoch', node } as const);
    return { at: random.float() * activeMs, type: 'fault', fault };
  });
}

/** A clock that jumps to and fro. */
function makeStrobes(seed: number, nodes: number, activeMs: number): Action[] {
  const random = new SeededRandom(seed).fork('strobes');
  if (!random.chance(0.05)) return [];
  const node = random.int(0, nodes - 1);
  const byMs = random.pick([300, 90_000, 3_600_000]);
  const at = random.float() * activeMs;
  return Array.from({ length: 20 }, (_, i) => {
    const fault = { type: 'clock-jump', node, byMs: i % 2 === 0 ? byMs : -byMs } as const;
    return { at: at + i * 50, type: 'fault', fault };
  });
}

/** One member is removed, often while it is cut off from others. */
function makeRemovals(seed: number, nodes: number, activeMs: number): Action[] {
  const random = new SeededRandom(seed).fork('removals');
  if (nodes < 3 || !random.chance(0.1)) return [];
  // Without the last one every topology is still connected.
  const node = nodes - 1;
  const by = random.int(0, nodes - 2);
  const at = (0.3 + 0.6 * random.float()) * activeMs;
  const forMs = random.float() * activeMs;
  const directions = allDirections(nodes).filter(([a, b]) => a === node || b === node);
  const cuts = directions.map((direction) => ({ direction, afterMs: 0, forMs }));
  const actions: Action[] = [{ at, type: 'fault', fault: { type: 'remove', node, by } }];
  if (random.chance(0.7))
    actions.push({ at: at - 0.2 * activeMs * random.float(), type: 'fault', fault: { type: 'partition', cuts } });
  return actions;
}

function makeFaults(random: SeededRandom, nodes: number, activeMs: number): Action[] {
  const weights: Partial<Record<Exclude<Fault['type'], 'remove'>, number>> = {
    partition: 3,
    'one-way': 2,
    swizzle: 1,
    flap: 1,
    'slow-link': 1,
    crash: 3,
    'crash-after-reply': 2,
    'crash-all': 0.5,
    restore: 1,
    stop: 1,
    pause: 1,
    'slow-disk': 1,
    'disk-failure': 1,
    'clock-jump': 1,
  };
  const actions: Action[] = [];
  for (let i = random.int(0, 9); i > 0; i--) {
    const type = random.weighted(weights);
    actions.push({ at: random.float() * activeMs, type: 'fault', fault: makeFault(random, nodes, activeMs, type) });
  }
  return actions;
}

export function makeFault(
  random: SeededRandom,
  nodes: number,
  activeMs: number,
  type: Exclude<Fault['type'], 'remove'>,
): Fault {
  const node = random.int(0, nodes - 1);
  const forMs = (0.02 + 0.4 * random.float() ** 2) * activeMs;
  const unsyncedKept = random.pick([0, 0, 1, 99]);
  switch (type) {
    case 'partition': {
      const side = new Set(random.shuffle([...Array(nodes).keys()]).slice(0, random.int(1, nodes - 1)));
      const directions = allDirections(nodes).filter(([a, b]) => side.has(a) !== side.has(b));
      return { type, cuts: directions.map((direction) => ({ direction, afterMs: 0, forMs })) };
    }
    case 'one-way': {
      const directions = random.shuffle(allDirections(nodes)).slice(0, random.int(1, nodes));
      return { type, cuts: directions.map((direction) => ({ direction, afterMs: 0, forMs })) };
    }
    case 'swizzle': {
      const directions = allDirections(nodes).filter((direction) => direction.includes(node));
      return { type, cuts: directions.map((direction) => makeCut(random, direction, forMs)) };
    }
    case 'flap': {
      const directions = allDirections(nodes).filter((direction) => direction.includes(node));
      const times = Array.from({ length: random.int(2, 5) }, (_, i) => (i * forMs) / 5);
      return {
        type,
        cuts: times.flatMap((afterMs) => directions.map((direction) => ({ direction, afterMs, forMs: forMs / 10 }))),
      };
    }
    case 'slow-link':
      return {
        type,
        directions: random.shuffle(allDirections(nodes)).slice(0, random.int(1, nodes)),
        factor: random.pick([10, 100]),
        forMs,
      };
    case 'crash':
      return { type, node, isPowerLoss: random.chance(0.5), unsyncedKept, forMs };
    case 'crash-all':
      return { type, unsyncedKept, forMs };
    case 'slow-disk':
      return { type, node, factor: random.pick([5, 50]), forMs };
    case 'clock-jump':
      return { type, node, byMs: random.pick([-1, 1]) * random.pick([500, 90_000, 3_600_000, 10 * YEAR_MS]) };
    case 'restore':
      return { type, node, isEmpty: random.chance(0.3), afterMs: 2 * forMs, forMs: forMs / 4 };
    case 'crash-after-reply':
    case 'stop':
    case 'pause':
    case 'disk-failure':
      return { type, node, forMs };
  }
}

function makeCut(random: SeededRandom, direction: Direction, forMs: number): Cut {
  return { direction, afterMs: random.float() * forMs, forMs: (0.3 + 0.7 * random.float()) * forMs };
}

export function allDirections(nodes: number): Direction[] {
  const ids = [...Array(nodes).keys()];
  return ids.flatMap((a) => ids.filter((b) => b !== a).map((b) => [a, b] as const));
}

/** The plan in words, one line per action; runs of writes are counted. */
export function describePlan(plan: Plan): string {
  const { seed, nodes, topology, network, disk, activeMs } = plan;
  const lines = [
    `seed ${seed}: ${nodes.length} nodes, ${topology}, ${network.mode} network (loss ${network.loss}, duplicates ${network.duplicate}, ` +
      `reordering ${network.reorder}, ${network.latencyMsMin}–${network.latencyMsMax} ms, ${network.bandwidth} B/ms), ` +
      `fsync ≤ ${disk.fsyncMsMax} ms, active for ${activeMs / 1000} s, starts at ${nodes.map((node) => Math.round(node.startsAt)).join('/')} ms`,
  ];
  let writes: Extract<Action, { type: 'write' }>[] = [];
  const flush = (): void => {
    if (writes.length > 3) {
      const names = [...new Set(writes.map(({ workload }) => workload))].join(', ');
      lines.push(
        `  ${writes[0]!.at.toFixed(1)}–${writes.at(-1)!.at.toFixed(1)} ms: ${writes.length} writes (${names})`,
      );
    } else {
      for (const { at, node, workload, database, key } of writes) {
        lines.push(`  ${at.toFixed(1)} ms: ${workload} step ${key} on node ${node}, ${database}`);
      }
    }
    writes = [];
  };
  for (const action of plan.actions) {
    if (action.type === 'write') writes.push(action);
    else {
      flush();
      lines.push(
        `  ${action.at.toFixed(1)} ms: ${action.type === 'fault' ? describeFault(action.fault) : `${action.type} ${action.database} on node ${action.node}`}`,
      );
    }
  }
  flush();
  return lines.join('\n');
}

function describeFault(fault: Fault | IdentityFault | DamageFault): string {
  if ('cuts' in fault) {
    const cuts = fault.cuts.map(
      ({ direction: [a, b], afterMs, forMs }) => `${a}>${b} +${Math.round(afterMs)} for ${Math.round(forMs)}`,
    );
    return `${fault.type} ${cuts.slice(0, 8).join(', ')}${cuts.length > 8 ? ', …' : ''}`;
  }
  return JSON.stringify(fault).replaceAll('"', '');
}
