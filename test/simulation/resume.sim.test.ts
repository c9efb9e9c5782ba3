/**
 * @module
 * Snapshots over slow links whose ends die again and again: what was received is gone on with, and nothing is wrong in the end.
 */
import { expect, test } from 'vitest';
import type { Action, Fault, Plan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { SeededRandom } from './seeded-random.ts';

const LATE_MS = 3000;
const ACTIVE_MS = 25_000;

/** Two nodes full of documents, and one that comes late. All of them crash, also onto an old or an empty disk. */
function planOf(seed: number): Plan {
  const random = new SeededRandom(seed);
  const node = { startsAt: 0, clockOffsetMs: 0, clockDriftMs: 0 };
  const writes = Array.from({ length: 150 }, (_, i): Action => {
    // Most at first; some while the late node is being filled.
    const at = i < 110 ? 400 + i * 20 : LATE_MS + random.float() * (ACTIVE_MS - LATE_MS);
    const workload = random.pick(['inserts', 'counters', 'registers', 'texts'] as const);
    return { type: 'write', workload, at, node: random.int(0, 1), database: 'alpha', key: i + 1 };
  });
  const faults = Array.from({ length: 10 }, (_, i): Action => {
    const at = LATE_MS + 1500 + i * 2000 + random.float() * 1500;
    const crash: Fault = {
      type: 'crash',
      node: random.int(0, 2),
      isPowerLoss: random.chance(0.5),
      unsyncedKept: random.pick([0, 1]),
      forMs: 300,
    };
    const restore: Fault = {
      type: 'restore',
      node: random.int(0, 1),
      isEmpty: random.chance(0.5),
      afterMs: 500,
      forMs: 300,
    };
    return { at, type: 'fault', fault: random.chance(0.85) ? crash : restore };
  });
  return {
    seed,
    nodes: [node, node, { ...node, startsAt: LATE_MS }],
    topology: 'mesh',
    network: {
      mode: 'stream',
      latencyMsMin: 5,
      latencyMsMax: 20,
      loss: 0,
      duplicate: 0,
      reorder: 0,
      bandwidth: random.pick([1.5, 3, 6]),
    },
    disk: { coldReads: 0, readMsMax: 1, fsyncMsMin: 1, fsyncMsMax: 5 },
    snapshotRecordsMin: 20,
    coalesceRecordsMin: Number.MAX_SAFE_INTEGER,
    log: { bytesMin: random.pick([0, Infinity]), bytesMax: random.pick([2000, Infinity]), intervalMs: 500 },
    snapshot: { chunkBytes: 500, changesMin: 0 },
    windowBytes: 1024 * 1024,
    ringBytesMax: 1024,
    messageBytesTarget: 2048,
    largeShare: 0,
    dropShare: 0,
    activeMs: ACTIVE_MS,
    hasFinalPowerLoss: false,
    actions: [{ at: 300, type: 'create-database', node: 0, database: 'alpha' }, ...writes, ...faults],
  };
}

test('[AE20] snapshots that break off again and again are gone on with, and lose and forge nothing', async () => {
  let continued = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const { problems, counters } = await runPlan(planOf(seed));
    expect(problems, `seed ${seed}`).toEqual([]);
    continued += counters['snapshots gone on with'] ?? 0;
  }
  expect(continued).toBeGreaterThan(15);
});
