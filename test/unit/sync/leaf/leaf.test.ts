import { afterEach, beforeEach, expect, test } from 'vitest';
import { AtollError } from '../../../../crdt/index.ts';
import type { JsonObject } from '../../../../crdt/index.ts';
import { MemoryStore } from '../../../../sync/index.ts';
import { grant, LeafWorld, putOn, putOnLeaf, readOn, shownOn } from './leaf-fixture.ts';

let world: LeafWorld;
beforeEach(() => {
  world = new LeafWorld();
});
afterEach(async () => {
  await world.close();
  expect(world.errors).toEqual([]);
});

test('[LF1] a leaf reads, queries and writes without a node, and keeps it', async () => {
  const first = await world.leaf({ nodes: ['nowhere'] });
  const todos = first.leaf.collection<JsonObject>('app', 'todos');
  await todos.put('t1', { title: 'milk', count: 1 });
  await todos.apply('t1', [{ op: 'increment', path: '/count', value: 2 }]);
  await todos.mergePatch('t2', { title: 'bread' });
  await todos.jsonPatch('t2', [{ op: 'add', path: '/done', value: true }]);
  await todos.put('t3', { title: 'salt' });
  expect(await todos.delete('t3')).toBe(true);
  expect(await todos.delete('t4')).toBe(false);
  await expect(todos.jsonPatch('t2', [{ op: 'test', path: '/done', value: false }])).rejects.toMatchObject({
    code: 'CRDT_PATCH_TEST_FAILED',
  });
  expect(first.leaf.status()).toMatchObject({ unsent: 6, isSettled: false });
  await first.leaf.close();

  const again = await world.leaf({ nodes: ['nowhere'], store: first.store.crash() });
  const held = again.leaf.collection('app', 'todos');
  expect(held.list()).toEqual([
    { id: 't1', doc: { count: 3, title: 'milk' }, conflicts: 0, isUnsent: true },
    { id: 't2', doc: { done: true, title: 'bread' }, conflicts: 0, isUnsent: true },
  ]);
  const byTitle = held.query({ filter: { title: { $exists: true } }, sort: { title: 1 } });
  expect(byTitle.map(({ id }) => id)).toEqual(['t2', 't1']);
  expect(held.query({ filter: { done: true } }).map(({ id }) => id)).toEqual(['t2']);
  expect(held.query({ sort: { title: -1 }, limit: 1 }).map(({ id }) => id)).toEqual(['t1']);
  expect(again.leaf.status().unsent).toBe(6);
});

test('[LF1] concurrent writes on leaf and node merge as those of nodes do', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk', visits: 1 });
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  world.cut('a');
  const todos = leaf.leaf.collection('app', 'todos');
  await todos.apply('t1', [{ op: 'increment', path: '/visits', value: 2 }]);
  await todos.mergePatch('t1', { title: 'oat milk', by: 'leaf' });
  await node!.replica.database('app').write('todos', 't1', {
    kind: 'operations',
    operations: [{ op: 'increment', path: '/visits', value: 4 }],
  });
  await world.time.advance(1000);
  await node!.replica.database('app').write('todos', 't1', { kind: 'merge-patch', patch: { title: 'soy milk' } });
  world.heal('a');
  await world.settle(leaf);
  const merged = { by: 'leaf', title: 'soy milk', visits: 7 };
  expect(shownOn(leaf, 't1')).toEqual(merged);
  expect(await readOn(node!, 't1')).toEqual(merged);
  const [conflict] = await todos.conflicts('t1');
  expect(conflict).toMatchObject({ path: '/title', shown: 'soy milk', others: [{ value: 'oat milk' }] });
  await todos.resolve('t1', [{ path: '/title', value: 'rice milk' }]);
  await world.settle(leaf);
  expect(await readOn(node!, 't1')).toEqual({ ...merged, title: 'rice milk' });
  expect(await todos.conflicts('t1')).toEqual([]);
});

test('[LF2] the role of the token decides what a leaf may do, its databases what it may read', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  world.grants.set('reader', grant({ mayWrite: false }));
  world.grants.set('other', grant({ mayUse: (database) => database === 'other' }));
  const early = await world.leaf({ nodes: ['nowhere'], token: 'reader' });
  await putOnLeaf(early, 't2', { title: 'bread' });
  await early.leaf.close();

  const reader = await world.leaf({ nodes: ['a'], token: 'reader', store: early.store.crash() });
  await world.until(() => shownOn(reader, 't1') !== null);
  await world.time.advance(5000);
  expect(reader.leaf.status()).toMatchObject({ state: 'online', mayWrite: false, unsent: 1 });
  await expect(putOnLeaf(reader, 't3', {})).rejects.toMatchObject({ code: 'SYNC_LEAF_FORBIDDEN' });
  expect(await readOn(node!, 't2')).toBe(null);

  const other = await world.leaf({ nodes: ['a'], token: 'other' });
  await world.until(() => other.leaf.status().reason === 'SYNC_LEAF_FORBIDDEN');
  expect(shownOn(other, 't1')).toBe(null);
});

