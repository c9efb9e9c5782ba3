/**
 * @module
 * Owns what a request costs as applications send it: with an access token, in a session, and keyed so that it may be sent again.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TARGET } from '../config.ts';
import { ChildServer } from '../harness/child-server.ts';
import { encodeRequest, type RawAnswer } from '../harness/http-connection.ts';
import { type LoadClient, type LoadOptions, type LoadResult, runLoad } from '../harness/load.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { YARDSTICK_PROGRAM } from '../harness/project.ts';
import { interleave, median, medianBy } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const TOKEN = 'the-token-of-the-benchmark-0123456789abcdef';
const AUTHORIZATION = `authorization: Bearer ${TOKEN}\r\n`;
const JSON_TYPE = 'application/json';

type Next = LoadOptions['next'];
/** Makes the requests of one round; to the bare server without what it does not know. */
type Requests = (round: string, isBare: boolean) => Next;

export const sessionSuite: Suite = {
  name: 'session',
  question:
    'What does a request cost with an access token, in a session and with metrics, compared with a bare Fastify server that knows nothing of these? And what does a key add to a write?',
  async run(context) {
    const { directory, config } = context;
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    const node = await NodeProcess.start({ name: 'n1', directory, tokenFile });
    const bare = await ChildServer.start({
      program: YARDSTICK_PROGRAM,
      args: [join(directory, 'bare')],
      logFile: join(directory, 'bare.log'),
    });
    try {
      const answer = await fetch(`${node.url}/v1/app`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      if (answer.status !== 201) throw new Error(`no database: ${answer.status}`);
      const random = new SeededRandom(config.seed);
      const bodies = Array.from({ length: config.http.documents }, () =>
        Buffer.from(JSON.stringify(createFlatRecord(random, config.http.documentBytes))),
      );
      const pair = { atoll: node.server, bare };
      for (const server of [pair.atoll, pair.bare]) await fill(context, server, bodies);
      const measures: Measure[] = [];
      for (const client of ['ordinary', 'cheap'] as const) {
        const get = { name: 'GET', requests: gets(random, bodies.length), atLeast: TARGET.sessionGetRatioMin };
        measures.push(await compare(context, pair, client, get));
        const put = { name: 'durable PUT', requests: puts(bodies, ''), atLeast: TARGET.sessionPutRatioMin };
        measures.push(await compare(context, pair, client, put));
      }
      measures.push(await measureKeys(context, node.server, bodies));
      return measures;
    } finally {
      await Promise.all([node.stop(), bare.stop()]);
    }
  },
};

/** What a client of a session sends: its token, and what its last answer said it has seen. */
function fieldsAfter(last: RawAnswer | null): string {
  const seen = last === null ? undefined : /\r\nsession-token: ([\w-]+)(?:\r\n|$)/i.exec(last.head)?.[1];
  return seen === undefined ? AUTHORIZATION : `${AUTHORIZATION}session-token: ${seen}\r\n`;
}

function gets(random: SeededRandom, count: number): Requests {
  return (_round, isBare) => (last) =>
    encodeRequest('GET', `/v1/app/ready/docs/d${random.integer(count)}`, undefined, isBare ? '' : fieldsAfter(last));
}

/** @param key - What the key of each begins with; '' = without. */
function puts(bodies: readonly Buffer[], key: string): Requests {
  return (round, isBare) => {
    let at = 0;
    return (last) => {
      const id = `${key}${round}-${at}`;
      const fields = key === '' ? '' : `idempotency-key: ${id}\r\n`;
      const body = { type: JSON_TYPE, bytes: bodies[at++ % bodies.length]! };
      return encodeRequest('PUT', `/v1/app/new/docs/${id}`, body, isBare ? '' : fieldsAfter(last) + fields);
    };
  };
}

async function fill({ config }: SuiteContext, server: ChildServer, bodies: readonly Buffer[]): Promise<void> {
  let at = 0;
  const next = (): Buffer => {
    const id = at++ % bodies.length;
    const body = { type: JSON_TYPE, bytes: bodies[id]! };
    return encodeRequest('PUT', `/v1/app/ready/docs/d${id}`, body, AUTHORIZATION);
  };
  while (at < bodies.length) await runLoad({ server, connections: config.http.connections, durationMs: 200, next });
}

async function compare(
  { config, progress }: SuiteContext,
  { atoll, bare }: { readonly atoll: ChildServer; readonly bare: ChildServer },
  client: LoadClient,
  { name, requests, atLeast }: { readonly name: string; readonly requests: Requests; readonly atLeast: number },
): Promise<Measure> {
  const { connections, warmUpMs, rounds, roundMs } = config.http;
  progress(`${name} with a token in a session, ${client} client`);
  const load = (server: ChildServer, round: string, durationMs: number): Promise<LoadResult> =>
    runLoad({ server, connections, client, durationMs, next: requests(`${client}-${round}`, server === bare) });
  await load(atoll, 'warm', warmUpMs);
  await load(bare, 'warm', warmUpMs);
  const { first, second } = await interleave(
    rounds,
    (round) => load(atoll, `r${round}`, roundMs),
    (round) => load(bare, `r${round}`, roundMs),
  );
  const [ours, theirs] = [first, second].map((results) => medianBy(results, ({ perSecond }) => perSecond)) as [
    LoadResult,
    LoadResult,
  ];
  return {
    name: `${name} with a token in a session${client === 'cheap' ? ', by the cheapest client' : ''}`,
    value: ours.perSecond,
    unit: '/s',
    yardstick: { name: 'bare', value: theirs.perSecond },
    ...(client === 'ordinary' && { target: { of: 'ratio', atLeast } }),
    detail: `${formatLoad(ours)}; bare: ${formatLoad(theirs)}`,
  };
}

/** By the processor time of the node: rates would say how much of the machine the clients take. */
async function measureKeys(
  { config, progress }: SuiteContext,
  server: ChildServer,
  bodies: readonly Buffer[],
): Promise<Measure> {
  const { connections, warmUpMs, rounds, roundMs } = config.http;
  progress('durable PUT with a key');
  const load = (key: string, round: string, durationMs: number): Promise<LoadResult> =>
    runLoad({ server, connections, durationMs, next: puts(bodies, key)(`key-${round}`, false) });
  for (const key of ['k', '']) await load(key, 'warm', warmUpMs);
  const { first, second } = await interleave(
    rounds,
    (round) => load('k', `r${round}`, roundMs),
    (round) => load('', `r${round}`, roundMs),
  );
  const cost = (results: readonly LoadResult[]): number => median(results.map((each) => each.cpuMicrosecondsEach));
  const rate = (results: readonly LoadResult[]): number => median(results.map(({ perSecond }) => perSecond));
  return {
    name: 'processor time of a durable PUT with an Idempotency-Key',
    value: cost(first),
    unit: 'µs',
    yardstick: { name: 'without', value: cost(second) },
    target: { of: 'ratio', atMost: TARGET.keyedCostRatioMax },
    detail: `${rate(first).toFixed(0)}/s against ${rate(second).toFixed(0)}/s`,
  };
}

function formatLoad({ p50Ms, p99Ms, cpuMicrosecondsEach }: LoadResult): string {
  return `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)} ms, ${cpuMicrosecondsEach.toFixed(0)} µs of processor each`;
}
