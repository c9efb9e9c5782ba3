/** Knowing without a read that a document was never stored, and never believing it of one that was. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Change } from '../../../crdt/index.ts';
import { MemoryStore } from '../../../sync/index.ts';
import type { StoreAccess } from '../../../sync/store/memory-store.ts';
import { ReplicaCluster } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

let cluster: ReplicaCluster;
/** Documents looked for: by their views. */
let reads = 0;
const VIEW = 'j'.charCodeAt(0);
/** Told of every range that is read; what it returns is waited for. */
let onRange: () => void | Promise<void> = () => {};
const intercept = (access: StoreAccess): void | Promise<void> => {
  if (access.type === 'read') reads += access.keys.filter((key) => key[0] === VIEW).length;
  return access.type === 'range' && access.gte[0] === VIEW ? onRange() : undefined;
};
beforeEach(() => {
  cluster = new ReplicaCluster();
  onRange = () => {};
});
afterEach(() => cluster.close());

const put = (value: number): Change => ({ kind: 'replace', value: { value } });
const write = ({ replica }: Member, id: string, change: Change) => replica.database('app').write('c', id, change);

async function writeMany(node: Member, prefix: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await write(node, `${prefix}${i}`, put(i));
}

async function readsOf(node: Member, prefix: string): Promise<number> {
  reads = 0;
  await writeMany(node, prefix, 50);
  return reads;
}

/** A node with documents, some deleted, some with a name beyond ASCII, after a crash. */
async function restarted(store = new MemoryStore({ intercept })): Promise<Member> {
  const first = await cluster.start('a', [], { store });
  await first.replica.createDatabase('app');
  await writeMany(first, 'old', 40);
  await write(first, 'größe/ß', put(1));
  for (let i = 0; i < 10; i++) await write(first, `old${i}`, { kind: 'delete' });
  return cluster.start('a', [], { store: store.crash(0, { intercept }) });
}

/** Every document that was there is found: a second write continues it. */
async function expectFound(node: Member): Promise<void> {
  node.replica.releaseCaches();
  for (let i = 0; i < 40; i++) {
    expect((await write(node, `old${i}`, put(i + 1000))).status).toBe(i < 10 ? 'created' : 'updated');
    const [slot] = [node.replica.database('app').parts.table.acquire('c', `old${i}`)];
    expect(slot.vector.size).toBe(2);
    node.replica.database('app').parts.table.release(slot);
  }
  expect((await write(node, 'größe/ß', put(2))).status).toBe('updated');
}

test('[DB61] what was never stored is not looked for, from the first document of a database on', async () => {
  const node = await cluster.start('a', [], { store: new MemoryStore({ intercept }) });
  await node.replica.createDatabase('app');
  expect(await readsOf(node, 'new')).toBe(0);
  node.replica.releaseCaches();
  expect((await write(node, 'new7', put(8))).status).toBe('updated');
});

test('[DB61] after a restart it is known once it is worth finding out, and what is there is found', async () => {
  const node = await restarted();
  expect(await readsOf(node, 'new')).toBeGreaterThan(0);
  expect(await readsOf(node, 'newer')).toBe(0);
  await expectFound(node);
});

test('[DB61] what is written while that is found out is known as well', async () => {
  let go = (): void => {};
  const node = await restarted();
  onRange = () =>
    new Promise<void>((resolve) => {
      go = resolve;
    });
  await writeMany(node, 'during', 40);
  onRange = () => {};
  go();
  expect(await readsOf(node, 'new')).toBeLessThan(50);
  node.replica.releaseCaches();
  for (let i = 0; i < 40; i++) expect((await write(node, `during${i}`, put(i + 1000))).status).toBe('updated');
  await expectFound(node);
});

test('[DB61] a scan from which damage hid a document is not relied on', async () => {
  const store = new MemoryStore({ intercept });
  const range = MemoryStore.prototype.range;
  const hiding: MemoryStore['range'] = function (this: MemoryStore, options) {
    const entries = range.call(this, options);
    if (options.gte[0] !== 'j'.charCodeAt(0)) return entries;
    return (async function* () {
      for await (const chunk of entries) {
        yield chunk.filter(([key]) => !new TextDecoder().decode(key).endsWith('\0old20'));
      }
    })();
  };
  MemoryStore.prototype.range = hiding;
  try {
    const node = await restarted(store);
    await writeMany(node, 'new', 100);
    expect(await readsOf(node, 'newer')).toBe(50);
    await expectFound(node);
  } finally {
    MemoryStore.prototype.range = range;
  }
});
