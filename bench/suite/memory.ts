/**
 * @module
 * Owns the memory of a node that holds many documents and does nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { packLines, uploadBulk } from '../harness/bulk-upload.ts';
import { NodeProcess } from '../harness/node-process.ts';
import type { Suite } from './suite.ts';
import { cityLines, loadCities } from '../workload/city.ts';

const MEGABYTE = 1_000_000;

export const memorySuite: Suite = {
  name: 'memory',
  question:
    'How much memory does an idle node with many documents take after it was started, and after everything was listed?',
  async run({ config, directory, progress }) {
    const { documents, settleMs } = config.memory;
    const cities = loadCities().slice(0, documents);
    const node = await NodeProcess.start({ name: 'n1', directory });
    try {
      progress(`${documents} documents`);
      const database = node.client().database('app');
      await database.create();
      await uploadBulk(node.url, '/v1/app/cities/bulk', packLines(cityLines(cities)), cities.length);
      const loadedBytes = node.server.memoryBytes('VmHWM');
      await delay(settleMs);
      const writtenBytes = node.server.memoryBytes('VmRSS');
      await node.stop();
      const startMs = performance.now();
      await node.restart();
      const startSeconds = (performance.now() - startMs) / 1000;
      await delay(settleMs);
      const idleBytes = node.server.memoryBytes('VmRSS');
      let listed = 0;
      for await (const item of database.collection('cities').list({ limit: 1000 })) listed += item.id === '' ? 0 : 1;
      if (listed !== cities.length) throw new Error(`${listed} of ${cities.length} documents listed`);
      const listedBytes = node.server.memoryBytes('VmHWM');
      return [
        {
          name: `idle with ${documents.toLocaleString('en-US')} documents, after a start`,
          value: idleBytes / MEGABYTE,
          unit: 'MB',
          target: { of: 'value', atMost: TARGET.idleMegabytesMax },
          detail: `ready after ${startSeconds.toFixed(2)} s`,
        },
        {
          name: 'idle after all were written by one bulk request',
          value: writtenBytes / MEGABYTE,
          unit: 'MB',
          target: { of: 'value', atMost: TARGET.idleMegabytesMax },
        },
        { name: 'peak while all were listed', value: listedBytes / MEGABYTE, unit: 'MB' },
        { name: 'peak while they were written', value: loadedBytes / MEGABYTE, unit: 'MB' },
      ];
    } finally {
      await node.stop();
    }
  },
};
