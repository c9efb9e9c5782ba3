/**
 * @module
 * Two processes with one name, and one process at two times: whatever copies or sets back a node, nothing is numbered twice, all
 * nodes end equal, and the node that lost its name has another one without being started again.
 */
import { expect, test } from 'vitest';
import type { IncidentKind } from '../../sync/incident.ts';
import type { Cluster } from './cluster.ts';
import type { Action, Plan, WorkloadName } from './plan.ts';
import { runPlan } from './run-plan.ts';

const NEVER = 1e9;
const WORKLOADS: readonly WorkloadName[] = ['counters', 'inserts', 'sets', 'lists', 'registers', 'chaos'];

const ORDERLY: Plan['network'] = {
  mode: 'stream',
  latencyMsMin: 1,
  latencyMsMax: 5,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  bandwidth: 100_000,
};
const LOSSY: Plan['network'] = {
  ...ORDERLY,
  mode: 'lossy',
  latencyMsMax: 40,
  loss: 0.02,
  duplicate: 0.02,
  reorder: 0.05,
};
/** `RUNS=n` tries more. */
const SEEDS: readonly number[] = Array.from({ length: Number(process.env['RUNS'] ?? 3) }, (_, i) => i + 1);

function planFor(seed: number, startsAt: readonly number[], actions: readonly Action[], activeMs = 20_000): Plan {
  return {
    seed,
    nodes: startsAt.map((at) => ({ startsAt: at, clockOffsetMs: 0, clockDriftMs: 0 })),
    topology: 'mesh',
    network: seed % 3 === 0 ? LOSSY : ORDERLY,
    disk: { coldReads: 0.2, readMsMax: 2, fsyncMsMin: 1, fsyncMsMax: 4 },
    snapshotRecordsMin: Number.MAX_SAFE_INTEGER,
    coalesceRecordsMin: Number.MAX_SAFE_INTEGER,
    log: { bytesMin: Infinity },
    windowBytes: 1024 * 1024,
    ringBytesMax: 16 * 1024,
    messageBytesTarget: 64 * 1024,
    largeShare: 0.1,
    dropShare: 0,
    activeMs,
    hasFinalPowerLoss: true,
    actions,
  };
}

/** Writes of every kind on the nodes in turn. */
function writes(fromMs: number, toMs: number, nodes: readonly number[], everyMs = 70): Action[] {
  const actions: Action[] = [];
  for (let at = fromMs, i = 0; at < toMs; at += everyMs, i++) {
    const workload = WORKLOADS[i % WORKLOADS.length]!;
    actions.push({ type: 'write', workload, at, node: nodes[i % nodes.length]!, database: 'alpha', key: at });
  }
  return actions;
}

interface Seen {
  readonly nodeIds: readonly string[];
  readonly origins: readonly number[];
  readonly incidents: readonly (readonly IncidentKind[])[];
  readonly liveMembers: number;
}

function look(cluster: Cluster): Seen {
  const replicas = cluster.nodes.map(({ replica }) => replica!);
  return {
    nodeIds: replicas.map(({ nodeId }) => nodeId),
    origins: replicas.map(({ origin }) => origin),
    incidents: replicas.map((replica) => replica.status().incidents.map(({ kind }) => kind)),
    liveMembers: replicas[0]!.status().members.filter(({ state }) => state === 'live').length,
  };
}

async function run(plan: Plan): Promise<Seen> {
  let seen: Seen | null = null;
  const { problems } = await runPlan(plan, false, (cluster) => {
    seen = look(cluster);
  });
  expect(problems).toEqual([]);
  return seen!;
}

test('[I2] [ID1] a process takes a new epoch while it writes, again and again, and nothing is lost or numbered twice', async () => {
  const epochs: Action[] = Array.from({ length: 30 }, (_, i) => ({
    at: 900 + 311 * i,
    type: 'fault',
    fault: { type: 'new-epoch', node: i % 3 },
  }));
  const actions = [...writes(300, 11_000, [0, 1, 2], 40), ...epochs];
  const { incidents } = await run(planFor(11, [0, 0, 0], actions, 12_000));
  for (const kinds of incidents) expect(kinds.filter((kind) => kind === 'epoch-shared')).toHaveLength(10);
});

