/**
 * @module
 * Owns what a seed means for leaves: nodes and their faults as in other plans, leaves that come and go beside them, and what is written
 * on either side.
 */
import type { LeafSubscription } from '../../../sync/index.ts';
import { makeFault } from '../plan.ts';
import type { Action, Plan } from '../plan.ts';
import { SeededRandom } from '../seeded-random.ts';

/**
 * What is written: members that stay, counters, documents that are written once and deleted once, and documents that are written and
 * deleted by anybody.
 */
export const COLLECTIONS = ['items', 'counters', 'lives', 'mixed'] as const;
export type CollectionName = (typeof COLLECTIONS)[number];
export const GROUPS = ['a', 'b', 'c'] as const;

export type LeafAction =
  | {
      readonly at: number;
      readonly type: 'write';
      /** A node or, from the number of nodes on, a leaf. */
      readonly machine: number;
      readonly collection: CollectionName;
      readonly key: number;
    }
  | {
      readonly at: number;
      readonly type: 'cut';
      readonly leaf: number;
      readonly nodes: readonly number[];
      readonly forMs: number;
    }
  | {
      readonly at: number;
      readonly type: 'crash';
      readonly leaf: number;
      readonly unsyncedKept: number;
      readonly forMs: number;
    }
  /** Closed, and opened again with what it subscribes to next. */
  | { readonly at: number; readonly type: 'reload'; readonly leaf: number; readonly forMs: number }
  /** Its store is lost: it begins as another leaf. */
  | { readonly at: number; readonly type: 'vanish'; readonly leaf: number; readonly forMs: number }
  | Extract<Action, { type: 'fault' }>;

export interface LeafMachinePlan {
  readonly startsAt: number;
  readonly clockOffsetMs: number;
  /** Of nodes, in the order in which it tries them. */
  readonly nodes: readonly number[];
  /** From one reload to the next. */
  readonly subscriptions: readonly (readonly LeafSubscription[])[];
}

export interface LeafPlan {
  readonly nodes: Plan;
  readonly leaves: readonly LeafMachinePlan[];
  readonly actions: readonly LeafAction[];
}

const NODE_FAULTS = {
  partition: 3,
  'one-way': 1,
  flap: 1,
  crash: 3,
  'crash-all': 0.5,
  stop: 1,
  pause: 1,
  'slow-disk': 1,
} as const;

export function makeLeafPlan(seed: number): LeafPlan {
  const random = new SeededRandom(seed).fork('leaves');
  const nodeCount = random.int(1, 3);
  const leafCount = random.int(1, 4);
  const activeMs = random.pick([4000, 15_000, 60_000]);
  const leaves = Array.from({ length: leafCount }, () => makeLeaf(random, nodeCount, activeMs));
  return {
    nodes: makeNodes(seed, random, nodeCount, activeMs),
    leaves,
    actions: [
      ...makeWrites(random, nodeCount, leafCount, activeMs),
      ...makeLeafFaults(random, nodeCount, leafCount, activeMs),
      ...makeNodeFaults(random, nodeCount, activeMs),
    ].sort((a, b) => a.at - b.at),
  };
}

function makeNodes(seed: number, random: SeededRandom, count: number, activeMs: number): Plan {
  const latencyMsMin = random.pick([0.2, 2, 20]);
  return {
    seed,
    nodes: Array.from({ length: count }, () => ({
      startsAt: random.int(0, 200),
      clockOffsetMs: random.int(-3_600_000, 3_600_000),
      clockDriftMs: 0,
    })),
    topology: random.pick(['mesh', 'mesh', 'line'] as const),
    network: {
      mode: 'stream',
      latencyMsMin,
      latencyMsMax: latencyMsMin * random.pick([1.5, 5, 20]),
      loss: random.pick([0, 0.001, 0.01]),
      duplicate: 0,
      reorder: 0,
      bandwidth: random.pick([100, 1000, 100_000]),
    },
    disk: { coldReads: random.pick([0, 0.3]), readMsMax: 5, fsyncMsMin: 0.2, fsyncMsMax: random.pick([2, 20, 150]) },
    snapshotRecordsMin: random.pick([10, 1000]),
    coalesceRecordsMin: random.pick([5, 5000]),
    // Where history goes soon, leaves are named all there is when they come back.
    log: random.pick([{ bytesMin: Infinity }, { bytesMin: 0, bytesMax: 1000, intervalMs: 300 }]),
    collection: { intervalMs: random.pick([50, 400]), epochMs: random.pick([300, 3000]), membersMin: count },
    heartbeatTicks: 1,
    windowBytes: 1024 * 1024,
    ringBytesMax: 64 * 1024,
    messageBytesTarget: 64 * 1024,
    largeShare: 0,
    dropShare: 0,
    activeMs,
    hasFinalPowerLoss: false,
    actions: [],
  };
}

