/**
 * @module
 * Owns the cost of finding documents: pages of indexed queries over all cities, building an index over them, and what indexes add to
 * the cost of a write.
 */
import { TARGET } from '../config.ts';
import { packLines, uploadBulk } from '../harness/bulk-upload.ts';
import { encodeRequest } from '../harness/http-connection.ts';
import { runLoad, type LoadResult } from '../harness/load.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { interleave, median, medianBy } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { cityLines, loadCities, type City } from '../workload/city.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const JSON_TYPE = 'application/json';
const POLL_MS = 20;

interface Index {
  readonly name: string;
  readonly paths: readonly (string | { readonly path: string; readonly order: 'desc' })[];
}

const BY_COUNTRY: Index = { name: 'country', paths: ['country', { path: 'population', order: 'desc' }] };
const BY_NAME: Index = { name: 'name', paths: ['name'] };

export const querySuite: Suite = {
  name: 'query',
  question:
    'How many pages a second does an indexed query give, how fast is an index built, and what does a write cost with indexes?',
  async run(context) {
    const cities = loadCities().slice(0, context.config.query.documents);
    const node = await NodeProcess.start({ name: 'n1', directory: context.directory });
    try {
      await node.client().database('app').create();
      context.progress(`fill: ${cities.length} cities`);
      await uploadBulk(node.url, '/v1/app/cities/bulk', packLines(cityLines(cities)), cities.length);
      return [
        await measureBuild(context, node, cities.length),
        ...(await measurePages(context, node, cities)),
        await measureWrites(context, node, cities),
      ];
    } finally {
      await node.stop();
    }
  },
};

