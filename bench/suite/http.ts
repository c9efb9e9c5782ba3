/**
 * @module
 * Owns the cost of one request on one node: GET, durable PUT and one-field PATCH, against a bare server doing the least that
 * could be called the same work.
 */
import { join } from 'node:path';
import { TARGET } from '../config.ts';
import { ChildServer } from '../harness/child-server.ts';
import { encodeRequest } from '../harness/http-connection.ts';
import { type LoadClient, type LoadResult, runLoad } from '../harness/load.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { YARDSTICK_PROGRAM } from '../harness/project.ts';
import { interleave, medianBy } from '../harness/statistic.ts';
import type { Measure, Target } from '../report.ts';
import { CHANGED_FIELD, createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

/** Names a pair of servers under the same load. */
interface Pair {
  readonly atoll: ChildServer;
  readonly bare: ChildServer;
}

interface Workload {
  readonly name: string;
  readonly yardstick: string;
  readonly target?: Target;
  /** Makes requests; called once per server and round. */
  readonly requests: (round: string) => () => Buffer;
}

export const httpSuite: Suite = {
  name: 'http',
  question:
    'What does a request cost, compared with a bare Fastify server that answers the same bytes or stores them in RocksDB with group commit?',
  async run(context) {
    const { directory, config } = context;
    const node = await NodeProcess.start({ name: 'n1', directory });
    const bare = await ChildServer.start({
      program: YARDSTICK_PROGRAM,
      args: [join(directory, 'bare')],
      logFile: join(directory, 'bare.log'),
    });
    try {
      await node.client().database('app').create();
      const pair = { atoll: node.server, bare };
      const bodies = createBodies(config.seed, config.http.documents, config.http.documentBytes);
      await fill(context, pair, 'ready', bodies, config.http.documents);
      await fill(context, pair, 'cold', bodies, config.http.coldDocuments);
      const measures: Measure[] = [];
      for (const workload of workloads(context, bodies)) {
        for (const client of ['ordinary', 'cheap'] as const) {
          measures.push(await measure(context, pair, workload, client));
        }
      }
      await checkReadBack(node, bodies);
      return measures;
    } finally {
      await Promise.all([node.stop(), bare.stop()]);
    }
  },
};

function workloads({ config }: SuiteContext, bodies: readonly Buffer[]): Workload[] {
  const { documents, coldDocuments } = config.http;
  const random = new SeededRandom(config.seed);
  const gets = bodies.map((_, at) => encodeRequest('GET', `/v1/app/ready/docs/d${at}`));
  const putNew = (round: string): (() => Buffer) => {
    let at = 0;
    return () =>
      encodeRequest('PUT', `/v1/app/new/docs/${round}-${at}`, {
        type: 'application/json',
        bytes: bodies[at++ % documents]!,
      });
  };
  const patchOne = (collection: string, count: number) => (): (() => Buffer) => {
    return () => {
      const bytes = Buffer.from(`{"${CHANGED_FIELD}":${100_000 + random.integer(900_000)}}`);
      return encodeRequest('PATCH', `/v1/app/${collection}/docs/d${random.integer(count)}`, {
        type: 'application/merge-patch+json',
        bytes,
      });
    };
  };
  return [
    {
      name: 'GET',
      yardstick: 'bare, same bytes from memory',
      target: { of: 'ratio', atLeast: TARGET.getRatioMin },
      requests: () => () => gets[random.integer(documents)]!,
    },
    {
      name: 'durable PUT of new documents',
      yardstick: 'bare, group commit',
      target: { of: 'ratio', atLeast: TARGET.putRatioMin },
      requests: putNew,
    },
    {
      name: `durable PATCH of one field, ${documents.toLocaleString('en-US')} documents in turn`,
      yardstick: 'bare, plain JSON, group commit',
      target: { of: 'ratio', atLeast: TARGET.patchRatioMin },
      requests: patchOne('ready', documents),
    },
    {
      name: `the same over ${coldDocuments.toLocaleString('en-US')} documents, most of them not in memory`,
      yardstick: 'bare, plain JSON, group commit',
      requests: patchOne('cold', coldDocuments),
    },
  ];
}

async function measure(
  { config, progress }: SuiteContext,
  pair: Pair,
  workload: Workload,
  client: LoadClient,
): Promise<Measure> {
  const { connections, warmUpMs, rounds, roundMs } = config.http;
  const load = (server: ChildServer, round: string, durationMs: number): Promise<LoadResult> =>
    runLoad({ server, connections, client, durationMs, next: workload.requests(`${client}-${round}`) });
  progress(`${workload.name}, ${client} client: warm-up`);
  await load(pair.atoll, 'warm', warmUpMs);
  await load(pair.bare, 'warm', warmUpMs);
  progress(`${workload.name}: ${rounds} rounds of ${roundMs} ms each`);
  const { first, second } = await interleave(
    rounds,
    (round) => load(pair.atoll, `r${round}`, roundMs),
    (round) => load(pair.bare, `r${round}`, roundMs),
  );
  const atoll = medianBy(first, ({ perSecond }) => perSecond);
  const bare = medianBy(second, ({ perSecond }) => perSecond);
  return {
    name: client === 'cheap' ? `${workload.name}, by the cheapest client` : workload.name,
    value: atoll.perSecond,
    unit: '/s',
    yardstick: { name: workload.yardstick, value: bare.perSecond },
    // The cheapest client is a magnifying glass for the servers' own cost; targets are held against what applications see.
    ...(workload.target !== undefined && client === 'ordinary' && { target: workload.target }),
    detail: `${formatLoad(atoll)}; bare: ${formatLoad(bare)}`,
  };
}

function formatLoad({ p50Ms, p99Ms, cpuMicrosecondsEach }: LoadResult): string {
  return `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)} ms, ${cpuMicrosecondsEach.toFixed(0)} µs of processor each`;
}

function createBodies(seed: number, count: number, bytes: number): Buffer[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => Buffer.from(JSON.stringify(createFlatRecord(random, bytes))));
}

/** Writes documents `d0`, `d1`, … into both servers. */
async function fill(
  { progress, config }: SuiteContext,
  pair: Pair,
  collection: string,
  bodies: readonly Buffer[],
  count: number,
): Promise<void> {
  progress(`fill ${collection}: ${count} documents`);
  for (const server of [pair.atoll, pair.bare]) {
    let at = 0;
    const next = (): Buffer => {
      const id = at++ % count;
      return encodeRequest('PUT', `/v1/app/${collection}/docs/d${id}`, {
        type: 'application/json',
        bytes: bodies[id % bodies.length]!,
      });
    };
    while (at < count) await runLoad({ server, connections: config.http.connections, durationMs: 200, next });
  }
}

/** What was acknowledged must be there, as it was sent. */
async function checkReadBack(node: NodeProcess, bodies: readonly Buffer[]): Promise<void> {
  const collection = node.client().database('app').collection('new');
  for (let at = 0; at < 100; at++) {
    const found = await collection.get(`ordinary-warm-${at}`);
    const sent = bodies[at % bodies.length]!;
    if (found === null || JSON.stringify(found.doc) !== sent.toString())
      throw new Error(`document ordinary-warm-${at} is not what was written`);
  }
}
