import { afterAll, expect, test } from 'vitest';
import { runCampaign } from './client-campaign.ts';
import { Leftovers } from './cli-process.ts';
import { startDevNodes } from './dev-nodes.ts';

/** `ATOLL_CAMPAIGN_SECONDS=180` lets every fault last as long as that. */
const FAULT_SECONDS = Number(process.env['ATOLL_CAMPAIGN_SECONDS'] ?? 3);
const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

test(
  '[CC9] nodes are killed, hang and are cut off: no request fails, nothing is lost, nothing applied twice, nothing missed',
  async () => {
    const nodes = await startDevNodes(leftovers);
    await nodes.ready();
    try {
      const { failures, stale, wrong, missed, acknowledged, slowestMs, seconds } = await runCampaign({
        nodes,
        policy: 'round-robin',
        workers: 4,
        faultMs: FAULT_SECONDS * 1000,
      });
      console.log(`${acknowledged} requests in ${seconds.toFixed(0)} s; slowest in ms`, slowestMs);
      const first = (lines: readonly string[]): readonly string[] => lines.slice(0, 5);
      expect({ failures: first(failures), stale: first(stale), wrong: first(wrong), missed: first(missed) }).toEqual({
        failures: [],
        stale: [],
        wrong: [],
        missed: [],
      });
      expect(acknowledged).toBeGreaterThan(200);
    } finally {
      // A node that hangs would outlive its parent.
      for (const name of ['n1', 'n2', 'n3']) await nodes.command(`resume ${name}`);
    }
  },
  FAULT_SECONDS * 10_000 + 120_000,
);
