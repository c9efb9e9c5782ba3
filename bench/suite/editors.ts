/**
 * @module
 * Owns shared editing: how soon a character is on all other screens and what the server spends on it, beside the servers that Yjs users know;
 * and what happens when a node is killed while a hundred people type.
 */
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { ChildServer } from '../harness/child-server.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { Delivery } from '../harness/delivery.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { yardstickProgram } from '../harness/project.ts';
import { median } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { Typist, type Dialect } from '../workload/typist.ts';
import { loadHistory, measureIdle } from './editors-at-rest.ts';
import type { Suite, SuiteContext } from './suite.ts';

const TEXT = 'app/notes/shared';
const SETTLE_MS = 60_000;

interface Contender {
  readonly name: string;
  readonly dialect: Dialect;
  readonly path: string;
  start(directory: string): Promise<{ readonly server: ChildServer; readonly stop: () => Promise<void> }>;
}

interface Outcome {
  readonly p50: number;
  readonly p99: number;
  /** Seconds of the server's processor per 1,000 characters. */
  readonly cpu: number;
}

const ATOLL: Contender = {
  name: 'Atoll',
  dialect: 'y-websocket',
  path: `/yjs/${TEXT}`,
  async start(directory) {
    const node = await NodeProcess.start({ name: 'n1', directory });
    await node.client().database('app').create();
    return { server: node.server, stop: () => node.stop() };
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
    measures.push(...(await kill(context)));
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
  const row = (name: string, what: keyof Outcome, unit: string): Measure => {
    const [best, other] = [HOCUSPOCUS, Y_WEBSOCKET].sort((a, b) => of(a, what) - of(b, what)) as [Contender, Contender];
    return {
      name,
      value: of(ATOLL, what),
      unit,
      yardstick: { name: best.name, value: of(best, what) },
      target: { of: 'ratio', atMost: 1 },
      detail: `${other.name}: ${of(other, what).toFixed(2)} ${unit}`,
    };
  };
  const who = `${context.config.editors.clients} clients, one node`;
  return [
    row(`${who}: delivery p50`, 'p50', 'ms'),
    row(`${who}: delivery p99`, 'p99', 'ms'),
    row(`${who}: server's processor per 1,000 characters`, 'cpu', 's'),
  ];
}

async function measure(contender: Contender, { config }: SuiteContext, parent: string): Promise<Outcome> {
  const { clients, perSecond, seconds } = config.editors;
  const directory = await scratch(parent, contender.name);
  const { server, stop } = await contender.start(directory);
  const delivery = new Delivery();
  const typists = await openTypists(clients, contender, server.url, delivery);
  try {
    const cpuBefore = server.cpuSeconds();
    await typeAll(typists, perSecond, seconds);
    await awaitDelivered(typists, delivery);
    const cpu = server.cpuSeconds() - cpuBefore;
    const typed = [...delivery.typed.values()].reduce((sum, count) => sum + count, 0);
    return { p50: delivery.percentile(0.5), p99: delivery.percentile(0.99), cpu: (cpu / typed) * 1000 };
  } finally {
    for (const typist of typists) typist.close();
    await stop();
  }
}

async function openTypists(
  count: number,
  { dialect, path }: Pick<Contender, 'dialect' | 'path'>,
  url: string,
  delivery: Delivery,
): Promise<Typist[]> {
  const typists: Typist[] = [];
  for (let i = 0; i < count; i++) {
    typists.push(
      await Typist.open({
        dialect,
        name: TEXT,
        url: `${url.replace('http', 'ws')}${path}`,
        onTyped: (client, clock) => delivery.note(client, clock, performance.now()),
        onArrived: (client, from, to) => delivery.arrive(client, from, to),
      }),
    );
  }
  return typists;
}

/** Everybody at the same pace, one after another within each beat. */
async function typeAll(typists: readonly Typist[], perSecond: number, seconds: number): Promise<void> {
  const startMs = performance.now();
  const total = typists.length * perSecond * seconds;
  for (let at = 0; at < total; at++) {
    const dueMs = startMs + (at * 1000) / (typists.length * perSecond);
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    typists[at % typists.length]!.type(String.fromCharCode(97 + (at % 26)));
  }
}

/** Everybody has every character. @throws Error */
async function awaitDelivered(typists: readonly Typist[], delivery: Delivery): Promise<void> {
  const endMs = performance.now() + SETTLE_MS;
  const isDelivered = (): boolean => {
    for (const [client, typed] of delivery.typed)
      for (const { known } of typists) if ((known.get(client) ?? 0) < typed) return false;
    return true;
  };
  while (!isDelivered()) {
    if (performance.now() > endMs) throw new Error('not everybody got every character');
    await delay(20);
  }
}

async function scratch(parent: string, name: string): Promise<string> {
  const directory = `${parent}/${name.replaceAll(/\W+/g, '-')}`;
  await mkdir(directory, { recursive: true });
  return directory;
}

// --- two nodes, one of which is killed

async function kill({ config, directory, progress }: SuiteContext): Promise<Measure[]> {
  const { clients, perSecond, seconds } = config.editors;
  const b = await NodeProcess.start({ name: 'b', directory });
  const a = await NodeProcess.start({ name: 'a', directory, join: [b.url] });
  const delivery = new Delivery();
  const typists: Typist[] = [];
  try {
    await a.client().database('app').create();
    await awaitEqual([a.client(), b.client()], { database: 'app', timeoutMs: 30_000 });
    for (const { url } of [a, b]) typists.push(...(await openTypists(clients, ATOLL, url, delivery)));
    progress(`${typists.length} clients on two nodes, one killed in the middle`);
    const typing = typeAll(typists, perSecond, seconds);
    await delay(seconds * 500);
    // From here on clients miss what they will be told when they are back: that is no delivery.
    delivery.isMeasuring = false;
    await b.kill();
    await delay(1000);
    await b.restart();
    await typing;
    await awaitDelivered(typists, delivery);
    const text = await checkTexts([a, b], delivery);
    return [
      row('p50', delivery.percentile(0.5), TARGET.editorP50MsMax, `${delivery.count} deliveries before the kill`),
      row(
        'p99',
        delivery.percentile(0.99),
        TARGET.editorP99MsMax,
        `${text} characters on both nodes after it, none missing`,
      ),
    ];
  } finally {
    for (const typist of typists) typist.close();
    await Promise.all([a.stop(), b.stop()]);
  }

  function row(which: string, value: number, atMost: number, detail: string): Measure {
    const name = `2 × ${clients} clients, two nodes: delivery ${which}`;
    return { name, value, unit: 'ms', target: { of: 'value', atMost }, detail };
  }
}

/** Both nodes show the same text, as long as all that was typed. @returns its length */
async function checkTexts(nodes: readonly NodeProcess[], delivery: Delivery): Promise<number> {
  await awaitEqual(
    nodes.map((node) => node.client()),
    { database: 'app', timeoutMs: 30_000 },
  );
  const answers = await Promise.all(
    nodes.map(({ url }) => fetch(`${url}/v1/app/notes/docs/shared`).then((answer) => answer.json())),
  );
  const texts = answers.map((answer) => (answer as { text: string }).text);
  const typed = [...delivery.typed.values()].reduce((sum, count) => sum + count, 0);
  if (texts.some((text) => text !== texts[0] || text.length !== typed))
    throw new Error(
      `${typed} characters were typed, the nodes have ${texts.map(({ length }) => length).join(' and ')}`,
    );
  return typed;
}
