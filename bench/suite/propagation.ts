/**
 * @module
 * Owns how soon a write on one node can be read on another, at low load.
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { FeedConnection } from '../harness/feed-connection.ts';
import { HttpConnection, encodeRequest } from '../harness/http-connection.ts';
import { runLoad } from '../harness/load.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { percentile } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { CHANGED_FIELD, createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const VISIBLE_TIMEOUT_MS = 10_000;
const HOT_DOCUMENTS = 100;

interface Probe {
  readonly id: string;
  readonly write: Buffer;
}

interface Latency {
  /** From sending the write to its answer. */
  readonly acknowledgedMs: number;
  /** From sending the write to its line in the feed of the other node. */
  readonly visibleMs: number;
}

export const propagationSuite: Suite = {
  name: 'propagation',
  question:
    'How long after a write was sent to A does a reader of the change feed of B have it? It includes an fsync on both nodes.',
  async run(context) {
    const { directory, config } = context;
    const b = await NodeProcess.start({ name: 'b', directory });
    const a = await NodeProcess.start({ name: 'a', directory, join: [b.url] });
    try {
      await a.client().database('app').create();
      const clients = [a.client(), b.client()];
      await awaitEqual(clients, { database: 'app', timeoutMs: 30_000 });
      const random = new SeededRandom(config.seed);
      await warmUp(context, a, random);
      await awaitEqual(clients, { database: 'app', timeoutMs: 30_000 });
      const created = await observe(context, a, b, (at) => createProbe(random, config.http.documentBytes, `d${at}`));
      const patched = await observe(context, a, b, (at) => patchProbe(`d${at % HOT_DOCUMENTS}`, at));
      await awaitEqual(clients, { database: 'app', timeoutMs: 30_000 });
      return [...summarise('new 1 KB document', created), ...summarise('one field', patched)];
    } finally {
      await Promise.all([a.stop(), b.stop()]);
    }
  },
};

/** What a node does for the first time takes several times longer; nodes at low load have seen more than a thousand writes. */
async function warmUp(
  { config, progress }: SuiteContext,
  { server }: NodeProcess,
  random: SeededRandom,
): Promise<void> {
  const { connections, documentBytes, warmUpMs: durationMs } = config.http;
  progress('warm-up');
  let at = 0;
  const create = (): Buffer => createProbe(random, documentBytes, `warm${at++}`).write;
  await runLoad({ server, connections, durationMs, next: create });
  const patch = (): Buffer => patchProbe(`warm${at++ % HOT_DOCUMENTS}`, at).write;
  await runLoad({ server, connections, durationMs, next: patch });
}

function createProbe(random: SeededRandom, documentBytes: number, id: string): Probe {
  const bytes = Buffer.from(JSON.stringify(createFlatRecord(random, documentBytes)));
  return { id, write: encodeRequest('PUT', pathOf(id), { type: 'application/json', bytes }) };
}

function patchProbe(id: string, value: number): Probe {
  const bytes = Buffer.from(`{"${CHANGED_FIELD}":${1_000_000 + value}}`);
  return { id, write: encodeRequest('PATCH', pathOf(id), { type: 'application/merge-patch+json', bytes }) };
}

function pathOf(id: string): string {
  return `/v1/app/probes/docs/${id}`;
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
  const arrivals = new EventEmitter();
  const writer = await HttpConnection.open(a.port);
  const reader = await FeedConnection.open(b.port, '/v1/app/_changes?since=now', (id) => void arrivals.emit(id));
  const latencies: Latency[] = [];
  const startMs = performance.now();
  for (let at = 0; at < writes; at++) {
    await delay(Math.max(0, startMs + (at * 1000) / perSecond - performance.now()));
    latencies.push(await observeOne(writer, arrivals, probeAt(at)));
  }
  writer.close();
  reader.close();
  return latencies;
}

async function observeOne(writer: HttpConnection, arrivals: EventEmitter, { id, write }: Probe): Promise<Latency> {
  const startMs = performance.now();
  const arrived = once(arrivals, id, { signal: AbortSignal.timeout(VISIBLE_TIMEOUT_MS) }).then(
    () => performance.now() - startMs,
  );
  const acknowledged = writer.request(write).then(({ status, body }) => {
    if (status < 200 || status > 299) throw new Error(`the write was refused: ${body.toString()}`);
    return performance.now() - startMs;
  });
  const [visibleMs, acknowledgedMs] = await Promise.all([arrived, acknowledged]);
  return { visibleMs, acknowledgedMs };
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