test('[LF2] a leaf whose token is revoked is let go of, keeps what it has not sent, and goes on with another', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  let isValid = true;
  world.grants.set('first', grant({ isCurrent: () => isValid }));
  world.grants.set('second', grant());
  const leaf = await world.leaf({ nodes: ['a'], token: 'first' });
  await world.settle(leaf);
  isValid = false;
  world.grants.delete('first');
  await world.until(() => leaf.leaf.status().state === 'refused', 5000);
  expect(leaf.leaf.status().reason).toContain('AUTH_FAILED');
  await putOnLeaf(leaf, 't2', { title: 'bread' });
  await world.time.advance(60_000);
  expect(node!.host.status()).toEqual([]);
  expect(await readOn(node!, 't2')).toBe(null);
  leaf.leaf.setToken('second');
  await world.settle(leaf);
  expect(await readOn(node!, 't2')).toEqual({ title: 'bread' });
});

test('[LF2] a fresh token counts at once, and a node that can judge none just now is tried again', async () => {
  await world.nodes('a');
  world.grants.set('reader', grant({ mayWrite: false }));
  const busy = new AtollError('HTTP_UNAVAILABLE', 'the tokens are not known yet', { retryable: true });
  world.grants.set('writer', busy);
  const leaf = await world.leaf({ nodes: ['a'], token: 'reader' });
  await world.settle(leaf);
  expect(leaf.leaf.status().mayWrite).toBe(false);
  leaf.leaf.setToken('writer');
  await world.time.advance(5000);
  expect(leaf.leaf.status().state).not.toBe('refused');
  world.grants.set('writer', grant());
  await world.settle(leaf);
  expect(leaf.leaf.status().mayWrite).toBe(true);
  await putOnLeaf(leaf, 't1', {});
});

test('[LF3] a leaf is no member, and what it misses is forgotten', async () => {
  const [a, b] = await world.nodes('a', 'b');
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  expect(a!.replica.status().members).toHaveLength(2);
  expect(b!.replica.status().databases.find(({ name }) => name === 'app')!.horizon.blockers).toEqual([]);
  world.cut('a');
  await putOn(a!, 't1', { title: 'milk' });
  await world.time.advance(60_000);
  const app = a!.replica.status().databases.find(({ name }) => name === 'app')!;
  expect(app.horizon).toMatchObject({ entries: 0, blockers: [] });
});

test('[LF6] what was sent and not acknowledged is sent again, to another node, and counts once', async () => {
  const [a, b] = await world.nodes('a', 'b');
  await putOn(a!, 't1', { visits: 0 });
  const leaf = await world.leaf({ nodes: ['a', 'b'] });
  await world.settle(leaf);
  world.filter = ({ message }) => message.type !== 'pushed';
  await leaf.leaf.collection('app', 'todos').apply('t1', [
    { op: 'increment', path: '/visits', value: 1 },
    { op: 'append', path: '/log', value: 'x' },
  ]);
  await world.time.advance(100);
  expect(await readOn(a!, 't1')).toEqual({ visits: 1, log: ['x'] });
  expect(leaf.leaf.status().unsent).toBe(1);
  world.filter = () => true;
  world.cut('a');
  await world.settle(leaf);
  expect(leaf.leaf.status()).toMatchObject({ url: 'b', unsent: 0 });
  await world.time.advance(1000);
  for (const node of [a!, b!]) expect(await readOn(node, 't1')).toEqual({ visits: 1, log: ['x'] });
  expect(a!.replica.database('app').digest().digest).toBe(b!.replica.database('app').digest().digest);
});

test('[LF6] an acknowledged change is durable on the node', async () => {
  const [node] = await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  await putOnLeaf(leaf, 't1', { title: 'milk' });
  await world.until(() => leaf.leaf.status().unsent === 0);
  const after = await world.node('again', [], { store: node!.store.crash() });
  expect(await readOn(after, 't1')).toEqual({ title: 'milk' });
});

test('[LF8] a leaf that comes back is told what has changed, by any node', async () => {
  const [a, b] = await world.nodes('a', 'b');
  for (let i = 0; i < 200; i++) await putOn(a!, `t${i}`, { title: `thing ${i}`, text: 'x'.repeat(100) });
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  await leaf.leaf.close();
  const whole = world.bytesTo('leaf');
  await putOn(a!, 't7', { title: 'changed' });
  await a!.replica.database('app').write('todos', 't8', { kind: 'delete' });
  await world.time.advance(2000);
  world.passed.length = 0;
  const again = await world.leaf({ nodes: ['b'], store: leaf.store.crash() });
  await world.settle(again);
  expect(shownOn(again, 't7')).toEqual({ title: 'changed' });
  expect(shownOn(again, 't8')).toBe(null);
  expect(again.leaf.collection('app', 'todos').list()).toHaveLength(199);
  expect(world.bytesTo('leaf')).toBeLessThan(whole / 30);
  expect(await readOn(b!, 't7')).toEqual({ title: 'changed' });
});