async function send(node: NodeProcess, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(new URL(path, node.url), {
    method,
    ...(body !== undefined && { headers: { 'content-type': JSON_TYPE }, body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  const text = await answer.text();
  return (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
}

/** Resolves with the milliseconds from the definition until queries use the index. */
async function build(node: NodeProcess, collection: string, { name, paths }: Index): Promise<number> {
  const path = `/v1/app/${collection}/indexes/${name}`;
  const startMs = performance.now();
  await send(node, 'PUT', path, { paths });
  while ((await send(node, 'GET', path))['state'] !== 'ready') await new Promise((done) => setTimeout(done, POLL_MS));
  return performance.now() - startMs;
}

async function measureBuild({ config, progress }: SuiteContext, node: NodeProcess, count: number): Promise<Measure> {
  const rates: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < config.query.rounds; round++) {
    progress(`build: round ${round + 1} of ${config.query.rounds}`);
    const startCpuSeconds = node.server.cpuSeconds();
    rates.push((count * 1000) / (await build(node, 'cities', BY_COUNTRY)));
    cpu.push(((node.server.cpuSeconds() - startCpuSeconds) * 1e6) / count);
    if (round < config.query.rounds - 1) await send(node, 'DELETE', `/v1/app/cities/indexes/${BY_COUNTRY.name}`);
  }
  return {
    name: `index on country and population, built over ${count.toLocaleString('en-US')} cities`,
    value: median(rates),
    unit: '/s',
    target: { of: 'value', atLeast: TARGET.indexBuildPerSecondMin },
    detail: `${median(cpu).toFixed(1)} µs of processor a document`,
  };
}

async function measurePages(
  { config, progress }: SuiteContext,
  node: NodeProcess,
  cities: readonly City[],
): Promise<Measure[]> {
  await build(node, 'cities', BY_NAME);
  const random = new SeededRandom(config.seed);
  const pick = (): City => cities[random.integer(cities.length)]!;
  const shapes: Record<string, () => object> = {
    'the ten largest cities of a country': () => ({
      filter: { country: pick().doc['country'] },
      sort: { population: -1 },
    }),
    'ten cities of a country in a range of population': () => {
      const low = random.integer(20_000);
      return { filter: { country: pick().doc['country'], population: { $gte: low, $lt: low + 20_000 } } };
    },
    'cities by name': () => ({ filter: { name: pick().doc['name'] } }),
    'cities by the beginning of their name': () => ({ filter: { name: { $regex: `^${plainStart(pick())}` } } }),
  };
  const measures: Measure[] = [];
  for (const [name, shape] of Object.entries(shapes)) {
    progress(name);
    const next = (): Buffer => {
      const bytes = Buffer.from(JSON.stringify({ ...shape(), limit: 10 }));
      return encodeRequest('POST', '/v1/app/cities/query', { type: JSON_TYPE, bytes });
    };
    await checkPage(node, shape());
    const load = (durationMs: number): Promise<LoadResult> =>
      runLoad({ server: node.server, connections: config.query.connections, durationMs, next });
    await load(config.query.warmUpMs);
    const results: LoadResult[] = [];
    for (let round = 0; round < config.query.rounds; round++) results.push(await load(config.query.roundMs));
    const result = medianBy(results, ({ perSecond }) => perSecond);
    measures.push({
      name: `page of ${name}`,
      value: result.perSecond,
      unit: '/s',
      target: { of: 'value', atLeast: TARGET.queryPerSecondMin },
      detail: formatLoad(result),
    });
  }
  return measures;
}

/** What is measured is an index, and it is right. */
async function checkPage(node: NodeProcess, shape: object): Promise<void> {
  const page = await send(node, 'POST', '/v1/app/cities/query', { ...shape, limit: 10, explain: true });
  const { index, sort, documentsExamined } = page['explain'] as Record<string, unknown>;
  if (index === null || sort === 'memory' || (documentsExamined as number) > 16)
    throw new Error(`not by an index: ${JSON.stringify(page['explain'])}`);
}

function plainStart({ doc }: City): string {
  const name = doc['name'];
  return /^[A-Za-z]{1,4}/.exec(typeof name === 'string' ? name : '')?.[0] ?? 'San';
}

async function measureWrites(
  { config, progress }: SuiteContext,
  node: NodeProcess,
  cities: readonly City[],
): Promise<Measure> {
  for (const index of [BY_COUNTRY, BY_NAME]) await build(node, 'indexed', index);
  const bodies = cities.slice(0, 5000).map(({ doc }) => Buffer.from(JSON.stringify(doc)));
  const load = (collection: string, round: number | string, durationMs: number): Promise<LoadResult> => {
    let at = 0;
    const next = (): Buffer =>
      encodeRequest('PUT', `/v1/app/${collection}/docs/r${round}-${at}`, {
        type: JSON_TYPE,
        bytes: bodies[at++ % bodies.length]!,
      });
    return runLoad({ server: node.server, connections: config.query.connections, durationMs, next });
  };
  progress('writes: warm-up');
  for (const collection of ['indexed', 'plain']) await load(collection, 'warm', config.query.warmUpMs);
  progress(`writes: ${config.query.rounds} rounds`);
  const { roundMs, rounds } = config.query;
  const { first, second } = await interleave(
    rounds,
    (round) => load('indexed', round, roundMs),
    (round) => load('plain', round, roundMs),
  );
  const [indexed, plain] = [first, second].map((results) => medianBy(results, ({ perSecond }) => perSecond)) as [
    LoadResult,
    LoadResult,
  ];
  return {
    name: 'durable PUT of new documents with two indexes',
    value: indexed.perSecond,
    unit: '/s',
    yardstick: { name: 'without indexes', value: plain.perSecond },
    target: { of: 'ratio', atLeast: TARGET.indexedWriteRatioMin },
    detail: `${formatLoad(indexed)}; without: ${formatLoad(plain)}`,
  };
}

function formatLoad({ p50Ms, p99Ms, cpuMicrosecondsEach }: LoadResult): string {
  return `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)} ms, ${cpuMicrosecondsEach.toFixed(0)} µs of processor each`;
}
