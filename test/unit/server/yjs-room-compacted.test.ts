/** A room of a document that leaves its history behind. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Room } from '../../../server/yjs/room.ts';
import type { Member } from '../../../server/yjs/room.ts';
import { Presence } from '../../../sync/index.ts';
import { ReplicaCluster } from '../sync/replica-fixture.ts';

let cluster: ReplicaCluster;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  cluster = new ReplicaCluster();
});
afterEach(async () => {
  await cluster.close();
  vi.useRealTimers();
});

/** A client, and how much it was told after it had been shown the document. */
function enter(room: Room): { readonly told: () => number } {
  let told = 0;
  const member = {
    socket: { send: () => undefined, sendBulk: () => undefined, sendFrames: () => told++ },
    prefix: new Uint8Array(0),
    prefixKey: '',
    end: () => room.remove(member),
    present: new Set<number>(),
    ids: new Set<number>(),
  } as unknown as Member;
  room.add(member);
  room.handleStep1(member, Uint8Array.of(0));
  return { told: () => told };
}

test('[GC33] what waits to be told when a document is compacted is not told to who comes after that', async () => {
  const { replica } = await cluster.start('a', [], {
    compaction: { intervalMs: 1e9, bytesMin: 100, ratioMin: 1.5, quietMs: 0 },
  });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const write = (n: number): Promise<unknown> => database.write('c', 'd', { kind: 'merge-patch', patch: { n } });
  for (let n = 0; n < 40; n++)
    await database.write('c', 'd', { kind: 'operations', operations: [{ op: 'append', path: '/l', value: n }] });
  for (let n = 0; n < 40; n++)
    await database.write('c', 'd', { kind: 'operations', operations: [{ op: 'remove', path: '/l', index: 0 }] });
  const presence = new Presence({ after: () => () => undefined });
  const room = new Room('k', database, { collection: 'c', id: 'd' }, { presence, bytesMax: 1_000_000 });
  await room.open();
  // So many that the second of two changes waits.
  const first = Array.from({ length: 100 }, () => enter(room));
  await replica.upkeep.compactor.compact();
  vi.advanceTimersByTime(100);
  const before = first[0]!.told();
  await write(1);
  await write(2);
  expect(first[0]!.told()).toBe(before + 1);
  await replica.upkeep.compactor.compact();
  expect(replica.status().databases[0]!.compaction.compacted).toBe(1);
  expect(room.size).toBe(0);
  const next = enter(room);
  vi.advanceTimersByTime(100);
  expect(next.told()).toBe(0);
  room.close();
});
