/**
 * @module
 * Owns the proof of the product's promise at a size for every test run: three processes on RocksDB, a partition with writes on
 * every node, a kill in the middle, healing. `npm run demo:partition` runs the same experiment whole.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { withScratch } from '../../bench/harness/scratch.ts';
import { provePartition } from '../../bench/partition/proof.ts';
import type { ProofReport } from '../../bench/partition/report.ts';
import { SMALL_SCALE } from '../../bench/partition/scale.ts';

describe('three nodes, a partition, a kill', () => {
  let report: ProofReport;

  beforeAll(async () => {
    report = await withScratch('partition-test', (directory) =>
      provePartition({ scale: SMALL_SCALE, directory, progress: () => {} }),
    );
  }, 300_000);

  const failuresOf = (name: RegExp): readonly string[] => {
    const check = report.checks.find((candidate) => name.test(candidate.name));
    expect(check?.checked ?? 0, `nothing was checked for ${name}`).toBeGreaterThan(0);
    return check?.failures ?? [];
  };

  test('[CR14] atoll verify shows three equal digests after healing', () => {
    const { exitCode, equal, nodes } = report.verify;
    expect({ exitCode, equal }).toEqual({ exitCode: 0, equal: true });
    expect(new Set(nodes.map(({ digest }) => digest)).size).toBe(1);
  });

  test('[CR15] every acknowledged write to a city is visible, overwritten or deleted on every node', () => {
    expect(failuresOf(/every city on every node/)).toEqual([]);
  });

  test('[CR1] values written on both sides are shown or readable as conflicts on every node', () => {
    expect(failuresOf(/readable conflicts/)).toEqual([]);
  });

  test('[CR3] fields changed on different sides merge without conflicts', () => {
    expect(failuresOf(/different fields/)).toEqual([]);
  });

  test('[CR8] counters incremented on both sides, and through a kill, are exact', () => {
    expect(failuresOf(/counters are exact/)).toEqual([]);
  });

  test('[I13] a node killed in the middle of writes has every write it acknowledged', () => {
    expect(failuresOf(/after kill -9/)).toEqual([]);
  });

  test('[I1] during the partition every node serves, and shows clients their own writes', () => {
    expect(failuresOf(/n1 and n3 hold different/)).toEqual([]);
    expect(failuresOf(/every node is ready/)).toEqual([]);
    expect(failuresOf(/sees its write/)).toEqual([]);
  });
});