for (const seed of SEEDS) {
  test(`[ID2] a copied directory that runs beside its original becomes a node of its own, seed ${seed}`, async () => {
    const actions: Action[] = [
      ...writes(300, 5000, [0, 1, 2]),
      { at: 5000, type: 'fault', fault: { type: 'copy-directory', node: 1, to: 3 } },
      ...writes(5100, 19_000, [0, 1, 2, 3]),
    ];
    const { nodeIds, incidents, liveMembers } = await run(planFor(seed, [0, 0, 0, NEVER], actions));
    expect(new Set(nodeIds).size).toBe(4);
    expect(incidents.flat()).toContain('node-id-shared');
    expect(liveMembers).toBeGreaterThanOrEqual(4);
  });

  test(`[ID2] copies that never meet the same peer before a partition heals part then, seed ${seed}`, async () => {
    const sides = [
      [0, 1],
      [2, 3],
    ] as const;
    const cuts = sides[0].flatMap((left) =>
      sides[1].flatMap((right) =>
        (
          [
            [left, right],
            [right, left],
          ] as const
        ).map((direction) => ({ direction, afterMs: 0, forMs: 9000 })),
      ),
    );
    const actions: Action[] = [
      ...writes(300, 5000, [0, 1, 2]),
      { at: 5000, type: 'fault', fault: { type: 'partition', cuts } },
      { at: 5100, type: 'fault', fault: { type: 'copy-directory', node: 1, to: 3 } },
      ...writes(5500, 24_000, [0, 1, 2, 3]),
    ];
    const { nodeIds, incidents, liveMembers } = await run(planFor(seed, [0, 0, 0, NEVER], actions, 25_000));
    expect(new Set(nodeIds).size).toBe(4);
    expect(incidents.flat()).toContain('node-id-shared');
    expect(liveMembers).toBeGreaterThanOrEqual(4);
  });

  test(`[ID3] a machine that is set back while it runs begins a new epoch at its first link, seed ${seed}`, async () => {
    const actions: Action[] = [
      ...writes(300, 4000, [0, 1, 2]),
      { at: 4500, type: 'fault', fault: { type: 'set-back', node: 1, afterMs: 4500 } },
      ...writes(4700, 8500, [0, 1, 2]),
      ...writes(10_500, 19_000, [0, 1, 2]),
    ];
    const { incidents } = await run(planFor(seed, [0, 0, 0], actions));
    expect(incidents[1]).toContain('epoch-shared');
    expect(incidents[1]).toContain('history-lost');
  });

  test(`[ID3] a machine that is copied while it runs leaves two nodes with two epochs, seed ${seed}`, async () => {
    const actions: Action[] = [
      ...writes(300, 4000, [0, 1, 2]),
      { at: 5000, type: 'fault', fault: { type: 'copy-machine', node: 1, to: 3 } },
      ...writes(5500, 19_000, [0, 2]),
      ...writes(36_000, 44_000, [0, 1, 2, 3]),
    ];
    const { nodeIds, origins } = await run(planFor(seed, [0, 0, 0, NEVER], actions, 46_000));
    expect(new Set(nodeIds).size).toBe(4);
    expect(new Set(origins).size).toBe(4);
  });

  test(`[ID4] a node whose directory was restored notices, and gets back what peers hold, seed ${seed}`, async () => {
    const restore = { type: 'restore', node: 1, isEmpty: false, afterMs: 5000, forMs: 300 } as const;
    const actions: Action[] = [
      ...writes(300, 12_000, [0, 1, 2]),
      { at: 4000, type: 'fault', fault: restore },
      ...writes(14_000, 19_000, [0, 1, 2]),
    ];
    const { incidents, nodeIds } = await run(planFor(seed, [0, 0, 0], actions));
    expect(incidents[1]).toContain('history-lost');
    expect(new Set(nodeIds).size).toBe(3);
  });
}
