/**
 * @module
 * Owns how soon readers of a change feed learn of writes: one reader of a busy node, and many of a less busy one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { FeedConnection } from '../harness/feed-connection.ts';
import { encodeRequest, HttpConnection } from '../harness/http-connection.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { percentile } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const PATH = '/v1/app/items/changes?since=now';
/** As many as it takes to send as much as is asked for, when each waits for its fsync. */
const CONNECTIONS = 64;
const DRAIN_TIMEOUT_MS = 20_000;

interface Delays {
  /** From sending a write to its line in the feed, milliseconds. */
  readonly told: readonly number[];
  /** From sending a write to its answer. */
  readonly acknowledged: readonly number[];
  readonly writesPerSecond: number;
  /** Over all readers. */
  readonly megabytesPerSecond: number;
}

export const feedSuite: Suite = {
  name: 'feed',
  question:
    'How long after a write was sent does a reader of the change feed see it? Writer, readers and node share the machine; the yardstick is the answer to the write, which waits for the fsync.',
  async run(context) {
    const { directory, config } = context;
    const node = await NodeProcess.start({ name: 'feed', directory });
    try {
      await node.client().database('app').create();
      const { perSecond, seconds, feeds, manyPerSecond } = config.feed;
      const one = await observe(context, node, { name: 'one', feeds: 1, perSecond, seconds });
      const many = await observe(context, node, { name: 'many', feeds, perSecond: manyPerSecond, seconds });
      return [
        ...summarise(`one reader, ${perSecond} writes/s`, one, TARGET.feedP99MsMax),
        ...summarise(`${feeds} readers, ${manyPerSecond} writes/s`, many, TARGET.feedP99MsMax),
      ];
    } finally {
      await node.stop();
    }
  },
};

interface Load {
  readonly name: string;
  readonly feeds: number;
  readonly perSecond: number;
  readonly seconds: number;
}

async function observe(
  { config, progress }: SuiteContext,
  node: NodeProcess,
  { name, feeds, perSecond, seconds }: Load,
): Promise<Delays> {
  progress(`${feeds} readers, ${perSecond} writes/s`);
  const random = new SeededRandom(config.seed);
  const bytes = Buffer.from(JSON.stringify(createFlatRecord(random, config.http.documentBytes)));
  const sentMs = new Map<string, number>();
  const told: number[] = [];
  const onId = (id: string): void => {
    const atMs = sentMs.get(id);
    if (atMs === undefined) return;
    sentMs.delete(id);
    told.push(performance.now() - atMs);
  };
  const readers = await Promise.all(
    Array.from({ length: feeds }, (_, i) => FeedConnection.open(node.port, PATH, i === 0 ? onId : null)),
  );
  const acknowledged: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let count = 0;
  const write = async (writer: HttpConnection): Promise<void> => {
    for (;;) {
      const n = count++;
      const waitMs = startMs + (n * 1000) / perSecond - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const atMs = performance.now();
      if (atMs >= endMs) return;
      sentMs.set(`${name}-${n}`, atMs);
      const body = { type: 'application/json', bytes };
      const { status, head } = await writer.request(encodeRequest('PUT', `/v1/app/items/docs/${name}-${n}`, body));
      if (status !== 201) throw new Error(`unexpected answer:\n${head}`);
      acknowledged.push(performance.now() - atMs);
    }
  };
  const writers = await Promise.all(Array.from({ length: CONNECTIONS }, () => HttpConnection.open(node.port)));
  await Promise.all(writers.map(write));
  for (const writer of writers) writer.close();
  const tookSeconds = (performance.now() - startMs) / 1000;
  const deadlineMs = performance.now() + DRAIN_TIMEOUT_MS;
  while (sentMs.size > 0) {
    if (performance.now() > deadlineMs) throw new Error(`${sentMs.size} writes were never told`);
    await delay(10);
  }
  for (const reader of readers) reader.close();
  const received = readers.reduce((sum, reader) => sum + reader.bytes, 0);
  return {
    told,
    acknowledged,
    writesPerSecond: acknowledged.length / tookSeconds,
    megabytesPerSecond: received / 1e6 / tookSeconds,
  };
}

function summarise(
  what: string,
  { told, acknowledged, writesPerSecond, megabytesPerSecond }: Delays,
  atMost: number,
): Measure[] {
  const sorted = told.toSorted((x, y) => x - y);
  const answers = acknowledged.toSorted((x, y) => x - y);
  const measure = (name: string, share: number): Measure => ({
    name: `${what}, ${name}`,
    value: percentile(sorted, share),
    unit: 'ms',
    yardstick: { name: `${name} of the answers`, value: percentile(answers, share) },
  });
  return [
    measure('p50', 0.5),
    {
      ...measure('p99', 0.99),
      target: { of: 'value', atMost },
      detail: `${writesPerSecond.toFixed(0)} writes/s reached, ${megabytesPerSecond.toFixed(1)} MB/s to readers`,
    },
  ];
}
