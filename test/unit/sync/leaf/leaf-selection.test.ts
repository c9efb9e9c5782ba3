import { afterEach, beforeEach, expect, test } from 'vitest';
import { LeafWorld, putOn, putOnLeaf, readOn, shownOn, TODOS } from './leaf-fixture.ts';
import type { TestLeaf } from './leaf-fixture.ts';

let world: LeafWorld;
beforeEach(() => {
  world = new LeafWorld();
});
afterEach(async () => {
  await world.close();
  expect(world.errors).toEqual([]);
});

test('[LF7] a leaf holds what matches, and lets go of what does not match any more or was deleted', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 'mine', { owner: 'ada', done: false });
  await putOn(node!, 'yours', { owner: 'bob', done: false });
  await putOn(node!, 'named', { owner: 'bob', done: false });
  const subscribe = [
    { ...TODOS[0]!, filter: { owner: 'ada' } },
    { ...TODOS[0]!, ids: ['named', 'absent'] },
  ];
  const leaf = await world.leaf({ nodes: ['a'], subscribe });
  await world.settle(leaf);
  const ids = (): readonly string[] =>
    leaf.leaf
      .collection('app', 'todos')
      .list()
      .map(({ id }) => id);
  expect(ids()).toEqual(['mine', 'named']);
  await putOn(node!, 'yours', { owner: 'ada' });
  await putOn(node!, 'absent', { owner: 'bob' });
  await world.until(() => ids().length === 4);
  await putOn(node!, 'mine', { owner: 'bob' });
  await node!.replica.database('app').write('todos', 'named', { kind: 'delete' });
  await world.until(() => ids().length === 2);
  expect(ids()).toEqual(['absent', 'yours']);
  expect(leaf.events.filter(({ type }) => type === 'left')).toMatchObject([
    { id: 'mine', reason: 'unmatched' },
    { id: 'named', reason: 'deleted' },
  ]);
  // A change of its own may be what makes a document leave: not before it is sent.
  world.cut('a');
  await leaf.leaf.collection('app', 'todos').mergePatch('yours', { owner: 'eve' });
  expect(ids()).toEqual(['absent', 'yours']);
  world.heal('a');
  await world.settle(leaf);
  expect(ids()).toEqual(['absent']);
  expect(await readOn(node!, 'yours')).toEqual({ owner: 'eve' });
});

test('[LF7] only ids: nothing else of the collection is looked at', async () => {
  const [node] = await world.nodes('a');
  for (let i = 0; i < 50; i++) await putOn(node!, `t${i}`, { i });
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [{ ...TODOS[0]!, ids: ['t7', 'none'] }] });
  await world.settle(leaf);
  expect(
    leaf.leaf
      .collection('app', 'todos')
      .list()
      .map(({ id }) => id),
  ).toEqual(['t7']);
  expect(world.passed.flatMap(({ message }) => (message.type === 'changes' ? message.entries : [])).length).toBe(2);
});

test('[LF17] what is not subscribed to any more goes once its changes are sent', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  await putOn(node!, 't2', { title: 'bread' });
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  world.cut('a');
  await first.leaf.collection('app', 'todos').mergePatch('t1', { done: true });
  await first.leaf.close();
  world.heal('a');
  const subscribe = [{ database: 'app', collection: 'notes' }];
  const again = await world.leaf({ nodes: ['a'], subscribe, store: first.store.crash() });
  expect(() => again.leaf.collection('app', 'todos')).toThrow(/has not subscribed/);
  await world.settle(again);
  expect(await readOn(node!, 't1')).toEqual({ done: true, title: 'milk' });
  await again.leaf.close();
  const third = await world.leaf({ nodes: ['nowhere'], store: again.store.crash() });
  expect(third.leaf.collection('app', 'todos').get('t2')).toBe(null);
});

test('[LF17] [LF7] of a collection the leaf lets go of what it selects no more', async () => {
  const [node] = await world.nodes('a');
  for (const id of ['t1', 't2', 't3']) await putOn(node!, id, { owner: id === 't3' ? 'bob' : 'ada' });
  const ids = (leaf: TestLeaf): readonly string[] =>
    leaf.leaf
      .collection('app', 'todos')
      .list()
      .map(({ id }) => id);
  const all = await world.leaf({ nodes: ['a'] });
  await world.settle(all);
  await all.leaf.close();
  const byId = await world.leaf({
    nodes: ['a'],
    subscribe: [{ ...TODOS[0]!, ids: ['t1', 't3'] }],
    store: all.store.crash(),
  });
  expect(ids(byId)).toEqual(['t1', 't3']);
  world.cut('a');
  await byId.leaf.collection('app', 'todos').mergePatch('t1', { done: true });
  await byId.leaf.close();
  const filtered = await world.leaf({
    nodes: ['a'],
    subscribe: [{ ...TODOS[0]!, filter: { owner: 'bob' } }],
    store: byId.store.crash(),
  });
  expect(ids(filtered)).toEqual(['t1', 't3']);
  world.heal('a');
  await world.settle(filtered);
  expect(ids(filtered)).toEqual(['t3']);
  expect(await readOn(node!, 't1')).toEqual({ done: true, owner: 'ada' });
});

test('[LF7] what a leaf writes and does not subscribe to goes when it is sent, also over another connection', async () => {
  const [node] = await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [{ ...TODOS[0]!, ids: ['mine'] }] });
  await putOnLeaf(leaf, 'other', { title: 'milk' });
  await world.settle(leaf);
  expect(await readOn(node!, 'other')).toEqual({ title: 'milk' });
  expect(shownOn(leaf, 'other')).toBe(null);
});

