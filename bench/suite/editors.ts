/**
 * @module
 * Owns shared editing: how soon a character is on all other screens and what the server spends on it, beside the servers that Yjs users know;
 * and what happens when a node is killed while a hundred people type.
 */
import { mkdir } from 'node:fs/promises';
import { ChildServer } from '../harness/child-server.ts';
import { Delivery } from '../harness/delivery.ts';
import { meanMs, NodeProcess, type Fsyncs } from '../harness/node-process.ts';
import { yardstickProgram } from '../harness/project.ts';
import { median } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import type { Dialect } from '../workload/typist.ts';
import { awaitDelivered, openTypists, typeAll } from '../workload/typing.ts';
import { loadHistory, measureIdle } from './editors-at-rest.ts';
import { killWhileTyping } from './editors-killed.ts';
import type { Suite, SuiteContext } from './suite.ts';

const TEXT = 'app/notes/shared';

interface Contender {
  readonly name: string;
  readonly dialect: Dialect;
  readonly path: string;
  start(directory: string): Promise<Started>;
}

interface Started {
  readonly server: ChildServer;
  readonly stop: () => Promise<void>;
  /** Of those who wait for the disk. */
  readonly fsyncs?: () => Promise<Fsyncs>;
}

interface Outcome {
  readonly p50: number;
  readonly p99: number;
  /** Seconds of the server's processor per 1,000 characters. */
  readonly cpu: number;
  /** Of one fsync, milliseconds. */
  readonly fsync: number;
}

const ATOLL: Contender = {
  name: 'Atoll',
  dialect: 'y-websocket',
  path: `/yjs/${TEXT}`,
  async start(directory) {
    const node = await NodeProcess.start({ name: 'n1', directory });
    await node.client().database('app').create();
    return { server: node.server, stop: () => node.stop(), fsyncs: () => node.fsyncs() };
  },
};

const HOCUSPOCUS: Contender = {
  ...yardstick('hocuspocus'),
  name: 'Hocuspocus, SQLite',
  dialect: 'hocuspocus',
  path: '',
};
const Y_WEBSOCKET: Contender = { ...yardstick('y-websocket'), name: 'y-websocket-server', path: `/${TEXT}` };

function yardstick(program: string): Pick<Contender, 'dialect' | 'start'> {
  return {
    dialect: 'y-websocket',
    async start(directory) {
      const logFile = `${directory}/${program}.log`;
      const server = await ChildServer.start({ program: yardstickProgram(program), args: [directory], logFile });
      return { server, stop: () => server.stop() };
    },
  };
}

export const editorsSuite: Suite = {
  name: 'editors',
  question:
    'How soon is a typed character on every other screen, and at what cost, compared with the usual servers of Yjs? What if a node is killed meanwhile?',
  async run(context) {
    const measures = await compare(context);
    measures.push(...(await killWhileTyping(context)));
    measures.push(await measureIdle(context), await loadHistory(context));
    return measures;
  },
};

// --- one node

async function compare(context: SuiteContext): Promise<Measure[]> {
  const outcomes = new Map<Contender, Outcome[]>();
  const contenders = [ATOLL, HOCUSPOCUS, Y_WEBSOCKET];
  for (let round = 0; round < context.config.editors.rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      context.progress(`round ${round + 1}: ${contender.name}`);
      const known = outcomes.get(contender) ?? [];
      outcomes.set(contender, [...known, await measure(contender, context, `${context.directory}/${round}`)]);
    }
  }
  const of = (contender: Contender, what: keyof Outcome): number =>
    median(outcomes.get(contender)!.map((outcome) => outcome[what]));
  const row = (name: string, what: keyof Outcome, unit: string, remark = ''): Measure => {
    const [best, other] = [HOCUSPOCUS, Y_WEBSOCKET].sort((a, b) => of(a, what) - of(b, what)) as [Contender, Contender];
    return {
      name,
      value: of(ATOLL, what),
      unit,
      yardstick: { name: best.name, value: of(best, what) },
      target: { of: 'ratio', atMost: 1 },
      detail: `${other.name}: ${of(other, what).toFixed(2)} ${unit}${remark}`,
    };
  };
  const who = `${context.config.editors.clients} clients, one node`;
  return [
    row(
      `${who}: delivery p50`,
      'p50',
      'ms',
      `; of ours an fsync, which they do not wait for, is ${of(ATOLL, 'fsync').toFixed(1)} ms`,
    ),
    row(`${who}: delivery p99`, 'p99', 'ms'),
    row(`${who}: server's processor per 1,000 characters`, 'cpu', 's'),
  ];
}

async function measure(contender: Contender, { config }: SuiteContext, parent: string): Promise<Outcome> {
  const { clients, perSecond, seconds } = config.editors;
  const directory = await scratch(parent, contender.name);
  const { server, stop, fsyncs } = await contender.start(directory);
  const delivery = new Delivery();
  const typists = await openTypists(clients, { ...contender, url: server.url, name: TEXT }, delivery);
  try {
    const fsyncsBefore = await fsyncs?.();
    const cpuBefore = server.cpuSeconds();
    await typeAll(typists, perSecond, seconds);
    await awaitDelivered(typists);
    const cpu = server.cpuSeconds() - cpuBefore;
    const typed = typists.reduce((sum, typist) => sum + typist.typed, 0);
    const fsync = fsyncsBefore === undefined ? 0 : meanMs(fsyncsBefore, await fsyncs!());
    return { p50: delivery.percentile(0.5), p99: delivery.percentile(0.99), cpu: (cpu / typed) * 1000, fsync };
  } finally {
    for (const typist of typists) typist.close();
    await stop();
  }
}

async function scratch(parent: string, name: string): Promise<string> {
  const directory = `${parent}/${name.replaceAll(/\W+/g, '-')}`;
  await mkdir(directory, { recursive: true });
  return directory;
}
