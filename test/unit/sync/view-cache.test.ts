import { expect, test } from 'vitest';
import { MemoryStore, Replica } from '../../../sync/index.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

test('[QU71] a document that leaves those that can be written at once is read without the disk, as it is', async () => {
  const options = { store: new MemoryStore(), clock: new ManualClock(), timers: idleTimers, random: seededRandom(71) };
  const replica = await Replica.open({ ...options, cacheBytesMax: 65_536 });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const put = (n: number, value: number): Promise<unknown> =>
    database.write('c', `d${n}`, { kind: 'replace', value: { value } });
  const expectHeld = (n: number, value: number): void => {
    const held = database.peek('c', `d${n}`);
    expect(JSON.parse(Buffer.from(held!.json).toString())).toEqual({ value });
  };
  for (let n = 0; n < 300; n++) await put(n, n);
  expect(database.parts.table.cacheUsage().documents.entries).toBeLessThan(150);
  for (let n = 0; n < 300; n++) expectHeld(n, n);
  const { etag, modifiedMs } = database.peek('c', 'd0')!;
  expect(await replica.database('app').get('c', 'd0')).toMatchObject({ etag, modifiedMs, conflicts: 0 });
  await put(0, -1);
  expectHeld(0, -1);
  for (let n = 1; n < 200; n++) await put(n, n + 1);
  expectHeld(0, -1);
  for (let n = 1; n < 200; n++) expectHeld(n, n + 1);
  await database.write('c', 'd0', { kind: 'delete' });
  for (let n = 1; n < 200; n++) await put(n, n);
  expect(await database.get('c', 'd0')).toBeNull();
  await replica.close();
});
