/**
 * @module
 * Owns how a partition heals: both sides are written to before, during and after it, at the same rate.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { encodeRequest } from '../harness/http-connection.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { PacedLoad } from '../harness/paced-load.ts';
import { percentile } from '../harness/statistic.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import type { Measure } from '../report.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const EQUAL_TIMEOUT_MS = 120_000;
const WARM_UP_MS = 10_000;

export const healSuite: Suite = {
  name: 'heal',
  question: 'How soon is a partition forgotten, and what do clients notice of that?',
  run: measurePartition,
};

async function measurePartition({ config, directory, progress }: SuiteContext): Promise<Measure[]> {
  const { partitionSeconds, perSecond } = config.heal;
  const b = await NodeProcess.start({ name: 'cut-b', directory });
  const proxy = await TcpProxy.listen(b.port);
  const a = await NodeProcess.start({ name: 'cut-a', directory, join: [proxy.url] });
  try {
    const clients = [a.client(), b.client()];
    await clients[0]!.database('app').create();
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS });
    const writers = [createWriter(config.seed, 'a'), createWriter(config.seed + 1, 'b')];
    const write = (): Promise<PacedLoad[]> =>
      Promise.all(
        [a, b].map(({ port }, i) => PacedLoad.start({ port, perSecond, connections: 16, next: writers[i]! })),
      );
    progress('warming up: some writes, a short partition, and its healing');
    await warmUp(proxy, clients, write);
    progress(`${perSecond} writes a second on each of two linked nodes`);
    const undisturbed = await run(await write(), () => delay(10_000));
    progress(`the same, cut off from each other for ${partitionSeconds} s`);
    proxy.cut();
    await run(await write(), () => delay(partitionSeconds * 1000));
    progress('the same, while the partition heals');
    let healSeconds = 0;
    const healing = await run(await write(), async () => {
      const missing = await Promise.all(clients.map((client) => client.database('app').digest()));
      const startMs = performance.now();
      proxy.heal();
      await Promise.all(clients.map((client, i) => awaitCovered(client, missing[1 - i]!.vector)));
      healSeconds = (performance.now() - startMs) / 1000;
    });
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS });
    return [
      {
        name: `a partition of ${partitionSeconds} s at ${perSecond} writes/s on both sides heals, under the same load`,
        value: healSeconds,
        unit: 's',
        target: { of: 'value', atMost: TARGET.healSecondsMax },
        detail: `${(partitionSeconds * perSecond * 2).toLocaleString('en-US')} writes were missed, half on each side`,
      },
      {
        name: 'p99 of a durable write while it heals',
        value: percentile(healing, 0.99),
        unit: 'ms',
        yardstick: { name: 'undisturbed, linked', value: percentile(undisturbed, 0.99) },
        target: { of: 'ratio', atMost: TARGET.healP99RatioMax },
        detail: `p50 ${percentile(healing, 0.5).toFixed(1)} against ${percentile(undisturbed, 0.5).toFixed(1)} ms`,
      },
    ];
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    await proxy.close();
  }
}

/** Nodes run for days: neither writing nor healing is measured while that code is compiled. */
async function warmUp(
  proxy: TcpProxy,
  clients: readonly ReturnType<NodeProcess['client']>[],
  write: () => Promise<PacedLoad[]>,
): Promise<void> {
  await run(await write(), () => delay(WARM_UP_MS));
  proxy.cut();
  await run(await write(), () => delay(WARM_UP_MS));
  proxy.heal();
  await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS });
}

/** Small changes to many documents, new ones among them. */
function createWriter(seed: number, name: string): () => Buffer {
  const random = new SeededRandom(seed);
  return () => {
    const bytes = Buffer.from(JSON.stringify({ [`field${random.integer(5)}`]: random.integer(1_000_000) }));
    const path = `/v1/app/counters/docs/${name}${random.integer(20_000)}`;
    return encodeRequest('PATCH', path, { type: 'application/merge-patch+json', bytes });
  };
}

/** Latencies of all writers, ascending. */
async function run(loads: readonly PacedLoad[], during: () => Promise<unknown>): Promise<readonly number[]> {
  try {
    await during();
  } finally {
    await Promise.allSettled(loads.map((load) => load.stop()));
  }
  const latencies = await Promise.all(loads.map((load) => load.stop()));
  return latencies.flat().sort((x, y) => x - y);
}

/** Resolves when a node holds everything that another one held at a moment. */
async function awaitCovered(
  client: ReturnType<NodeProcess['client']>,
  vector: Readonly<Record<string, number>>,
): Promise<void> {
  const deadlineMs = performance.now() + EQUAL_TIMEOUT_MS;
  for (;;) {
    const held = (await client.database('app').digest()).vector;
    if (Object.entries(vector).every(([origin, seq]) => (held[origin] ?? 0) >= seq)) return;
    if (performance.now() > deadlineMs) throw new Error(`not healed after ${EQUAL_TIMEOUT_MS} ms`);
    await delay(20);
  }
}
