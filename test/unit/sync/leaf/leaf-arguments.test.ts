import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLeaf, leafQueries, MemoryStore } from '../../../../sync/index.ts';
import type { LeafCollection, LeafOptions } from '../../../../sync/index.ts';
import { NO_QUERIES } from '../../../../sync/leaf/leaf-query.ts';
import { LeafWorld, putOnLeaf, shownOn } from './leaf-fixture.ts';

let world: LeafWorld;
beforeEach(() => {
  world = new LeafWorld();
});
afterEach(async () => {
  await world.close();
});

const APP = { database: 'app', collection: 'todos' };
const transport: LeafOptions['transport'] = { dial: () => Promise.reject(new Error('nobody is there')) };

/** As a program that no compiler has checked. */
function open(options: unknown): Promise<unknown> {
  const rest =
    typeof options === 'object'
      ? { urls: 'http://a', subscribe: [APP], transport, store: new MemoryStore(), queries: leafQueries, ...options }
      : options;
  return createLeaf(rest as LeafOptions);
}

test.each<readonly [string, unknown, string, string?]>([
  ['nothing', undefined, 'store', 'SYNC_CONFIG_INVALID'],
  ['no address', { urls: [] }, 'urls'],
  ['an empty address', { urls: ['http://a', ''] }, 'urls'],
  ['a number as address', { urls: 5 }, 'urls'],
  ['a token that is none', { token: 5 }, 'token'],
  ['a token that is too long', { token: 'x'.repeat(257) }, 'token'],
  ['no store', { store: undefined }, 'store'],
  ['a path as store', { store: '/data' }, 'store'],
  ['a store that is not open yet', { store: Promise.resolve(new MemoryStore()) }, 'store'],
  ['a transport that is none', { transport: {} }, 'transport'],
  ['no subscriptions', { subscribe: undefined }, 'subscribe'],
  ['a subscription alone', { subscribe: APP }, 'subscribe'],
  ['a subscription that is none', { subscribe: [null] }, 'subscribe'],
  ['a subscription with what is not known', { subscribe: [{ ...APP, where: { a: 1 } }] }, 'subscribe'],
  ['ids that are no array', { subscribe: [{ ...APP, ids: 'a' }] }, 'subscribe'],
  ['ids and a filter', { subscribe: [{ ...APP, ids: ['a'], filter: {} }] }, 'subscribe'],
  [
    'too much to select',
    { subscribe: [{ ...APP, ids: Array.from({ length: 9000 }, (_, i) => `${'x'.repeat(40)}${i}`) }] },
    'subscribe',
  ],
  ['an id that is none', { subscribe: [{ ...APP, ids: [5] }] }, 'id', 'SYNC_DOCUMENT_ID_INVALID'],
  ['no database', { subscribe: [{ collection: 'todos' }] }, 'db', 'SYNC_DATABASE_NAME_INVALID'],
  ['no collection', { subscribe: [{ database: 'app' }] }, 'collection', 'SYNC_COLLECTION_NAME_INVALID'],
])(
  '[LF42] a leaf with %s is refused, and the field is named',
  async (_name, options, field, code = 'SYNC_CONFIG_INVALID') => {
    await expect(open(options)).rejects.toMatchObject({ code, details: { field } });
  },
);

test('[LF42] a filter that no query could have is refused before anything is asked for with it', async () => {
  for (const filter of [5, null, { $nope: 1 }, { a: { $gt: 1, $nope: 2 } }])
    await expect(open({ subscribe: [{ ...APP, filter }] })).rejects.toMatchObject({ code: 'SYNC_QUERY_INVALID' });
});

test('[LF65] a leaf that was given no queries refuses filters and orders, and says what is missing', async () => {
  const refusal = { code: 'SYNC_CONFIG_INVALID', details: { field: 'queries' } };
  await expect(open({ queries: undefined, subscribe: [{ ...APP, filter: {} }] })).rejects.toMatchObject(refusal);
  const { leaf } = await world.leaf({ nodes: ['nowhere'], queries: NO_QUERIES });
  const todos = leaf.collection('app', 'todos');
  for (const query of [{ filter: {} }, { sort: {} }])
    expect(() => todos.query(query)).toThrow(expect.objectContaining(refusal));
  await todos.put('t2', {});
  await todos.put('t1', {});
  expect(todos.query({ limit: 1 }).map(({ id }) => id)).toEqual(['t1']);
});

test('[LF42] what a leaf is called with is checked, and nothing has changed', async () => {
  const { leaf } = await world.leaf({ nodes: ['nowhere'] });
  const todos = leaf.collection('app', 'todos') as unknown as Record<
    keyof LeafCollection,
    (...args: unknown[]) => unknown
  >;
  const call = async (name: keyof LeafCollection, ...args: unknown[]): Promise<unknown> => todos[name](...args);
  for (const name of ['put', 'mergePatch', 'jsonPatch', 'apply', 'delete', 'resolve'] as const) {
    for (const id of [5, undefined, null, {}, ''])
      await expect(call(name, id, {})).rejects.toMatchObject({ code: 'SYNC_DOCUMENT_ID_INVALID' });
  }
  for (const query of [
    null,
    5,
    { limit: -1 },
    { limit: 1.5 },
    { limit: 'x' },
    { limit: Number.NaN },
    { filters: {} },
    { sort: 5 },
  ])
    await expect(call('query', query)).rejects.toMatchObject({ code: 'SYNC_QUERY_INVALID' });
  await call('put', 't1', {});
  for (const wrong of [
    null,
    5,
    {},
    [null],
    [{}],
    [{ path: 5, value: 1 }],
    [{ path: '/a' }],
    [{ path: '/a', keep: 'mine' }],
  ])
    await expect(call('resolve', 't1', wrong)).rejects.toMatchObject({ code: 'CRDT_PATCH_INVALID' });
  for (const wrong of [5, null, 'x'.repeat(300)])
    expect(() => leaf.setToken(wrong as string)).toThrow(expect.objectContaining({ code: 'SYNC_CONFIG_INVALID' }));
  expect(() => leaf.onEvent(5 as never)).toThrow(expect.objectContaining({ code: 'SYNC_CONFIG_INVALID' }));
  expect(leaf.status().unsent).toBe(1);
});

test('[LF43] a listener that throws keeps neither the leaf nor other listeners from going on, and its error is not lost', async () => {
  await world.nodes('a');
  const leaf = await world.leaf({ nodes: ['a'] });
  const mistake = new Error('of the program');
  const stop = leaf.leaf.onEvent(() => {
    throw mistake;
  });
  const others: string[] = [];
  leaf.leaf.onEvent(({ type }) => others.push(type));
  await putOnLeaf(leaf, 't1', { title: 'milk' });
  expect(others).toContain('changed');
  expect(leaf.leaf.failure).toBe(null);
  await expect(world.time.advance(1)).rejects.toBe(mistake);
  stop();
  for (let isThrown = true; isThrown;)
    isThrown = await world.time.advance(1).then(
      () => false,
      () => true,
    );
  await world.settle(leaf);
  await putOnLeaf(leaf, 't2', {});
  expect(shownOn(leaf, 't2')).toEqual({});
});