function makeLeaf(random: SeededRandom, nodes: number, activeMs: number): LeafMachinePlan {
  const subscriptions = Array.from({ length: random.int(1, 3) }, () => {
    // One that holds every document of all kinds is what most programs want.
    const isAll = random.chance(0.5);
    const names = isAll ? COLLECTIONS : random.shuffle([...COLLECTIONS]).slice(0, random.int(1, COLLECTIONS.length));
    return names.map((collection) => makeSubscription(random, collection, isAll));
  });
  return {
    startsAt: random.chance(0.7) ? random.int(300, 600) : random.float() * activeMs,
    clockOffsetMs: random.int(-3_600_000, 3_600_000),
    nodes: random.shuffle([...Array(nodes).keys()]).slice(0, random.int(1, nodes)),
    subscriptions,
  };
}

function makeSubscription(random: SeededRandom, collection: CollectionName, isAll: boolean): LeafSubscription {
  const database = 'app';
  const kind = isAll ? 'all' : random.pick(['all', 'filter', 'ids'] as const);
  if (kind === 'filter') return { database, collection, filter: { group: random.pick(GROUPS) } };
  if (kind === 'all') return { database, collection };
  return {
    database,
    collection,
    ids: random
      .shuffle([...Array(6).keys()])
      .slice(0, 3)
      .map((id) => `d${id}`),
  };
}

function makeWrites(random: SeededRandom, nodes: number, leaves: number, activeMs: number): LeafAction[] {
  const actions: LeafAction[] = [];
  const count = random.int(30, 110);
  const burstiness = random.float() * 0.8;
  let at = 500;
  for (let key = 1; key <= count; key++) {
    if (!random.chance(burstiness)) at = 500 + random.float() * (activeMs - 500);
    // Deletes are what goes wrong.
    const collection = random.weighted<CollectionName>({ items: 2, counters: 1, lives: 3, mixed: 3 });
    const machine = random.chance(0.35) ? random.int(0, nodes - 1) : nodes + random.int(0, leaves - 1);
    actions.push({ at, type: 'write', machine, collection, key });
  }
  return actions;
}

function makeLeafFaults(random: SeededRandom, nodes: number, leaves: number, activeMs: number): LeafAction[] {
  const actions: LeafAction[] = [];
  for (let i = random.int(1, 10); i > 0; i--) {
    const at = random.float() * activeMs;
    const leaf = random.int(0, leaves - 1);
    const forMs = (0.02 + 0.6 * random.float() ** 2) * activeMs;
    const type = random.weighted({ cut: 5, crash: 3, reload: 2, vanish: 0.7 });
    if (type === 'cut') {
      const all = [...Array(nodes).keys()];
      actions.push({ at, type, leaf, nodes: random.chance(0.7) ? all : [random.pick(all)], forMs });
    } else if (type === 'crash') actions.push({ at, type, leaf, unsyncedKept: random.pick([0, 0, 1, 99]), forMs });
    else actions.push({ at, type, leaf, forMs });
  }
  return actions;
}

/** A disk of a node that is set back takes what it had told leaves: that is no promise of theirs. */
function makeNodeFaults(random: SeededRandom, nodes: number, activeMs: number): LeafAction[] {
  return Array.from({ length: random.int(0, 5) }, () => {
    const type =
      nodes === 1 ? random.pick(['crash', 'stop', 'pause', 'slow-disk'] as const) : random.weighted(NODE_FAULTS);
    return { at: random.float() * activeMs, type: 'fault', fault: makeFault(random, nodes, activeMs, type) };
  });
}

/** The plan in words, for a report. */
export function describeLeafPlan({ nodes, leaves, actions }: LeafPlan): string {
  const machines = leaves.map(({ nodes: to, subscriptions, startsAt }, i) => {
    const selections = subscriptions.map((each) =>
      each.map(({ collection, ids, filter }) => `${collection} ${JSON.stringify(ids ?? filter ?? 'all')}`).join(', '),
    );
    return `  leaf ${i} of nodes ${to.join(', ')} from ${startsAt.toFixed(0)} ms: ${selections.join(' | ')}`;
  });
  const lines = actions.map((action) => `  ${JSON.stringify(action)}`);
  return [
    `${nodes.nodes.length} nodes, ${nodes.topology}, active for ${nodes.activeMs} ms`,
    ...machines,
    ...lines,
  ].join('\n');
}
