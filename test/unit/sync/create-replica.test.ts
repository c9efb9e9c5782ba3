import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { afterEach, expect, test } from 'vitest';
import {
  createMessagePortChannel,
  createMessagePortDialer,
  createReplica,
  IndexedDbStore,
  MemoryNetwork,
  MemoryStore,
  type Channel,
  type EmbedOptions,
  type Replica,
} from '../../../sync/index.ts';
import type { Change, JsonObject } from '../../../crdt/index.ts';
import { waitFor } from '../../helper/test-node.ts';

const open = new Set<Replica>();
afterEach(async () => {
  await Promise.all([...open].map((replica) => replica.close()));
  open.clear();
});

async function create(options?: EmbedOptions): Promise<Replica> {
  const replica = await createReplica(options);
  open.add(replica);
  return replica;
}

const put = (replica: Replica, id: string, value: JsonObject) =>
  replica.database('app').write('todos', id, { kind: 'replace', value });
const read = async (replica: Replica, id: string): Promise<unknown> => {
  const stored = await replica.database('app').get('todos', id);
  return stored === null ? undefined : JSON.parse(new TextDecoder().decode(stored.json));
};
const has = async (replica: Replica, id: string): Promise<boolean> =>
  replica.databases().includes('app') && (await read(replica, id)) !== undefined;

test('[EM1] a replica needs no options, writes and reads', async () => {
  const replica = await create();
  await replica.createDatabase('app');
  await put(replica, 't1', { title: 'milk' });
  expect(await read(replica, 't1')).toEqual({ title: 'milk' });
});

test('[EM1] replicas in one process sync over memory, and only with the secret', async () => {
  const network = new MemoryNetwork();
  const a = await create({ secret: 'of this cluster' });
  network.listen('memory://a', (channel) => a.accept(channel));
  const b = await create({ transport: network.dialer, peers: ['memory://a'], secret: ' of this cluster\n' });
  const events: string[] = [];
  const options = { transport: network.dialer, peers: ['memory://a'], secret: 'of another' };
  await create({ ...options, onPeerEvent: ({ type }) => void events.push(type) });
  await a.createDatabase('app');
  await put(a, 't1', { title: 'milk' });
  await waitFor(() => has(b, 't1'));
  await waitFor(() => events.includes('closed'));
  expect(
    a
      .status()
      .members.map(({ node }) => node)
      .sort(),
  ).toEqual([a.nodeId, b.nodeId].sort());
});

test('[EM1] what is written offline on IndexedDB is there after a reload, and reaches others after it', async () => {
  const idb = { factory: new IDBFactory(), keyRange: IDBKeyRange };
  const home = await create();
  await home.createDatabase('app');
  const transport = createMessagePortDialer(() => {
    const { port1, port2 } = new MessageChannel();
    home.accept(createMessagePortChannel(port2));
    return port1;
  });
  const online = { transport, peers: ['port://home'] };
  let page = await create({ ...online, store: await IndexedDbStore.open('todo', idb) });
  await waitFor(() => page.databases().includes('app'));
  await put(page, 't1', { title: 'milk' });
  await waitFor(() => has(home, 't1'));
  await page.close();
  open.delete(page);

  page = await createReplica({ store: await IndexedDbStore.open('todo', idb) });
  const { nodeId } = page;
  await put(page, 't2', { title: 'bread' });
  await put(home, 't3', { title: 'salt' });
  await page.close();
  expect(await has(home, 't2')).toBe(false);

  page = await create({ ...online, store: await IndexedDbStore.open('todo', idb) });
  expect(page.nodeId).toBe(nodeId);
  await waitFor(async () => (await has(home, 't2')) && (await has(page, 't3')));
});

test('[EM1] a store that cannot be read is closed and the error told', async () => {
  const idb = { factory: new IDBFactory(), keyRange: IDBKeyRange };
  const store = await IndexedDbStore.open('app', idb);
  const key = Uint8Array.of(0x6d);
  await expect(createReplica({ store, joinToken: 'no token' })).rejects.toMatchObject({ code: 'SYNC_TOKEN_INVALID' });
  await expect(store.get(key)).rejects.toMatchObject({ code: 'STORAGE_CLOSED' });
});

const store = new MemoryStore();
test.each<readonly [string, unknown, string]>([
  ['a path as store', { store: '/data' }, 'store'],
  ['a store that is not open yet', { store: Promise.resolve(store) }, 'store'],
  ['a transport that is none', { transport: {} }, 'transport'],
  ['a clock that is none', { clock: {} }, 'clock'],
  ['timers that are none', { timers: {} }, 'timers'],
  ['randomness that is none', { random: Math.random }, 'random'],
  ['one address instead of several', { peers: 'http://a' }, 'peers'],
  ['a number as address', { peers: ['http://a', 5] }, 'peers'],
  ['an empty address', { peers: [''] }, 'peers'],
  ['a secret that is none', { secret: 5 }, 'secret'],
  ['a name that is none', { name: 5 }, 'name'],
  ['a time that is none', { staleAfterMs: -1 }, 'staleAfterMs'],
])('[LF61] a replica with %s is refused, and the field is named', async (_name, options, field) => {
  const code = 'SYNC_CONFIG_INVALID';
  await expect(create(options as EmbedOptions)).rejects.toMatchObject({ code, details: { field } });
});

test('[LF61] a replica that is refused has closed the store', async () => {
  const given = new MemoryStore();
  await expect(create({ store: given, peers: [''] })).rejects.toMatchObject({ code: 'SYNC_CONFIG_INVALID' });
  await expect(given.get(Uint8Array.of(1))).rejects.toMatchObject({ code: 'STORAGE_CLOSED' });
});

test('[LF61] what a replica is called with is checked, and nothing has changed', async () => {
  const replica = await create();
  for (const [call, field] of [
    [() => replica.addPeer(undefined as unknown as string), 'url'],
    [() => replica.addPeer(''), 'url'],
    [() => replica.accept(undefined as unknown as Channel), 'channel'],
    [() => replica.accept({ send: () => undefined } as unknown as Channel), 'channel'],
  ] as const) {
    expect(call).toThrow(expect.objectContaining({ code: 'SYNC_CONFIG_INVALID', details: { field } }));
  }
  expect(replica.status()).toMatchObject({ dials: [], links: [] });
  await replica.createDatabase('app');
  const change = { kind: 'increment' } as unknown as Change;
  await expect(replica.database('app').write('todos', 't1', change)).rejects.toMatchObject({
    code: 'CRDT_PATCH_INVALID',
  });
  await put(replica, 't1', { title: 'milk' });
  await expect(replica.database('app').write('todos', 't1', change)).rejects.toMatchObject({
    code: 'CRDT_PATCH_INVALID',
  });
  expect(await read(replica, 't1')).toEqual({ title: 'milk' });
});
