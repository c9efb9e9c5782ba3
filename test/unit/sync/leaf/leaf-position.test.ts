import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareIds } from '../../../../sync/leaf/leaf-intake.ts';
import type { LeafMessage } from '../../../../sync/leaf/message.ts';
import { LeafWorld, putOn, readOn, shownOn } from './leaf-fixture.ts';
import type { TestLeaf } from './leaf-fixture.ts';

let world: LeafWorld;
beforeEach(() => {
  world = new LeafWorld();
});
afterEach(async () => {
  await world.close();
  expect(world.errors).toEqual([]);
});

/** More than is given without being asked for. */
const LARGE = 'x'.repeat(20_000);

function told<Type extends LeafMessage['type']>(type: Type): readonly Extract<LeafMessage, { type: Type }>[] {
  return world.passed.flatMap(({ message }) =>
    message.type === type ? [message as Extract<LeafMessage, { type: Type }>] : [],
  );
}

const idsOf = ({ leaf }: TestLeaf): readonly string[] =>
  leaf
    .collection('app', 'todos')
    .list()
    .map(({ id }) => id);

test('[LF8] a page counts when all that it names is stored, and not before', async () => {
  const [node] = await world.nodes('a');
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  world.passed.length = 0;
  // What the page names is asked for, and the answer is lost.
  world.filter = ({ message }) => message.type !== 'contents';
  await putOn(node!, 'large', { text: LARGE });
  await world.until(() => told('fetch').length > 0);
  await world.time.advance(100);
  expect(told('changes').flatMap(({ entries }) => entries)).toMatchObject([{ kind: 'announced', id: 'large' }]);
  expect(told('acknowledge')).toEqual([]);
  world.cut('a');
  world.filter = () => true;
  const leaf = await world.leaf({ nodes: ['a'], store: first.store.crash() });
  world.heal('a');
  await world.settle(leaf);
  expect(shownOn(leaf, 'large')).toEqual({ text: LARGE });
});

test('[LF8] of a large document that changed while a leaf was away only the change is sent', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 'large', { text: LARGE, n: 0 });
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  await first.leaf.close();
  await node!.replica.database('app').write('todos', 'large', { kind: 'merge-patch', patch: { n: 1 } });
  const leaf = await world.leaf({ nodes: ['a'], store: first.store.crash() });
  world.passed.length = 0;
  await world.settle(leaf);
  expect(shownOn(leaf, 'large')).toEqual({ text: LARGE, n: 1 });
  expect(world.bytesTo('leaf')).toBeLessThan(1000);
});

test('[LF8] a leaf goes on from the last position it was told, over a restart too', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  const first = await world.leaf({ nodes: ['a'] });
  await world.settle(first);
  const { cursor } = told('changes').at(-1)!;
  world.cut('a');
  world.passed.length = 0;
  world.heal('a');
  await world.settle(first);
  await first.leaf.close();
  await world.settle(await world.leaf({ nodes: ['a'], store: first.store.crash() }));
  expect(cursor).not.toBe('');
  expect(told('subscribe').map((each) => each.cursor)).toEqual([cursor, cursor]);
});

test('[LF8] a document of more than 2 KiB of JSON is announced when it changes, a smaller one given', async () => {
  const [node] = await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  world.passed.length = 0;
  await putOn(node!, 'small', { text: 'x'.repeat(1000) });
  await putOn(node!, 'larger', { text: 'x'.repeat(4000) });
  await world.settle(leaf);
  const kinds = told('changes').flatMap(({ entries }) => entries.map(({ id, kind }) => [id, kind]));
  expect(Object.fromEntries(kinds)).toEqual({ small: 'content', larger: 'announced' });
  expect(idsOf(leaf)).toEqual(['larger', 'small']);
});

test('[LF8] a small document that was edited much is announced, and only what the leaf lacks of it is sent', async () => {
  const [node] = await world.nodes('a');
  const database = node!.replica.database('app');
  await database.configureCollection('todos', { types: { '/text': 'text' } });
  await putOn(node!, 'edited', { text: '' });
  const edit = (at: number): Promise<unknown> =>
    database.write('todos', 'edited', {
      kind: 'operations',
      operations: [
        { op: 'text-insert', path: '/text', index: 0, value: `${at}` },
        ...(at % 4 === 0 ? [] : [{ op: 'text-delete', path: '/text', index: 0, length: 1 } as const]),
      ],
    });
  await Promise.all(Array.from({ length: 700 }, (_, at) => edit(at)));
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  world.passed.length = 0;
  await edit(1);
  await world.settle(leaf);
  expect(told('changes').flatMap(({ entries }) => entries)).toMatchObject([{ kind: 'announced', id: 'edited' }]);
  expect(world.bytesTo('leaf')).toBeLessThan(4000);
  expect(shownOn(leaf, 'edited')).toEqual(await readOn(node!, 'edited'));
});

