/**
 * @module
 * Owns the rate at which small real documents are taken in by one streamed request: by a node alone, and by one of three.
 */
import { join } from 'node:path';
import { TARGET } from '../config.ts';
import { packLines, uploadBulk } from '../harness/bulk-upload.ts';
import { ChildServer } from '../harness/child-server.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { YARDSTICK_PROGRAM } from '../harness/project.ts';
import { median } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { cityLines, loadCities } from '../workload/city.ts';
import type { Suite, SuiteContext } from './suite.ts';

const CONVERGENCE_TIMEOUT_MS = 300_000;

export const bulkSuite: Suite = {
  name: 'bulk',
  question:
    'How many cities a second does `bulk` take, compared with a bare server that parses each line and stores it with group commit?',
  async run(context) {
    const cities = loadCities().slice(0, context.config.bulk.documents);
    const chunks = packLines(cityLines(cities));
    return [
      ...(await measureAlone(context, chunks, cities.length)),
      ...(await measureInCluster(context, chunks, cities.length)),
    ];
  },
};

async function measureAlone(
  { config, directory, progress }: SuiteContext,
  chunks: readonly Buffer[],
  count: number,
): Promise<Measure[]> {
  const atoll: number[] = [];
  const bare: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < config.bulk.rounds; round++) {
    progress(`alone: round ${round + 1} of ${config.bulk.rounds}`);
    const node = await NodeProcess.start({ name: `alone${round}`, directory });
    await node.client().database('app').create();
    const startCpuSeconds = node.server.cpuSeconds();
    atoll.push((await uploadBulk(node.url, '/v1/app/cities/bulk', chunks, count)).perSecond);
    cpu.push(((node.server.cpuSeconds() - startCpuSeconds) * 1e6) / count);
    const { documents } = await node.client().database('app').digest();
    if (documents !== count) throw new Error(`${documents} of ${count} documents after bulk`);
    await node.stop();
    const server = await ChildServer.start({
      program: YARDSTICK_PROGRAM,
      args: [join(directory, `bare${round}`)],
      logFile: join(directory, 'bare.log'),
    });
    bare.push((await uploadBulk(server.url, '/v1/app/cities/bulk', chunks, count)).perSecond);
    await server.stop();
  }
  return [
    {
      name: `bulk of ${count.toLocaleString('en-US')} cities into a node alone`,
      value: median(atoll),
      unit: '/s',
      yardstick: { name: 'bare, group commit', value: median(bare) },
      target: { of: 'value', atLeast: TARGET.bulkPerSecondMin },
      detail: `${median(cpu).toFixed(0)} µs of processor a document`,
    },
  ];
}

async function measureInCluster(
  { directory, progress }: SuiteContext,
  chunks: readonly Buffer[],
  count: number,
): Promise<Measure[]> {
  progress('one of three');
  const parent = join(directory, 'cluster');
  const third = await NodeProcess.start({ name: 'n3', directory: parent });
  const second = await NodeProcess.start({ name: 'n2', directory: parent, join: [third.url] });
  const first = await NodeProcess.start({ name: 'n1', directory: parent, join: [second.url, third.url] });
  const nodes = [first, second, third];
  try {
    await first.client().database('app').create();
    const clients = nodes.map((node) => node.client());
    await awaitEqual(clients, { database: 'app', timeoutMs: 30_000 });
    const startMs = performance.now();
    const { perSecond } = await uploadBulk(first.url, '/v1/app/cities/bulk', chunks, count);
    await awaitEqual(clients, { database: 'app', timeoutMs: CONVERGENCE_TIMEOUT_MS, documents: count });
    const seconds = (performance.now() - startMs) / 1000;
    return [
      { name: 'bulk into one of three', value: perSecond, unit: '/s', detail: 'all three share the same two cores' },
      {
        name: 'the same, until all three are equal',
        value: count / seconds,
        unit: '/s',
        detail: `${seconds.toFixed(1)} s`,
      },
    ];
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}
