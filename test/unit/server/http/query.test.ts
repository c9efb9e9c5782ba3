/**
 * @module
 * Queries and indexes over HTTP.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { IndexAnswer, Problem, QueryAnswer } from '../../../../server/api/index.ts';
import { limitsOf } from '../../../../server/limits.ts';
import { completeOptions } from '../../../../server/config.ts';
import { checkIndexes, indexesReady } from '../../../helper/index-check.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let test_: TestApp;
const PATH = '/v1/app/cities';
const MERGE = 'application/merge-patch+json';

beforeEach(async () => {
  test_ = await openTestApp();
  await test_.send('PUT', '/v1/app');
});

afterEach(async () => {
  for (const verdict of await checkIndexes(database())) expect(verdict).toMatchObject({ isEqual: true });
  await test_.close();
});

const database = (): ReturnType<TestApp['context']['replica']['database']> => test_.context.replica.database('app');

async function fill(count: number): Promise<void> {
  const names = ['Aa', 'Bee', 'Cee', 'Dee'];
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      test_.send('PUT', `${PATH}/docs/c${i}`, {
        name: `${names[i % 4]} ${i}`,
        country: i % 3 === 0 ? 'DE' : 'FR',
        population: (i * 7919) % 1000,
        tags: [`t${i % 5}`, `u${i % 2}`],
        at: { lat: i / 2 },
      }),
    ),
  );
}

async function query(body: object): Promise<QueryAnswer> {
  const answer = await test_.send('POST', `${PATH}/query`, body);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
}

async function refusal(body: object | string): Promise<Problem> {
  const answer = await test_.send('POST', `${PATH}/query`, body);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  return answer.json();
}

async function define(name: string, body: object): Promise<IndexAnswer> {
  const answer = await test_.send('PUT', `${PATH}/indexes/${name}`, body);
  expect(answer.statusCode, answer.body).toBeLessThan(300);
  await indexesReady(database());
  return answer.json();
}

test('[QU3] a query answers documents with id and etag, and explains which index, bounds, keys and documents it took', async () => {
  await fill(30);
  const body = {
    filter: { country: 'DE', population: { $gte: 100, $lt: 900 } },
    sort: { population: -1 },
    explain: true,
  };
  const without = await query(body);
  expect(without.explain).toMatchObject({
    index: null,
    bounds: [],
    sort: 'memory',
    documentsExamined: 30,
    keysExamined: 0,
  });
  const defined = await define('place', { paths: ['country', { path: 'population', order: 'desc' }] });
  expect(defined).toMatchObject({ name: 'place', collection: 'cities', sparse: false });
  const answer = await query(body);
  expect(answer.items).toEqual(without.items);
  expect(answer.items.length).toBeGreaterThan(2);
  expect(answer.items[0]).toMatchObject({
    id: expect.any(String),
    etag: expect.stringMatching(/^".+"$/),
    doc: { country: 'DE' },
  });
  expect(answer.explain).toEqual({
    index: 'place',
    bounds: [
      { path: 'country', ranges: ['["DE", "DE"]'] },
      { path: 'population', ranges: ['[100, 900)'] },
    ],
    direction: 'forward',
    sort: 'index',
    keysExamined: answer.items.length,
    documentsExamined: answer.items.length,
    returned: answer.items.length,
  });
  expect((await query({ ...body, explain: false })).explain).toBeUndefined();
});

test('[QU3] an index serves equality, $in, ranges, prefixes of texts, elements of arrays, and the other direction of a sort', async () => {
  await fill(40);
  await define('name', { paths: ['name'] });
  await define('tags', { paths: ['tags'] });
  await define('lat', { paths: ['at.lat'], sparse: true });
  const cases: [object, object, string, number][] = [
    [{ name: 'Aa 4' }, {}, 'name', 1],
    [{ name: { $in: ['Aa 0', 'Bee 1', 'no'] } }, {}, 'name', 2],
    [{ name: { $regex: '^Cee 1' } }, {}, 'name', 3],
    [{ tags: 't3' }, {}, 'tags', 8],
    [{ $or: [{ tags: 't1' }, { tags: 't2' }] }, {}, 'tags', 16],
    [{ 'at.lat': { $gt: 17 } }, { 'at.lat': -1 }, 'lat', 5],
    [{}, { name: -1 }, 'name', 40],
  ];
  for (const [filter, sort, index, count] of cases) {
    const { items, explain } = await query({ filter, sort, explain: true });
    expect(explain, JSON.stringify(filter)).toMatchObject({
      index,
      returned: count,
      documentsExamined: explain!.keysExamined,
    });
    expect(new Set(items.map(({ id }) => id)).size).toBe(count);
    if (filter !== cases[4]![0]) expect(explain!.keysExamined).toBe(count);
  }
  expect((await query({ sort: { name: -1 }, explain: true })).explain).toMatchObject({
    direction: 'backward',
    sort: 'index',
  });
  // A sparse index lacks documents, so it cannot stand for all.
  expect((await query({ sort: { 'at.lat': 1 }, explain: true })).explain).toMatchObject({
    index: null,
    sort: 'memory',
  });
});

test('[QU4] cursors join pages without gap or repetition, belong to one query, and go on without the index', async () => {
  await fill(25);
  await define('population', { paths: ['population'] });
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: QueryAnswer = await query({ sort: { population: 1 }, limit: 7, cursor });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.cursor;
    // What was ordered by the index goes on in that order without it.
    if (seen.length === 14) await test_.send('DELETE', `${PATH}/indexes/population`);
  } while (cursor !== null);
  expect(new Set(seen).size).toBe(25);
  expect(seen.length).toBe(25);
  const first = await query({ filter: { country: 'DE' }, limit: 2 });
  for (const body of [
    { limit: 2, cursor: first.cursor },
    { filter: { country: 'DE' }, cursor: 'nonsense' },
    { filter: { country: 'DE' }, cursor: '' },
  ]) {
    expect(await refusal(body)).toMatchObject({
      status: 400,
      code: 'SYNC_QUERY_CURSOR_INVALID',
      errors: [{ pointer: '/cursor' }],
    });
  }
});

test('[QU1] an operator that is not known is refused by name and place, and nothing in a filter is code', async () => {
  await fill(3);
  const refused: [object, string][] = [
    [{ $where: 'sleep(1000)' }, '/filter/$where'],
    [{ a: { $where: 'x' } }, '/filter/a/$where'],
    [{ $expr: { $function: { body: 'x', args: [], lang: 'js' } } }, '/filter/$expr'],
    [{ a: { $gt: 1, $near: [1] } }, '/filter/a/$near'],
    [{ $and: [{ a: 1 }, { b: { $foo: 1 } }] }, '/filter/$and/1/b/$foo'],
    [{ a: { $elemMatch: { b: { $jsonSchema: {} } } } }, '/filter/a/$elemMatch/b/$jsonSchema'],
    [{ '$a.b': 1 }, '/filter/$a.b'],
    [{ '__proto__.x': 1 }, '/filter/__proto__.x'],
    [{ 'a..b': 1 }, '/filter/a..b'],
    [{ 'a/b': { $no: 1 } }, '/filter/a~1b/$no'],
    [{ a: { $in: 5 } }, '/filter/a/$in'],
    [{ a: { $regex: '(?=x)' } }, '/filter/a/$regex'],
    [{ a: { $regex: '(' } }, '/filter/a/$regex'],
    [{ a: { $options: 'i' } }, '/filter/a/$options'],
    [{ a: { $mod: [0, 1] } }, '/filter/a/$mod'],
    [{ a: { $type: 'regex' } }, '/filter/a/$type'],
    [{ a: { $size: -1 } }, '/filter/a/$size'],
    [{ $or: [] }, '/filter/$or'],
    [{ a: { $in: Array.from({ length: 1001 }, (_, i) => i) } }, '/filter/a/$in'],
  ];
  for (const [filter, pointer] of refused) {
    const problem = await refusal(`{"filter":${JSON.stringify(filter)}}`);
    expect(problem, pointer).toMatchObject({
      status: 400,
      code: 'SYNC_QUERY_INVALID',
      retryable: false,
      errors: [{ pointer }],
    });
    const operator = /\/(\$\w+)$/.exec(pointer)?.[1];
    if (operator !== undefined) expect(problem.detail).toContain(operator);
  }
  const deep = (levels: number): object => (levels === 0 ? { a: 1 } : { $and: [deep(levels - 1)] });
  expect(await refusal({ filter: deep(20) })).toMatchObject({ status: 400, code: 'SYNC_QUERY_INVALID' });
  expect((await query({ filter: deep(14) })).items).toEqual([]);
  const wide = { $or: Array.from({ length: 300 }, (_, i) => ({ a: i })) };
  expect(await refusal({ filter: wide })).toMatchObject({
    code: 'SYNC_QUERY_INVALID',
    detail: expect.stringContaining('256'),
  });
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

test('[QU1] members that mean something in JavaScript are data', async () => {
  const odd = '{"constructor":{"name":5},"toString":1,"__proto__":{"x":1},"hasOwnProperty":2}';
  await test_.send('PUT', `${PATH}/docs/odd`, `{"a":${odd},"constructor":3}`, { 'content-type': 'application/json' });
  await define('a', { paths: ['a'] });
  expect((await query({ filter: { a: { $gt: 5 } } })).items).toEqual([]);
  expect((await query({ filter: { constructor: 3 } })).items.length).toBe(1);
  expect((await query({ filter: { 'a.constructor.name': { $gte: 5 } } })).items.length).toBe(1);
  expect((await query({ filter: { toString: { $exists: true } } })).items).toEqual([]);
  const equal = await refusalOrAnswer(`{"filter":{"a":${odd}}}`);
  expect(equal.items.length).toBe(1);
});

async function refusalOrAnswer(body: string): Promise<QueryAnswer> {
  return (await test_.send('POST', `${PATH}/query`, body, { 'content-type': 'application/json' })).json();
}

test('[QU6] what would have to be sorted in memory beyond the limit is refused with the index that helps', async () => {
  await test_.close();
  const limits = { ...limitsOf(completeOptions({ data: 'unused' })), querySortDocuments: 20, queryExamined: 25 };
  test_ = await openTestApp({ limits });
  await test_.send('PUT', '/v1/app');
  await fill(20);
  const body = {
    filter: { population: { $gte: 0 }, country: { $in: ['DE', 'FR'] }, 'at.lat': { $lt: 100 } },
    sort: { name: 1, population: -1 },
  };
  expect((await query(body)).items.length).toBe(20);
  await test_.send('PUT', `${PATH}/docs/more`, { name: 'z', country: 'DE', population: 1, at: { lat: 1 } });
  const problem = await refusal(body);
  expect(problem).toMatchObject({
    status: 400,
    code: 'SYNC_QUERY_SORT_LIMIT',
    retryable: false,
    errors: [{ pointer: '/sort', limit: 'querySortDocuments', max: 20 }],
  });
  expect(problem.detail).toContain('{"paths":["name",{"path":"population","order":"desc"}]}');
  await define('helps', { paths: ['name', { path: 'population', order: 'desc' }] });
  expect((await query({ ...body, explain: true })).explain).toMatchObject({
    index: 'helps',
    sort: 'index',
    returned: 21,
  });
  const { querySortDocuments } = (await test_.send('GET', '/v1/_limits')).json<{ querySortDocuments: number }>();
  expect(querySortDocuments).toBe(20);
});

test('[QU6] a page looks at a bounded number of documents, then ends early with a cursor', async () => {
  await test_.close();
  const limits = { ...limitsOf(completeOptions({ data: 'unused' })), queryExamined: 100 };
  test_ = await openTestApp({ limits });
  await test_.send('PUT', '/v1/app');
  await fill(300);
  await define('country', { paths: ['country'] });
  for (const filter of [{ name: 'Bee 297' }, { country: 'FR', name: 'Bee 1' }]) {
    const found: string[] = [];
    let pages = 0;
    for (let cursor: string | null | undefined; cursor !== null; pages++) {
      const page: QueryAnswer = await query({ filter, explain: true, ...(cursor !== undefined && { cursor }) });
      expect(page.explain!.documentsExamined).toBeLessThanOrEqual(100 + 128);
      found.push(...page.items.map(({ id }) => id));
      cursor = page.cursor;
    }
    expect(found).toEqual([filter.name === 'Bee 297' ? 'c297' : 'c1']);
    expect(pages).toBeGreaterThan(1);
  }
});

test('[QU3] fields, limit and unknown members of a query are checked', async () => {
  await fill(5);
  const { items } = await query({ filter: { name: 'Aa 0' }, fields: ['name', '/at/lat'] });
  expect(items.map(({ doc }) => doc)).toEqual([{ name: 'Aa 0', at: { lat: 0 } }]);
  expect((await query({ fields: 'name', limit: 2 })).items.length).toBe(2);
  for (const [body, pointer] of [
    [{ limit: 0 }, '/limit'],
    [{ limit: 1001 }, '/limit'],
    [{ fields: [''] }, '/fields'],
    [{ fields: 5 }, '/fields'],
    [{ explain: 1 }, '/explain'],
    [{ cursor: 1 }, '/cursor'],
    [{ where: 1 }, '/where'],
  ] as const) {
    expect(await refusal(body), pointer).toMatchObject({
      status: 400,
      code: 'HTTP_BODY_INVALID',
      errors: [{ pointer }],
    });
  }
  for (const [sort, pointer] of [
    [{ a: 2 }, '/sort/a'],
    [5, '/sort'],
    [[{ a: 1 }, { a: -1 }], '/sort'],
    [{ $a: 1 }, '/sort/$a'],
  ] as const) {
    expect(await refusal({ sort }), pointer).toMatchObject({
      status: 400,
      code: 'SYNC_QUERY_INVALID',
      errors: [{ pointer }],
    });
  }
  expect((await test_.send('POST', `${PATH}/query`)).json<QueryAnswer>().items.length).toBe(5);
  expect((await test_.send('POST', '/v1/nope/c/query', {})).statusCode).toBe(404);
  expect((await test_.send('POST', '/v1/app/empty/query', {})).json()).toEqual({ items: [], cursor: null });
});

test('[QU7] an index is defined once, listed, replaced by another definition, and dropped with its entries', async () => {
  await fill(12);
  const put = (name: string, body: object): ReturnType<TestApp['send']> =>
    test_.send('PUT', `${PATH}/indexes/${name}`, body);
  expect((await put('n', { paths: ['name'] })).statusCode).toBe(201);
  expect((await put('n', { paths: ['/name'] })).statusCode).toBe(200);
  await indexesReady(database());
  const shown = (await test_.send('GET', `${PATH}/indexes/n`)).json<IndexAnswer>();
  expect(shown).toEqual({
    name: 'n',
    collection: 'cities',
    paths: [{ path: 'name', order: 'asc' }],
    sparse: false,
    state: 'ready',
    progress: { documents: 12, total: 12 },
  });
  expect((await put('n', { paths: ['country'], sparse: true })).json()).toMatchObject({
    paths: [{ path: 'country' }],
    sparse: true,
  });
  await indexesReady(database());
  expect((await query({ filter: { name: 'Aa 0' }, explain: true })).explain).toMatchObject({ index: null });
  expect((await query({ filter: { country: 'DE' }, explain: true })).explain).toMatchObject({
    index: 'n',
    returned: 4,
  });
  expect((await test_.send('GET', `${PATH}/indexes`)).json()).toMatchObject({ indexes: [{ name: 'n' }] });
  expect((await test_.send('DELETE', `${PATH}/indexes/n`)).statusCode).toBe(204);
  expect((await test_.send('DELETE', `${PATH}/indexes/n`)).json()).toMatchObject({
    status: 404,
    code: 'SYNC_INDEX_NOT_FOUND',
  });
  expect((await test_.send('GET', `${PATH}/indexes/n`)).statusCode).toBe(404);
  expect((await query({ filter: { country: 'DE' }, explain: true })).explain).toMatchObject({
    index: null,
    returned: 4,
  });
});

test('[QU7] a bad definition is refused with its place, and so is one index more than the limit', async () => {
  for (const [body, pointer] of [
    [{}, '/paths'],
    [{ paths: [] }, '/paths'],
    [{ paths: ['a', 'a'] }, '/paths/1'],
    [{ paths: ['a.0.b'] }, '/paths/0'],
    [{ paths: ['$a'] }, '/paths/0'],
    [{ paths: ['__proto__'] }, '/paths/0'],
    [{ paths: [{ path: 'a', order: 'up' }] }, '/paths/0/order'],
    [{ paths: [{ path: 'a', x: 1 }] }, '/paths/0/x'],
    [{ paths: Array.from({ length: 9 }, (_, i) => `p${i}`) }, '/paths'],
    [{ paths: ['a'], sparse: 1 }, '/sparse'],
    [{ paths: ['a'], unique: true }, '/unique'],
  ] as const) {
    const answer = await test_.send('PUT', `${PATH}/indexes/x`, body);
    expect(answer.json(), pointer).toMatchObject({ status: 400, code: 'SYNC_INDEX_INVALID', errors: [{ pointer }] });
  }
  expect((await test_.send('PUT', `${PATH}/indexes/Bad`, { paths: ['a'] })).json()).toMatchObject({
    code: 'SYNC_INDEX_INVALID',
  });
  for (let i = 0; i < 32; i++)
    expect((await test_.send('PUT', `${PATH}/indexes/i${i}`, { paths: ['a'] })).statusCode).toBe(201);
  expect((await test_.send('PUT', `${PATH}/indexes/more`, { paths: ['a'] })).json()).toMatchObject({
    status: 409,
    code: 'SYNC_INDEX_LIMIT',
    errors: [{ limit: 'indexesPerCollection', max: 32 }],
  });
});

test('[QU9] indexes go with their collection, and with their database', async () => {
  await fill(4);
  await define('n', { paths: ['name'] });
  expect((await test_.send('DELETE', PATH)).statusCode).toBe(204);
  expect((await test_.send('GET', `${PATH}/indexes`)).json()).toEqual({ indexes: [] });
  await fill(4);
  await define('n', { paths: ['name'] });
  await test_.send('DELETE', '/v1/app');
  await test_.send('PUT', '/v1/app');
  expect((await test_.send('GET', `${PATH}/indexes`)).json()).toEqual({ indexes: [] });
});

test('[QU8] a document with very many combinations of array elements is found all the same', async () => {
  const many = Array.from({ length: 60 }, (_, i) => i);
  await test_.send('PUT', `${PATH}/docs/many`, { a: many, b: many, c: 1 });
  await test_.send('PUT', `${PATH}/docs/few`, { a: [1, 2], b: [2, 3], c: 2 });
  await define('ab', { paths: ['a', 'b'] });
  for (const filter of [{ a: 2 }, { a: 2, b: { $gt: 1 } }, { a: { $in: [1, 2] }, b: 2 }]) {
    const { items, explain } = await query({ filter, explain: true });
    expect(explain).toMatchObject({ index: 'ab' });
    expect(items.map(({ id }) => id).toSorted()).toEqual(['few', 'many']);
  }
  const sorted = await query({ filter: { a: 2 }, sort: { b: -1 }, explain: true });
  expect(sorted.explain).toMatchObject({ sort: 'memory' });
  expect(sorted.items.map(({ id }) => id)).toEqual(['many', 'few']);
  await test_.send('PUT', `${PATH}/docs/many`, { a: 7 });
  expect((await query({ filter: { a: 2 } })).items.map(({ id }) => id)).toEqual(['few']);
});

test('[QU51] a query that is asked again is answered as it would be anew: with other documents, indexes and kinds of values', async () => {
  await fill(12);
  const filter = { country: 'DE', population: { $gte: 0 } };
  const body = { filter, sort: { population: 1 }, limit: 5, explain: true };
  const ids = async (): Promise<string[]> => (await query(body)).items.map(({ id }) => id);
  const before = await query(body);
  expect(before.explain).toMatchObject({ index: null, sort: 'memory' });
  await define('place', { paths: ['country', 'population'] });
  const indexed = await query(body);
  expect(indexed.explain).toMatchObject({ index: 'place', sort: 'index' });
  expect(indexed.items).toEqual(before.items);
  const [first] = before.items as [QueryAnswer['items'][number]];
  await test_.send('PATCH', `${PATH}/docs/${first.id}`, { population: [5000, 1] }, { 'content-type': MERGE });
  expect((await query(body)).explain).toMatchObject({ index: 'place', sort: 'memory' });
  await test_.send('PATCH', `${PATH}/docs/${first.id}`, { country: 'FR' }, { 'content-type': MERGE });
  expect(await ids()).toEqual(before.items.slice(1).map(({ id }) => id));
  // The same bytes, of another collection and of another database under the same name.
  expect((await test_.send('POST', '/v1/app/others/query', body)).json()).toMatchObject({ items: [] });
  await test_.send('DELETE', '/v1/app');
  await test_.send('PUT', '/v1/app');
  expect((await query(body)).explain).toMatchObject({ index: null, returned: 0 });
});
