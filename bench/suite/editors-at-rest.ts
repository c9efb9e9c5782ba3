/**
 * @module
 * Owns what editors cost that do nothing, and what a document costs that was edited for long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import * as Y from 'yjs';
import { CrdtDocument } from '../../crdt/index.ts';
import { TARGET } from '../config.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { interleave, median } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { SuiteContext } from './suite.ts';

const MEGABYTE = 1_000_000;

/** Memory of connections on which nothing happens. */
export async function measureIdle({ config, directory, progress }: SuiteContext): Promise<Measure> {
  const { idleConnections, settleMs } = config.editors;
  progress(`${idleConnections} idle connections`);
  const node = await NodeProcess.start({ name: 'idle', directory });
  const { server } = node;
  const sockets: WebSocket[] = [];
  try {
    await node.client().database('app').create();
    await delay(settleMs);
    const before = server.memoryBytes('VmRSS');
    for (let i = 0; i < idleConnections; i++) {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/yjs/app/notes/${i % 100}`);
      sockets.push(socket);
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    }
    await delay(settleMs);
    const after = server.memoryBytes('VmRSS');
    return {
      name: `${idleConnections.toLocaleString('en-US')} idle connections to 100 documents`,
      value: (after - before) / MEGABYTE,
      unit: 'MB',
      target: { of: 'value', atMost: TARGET.idleEditorsMegabytesMax },
      detail: `${(before / MEGABYTE).toFixed(0)} → ${(after / MEGABYTE).toFixed(0)} MB`,
    };
  } finally {
    for (const socket of sockets) socket.terminate();
    await node.stop();
  }
}

/** Loading a long history of single characters, beside Yjs with the same update. */
export async function loadHistory({ config, progress }: SuiteContext): Promise<Measure> {
  const { historyOperations, rounds } = config.editors;
  progress(`a history of ${historyOperations} operations`);
  const update = createHistory(historyOperations, config.seed);
  const timed = (load: () => void): number => {
    const before = process.cpuUsage();
    load();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const { first, second } = await interleave(
    rounds + 2,
    () => timed(() => CrdtDocument.load(update).view()),
    () =>
      timed(() => {
        const doc = new Y.Doc();
        Y.applyUpdate(doc, update);
        doc.getText('text').toJSON();
      }),
  );
  return {
    name: `a history of ${historyOperations.toLocaleString('en-US')} characters, loaded and shown`,
    value: median(first),
    unit: 'ms',
    yardstick: { name: 'plain Yjs', value: median(second) },
    target: { of: 'ratio', atMost: TARGET.historyRatioMax },
    detail: 'processor time',
  };
}

/** One in four deletes; the cursor wanders. */
function createHistory(operations: number, seed: number): Uint8Array {
  const random = new SeededRandom(seed);
  const doc = new Y.Doc();
  const text = doc.getText('text');
  let cursor = 0;
  for (let at = 0; at < operations; at++) {
    if (random.integer(50) === 0) cursor = random.integer(text.length + 1);
    if (random.integer(4) === 0 && cursor > 0) text.delete(--cursor, 1);
    else text.insert(cursor++, String.fromCharCode(97 + random.integer(26)));
  }
  return Y.encodeStateAsUpdate(doc);
}
