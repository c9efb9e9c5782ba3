/**
 * @module
 * Owns what it costs a node to catch up after a partition: seconds and bytes on the wire, and what single updates and a
 * reconnection without news cost there.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { TARGET } from '../config.ts';
import { packLines, uploadBulk } from '../harness/bulk-upload.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { medianBy } from '../harness/statistic.ts';
import { type ProxyCount, TcpProxy } from '../harness/tcp-proxy.ts';
import type { Measure } from '../report.ts';
import { type City, cityLines, loadCities } from '../workload/city.ts';
import type { Suite, SuiteContext } from './suite.ts';

const EQUAL_TIMEOUT_MS = 120_000;
const QUIET_MS = 1_000;

interface Link {
  readonly a: NodeProcess;
  readonly b: NodeProcess;
  readonly proxy: TcpProxy;
}

interface CatchUp {
  /** From the first byte after the partition healed. */
  readonly seconds: number;
  /** From healing to that byte: how long the nodes take to try again. */
  readonly redialSeconds: number;
  readonly count: ProxyCount;
  /** Processor time of the node that was ahead, and of the one that was behind, per document. */
  readonly cpuMicroseconds: { readonly ahead: number; readonly behind: number };
  /** The missed documents as JSON lines, deflated as one piece. */
  readonly deflatedBytes: number;
}

export const catchUpSuite: Suite = {
  name: 'catch-up',
  question: 'How fast, and with how many bytes, does a node get what it missed while it was cut off?',
  async run(context) {
    const { directory, config, progress } = context;
    const b = await NodeProcess.start({ name: 'b', directory });
    const proxy = await TcpProxy.listen(b.port);
    const a = await NodeProcess.start({ name: 'a', directory, join: [proxy.url] });
    const link = { a, b, proxy };
    try {
      const { documents, rounds } = config.catchUp;
      const cities = loadCities();
      await a.client().database('app').create();
      await upload(link, cities.slice(0, documents));
      await settle(link, documents);
      const caught: CatchUp[] = [];
      for (let round = 1; round <= rounds; round++) {
        progress(`${documents} missed documents: round ${round} of ${rounds}`);
        caught.push(
          await miss(link, cities.slice(round * documents, (round + 1) * documents), (round + 1) * documents),
        );
      }
      progress('single updates and reconnection');
      return [...summarise(documents, caught), await measureUpdates(context, link), await measureReconnection(link)];
    } finally {
      await Promise.all([a.stop(), b.stop()]);
      await proxy.close();
    }
  },
};

async function upload({ a }: Link, cities: readonly City[]): Promise<void> {
  await uploadBulk(a.url, '/v1/app/cities/bulk', packLines(cityLines(cities)), cities.length);
}

async function settle({ a, b }: Link, documents?: number): Promise<void> {
  await awaitEqual([a.client(), b.client()], {
    database: 'app',
    timeoutMs: EQUAL_TIMEOUT_MS,
    pollMs: 10,
    ...(documents !== undefined && { documents }),
  });
}

async function miss(link: Link, cities: readonly City[], total: number): Promise<CatchUp> {
  const { proxy } = link;
  proxy.cut();
  await upload(link, cities);
  const { documents } = await link.b.client().database('app').digest();
  if (documents !== total - cities.length) throw new Error('the partition leaks');
  proxy.resetCounts();
  const healedMs = performance.now();
  const firstByte = proxy.firstByte();
  proxy.heal();
  await firstByte;
  const startMs = performance.now();
  const [startAhead, startBehind] = [link.a.server.cpuSeconds(), link.b.server.cpuSeconds()];
  await settle(link, total);
  const seconds = (performance.now() - startMs) / 1000;
  const count = proxy.counts();
  const cpuMicroseconds = {
    ahead: ((link.a.server.cpuSeconds() - startAhead) * 1e6) / cities.length,
    behind: ((link.b.server.cpuSeconds() - startBehind) * 1e6) / cities.length,
  };
  const deflatedBytes = deflateRawSync(cityLines(cities).join('\n'), { level: 6 }).length;
  return { seconds, redialSeconds: (startMs - healedMs) / 1000, count, cpuMicroseconds, deflatedBytes };
}

function summarise(documents: number, rounds: readonly CatchUp[]): Measure[] {
  const { seconds, redialSeconds, count, cpuMicroseconds, deflatedBytes } = medianBy(rounds, (round) => round.seconds);
  return [
    {
      name: `catch-up of ${documents.toLocaleString('en-US')} missed documents, durable`,
      value: documents / seconds,
      unit: '/s',
      target: { of: 'value', atLeast: TARGET.catchUpPerSecondMin },
      detail:
        `${seconds.toFixed(2)} s from the first byte; the nodes tried again ${redialSeconds.toFixed(2)} s after healing; ` +
        `processor: ${cpuMicroseconds.ahead.toFixed(0)} µs a document on the node ahead, ${cpuMicroseconds.behind.toFixed(0)} µs on the one behind`,
    },
    {
      name: 'bytes on the wire, both ways',
      value: count.forwardBytes + count.backwardBytes,
      unit: 'B',
      yardstick: { name: 'documents as JSON lines, deflated (6)', value: deflatedBytes },
      target: { of: 'ratio', atMost: TARGET.catchUpBytesRatioMax },
      detail: `${count.forwardBytes.toLocaleString('en-US')} B to the node that was behind, ${count.backwardBytes.toLocaleString('en-US')} B back`,
    },
  ];
}

/** Updates of one number, far enough apart that none shares a frame; what the idle link says meanwhile is taken off. */
async function measureUpdates({ config }: SuiteContext, link: Link): Promise<Measure> {
  const { a, proxy } = link;
  const { updates } = config.catchUp;
  const collection = a.client().database('app').collection('cities');
  const cities = loadCities().slice(0, updates);
  const pace = async (run: (city: City) => Promise<unknown>): Promise<ProxyCount> => {
    await delay(QUIET_MS);
    proxy.resetCounts();
    for (const city of cities) await Promise.all([run(city), delay(20)]);
    await delay(QUIET_MS);
    return proxy.counts();
  };
  const idle = await pace(() => Promise.resolve());
  const busy = await pace((city) => collection.mergePatch(city.id, { population: 1_000_000 }));
  await settle(link);
  return {
    name: 'one-field update on the wire, alone',
    value: (busy.forwardBytes - idle.forwardBytes) / updates,
    unit: 'B',
    detail: `${((busy.backwardBytes - idle.backwardBytes) / updates).toFixed(1)} B of acknowledgement each`,
  };
}

async function measureReconnection(link: Link): Promise<Measure> {
  const { proxy } = link;
  await delay(QUIET_MS);
  proxy.resetCounts();
  const firstByte = proxy.firstByte();
  proxy.reset();
  await firstByte;
  await delay(QUIET_MS);
  const { forwardBytes, backwardBytes } = proxy.counts();
  await settle(link);
  return {
    name: 'reconnection of two equal replicas',
    value: forwardBytes,
    unit: 'B',
    detail: `to the dialed node, ${backwardBytes} B back; the HTTP upgrade and both databases included`,
  };
}