test('[LF8] of a large document only what the leaf lacks is sent', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 'big', Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, 'x'.repeat(50)])));
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  world.passed.length = 0;
  await node!.replica.database('app').write('todos', 'big', { kind: 'merge-patch', patch: { k7: 'changed' } });
  await world.until(() => (shownOn(leaf, 'big') as JsonObject)['k7'] === 'changed');
  expect(world.bytesTo('leaf')).toBeLessThan(1000);
});

test('[LF11] what builds on something that a node lacks waits, and holds nothing else up', async () => {
  const [a, b] = await world.nodes('a', 'b');
  const leaf = await world.leaf({ nodes: ['a', 'b'] });
  await world.settle(leaf);
  world.cluster.network.cut.add('a|b');
  await putOn(a!, 't1', { title: 'milk' });
  await world.until(() => shownOn(leaf, 't1') !== null);
  world.cut('a');
  const todos = leaf.leaf.collection('app', 'todos');
  await todos.mergePatch('t1', { done: true });
  await todos.put('t2', { title: 'bread' });
  await world.until(() => leaf.leaf.status().url === 'b' && leaf.leaf.status().unsent === 1);
  expect(await readOn(b!, 't1')).toBe(null);
  expect(await readOn(b!, 't2')).toEqual({ title: 'bread' });
  await world.time.advance(30_000);
  expect(shownOn(leaf, 't1')).toEqual({ done: true, title: 'milk' });
  world.cluster.network.cut.clear();
  await world.settle(leaf);
  expect(await readOn(b!, 't1')).toEqual({ done: true, title: 'milk' });
});

test('[LF11] also when its copy is ahead of the position it goes on from', async () => {
  const [a, b] = await world.nodes('a', 'b');
  const large = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, 'x'.repeat(20)]));
  await putOn(b!, 't1', { ...large, visits: 1 });
  const leaf = await world.leaf({ nodes: ['a', 'b'] });
  const addOn = ({ replica }: typeof a & object): Promise<unknown> =>
    replica.database('app').write('todos', 't1', {
      kind: 'operations',
      operations: [{ op: 'increment', path: '/visits', value: 1 }],
    });
  const visits = (): unknown => (shownOn(leaf, 't1') as JsonObject | null)?.['visits'];
  await world.until(() => visits() === 1);
  await world.settle(leaf);
  let hasWritten = false;
  world.filter = ({ to, message }) => {
    if (message.type !== 'changes' || to !== 'leaf') return true;
    if (hasWritten) return false;
    if (message.entries.length === 0) return true;
    // The leaf is about to ask for the document, and gets more than it was told of.
    hasWritten = true;
    world.cluster.network.cut.add('a|b');
    void addOn(a!);
    return true;
  };
  await addOn(b!);
  await world.until(() => visits() === 3);
  await world.time.advance(500);
  world.cut('a');
  world.filter = () => true;
  await leaf.leaf.collection('app', 'todos').apply('t1', [{ op: 'increment', path: '/visits', value: 1 }]);
  await world.until(() => leaf.leaf.status().url === 'b' && leaf.leaf.status().state === 'online');
  await world.time.advance(5000);
  expect(leaf.leaf.status().unsent).toBe(1);
  expect(visits()).toBe(4);
  world.cluster.network.cut.clear();
  await world.settle(leaf);
  await world.time.advance(2000);
  for (const node of [a!, b!]) expect(await readOn(node, 't1')).toMatchObject({ visits: 4 });
  expect(leaf.events.some(({ type }) => type === 'refused')).toBe(false);
});

test('[LF15] a leaf goes on with another node when its node closes, breaks off or hangs', async () => {
  const [a, b] = await world.nodes('a', 'b');
  const leaf = await world.leaf({ nodes: ['a', 'b'] });
  await world.settle(leaf);
  a!.host.close();
  world.unreachable.add('a');
  await world.until(() => leaf.leaf.status().url === 'b' && leaf.leaf.status().isSettled, 5000);
  await putOn(b!, 't1', { title: 'milk' });
  await world.until(() => shownOn(leaf, 't1') !== null);
  world.unreachable.delete('a');
  world.filter = ({ from, to }) => from !== 'b' && to !== 'b';
  world.unreachable.add('b');
  await putOnLeaf(leaf, 't2', { title: 'bread' });
  await world.until(() => leaf.leaf.status().url === 'a', 60_000);
});

