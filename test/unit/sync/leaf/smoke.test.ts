import { expect, test } from 'vitest';
import { createLeaf, createReplica, LeafHost, MemoryNetwork, MemoryStore } from '../../../../sync/index.ts';
import { platformClock, platformTimers } from '../../../../sync/platform.ts';
import { waitFor } from '../../../helper/test-node.ts';

test('smoke', async () => {
  const network = new MemoryNetwork();
  const node = await createReplica();
  await node.createDatabase('app');
  const errors: unknown[] = [];
  const host = new LeafHost(node, { clock: platformClock, timers: platformTimers, onError: (e) => errors.push(e) });
  network.listen('mem://n', (channel) =>
    host.accept(channel, () => ({ tokenId: 't', mayWrite: true, mayUse: () => true, isCurrent: () => true })),
  );
  await node.database('app').write('todos', 't1', { kind: 'replace', value: { title: 'milk' } });
  const store = new MemoryStore();
  const leaf = await createLeaf({
    urls: 'mem://n',
    transport: network.dialer,
    store,
    subscribe: [{ database: 'app', collection: 'todos' }],
  });
  leaf.onEvent((e) => process.stderr.write(JSON.stringify(e) + "\n"));
  const todos = leaf.collection('app', 'todos');
  await leaf.settled();
  expect(todos.get('t1')?.doc).toEqual({ title: 'milk' });
  await todos.put('t2', { title: 'bread' });
  await todos.mergePatch('t1', { done: true });
  await leaf.settled();
  const read = async (id: string) => JSON.parse(new TextDecoder().decode((await node.database('app').get('todos', id))?.json ?? new TextEncoder().encode('null')));
  expect(await read('t1')).toEqual({ done: true, title: 'milk' });
  expect(await read('t2')).toEqual({ title: 'bread' });
  await node.database('app').write('todos', 't1', { kind: 'delete' });
  await waitFor(() => todos.get('t1') === null);
  expect(errors).toEqual([]);
  await leaf.close();
  host.close();
  await node.close();
});
