/**
 * @module
 * Owns what becomes of a text that a hundred people type on two nodes when one of these is killed and started again: it converges, and
 * has every character that was acknowledged, also of who has left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { TARGET, type BenchConfig } from '../config.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { Delivery } from '../harness/delivery.ts';
import { meanMs, NodeProcess } from '../harness/node-process.ts';
import type { Measure } from '../report.ts';
import type { Typist } from '../workload/typist.ts';
import { awaitDelivered, openTypists, typeAll, type Place, type Writer } from '../workload/typing.ts';
import type { SuiteContext } from './suite.ts';

/** Of the clients of each node, so many are y-websocket as it comes: documents of all would leave the nodes nothing of two processors. */
const UNMODIFIED = 2;
/** V8 compiles the clients while they type on a node that is not measured: a second of theirs would be told as one of the nodes, which stay cold. */
const WARM_SECONDS = 4;
/** Clients of the killed node that leave when it is. */
const LEAVING = 5;
const DOWN_MS = 1000;
const CLIENT_MAX = 2 ** 32 - 1;
const EQUAL_MS = 30_000;

interface Editor extends Writer {
  readonly doc: Y.Doc;
  readonly provider: WebsocketProvider;
}

interface Crowd {
  readonly typists: Typist[];
  readonly editors: Editor[];
}

/** Deliveries count until the kill: afterwards clients are told what they have missed. */
export async function killWhileTyping({ config, directory, progress }: SuiteContext): Promise<Measure[]> {
  const { clients, perSecond, seconds } = config.editors;
  await warmUp(config, directory);
  const b = await NodeProcess.start({ name: 'b', directory });
  const a = await NodeProcess.start({ name: 'a', directory, join: [b.url] });
  const delivery = new Delivery();
  const crowd: Crowd = { typists: [], editors: [] };
  const { typists, editors } = crowd;
  try {
    await a.client().database('app').create();
    await awaitEqual([a.client(), b.client()], { database: 'app', timeoutMs: EQUAL_MS });
    for (const { url } of [b, a]) await gather(crowd, url, clients, delivery);
    progress(`${typists.length + editors.length} clients on two nodes, one killed in the middle`);
    const before = { a: a.server.cpuSeconds(), b: b.server.cpuSeconds(), us: performance.eventLoopUtilization() };
    const fsyncsBefore = await a.fsyncs();
    const typing = typeAll([...typists, ...editors], perSecond, seconds);
    await delay(seconds * 500);
    delivery.isMeasuring = false;
    const share = (cpu: number): string => `${((cpu / (seconds / 2)) * 100).toFixed(0)} %`;
    const busy = [a.server.cpuSeconds() - before.a, b.server.cpuSeconds() - before.b].map(share).join(' and ');
    const ours = `${(performance.eventLoopUtilization(before.us).utilization * 100).toFixed(0)} %`;
    const fsyncMs = meanMs(fsyncsBefore, await a.fsyncs()).toFixed(1);
    const left = typists.splice(0, LEAVING);
    for (const typist of left) typist.close();
    await b.kill();
    await delay(DOWN_MS);
    await b.restart();
    await typing;
    await awaitDelivered(typists);
    const length = await checkTexts([a, b], { typists, left, editors });
    const use = `processor: nodes ${busy}, clients ${ours}; an fsync ${fsyncMs} ms`;
    return [
      row('p50', delivery.percentile(0.5), TARGET.editorP50MsMax, `${delivery.count} deliveries; ${use}`),
      row('p99', delivery.percentile(0.99), TARGET.editorP99MsMax, `none of ${length} characters missing afterwards`),
    ];
  } finally {
    disperse(crowd);
    await Promise.all([a.stop(), b.stop()]);
  }

  function row(which: string, value: number, atMost: number, detail: string): Measure {
    const name = `2 × ${clients} clients, two nodes: delivery ${which} until one is killed`;
    return { name, value, unit: 'ms', target: { of: 'value', atMost }, detail };
  }
}

async function warmUp({ editors: { clients, perSecond } }: BenchConfig, directory: string): Promise<void> {
  const node = await NodeProcess.start({ name: 'warm', directory });
  const crowd: Crowd = { typists: [], editors: [] };
  try {
    await node.client().database('app').create();
    for (let i = 0; i < 2; i++) await gather(crowd, node.url, clients, new Delivery());
    await typeAll([...crowd.typists, ...crowd.editors], perSecond, WARM_SECONDS);
  } finally {
    disperse(crowd);
    await node.stop();
  }
}

async function gather({ typists, editors }: Crowd, url: string, clients: number, delivery: Delivery): Promise<void> {
  typists.push(...(await openTypists(clients - UNMODIFIED, placeOn(url), delivery)));
  for (let i = 0; i < UNMODIFIED; i++) editors.push(await openEditor(url));
}

function disperse({ typists, editors }: Crowd): void {
  for (const typist of typists) typist.close();
  for (const { provider } of editors) provider.destroy();
}

function placeOn(url: string): Place {
  return { dialect: 'y-websocket', url, path: '/yjs/app/notes/shared', name: 'app/notes/shared' };
}

async function openEditor(url: string): Promise<Editor> {
  const doc = new Y.Doc();
  const options = { WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket, disableBc: true };
  const provider = new WebsocketProvider(`${url.replace('http', 'ws')}/yjs`, 'app/notes/shared', doc, options);
  while (!provider.synced) await delay(5);
  const text = doc.getText('text');
  return { doc, provider, type: (character) => text.insert(text.length, character) };
}

interface People {
  readonly typists: readonly Typist[];
  readonly left: readonly Typist[];
  readonly editors: readonly Editor[];
}

/** Every node and every editor shows the same text, with all that was typed or acknowledged. @returns its length @throws Error */
async function checkTexts(nodes: readonly NodeProcess[], { typists, left, editors }: People): Promise<number> {
  await awaitEqual(
    nodes.map((node) => node.client()),
    { database: 'app', timeoutMs: EQUAL_MS },
  );
  const texts = await Promise.all(nodes.map(({ url }) => textOn(url)));
  const endMs = performance.now() + EQUAL_MS;
  const isShown = ({ doc }: Editor): boolean => doc.getText('text').toJSON() === texts[0];
  while (!editors.every(isShown) && performance.now() < endMs) await delay(20);
  if (!editors.every(isShown) || texts.some((text) => text !== texts[0])) throw new Error('the texts differ');
  const clocks = Y.decodeStateVector(Y.encodeStateVector(editors[0]!.doc));
  for (const { client, typed } of typists) {
    if (clocks.get(client) !== typed)
      throw new Error(`of ${typed} characters of a client ${clocks.get(client)} are there`);
  }
  for (const { client, acknowledged } of left) {
    if ((clocks.get(client) ?? 0) < acknowledged) throw new Error('acknowledged characters are missing');
  }
  // Nodes write marks into the document, as clients of their own.
  const written = [...clocks].reduce((sum, [client, clock]) => sum + (client <= CLIENT_MAX ? clock : 0), 0);
  if (texts[0]!.length !== written)
    throw new Error(`${written} characters were written, ${texts[0]!.length} are shown`);
  return written;
}

async function textOn(url: string): Promise<string> {
  const answer = await fetch(`${url}/v1/app/notes/docs/shared`);
  return ((await answer.json()) as { text: string }).text;
}