test('[LF8] while nothing of its collections changes a leaf is told how far it has come', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { title: 'milk' });
  const leaf = await world.leaf({ nodes: ['a'] });
  await world.settle(leaf);
  const before = told('changes').at(-1)!.cursor;
  world.passed.length = 0;
  await node!.replica.database('app').write('others', 'o1', { kind: 'replace', value: {} });
  await world.time.advance(15_000);
  expect(told('changes').at(-1)).toMatchObject({ entries: [], isCurrent: true });
  expect(told('changes').at(-1)!.cursor).not.toBe(before);
});

test('[LF8] where ids are selected there is a position once all of them are told', async () => {
  const [node] = await world.nodes('a');
  const ids = Array.from({ length: 300 }, (_, i) => `t${i}`);
  for (const id of ids) await putOn(node!, id, { id });
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [{ database: 'app', collection: 'todos', ids }] });
  await world.settle(leaf);
  expect(idsOf(leaf)).toHaveLength(300);
  const pages = told('changes').filter(({ entries }) => entries.length > 0);
  expect(pages.length).toBeGreaterThan(1);
  expect(pages.slice(0, -1).every(({ cursor }) => cursor === '')).toBe(true);
  expect(pages.at(-1)!.cursor).not.toBe('');
});

test('[LF8] [LF17] who selects more is told what it did not hold, and not what it holds', async () => {
  const [node] = await world.nodes('a');
  for (const id of ['a', 'b']) await putOn(node!, id, { title: LARGE });
  const subscribe = [{ database: 'app', collection: 'todos', ids: ['a'] }];
  const first = await world.leaf({ nodes: ['a'], subscribe });
  await world.settle(first);
  await first.leaf.close();
  world.passed.length = 0;
  const leaf = await world.leaf({ nodes: ['a'], store: first.store.crash() });
  await world.settle(leaf);
  expect(idsOf(leaf)).toEqual(['a', 'b']);
  expect(told('fetch').flatMap(({ documents }) => documents.map(({ id }) => id))).toEqual(['b']);
});

test('[LF7] several filters of a collection add up, and what matches none is not named', async () => {
  const [node] = await world.nodes('a');
  for (const owner of ['ada', 'bob', 'eve']) await putOn(node!, owner, { owner });
  const of = (owner: string) => ({ database: 'app', collection: 'todos', filter: { owner } });
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [of('ada'), of('bob')] });
  await world.settle(leaf);
  expect(idsOf(leaf)).toEqual(['ada', 'bob']);
  const named = told('changes').flatMap(({ entries }) => entries.map(({ id }) => id));
  expect([...new Set(named)].sort()).toEqual(['ada', 'bob']);
});

test('[LF7] what does not match any more when it is asked for is not shown', async () => {
  const [node] = await world.nodes('a');
  const filter = { owner: 'ada' };
  const leaf = await world.leaf({ nodes: ['a'], subscribe: [{ database: 'app', collection: 'todos', filter }] });
  await world.settle(leaf);
  let isMoved = false;
  world.filter = ({ message }) => {
    if (message.type === 'fetch' && !isMoved) {
      isMoved = true;
      void putOn(node!, 'large', { owner: 'bob', text: LARGE });
    }
    return true;
  };
  await putOn(node!, 'large', { owner: 'ada', text: LARGE });
  await world.until(() => isMoved);
  await world.settle(leaf);
  expect(told('contents').flatMap(({ entries }) => entries)).toMatchObject([{ id: 'large', isMatching: false }]);
  expect(leaf.events.filter(({ type }) => type === 'changed')).toEqual([]);
});

test('[LF7] that something does not match is remembered until it is sent, also over a restart', async () => {
  const [node] = await world.nodes('a');
  await putOn(node!, 't1', { owner: 'ada' });
  const filter = { owner: 'ada' };
  const subscribe = [{ database: 'app', collection: 'todos', filter }];
  const first = await world.leaf({ nodes: ['a'], subscribe });
  await world.settle(first);
  world.passed.length = 0;
  world.filter = ({ message }) => message.type !== 'pushed';
  await first.leaf.collection('app', 'todos').mergePatch('t1', { note: 'mine' });
  await world.until(() => told('pushed').length > 0);
  await node!.replica.database('app').write('todos', 't1', { kind: 'merge-patch', patch: { owner: 'bob' } });
  await world.until(() =>
    told('changes').some(({ entries }) => entries.some(({ kind, id }) => kind === 'unmatched' && id === 't1')),
  );
  await world.time.advance(500);
  world.cut('a');
  world.filter = () => true;
  const leaf = await world.leaf({ nodes: ['a'], subscribe, store: first.store.crash() });
  expect(shownOn(leaf, 't1')).toEqual({ owner: 'ada', note: 'mine' });
  world.heal('a');
  await world.settle(leaf);
  expect(shownOn(leaf, 't1')).toBe(null);
  expect(await readOn(node!, 't1')).toEqual({ owner: 'bob', note: 'mine' });
});

test('[LF9] ids are in the order of nodes, which is not that of UTF-16', () => {
  const ids = ['', 'a', 'ab', 'b', '\u00e9', '\uffee', '\u{1f600}', '\u{1f600}a', '\u{1f601}'];
  const inBytes = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect([...ids].reverse().sort(compareIds)).toEqual(inBytes);
  expect(compareIds('a', 'a')).toBe(0);
});
