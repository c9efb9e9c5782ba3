import { expect, test } from 'vitest';
import { MemoryStore, Replica } from '../../../sync/index.ts';
import { MemoryNetwork } from '../../../sync/transport/memory.ts';
import type { Timers } from '../../../sync/index.ts';
import { ManualClock, seededRandom } from '../../helper/manual-ports.ts';

/** Timers that fire in order, one after another, as fast as the work between them allows. */
class FastTimers implements Timers {
  #now = 0;
  #queue: { at: number; run: () => void }[] = [];

  after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + ms, run };
    this.#queue.push(timer);
    return () => {
      this.#queue = this.#queue.filter((other) => other !== timer);
    };
  };

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      const next = this.#queue.toSorted((one, other) => one.at - other.at)[0];
      if (next === undefined || next.at > end) break;
      this.#queue.splice(this.#queue.indexOf(next), 1);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }
}

async function openPair(): Promise<{ timers: FastTimers; a: Replica; b: Replica }> {
  const timers = new FastTimers();
  const network = new MemoryNetwork();
  const ports = { clock: new ManualClock(), timers, dialer: network.dialer };
  const a = await Replica.open({ store: new MemoryStore(), random: seededRandom(1), name: 'a', ...ports });
  const b = await Replica.open({ store: new MemoryStore(), random: seededRandom(2), name: 'b', ...ports });
  network.listen('mem://a', (channel) => a.accept(channel));
  b.addPeer('mem://a');
  await a.createDatabase('app');
  await timers.pass(5000);
  await b.database('app').write('c', 'x', { kind: 'replace', value: { by: 'b' } });
  await timers.pass(5000);
  return { timers, a, b };
}

test('[DB15] a database does not leave its last holder, and clients are told at once', async () => {
  const { timers, a, b } = await openPair();
  await a.placeDatabases(a.nodeId, []);
  await timers.pass(1);
  expect(() => a.database('app')).toThrow(expect.objectContaining({ code: 'SYNC_DATABASE_ELSEWHERE' }));
  await timers.pass(10_000);
  expect(a.engine.databases()).toEqual(['_system.0']);
  await b.placeDatabases(b.nodeId, []);
  await timers.pass(60_000);
  expect(() => b.database('app')).toThrow(expect.objectContaining({ code: 'SYNC_DATABASE_ELSEWHERE' }));
  expect(b.engine.databases()).toContain('app.0');
  await b.placeDatabases(b.nodeId, null);
  await timers.pass(1);
  expect(await b.database('app').get('c', 'x')).not.toBeNull();
});

test('[DB15] a write that was under way when the placement changed is refused or kept', async () => {
  const { timers, a, b } = await openPair();
  const database = a.database('app');
  const before = database.write('c', 'kept', { kind: 'replace', value: {} });
  await a.placeDatabases(a.nodeId, []);
  await before;
  await expect(database.write('c', 'late', { kind: 'replace', value: {} })).rejects.toMatchObject({
    code: 'SYNC_DATABASE_ELSEWHERE',
    retryable: true,
  });
  await timers.pass(10_000);
  expect(a.engine.databases()).not.toContain('app.0');
  expect(await b.database('app').get('c', 'kept')).not.toBeNull();
  expect(await b.database('app').get('c', 'late')).toBeNull();
});

test('[DB15] a database does not leave while the others are away', async () => {
  const { timers, a, b } = await openPair();
  await b.close();
  await timers.pass(1000);
  await a.database('app').write('c', 'only-here', { kind: 'replace', value: {} });
  await a.placeDatabases(a.nodeId, []);
  await timers.pass(60_000);
  expect(a.engine.databases()).toContain('app.0');
});
