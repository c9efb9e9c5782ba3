/**
 * @module
 * Disks that lie: bits flip and documents disappear without a trace, and the cluster finds it, repairs it and says so, while
 * writes go on.
 */
import { expect, test } from 'vitest';
import type { Alarm } from '../../sync/alarm.ts';
import type { Cluster } from './cluster.ts';
import type { DamageFault } from './damage-fault.ts';
import type { Action, Plan, WorkloadName } from './plan.ts';
import { runPlan } from './run-plan.ts';

const WORKLOADS: readonly WorkloadName[] = ['counters', 'inserts', 'sets', 'lists', 'registers', 'texts'];
const DATABASE = 'alpha';

function planFor(seed: number, faults: readonly (DamageFault & { at: number })[], until = 30_000): Plan {
  const node = { startsAt: 0, clockOffsetMs: 0, clockDriftMs: 0 };
  return {
    seed,
    nodes: [node, node, node],
    topology: 'mesh',
    network: {
      mode: 'stream',
      latencyMsMin: 1,
      latencyMsMax: 5,
      loss: 0,
      duplicate: 0,
      reorder: 0,
      bandwidth: 100_000,
    },
    disk: { coldReads: 0.2, readMsMax: 2, fsyncMsMin: 1, fsyncMsMax: 4 },
    snapshotRecordsMin: Number.MAX_SAFE_INTEGER,
    coalesceRecordsMin: Number.MAX_SAFE_INTEGER,
    log: { bytesMin: Infinity },
    windowBytes: 1024 * 1024,
    ringBytesMax: 16 * 1024,
    messageBytesTarget: 64 * 1024,
    largeShare: 0,
    dropShare: 0,
    activeMs: until,
    hasFinalPowerLoss: true,
    scrubPerSecond: 20,
    actions: [...writes(500, 8000), ...faults.map(({ at, ...fault }): Action => ({ type: 'fault', at, fault }))],
  };
}

function writes(fromMs: number, toMs: number): Action[] {
  const actions: Action[] = [];
  for (let at = fromMs, i = 0; at < toMs; at += 60, i++) {
    const workload = WORKLOADS[i % WORKLOADS.length]!;
    actions.push({ type: 'write', workload, at, node: i % 3, database: DATABASE, key: at });
  }
  return actions;
}

interface Seen {
  readonly alarms: readonly (readonly Alarm[])[];
  readonly quarantined: readonly number[];
  readonly damagedEntries: readonly number[];
}

async function run(plan: Plan): Promise<Seen & { counters: Readonly<Record<string, number>> }> {
  let seen: Seen | null = null;
  const { problems, counters } = await runPlan(plan, false, (cluster: Cluster) => {
    const statuses = cluster.nodes.map(({ replica }) => replica!.status());
    seen = {
      alarms: statuses.map(({ alarms }) => alarms),
      quarantined: statuses.map(({ quarantined }) => quarantined),
      damagedEntries: cluster.nodes.map(({ disk }) => disk.damagedEntries),
    };
  });
  expect(problems).toEqual([]);
  expect(seen).not.toBeNull();
  return { ...seen!, counters };
}

const kindsOf = (alarms: readonly Alarm[]): string[] => [...new Set(alarms.map(({ kind }) => kind))].toSorted();

test.each([1, 2, 3])(
  '[EQ5] documents that one node lost without a trace come back from the others (seed %i)',
  async (seed) => {
    const { alarms } = await run(
      planFor(seed, [
        { type: 'lost-documents', at: 12_000, node: 1, database: DATABASE, documents: 5, isCounted: false },
      ]),
    );
    expect(kindsOf(alarms[1]!)).toContain('difference');
    expect(alarms[1]!.reduce((sum, { repaired }) => sum + repaired, 0)).toBe(5);
  },
);

test.each([4, 5])(
  '[EQ8] documents that are gone although the digest counts them are missed by the scrub and come back (seed %i)',
  async (seed) => {
    const { alarms } = await run(
      planFor(
        seed,
        [{ type: 'lost-documents', at: 12_000, node: 2, database: DATABASE, documents: 3, isCounted: true }],
        60_000,
      ),
    );
    expect(kindsOf(alarms[2]!)).toEqual(expect.arrayContaining(['loss', 'difference']));
  },
);

test.each([
  [6, ['view']],
  [7, ['state']],
  [8, ['view', 'state']],
] as const)(
  '[EQ7] documents whose bits flipped on disk are replaced, while others are written (seed %i, %j)',
  async (seed, parts) => {
    const { alarms, quarantined, damagedEntries } = await run(
      planFor(seed, [{ type: 'bit-flip', at: 6000, node: 0, database: DATABASE, documents: 4, parts }], 40_000),
    );
    expect(kindsOf(alarms[0]!)).toEqual(['damage']);
    expect(quarantined).toEqual([0, 0, 0]);
    expect(damagedEntries).toEqual([0, 0, 0]);
  },
);

test.each([9, 10])('[EQ9] other content under one version is found by samples and replaced (seed %i)', async (seed) => {
  const fault = { type: 'other-content', at: 15_000, node: 1, database: DATABASE } as const;
  const { alarms, quarantined } = await run(planFor(seed, [fault], 60_000));
  expect(kindsOf(alarms[1]!)).toEqual(['content']);
  expect(kindsOf([...alarms[0]!, ...alarms[2]!])).toEqual(['content']);
  expect(alarms[1]!.some(({ repaired }) => repaired === 1)).toBe(true);
  expect(quarantined).toEqual([0, 0, 0]);
});

test('[EQ10] a node that was away gets as documents what logs cannot give it any more, because their entries are damaged', async () => {
  const flip = { type: 'bit-flip', database: DATABASE, documents: 0, parts: ['log'] } as const;
  const plan = planFor(11, [
    { ...flip, at: 9000, node: 0 },
    { ...flip, at: 9000, node: 2 },
  ]);
  const away: Action = {
    type: 'fault',
    at: 4000,
    fault: { type: 'crash', node: 1, isPowerLoss: true, unsyncedKept: 0, forMs: 8000 },
  };
  const { alarms } = await run({ ...plan, ringBytesMax: 1, actions: [...plan.actions, away] });
  expect(kindsOf(alarms.flat())).toEqual(['log']);
});
