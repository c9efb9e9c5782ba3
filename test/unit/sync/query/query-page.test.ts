import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { MemoryStore, PreparedQuery, Replica, defineIndex, peekPrepared, runPrepared } from '../../../../sync/index.ts';
import { indexesReady } from '../../../helper/index-check.ts';
import { ManualClock, idleTimers, seededRandom } from '../../../helper/manual-ports.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;
}

test('[QU74] what is made for pages does not outlive them', async () => {
  const clock = new ManualClock();
  const replica = await Replica.open({ store: new MemoryStore(), clock, timers: idleTimers, random: seededRandom(74) });
  await replica.createDatabase('app');
  const database = replica.database('app');
  await defineIndex(database, 'c', 'n', { paths: ['n'] });
  await indexesReady(database);
  for (let n = 0; n < 50; n++) await database.write('c', `d${n}`, { kind: 'replace', value: { n } });
  const limits = { examinedMax: 100, sortMax: 100, bytesMax: 1e6, pause: () => Promise.resolve() };
  const queryOf = (n: number): PreparedQuery => new PreparedQuery('c', { n: { $gte: n % 40 } }, {});
  await runPrepared(database, queryOf(0), { limit: 10 }, limits);
  // Collections of the young only: whatever they find in use twice becomes old.
  const ask = (pages: number): void => {
    for (let i = 0; i < pages; i++) {
      expect(peekPrepared(database, queryOf(i), { limit: 10 }, limits)?.items.length).toBe(10);
      if (i % 50 === 0) collect({ type: 'minor' });
    }
  };
  ask(2000);
  collect({ type: 'major' });
  const before = oldBytes();
  ask(2000);
  expect((oldBytes() - before) / 2000, 'bytes a page').toBeLessThan(1000);
  await replica.close();
});
