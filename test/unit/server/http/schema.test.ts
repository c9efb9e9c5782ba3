/**
 * @module
 * Schemas of collections over HTTP.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Problem, ViolationList } from '../../../../server/api/index.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let node: TestApp;
const PATH = '/v1/app/people';
const PERSON = {
  type: 'object',
  required: ['name', 'address'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', minLength: 1, pattern: '^[A-Z]' },
    age: { type: 'integer', minimum: 0 },
    email: { format: 'email' },
    address: { $ref: '#/$defs/address' },
    tags: { type: 'array', items: { type: 'string' }, uniqueItems: true },
  },
  $defs: {
    address: {
      type: 'object',
      required: ['city'],
      properties: { city: { type: 'string' }, zip: { pattern: '^\\d{5}$' } },
    },
  },
};
const ADA = { name: 'Ada', address: { city: 'London' } };

beforeEach(async () => {
  node = await openTestApp();
  await node.send('PUT', '/v1/app');
});

afterEach(() => node.close());

const setSchema = (schema: unknown): ReturnType<TestApp['send']> => node.send('PUT', PATH, { schema });
const pointers = (problem: Problem): string[] => problem.errors!.map(({ pointer }) => pointer!).toSorted();

test('[SV1] what violates the schema is 422 with the places of all faults, for every way of writing, and changes nothing', async () => {
  expect((await setSchema(PERSON)).statusCode).toBe(201);
  expect((await node.send('GET', PATH)).json()).toMatchObject({ schema: PERSON });
  const first = await node.send('PUT', `${PATH}/docs/ada`, ADA);
  expect(first.statusCode).toBe(201);
  const bad = { name: 'ada', age: -1, email: 'x', address: { zip: '1' }, tags: ['a', 'a', 5], more: 1 };
  const answer = await node.send('PUT', `${PATH}/docs/ada`, bad);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const problem = answer.json<Problem>();
  expect(problem).toMatchObject({ status: 422, code: 'SYNC_SCHEMA_VIOLATION', retryable: false });
  expect(pointers(problem)).toEqual([
    '/address/city',
    '/address/zip',
    '/age',
    '/email',
    '/more',
    '/name',
    '/tags',
    '/tags/2',
  ]);
  for (const { detail } of problem.errors!) expect(detail).not.toBe('');

  const types = {
    merge: 'application/merge-patch+json',
    json: 'application/json-patch+json',
    ops: 'application/vnd.atoll.ops+json',
  };
  const patch = (body: unknown, type: string): ReturnType<TestApp['send']> =>
    node.send('PATCH', `${PATH}/docs/ada`, body, { 'content-type': type });
  for (const [body, type, pointer] of [
    [{ name: null }, types.merge, '/name'],
    [[{ op: 'remove', path: '/address/city' }], types.json, '/address/city'],
    [[{ op: 'increment', path: '/age', value: -1 }], types.ops, '/age'],
    [[{ op: 'append', path: '/tags', value: 5 }], types.ops, '/tags/0'],
  ] as const) {
    const refused = await patch(body, type);
    expect(refused.statusCode, refused.body).toBe(422);
    expect(pointers(refused.json())).toEqual([pointer]);
  }
  expect((await node.send('POST', `${PATH}/docs`, { name: 'B' })).statusCode).toBe(422);
  const bulk = await node.send(
    'POST',
    `${PATH}/bulk`,
    '{"id":"x","doc":{"name":1}}\n{"id":"y","doc":{"name":"Y","address":{"city":"Z"}}}\n',
    {
      'content-type': 'application/x-ndjson',
    },
  );
  const lines = bulk.body
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { status: number; error?: Problem });
  expect(lines.map(({ status }) => status)).toEqual([422, 201]);
  expect(lines[0]!.error).toMatchObject({ code: 'SYNC_SCHEMA_VIOLATION' });
  expect((await node.send('GET', `${PATH}/docs/x`)).statusCode).toBe(404);

  const after = await node.send('GET', `${PATH}/docs/ada`);
  expect(after.headers['etag']).toBe(first.headers['etag']);
  expect(after.json()).toEqual(ADA);
  // What was refused left nothing behind that a later write would carry.
  expect((await patch([{ op: 'increment', path: '/age', value: 3 }], types.ops)).statusCode).toBe(200);
  expect((await node.send('GET', `${PATH}/docs/ada`)).json()).toEqual({ ...ADA, age: 3 });
  expect((await node.send('DELETE', `${PATH}/docs/ada`)).statusCode).toBe(204);
});

test('[SV1] a batch with one document that violates its schema is refused whole', async () => {
  await setSchema(PERSON);
  await node.send('PUT', `${PATH}/docs/ada`, ADA);
  const batch = (...writes: object[]): ReturnType<TestApp['send']> => node.send('POST', '/v1/app/_batch', { writes });
  const good = { collection: 'people', id: 'bee', doc: { ...ADA, name: 'Bee' } };
  const bad = { collection: 'people', id: 'ada', merge: { age: -5 } };
  const refused = await batch(good, { collection: 'people', id: 'ada', merge: { age: 5 } }, bad);
  expect(refused.statusCode, refused.body).toBe(422);
  expect((await node.send('GET', `${PATH}/docs/bee`)).statusCode).toBe(404);
  expect((await node.send('GET', `${PATH}/docs/ada`)).json()).toEqual(ADA);
  expect((await batch(good)).statusCode).toBe(200);
  expect((await node.send('GET', `${PATH}/docs/bee`)).json()).toEqual({ ...ADA, name: 'Bee' });
});

test('[SV1] writes at the same time as refused ones are kept', async () => {
  await setSchema(PERSON);
  await node.send('PUT', `${PATH}/docs/ada`, ADA);
  const patches = Array.from({ length: 40 }, (_, i) =>
    node.send(
      'PATCH',
      `${PATH}/docs/ada`,
      i % 2 === 0 ? [{ op: 'increment', path: '/age', value: 1 }] : [{ op: 'append', path: '/tags', value: i }],
      {
        'content-type': 'application/vnd.atoll.ops+json',
      },
    ),
  );
  const statuses = (await Promise.all(patches)).map(({ statusCode }) => statusCode);
  expect(statuses.filter((status) => status === 422).length).toBe(20);
  expect((await node.send('GET', `${PATH}/docs/ada`)).json()).toEqual({ ...ADA, age: 20 });
});

test('[SV2] a schema that cannot be used is refused with its place, and the one before stays', async () => {
  await setSchema(PERSON);
  for (const [schema, pointer] of [
    [{ type: 'nope' }, '/schema/type'],
    [{ properties: { a: { minimum: 'x' } } }, '/schema/properties/a/minimum'],
    [{ $ref: 'http://127.0.0.1:1/x.json' }, '/schema/$ref'],
    [{ properties: { a: { $ref: 'other.json' } } }, '/schema/properties/a/$ref'],
    [{ $id: 'http://example.org/x' }, '/schema/$id'],
    [{ $dynamicRef: '#a' }, '/schema/$dynamicRef'],
    [{ $schema: 'http://json-schema.org/draft-07/schema#' }, '/schema/$schema'],
    [{ $ref: '#/$defs/none' }, '/schema'],
    [{ properties: { a: { pattern: '(?=x)' } } }, '/schema'],
    [{ properties: { a: { pattern: '(' } } }, '/schema'],
    [{ patternProperties: { '(a)\\1': {} } }, '/schema'],
    [{ properties: { a: { format: 'colour' } } }, '/schema'],
    [{ colour: 'red' }, '/schema'],
    [{ atollStep: false }, '/schema/atollStep'],
    ['{}', '/schema'],
    [true, '/schema'],
    [{ description: 'x'.repeat(70_000) }, '/schema'],
    [{ allOf: Array.from({ length: 2500 }, () => ({})) }, '/schema/allOf/1999'],
  ] as const) {
    const answer = await setSchema(schema);
    expect(answer.json(), JSON.stringify(schema).slice(0, 80)).toMatchObject({
      status: 400,
      code: 'SYNC_CONFIG_INVALID',
      errors: [{ pointer }],
    });
  }
  expect((await node.send('GET', PATH)).json()).toMatchObject({ schema: PERSON });
  expect(
    (await setSchema({ $schema: 'https://json-schema.org/draft/2020-12/schema', $comment: 'all of it' })).statusCode,
  ).toBe(200);
  expect((await node.send('PUT', PATH, {})).json()).not.toHaveProperty('schema');
  expect((await node.send('PUT', `${PATH}/docs/any`, { anything: 1 })).statusCode).toBe(201);
});

test('[SV3] schemas that would never end are ended, and patterns that take other engines for ever are not', async () => {
  const doubling: Record<string, object> = { d0: { type: 'object' } };
  for (let i = 1; i <= 40; i++)
    doubling[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] };
  for (const schema of [
    { $ref: '#/$defs/d40', $defs: doubling },
    { $ref: '#' },
    {
      anyOf: [
        { properties: { a: { $ref: '#' } }, required: ['x'] },
        { properties: { a: { $ref: '#' } }, required: ['y'] },
      ],
    },
  ]) {
    expect((await setSchema(schema)).statusCode).toBeLessThan(300);
    const nested = JSON.parse('{"a":'.repeat(60) + '{}' + '}'.repeat(60)) as object;
    const answer = await node.send('PUT', `${PATH}/docs/x`, nested);
    expect(answer.json()).toMatchObject({ status: 422, errors: [{ pointer: '' }] });
  }
  await setSchema({
    properties: { a: { pattern: '^(a+)+$' }, b: { uniqueItems: true }, c: { pattern: 'x' }, d: { format: 'uri' } },
  });
  const many = Array.from({ length: 1000 }, (_, i) => ({ i }));
  expect(
    (await node.send('PUT', `${PATH}/docs/x`, { a: 'a'.repeat(20_000), b: many, c: 'x' })).statusCode,
  ).toBeLessThan(300);
  const answer = await node.send('PUT', `${PATH}/docs/x`, {
    a: `${'a'.repeat(20_000)}!`,
    b: [...many, { i: 5 }],
    c: 'y',
    d: `a://${'x'.repeat(5000)}`,
  });
  expect(pointers(answer.json())).toEqual(['/a', '/b', '/c', '/d']);
});

test('[SV3] members that mean something in JavaScript are checked like others', async () => {
  await setSchema({
    required: ['__proto__', 'constructor'],
    properties: { constructor: { type: 'string' } },
    additionalProperties: { type: 'number' },
  });
  const put = (body: string): ReturnType<TestApp['send']> =>
    node.send('PUT', `${PATH}/docs/x`, body, { 'content-type': 'application/json' });
  expect(pointers((await put('{}')).json())).toEqual(['/__proto__', '/constructor']);
  expect((await put('{"__proto__":1,"constructor":"x"}')).statusCode).toBe(201);
  expect(pointers((await put('{"__proto__":"y","constructor":2,"toString":"z"}')).json())).toEqual([
    '/__proto__',
    '/constructor',
    '/toString',
  ]);
});

test('[SV4] documents that violate the schema are listed with their faults, page by page', async () => {
  for (let i = 0; i < 10; i++)
    await node.send('PUT', `${PATH}/docs/d${i}`, i % 3 === 0 ? { ...ADA, age: -i - 1 } : ADA);
  const list = async (query = ''): Promise<ViolationList> =>
    (await node.send('GET', `${PATH}/violations${query}`)).json();
  expect(await list()).toEqual({ items: [], cursor: null });
  await setSchema(PERSON);
  const all = await list();
  expect(all.items.map(({ id }) => id)).toEqual(['d0', 'd3', 'd6', 'd9']);
  expect(all.items[0]).toEqual({
    id: 'd0',
    etag: expect.any(String),
    errors: [{ pointer: '/age', detail: 'must be >= 0' }],
  });
  const first = await list('?limit=3');
  expect(first.items.length).toBe(3);
  expect((await list(`?cursor=${first.cursor}`)).items.map(({ id }) => id)).toEqual(['d9']);
  expect((await node.send('GET', `${PATH}/violations?limit=0`)).statusCode).toBe(400);
  // A write that leaves such a document as bad as it was is refused; one that mends it is taken.
  const patch = (body: object): ReturnType<TestApp['send']> =>
    node.send('PATCH', `${PATH}/docs/d3`, body, { 'content-type': 'application/merge-patch+json' });
  expect((await patch({ name: 'Bee' })).statusCode).toBe(422);
  expect((await patch({ name: 'Bee', age: 4 })).statusCode).toBe(200);
  expect((await list()).items.map(({ id }) => id)).toEqual(['d0', 'd6', 'd9']);
});
