/**
 * @module
 * Epochs without end: vectors stay short, whatever else happens to the nodes that begin them. And members that were given up, and
 * return when what was deleted meanwhile has been forgotten.
 */
import { expect, test } from 'vitest';
import { wholeOf } from '../../sync/lineage.ts';
import type { Cluster } from './cluster.ts';
import type { Action, NodePlan, Plan, WorkloadName } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { SeededRandom } from './seeded-random.ts';

const NEVER = 1e9;
const WORKLOADS: readonly WorkloadName[] = ['counters', 'lifecycles', 'inserts', 'sets', 'registers', 'texts', 'chaos'];
/** `RUNS=n` tries more. */
const SEEDS: readonly number[] = Array.from({ length: Number(process.env['RUNS'] ?? 3) }, (_, i) => i + 1);

function planFor(seed: number, actions: readonly Action[], changes: Partial<Plan>): Plan {
  const isLossy = seed % 3 === 0;
  return {
    seed,
    nodes: Array.from({ length: 3 }, (): NodePlan => ({ startsAt: 0, clockOffsetMs: 0, clockDriftMs: 0 })),
    topology: 'mesh',
    network: {
      mode: isLossy ? 'lossy' : 'stream',
      latencyMsMin: 1,
      latencyMsMax: isLossy ? 40 : 5,
      loss: isLossy ? 0.02 : 0,
      duplicate: isLossy ? 0.02 : 0,
      reorder: isLossy ? 0.05 : 0,
      bandwidth: 100_000,
    },
    disk: { coldReads: 0.2, readMsMax: 2, fsyncMsMin: 1, fsyncMsMax: 4 },
    snapshotRecordsMin: 40,
    coalesceRecordsMin: Number.MAX_SAFE_INTEGER,
    log: { bytesMin: 0, bytesMax: 4000, intervalMs: 300 },
    windowBytes: 1024 * 1024,
    ringBytesMax: 16 * 1024,
    messageBytesTarget: 64 * 1024,
    largeShare: 0,
    dropShare: 0,
    activeMs: 20_000,
    hasFinalPowerLoss: true,
    collection: { intervalMs: 50, epochMs: 300, membersMin: 3 },
    heartbeatTicks: 1,
    actions,
    ...changes,
  };
}

function writes(fromMs: number, toMs: number, nodes: readonly number[], workloads = WORKLOADS, everyMs = 60): Action[] {
  const actions: Action[] = [];
  for (let at = fromMs, i = 0; at < toMs; at += everyMs, i++) {
    const workload = workloads[i % workloads.length]!;
    actions.push({ type: 'write', workload, at, node: nodes[i % nodes.length]!, database: 'alpha', key: at });
  }
  return actions;
}

/** Epochs that begin and processes that are started anew, one of them every so often. */
function epochs(seed: number, fromMs: number, toMs: number, nodes: readonly number[], restarts = 0.3): Action[] {
  const random = new SeededRandom(seed).fork('epochs');
  const actions: Action[] = [];
  for (let at = fromMs; at < toMs; at += 120 + random.float() * 200) {
    const node = random.pick(nodes);
    const fault = random.chance(restarts)
      ? ({ type: 'stop', node, forMs: random.float() * 300 } as const)
      : ({ type: 'new-epoch', node } as const);
    actions.push({ at, type: 'fault', fault });
  }
  return actions;
}

const cut = (node: number, at: number, forMs: number): Action => {
  const directions = [0, 1, 2].flatMap((other) =>
    other === node
      ? []
      : ([
          [node, other],
          [other, node],
        ] as const),
  );
  const cuts = directions.map((direction) => ({ direction, afterMs: 0, forMs }));
  return { at, type: 'fault', fault: { type: 'partition', cuts } };
};

interface Shape {
  readonly listed: number;
  readonly whole: number;
}

function shapeOf(cluster: Cluster): Shape {
  const shapes = cluster.members.map(({ replica }) => {
    const vector = replica!.engine.vector('alpha.0');
    return { listed: vector.size, whole: [...wholeOf(vector)].length };
  });
  return {
    listed: Math.max(...shapes.map(({ listed }) => listed)),
    whole: Math.min(...shapes.map(({ whole }) => whole)),
  };
}

const MIXES: Readonly<Record<string, readonly Action[]>> = {
  'nothing else': [],
  'a partition': [cut(2, 5000, 8000)],
  'a removal': [cut(2, 9000, NEVER), { at: 11_000, type: 'fault', fault: { type: 'remove', node: 2, by: 0 } }],
  'restored disks': [
    { at: 4000, type: 'fault', fault: { type: 'restore', node: 1, isEmpty: false, afterMs: 3000, forMs: 500 } },
    { at: 12_000, type: 'fault', fault: { type: 'restore', node: 2, isEmpty: true, afterMs: 100, forMs: 500 } },
  ],
};

for (const [name, faults] of Object.entries(MIXES)) {
  for (const seed of SEEDS) {
    test(`[GC10] [GC13] many epochs and ${name}: what is listed stays short, seed ${seed}`, async () => {
      const actions = [...writes(400, 16_000, [0, 1, 2]), ...epochs(seed, 800, 16_000, [0, 1, 2]), ...faults];
      let shape: Shape | null = null;
      const { problems } = await runPlan(planFor(seed, actions, {}), false, (cluster) => {
        shape = shapeOf(cluster);
      });
      expect(problems).toEqual([]);
      const { listed, whole } = shape!;
      expect(whole).toBeGreaterThan(25);
      expect(listed).toBeLessThan(12);
    });
  }
}

for (const seed of SEEDS) {
  test(`[GC4] [I8] a member that was given up returns when deletes it has not seen were forgotten, seed ${seed}`, async () => {
    const actions = [
      ...writes(400, 5000, [0, 1, 2]),
      cut(2, 4000, NEVER),
      { at: 6000, type: 'fault', fault: { type: 'stop', node: 2, forMs: NEVER } } as const,
      ...writes(5000, 9000, [0, 1], ['lifecycles', 'sets', 'chaos']),
      ...epochs(seed, 6000, 9000, [0, 1], 0),
      // A process gives nobody up in its first minute.
      ...writes(74_000, 77_000, [0, 1], ['lifecycles', 'chaos']),
      ...epochs(seed, 74_000, 77_000, [0, 1], 0),
    ];
    let forgotten = 0;
    let state: string | undefined;
    const before = (cluster: Cluster): void => {
      const [first] = cluster.nodes;
      const { databases, members } = first!.replica!.status();
      forgotten = Math.max(...databases.map(({ tombstones }) => tombstones.collected));
      state = members.find((member) => member.state === 'stale')?.state;
    };
    const plan = planFor(seed, actions, { staleAfterMs: 3000, activeMs: 80_000 });
    const { problems } = await runPlan(plan, false, () => {}, before);
    expect(problems).toEqual([]);
    expect(state).toBe('stale');
    expect(forgotten).toBeGreaterThan(0);
  });
}
