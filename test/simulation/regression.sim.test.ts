/**
 * @module
 * What simulations have found, each as the smallest schedule that shows it.
 */
import { expect, test } from 'vitest';
import type { Action, Plan, WorkloadName } from './plan.ts';
import { runPlan } from './run-plan.ts';

/** Two nodes, no faults but those asked for. */
function quietPlan(changes: Partial<Plan>): Plan {
  const node = { startsAt: 0, clockOffsetMs: 0, clockDriftMs: 0 };
  return {
    seed: 1,
    nodes: [node, node],
    topology: 'mesh',
    network: {
      mode: 'stream',
      latencyMsMin: 1,
      latencyMsMax: 2,
      loss: 0,
      duplicate: 0,
      reorder: 0,
      bandwidth: 100_000,
    },
    disk: { coldReads: 0, readMsMax: 1, fsyncMsMin: 1, fsyncMsMax: 2 },
    snapshotRecordsMin: Number.MAX_SAFE_INTEGER,
    coalesceRecordsMin: Number.MAX_SAFE_INTEGER,
    log: { bytesMin: Infinity },
    windowBytes: 1024 * 1024,
    ringBytesMax: 16 * 1024 * 1024,
    messageBytesTarget: 64 * 1024,
    largeShare: 0,
    dropShare: 0,
    activeMs: 10_000,
    hasFinalPowerLoss: false,
    actions: [],
    ...changes,
  };
}

function writes(workload: WorkloadName, at: number, nodes: readonly number[], database = 'alpha'): Action[] {
  return nodes.map((node, i) => ({ type: 'write', workload, at: at + 100 * i, node, database, key: at + i }));
}

async function expectNoProblem(plan: Plan): Promise<void> {
  const { problems } = await runPlan(plan);
  expect(problems).toEqual([]);
}

test('[L2] a database that is created and never written to can be used on every node', () =>
  expectNoProblem(quietPlan({ actions: [{ at: 500, type: 'create-database', node: 0, database: 'alpha' }] })));

test('[L2] large batches that need each other do not push each other out of the read-ahead for ever', async () => {
  const nodes = [0, 0, 5000].map((startsAt) => ({ startsAt, clockOffsetMs: 0, clockDriftMs: 0 }));
  const actions = writes('inserts', 500, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
  await expectNoProblem(quietPlan({ nodes, actions, largeShare: 1, ringBytesMax: 1024 }));
});

test('[L2] a large batch that waits for credit and small ones of another database do not push each other out either', async () => {
  const nodes = [0, 5000].map((startsAt) => ({ startsAt, clockOffsetMs: 0, clockDriftMs: 0 }));
  const actions = ['alpha', 'beta'].flatMap((database, i) => [
    ...writes('inserts', 500 + 2000 * i, [0, 0, 0, 0, 0], database),
    ...writes(
      'counters',
      1500 + 2000 * i,
      Array.from({ length: 8 }, () => 0),
      database,
    ),
  ]);
  const plan = quietPlan({ nodes, actions, largeShare: 1, ringBytesMax: 1024, windowBytes: 128 * 1024 });
  await expectNoProblem({ ...plan, network: { ...plan.network, bandwidth: 1000 } });
});

test('[I2] a database dropped by one node while another creates it stays dropped, and is another one when created again', () =>
  expectNoProblem(
    quietPlan({
      actions: [
        {
          at: 250,
          type: 'fault',
          fault: {
            type: 'partition',
            cuts: (
              [
                [0, 1],
                [1, 0],
              ] as const
            ).map((direction) => ({ direction, afterMs: 0, forMs: 3000 })),
          },
        },
        { at: 300, type: 'create-database', node: 1, database: 'scratch' },
        ...writes('chaos', 400, [1, 1], 'scratch'),
        { at: 800, type: 'drop-database', node: 1, database: 'scratch' },
        { at: 2000, type: 'create-database', node: 0, database: 'scratch' },
        ...writes('chaos', 2100, [0, 0], 'scratch'),
        ...writes('chaos', 6000, [1, 0, 1, 0], 'scratch'),
      ],
    }),
  ));

test('[L1] a disk that fails while a database is opened stops the node, so that it is started again', () =>
  expectNoProblem(
    quietPlan({
      actions: [
        { at: 400, type: 'fault', fault: { type: 'disk-failure', node: 0, forMs: 500 } },
        { at: 500, type: 'create-database', node: 1, database: 'alpha' },
        ...writes('counters', 600, [1, 1]),
      ],
    }),
  ));

test('[AE14] a donor that is lost for good while it gives a snapshot leaves nothing behind that blocks replication', async () => {
  const nodes = [0, 3000].map((startsAt) => ({ startsAt, clockOffsetMs: 0, clockDriftMs: 0 }));
  const plan = quietPlan({
    nodes,
    largeShare: 1,
    snapshotRecordsMin: 1,
    ringBytesMax: 1024,
    activeMs: 12_000,
    actions: [
      ...writes('counters', 400, [0, 0, 0, 0]),
      ...writes(
        'inserts',
        1000,
        Array.from({ length: 15 }, () => 0),
      ),
      { at: 3000 + 1500, type: 'fault', fault: { type: 'restore', node: 0, isEmpty: true, afterMs: 1500, forMs: 500 } },
      ...writes('counters', 8000, [1, 1, 1, 1]),
    ],
  });
  await expectNoProblem({ ...plan, network: { ...plan.network, bandwidth: 200 } });
});

/**
 * A node is set back to before a document was compacted, and writes to it while it is cut off. Its records reach the other node before
 * that one's documents reach it, so that the other one's vector covers them, and its document does not include them.
 */
function setBackPlan(workload: WorkloadName, isEmpty: boolean): Plan {
  const directions = [
    [0, 1],
    [1, 0],
  ] as const;
  return quietPlan({
    coalesceRecordsMin: 1,
    heartbeatTicks: 1,
    compaction: { intervalMs: 200, bytesMin: 0, ratioMin: 1.05, quietMs: 0, membersMin: 2 },
    actions: [
      { at: 300, type: 'create-database', node: 0, database: 'alpha' },
      ...writes(workload, 400, [0, 1, 0, 1, 0, 1, 0, 1]),
      { at: 1200, type: 'fault', fault: { type: 'restore', node: 0, isEmpty, afterMs: 5000, forMs: 300 } },
      ...writes(workload, 1600, [0, 1, 0, 1, 0, 1]),
      {
        at: 6000,
        type: 'fault',
        fault: { type: 'partition', cuts: directions.map((direction) => ({ direction, afterMs: 0, forMs: 2500 })) },
      },
      ...writes(workload, 7000, [0, 0, 0, 0, 0, 0]),
    ],
  });
}

test('[GC24] [CP60] seed 945: what a node counted that was set back to before a compaction counts, whoever held its records first', () =>
  expectNoProblem(setBackPlan('counters', false)));

test('[GC24] [CP60] seed 817: values that it set are shown or conflicts, and so are those that it had not seen', async () => {
  await expectNoProblem(setBackPlan('registers', false));
  await expectNoProblem(setBackPlan('registers', true));
});