test('[LF7] … also when the node told of it before it acknowledged it', async () => {
  const [first] = await world.nodes('a');
  for (const id of ['mine', 'slow']) await putOn(first!, id, { owner: 'ada' });
  const leaf = await world.leaf({ nodes: ['a', 'b'], subscribe: [{ ...TODOS[0]!, filter: { owner: 'ada' } }] });
  await world.settle(leaf);
  world.cut('a');
  for (const [id, owner] of [
    ['mine', 'eve'],
    ['slow', 'ada'],
  ] as const)
    await leaf.leaf.collection('app', 'todos').mergePatch(id, { owner, seen: true });
  let release = (): void => {};
  let isSlow = true;
  const wait = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const isOfSlow = (key: Uint8Array): boolean => new TextDecoder('latin1').decode(key).includes('slow');
  const store = first!.store.crash(0, {
    intercept: (access) => (isSlow && access.type === 'read' && access.keys.some(isOfSlow) ? wait() : undefined),
  });
  const node = await world.node('b', [], { store });
  await world.until(() => world.passed.some(({ to, message }) => to === 'b' && message.type === 'push'));
  await world.time.advance(100);
  // A commit of somebody else takes the first change along.
  await putOn(node, 'other', { owner: 'ada' });
  await world.until(() => shownOn(leaf, 'other') !== null);
  expect(shownOn(leaf, 'mine')).toEqual({ owner: 'eve', seen: true });
  isSlow = false;
  release();
  await world.settle(leaf);
  expect(shownOn(leaf, 'mine')).toBe(null);
  expect(shownOn(leaf, 'slow')).toEqual({ owner: 'ada', seen: true });
});

test('[LF7] [LF41] … and when the node never told of it', async () => {
  const [node] = await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['nowhere', 'a'], subscribe: [{ ...TODOS[0]!, filter: { owner: 'ada' } }] });
  await putOnLeaf(leaf, 'other', { owner: 'eve' });
  world.filter = ({ message }) => message.type !== 'pushed' && message.type !== 'changes';
  await world.until(() => world.passed.some(({ message }) => message.type === 'pushed'));
  world.filter = () => true;
  world.cut('a');
  world.heal('a');
  await world.settle(leaf);
  expect(await readOn(node!, 'other')).toEqual({ owner: 'eve' });
  expect(shownOn(leaf, 'other')).toBe(null);
});

test('[LF64] what is let go of once it is sent goes, also when connections end in between', async () => {
  const [node] = await world.nodes('a');
  const subscribe = [{ database: 'app', collection: 'todos', ids: ['other'] }];
  const leaf = await world.leaf({ nodes: ['a'], subscribe });
  await world.settle(leaf);
  const lose = async (type: string): Promise<void> => {
    world.filter = ({ message }) => message.type !== type;
    world.passed.length = 0;
    world.heal('a');
    await world.until(() => world.passed.some(({ message }) => message.type === type));
    await world.time.advance(100);
    world.cut('a');
  };
  world.cut('a');
  await putOnLeaf(leaf, 'mine', { by: 'leaf' });
  // It is taken, and told to be none of those that are wanted, before the leaf knows that it was taken.
  await lose('pushed');
  await lose('fetch');
  expect(leaf.leaf.status().unsent).toBe(0);
  world.filter = () => true;
  world.heal('a');
  await world.settle(leaf);
  expect(shownOn(leaf, 'mine')).toBe(null);
  expect(await readOn(node!, 'mine')).toEqual({ by: 'leaf' });
});

const fetches = (): readonly unknown[] => world.passed.filter(({ message }) => message.type === 'fetch');

test('[LF7] a document that matches again before its change is sent stays, and is not asked for anew', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { owner: 'ada' });
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [{ ...TODOS[0]!, filter: { owner: 'ada' } }] });
  await world.settle(leaf);
  // It is taken, and the leaf does not know.
  world.filter = ({ message }) => message.type !== 'pushed';
  await leaf.leaf.collection('app', 'todos').mergePatch('t1', { done: true });
  for (const owner of ['bob', 'ada']) {
    await world.time.advance(200);
    await node!.replica.database('app').write('todos', 't1', { kind: 'merge-patch', patch: { owner } });
  }
  await world.time.advance(200);
  world.filter = () => true;
  world.passed.length = 0;
  world.cut('a');
  world.heal('a');
  await world.settle(leaf);
  expect(shownOn(leaf, 't1')).toEqual({ owner: 'ada', done: true });
  expect(fetches()).toEqual([]);
});

test.each([false, true])(
  '[LF7] a document that is selected again before its change is sent stays (killed in between: %s)',
  async (isKilled) => {
    const [node] = await world.nodes('a');
    await putOn(node!, 't1', { owner: 'bob' });
    const first = await world.leaf({ nodes: ['a'] });
    await world.settle(first);
    world.cut('a');
    await first.leaf.collection('app', 'todos').mergePatch('t1', { done: true });
    await first.leaf.close();
    const subscribe = [{ ...TODOS[0]!, filter: { owner: 'ada' } }];
    const second = await world.leaf({ nodes: ['a'], subscribe, store: first.store.crash() });
    await second.leaf.close();
    // It is told that it stays, and what it sends is lost.
    world.filter = ({ message }) => message.type !== 'push';
    let leaf = await world.leaf({ nodes: ['a'], store: second.store.crash() });
    world.heal('a');
    await world.until(() => world.passed.some(({ message }) => message.type === 'push'));
    await world.time.advance(200);
    world.passed.length = 0;
    world.cut('a');
    world.filter = () => true;
    if (isKilled) {
      await leaf.leaf.close();
      leaf = await world.leaf({ nodes: ['a'], store: leaf.store.crash() });
    }
    world.heal('a');
    await world.settle(leaf);
    expect(shownOn(leaf, 't1')).toEqual({ owner: 'bob', done: true });
    expect(fetches()).toEqual([]);
  },
);
