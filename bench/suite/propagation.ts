/**
 * @module
 * Owns how soon a write on one node can be read on another, at low load.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { HttpConnection, encodeRequest, type RawAnswer } from '../harness/http-connection.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { percentile } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { CHANGED_FIELD, createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const VISIBLE_TIMEOUT_MS = 10_000;
/** Adds up to this to every number. */
const POLL_MS = 1;
const HOT_DOCUMENTS = 100;

interface Probe {
  readonly write: Buffer;
  readonly read: Buffer;
  readonly isVisible: (answer: RawAnswer) => boolean;
}

interface Latency {
  /** From sending the write to its answer. */
  readonly acknowledgedMs: number;
  /** From sending the write to the first answer elsewhere that shows it. */
  readonly visibleMs: number;
}

export const propagationSuite: Suite = {
  name: 'propagation',
  question:
    'How long after a write was sent to A does a reader who asks B every millisecond see it? It includes an fsync on both nodes.',
  async run(context) {
    const { directory, config } = context;
    const b = await NodeProcess.start({ name: 'b', directory });
    const a = await NodeProcess.start({ name: 'a', directory, join: [b.url] });
    try {
      await a.client().database('app').create();
      const clients = [a.client(), b.client()];
      await awaitEqual(clients, { database: 'app', timeoutMs: 30_000 });
      const random = new SeededRandom(config.seed);
      const created = await observe(context, a, b, (at) => createProbe(random, config.http.documentBytes, at));
      const patched = await observe(context, a, b, (at) => patchProbe(at));
      await awaitEqual(clients, { database: 'app', timeoutMs: 30_000 });
      return [...summarise('new 1 KB document', created), ...summarise('one field', patched)];
    } finally {
      await Promise.all([a.stop(), b.stop()]);
    }
  },
};

function createProbe(random: SeededRandom, bytes: number, at: number): Probe {
  const path = `/v1/app/probes/docs/d${at}`;
  const body = Buffer.from(JSON.stringify(createFlatRecord(random, bytes)));
  return {
    write: encodeRequest('PUT', path, { type: 'application/json', bytes: body }),
    read: encodeRequest('GET', path),
    isVisible: ({ status }) => status === 200,
  };
}

function patchProbe(at: number): Probe {
  const path = `/v1/app/probes/docs/d${at % HOT_DOCUMENTS}`;
  const value = 1_000_000 + at;
  const bytes = Buffer.from(`{"${CHANGED_FIELD}":${value}}`);
  return {
    write: encodeRequest('PATCH', path, { type: 'application/merge-patch+json', bytes }),
    read: encodeRequest('GET', path),
    isVisible: ({ body }) => body.includes(`"${CHANGED_FIELD}":${value}`),
  };
}

/** Writes on `a` at a steady pace and watches each write arrive on `b`. */
async function observe(
  { config, progress }: SuiteContext,
  a: NodeProcess,
  b: NodeProcess,
  probeAt: (at: number) => Probe,
): Promise<Latency[]> {
  const { writes, perSecond } = config.propagation;
  progress(`${writes} writes at ${perSecond}/s`);
  const [writer, reader] = await Promise.all([HttpConnection.open(a.port), HttpConnection.open(b.port)]);
  const latencies: Latency[] = [];
  const startMs = performance.now();
  for (let at = 0; at < writes; at++) {
    await delay(Math.max(0, startMs + (at * 1000) / perSecond - performance.now()));
    latencies.push(await observeOne(writer, reader, probeAt(at)));
  }
  writer.close();
  reader.close();
  return latencies;
}

async function observeOne(
  writer: HttpConnection,
  reader: HttpConnection,
  { write, read, isVisible }: Probe,
): Promise<Latency> {
  const startMs = performance.now();
  const acknowledged = writer.request(write).then(({ status, body }) => {
    if (status < 200 || status > 299) throw new Error(`the write was refused: ${body.toString()}`);
    return performance.now() - startMs;
  });
  while (!isVisible(await reader.request(read))) {
    if (performance.now() - startMs > VISIBLE_TIMEOUT_MS) throw new Error('a write did not arrive');
    // A reader that never rests would be the load that is not wanted here.
    await delay(POLL_MS);
  }
  const visibleMs = performance.now() - startMs;
  return { acknowledgedMs: await acknowledged, visibleMs };
}

function summarise(what: string, latencies: readonly Latency[]): Measure[] {
  const visible = latencies.map(({ visibleMs }) => visibleMs).sort((x, y) => x - y);
  const acknowledged = latencies.map(({ acknowledgedMs }) => acknowledgedMs).sort((x, y) => x - y);
  const detail = `acknowledged by A: p50 ${percentile(acknowledged, 0.5).toFixed(2)}, p99 ${percentile(acknowledged, 0.99).toFixed(2)} ms`;
  return [
    {
      name: `${what}, A → B, p50`,
      value: percentile(visible, 0.5),
      unit: 'ms',
      target: { of: 'value', atMost: TARGET.propagationP50MsMax },
      detail,
    },
    {
      name: `${what}, A → B, p99`,
      value: percentile(visible, 0.99),
      unit: 'ms',
      target: { of: 'value', atMost: TARGET.propagationP99MsMax },
    },
  ];
}
