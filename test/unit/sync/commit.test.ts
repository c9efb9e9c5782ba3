import { expect, test } from 'vitest';
import { encodeStamp } from '../../../crdt/index.ts';
import { CLOCK_ADVANCE_MS_MAX, HybridClock } from '../../../sync/hybrid-clock.ts';
import { MemoryStore, Replica, StorageError } from '../../../sync/index.ts';
import type { StoreAccess } from '../../../sync/index.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

interface Gate {
  batches: number;
  /** Called for every batch; may hold or fail it. */
  onBatch: () => void | Promise<void>;
}

async function openGated(): Promise<{ replica: Replica; gate: Gate }> {
  const gate: Gate = { batches: 0, onBatch: () => {} };
  const intercept = (access: StoreAccess): void | Promise<void> => {
    if (access.type !== 'batch') return;
    gate.batches++;
    return gate.onBatch();
  };
  const store = new MemoryStore({ intercept });
  const replica = await Replica.open({ store, clock: new ManualClock(), timers: idleTimers, random: seededRandom(7) });
  await replica.createDatabase('app');
  return { replica, gate };
}

const put = (value: number) => ({ kind: 'replace', value: { value } }) as const;

test('[DB7] writes that wait while a group is written travel together, and readers see only what is durable', async () => {
  const { replica, gate } = await openGated();
  const database = replica.database('app');
  let open!: () => void;
  gate.onBatch = () => new Promise((resolve) => (open = resolve));
  gate.batches = 0;
  const first = database.write('c', 'first', put(1));
  await expect.poll(() => gate.batches).toBe(1);
  const others = Array.from({ length: 20 }, (_, i) => database.write('c', `other${i % 5}`, put(i)));
  expect(await database.get('c', 'first')).toBeNull();
  open();
  await first;
  expect(await database.get('c', 'first')).not.toBeNull();
  await expect.poll(() => gate.batches).toBe(2);
  expect(await database.get('c', 'other1')).toBeNull();
  open();
  await Promise.all(others);
  expect(gate.batches).toBe(2);
  expect(new TextDecoder().decode((await database.get('c', 'other1'))?.json)).toBe('{"value":16}');
});

test('[DB8] after a failed commit nothing is acknowledged any more', async () => {
  const { replica, gate } = await openGated();
  const database = replica.database('app');
  gate.onBatch = () => {
    throw new StorageError('STORAGE_IO', 'fsync failed');
  };
  const writes = await Promise.allSettled([database.write('c', 'a', put(1)), database.write('c', 'b', put(2))]);
  expect(writes.map((write) => write.status)).toEqual(['rejected', 'rejected']);
  expect(replica.failure?.code).toBe('STORAGE_IO');
  gate.onBatch = () => {};
  await expect(database.write('c', 'c', put(3))).rejects.toMatchObject({ code: 'STORAGE_IO' });
  expect(await database.get('c', 'a')).toBeNull();
});

test('[DB10] a start that writes nothing leaves vector, digest and store as they were', async () => {
  const store = new MemoryStore();
  const open = (seed: number): Promise<Replica> =>
    Replica.open({ store, clock: new ManualClock(), timers: idleTimers, random: seededRandom(seed), name: 'n' });
  const first = await open(1);
  await first.createDatabase('app');
  await first.database('app').write('c', 'a', put(1));
  const before = { digest: first.database('app').digest(), keys: store.size };
  for (let seed = 2; seed < 6; seed++) {
    const again = await open(seed);
    expect({ digest: again.database('app').digest(), keys: store.size }).toEqual(before);
  }
});

test('[DB11] a hybrid clock never repeats, never goes back, and does not follow a peer into the far future', () => {
  const wall = new ManualClock();
  const clock = new HybridClock(wall, 0);
  const first = clock.tick();
  expect(first).toBe(encodeStamp(wall.ms, 0));
  wall.ms -= 10_000;
  expect(clock.tick()).toBe(first + 1);
  const near = encodeStamp(wall.ms + CLOCK_ADVANCE_MS_MAX, 0);
  clock.observe(near);
  expect(clock.tick()).toBe(near + 1);
  clock.observe(encodeStamp(wall.ms + CLOCK_ADVANCE_MS_MAX + 1, 0));
  expect(clock.tick()).toBe(near + 2);
  expect(new HybridClock(wall, near + 2).tick()).toBe(near + 3);
});