test('[LF12] what is refused is taken back although the connection ends just then', async () => {
  const [node] = await world.nodes('a');
  node!.replica.database('app').parts.schemas.checkOf = () => () => [{ pointer: '/title', detail: 'is not a string' }];
  let isSlow = false;
  const wait = (): Promise<void> => new Promise((resolve) => void world.time.after(50, resolve));
  const store = new MemoryStore({ intercept: ({ type }) => (isSlow && type === 'batch' ? wait() : undefined) });
  const leaf = await world.leaf({ nodes: ['a'], store });
  await world.settle(leaf);
  isSlow = true;
  world.filter = ({ message }) => {
    if (message.type !== 'pushed') return true;
    // It is being noted that the answer came.
    world.time.after(20, () => {
      world.cut('a');
      world.heal('a');
    });
    world.filter = () => true;
    return true;
  };
  const putting = putOnLeaf(leaf, 't1', { title: 5 });
  await world.settle(leaf);
  await putting;
  await world.time.advance(500);
  isSlow = false;
  expect(leaf.events.filter(({ type }) => type === 'refused')).toMatchObject([{ id: 't1' }]);
  expect(shownOn(leaf, 't1')).toBe(null);
});

test('[LF1] the store of something else is refused', async () => {
  const [node] = await world.nodes('a');
  await expect(world.leaf({ nodes: ['a'], store: node!.store })).rejects.toMatchObject({
    code: 'STORAGE_FORMAT_UNSUPPORTED',
  });
  const store = new MemoryStore();
  await expect(world.leaf({ nodes: [], store })).rejects.toMatchObject({ code: 'SYNC_CONFIG_INVALID' });
});

test('[LF12] [LF5] [LF4] what a node refuses is taken back, and the program is told', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  const todos = leaf.leaf.collection('app', 'todos');
  // The schema is known to the node only.
  const checks = node!.replica.database('app').parts.schemas;
  checks.checkOf = () => (document) => {
    const { title } = document as { title?: unknown };
    return typeof title === 'string' ? null : [{ pointer: '/title', detail: 'is not a string' }];
  };
  await todos.put('t2', { title: 'bread' });
  await todos.mergePatch('t1', { title: 5 });
  await todos.mergePatch('t1', { done: true });
  await todos.put('t3', { name: 'salt' });
  await todos.put('t4', { title: 'tea' });
  await world.settle(leaf);
  expect(leaf.events.filter(({ type }) => type === 'refused')).toMatchObject([
    { id: 't1', code: 'SYNC_SCHEMA_VIOLATION', document: { done: true, title: 5 } },
    { id: 't3', code: 'SYNC_SCHEMA_VIOLATION', document: { name: 'salt' } },
  ]);
  expect(todos.list().map(({ id, doc }) => [id, doc])).toEqual([
    ['t1', { title: 'milk' }],
    ['t2', { title: 'bread' }],
    ['t4', { title: 'tea' }],
  ]);
  for (const id of ['t1', 't2', 't4']) expect(await readOn(node!, id)).toEqual(shownOn(leaf, id));
  expect(await readOn(node!, 't3')).toBe(null);
  const before = world.nonces();
  await todos.mergePatch('t1', { title: 'oat milk' });
  await world.settle(leaf);
  // The clocks of what was taken back may be known elsewhere.
  expect(world.nonces()).toHaveLength(before.length + 1);
  await todos.put('t3', { title: 'salt' });
  await world.settle(leaf);
  expect(await readOn(node!, 't1')).toEqual({ title: 'oat milk' });
  expect(await readOn(node!, 't3')).toEqual({ title: 'salt' });
});

test('[LF4] a leaf writes as another client after every start, and when it begins anew what it let go of', async () => {
  const [node] = await world.nodes('a');
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  await putOnLeaf(first, 't1', { n: 1 });
  await putOnLeaf(first, 't2', { n: 1 });
  await world.settle(first);
  expect(world.nonces()).toHaveLength(1);
  await first.leaf.collection('app', 'todos').delete('t1');
  await world.settle(first);
  await putOnLeaf(first, 't1', { n: 2 });
  await world.settle(first);
  expect(world.nonces()).toHaveLength(2);
  await first.leaf.close();
  // What was not synced to its disk is lost: the clocks of it are not used again.
  const again = await world.leaf({ nodes: ['a'], store: first.store.crash() });
  await world.settle(again);
  await putOnLeaf(again, 't2', { n: 3 });
  await world.settle(again);
  expect(world.nonces()).toHaveLength(3);
  expect(await readOn(node!, 't1')).toEqual({ n: 2 });
  expect(await readOn(node!, 't2')).toEqual({ n: 3 });
});
