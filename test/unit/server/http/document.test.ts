import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
let id = '';
let next = 0;

beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());
beforeEach(() => {
  id = `doc-${next++}`;
});

const path = (): string => `/v1/app/things/docs/${id}`;

describe('the life of a document', () => {
  test('[HT1] PUT answers 201 with id and ETag the first time, and 200 afterwards', async () => {
    const created = await app.send('PUT', path(), { a: 1 });
    expect(created.statusCode).toBe(201);
    expect(created.json()).toEqual({ id, etag: created.headers['etag'] });
    expect(created.headers['etag']).toMatch(/^"[^"]+"$/);
    const replaced = await app.send('PUT', path(), { a: 2 });
    expect(replaced.statusCode).toBe(200);
    expect(replaced.headers['etag']).not.toBe(created.headers['etag']);
  });

  test('[HT7] GET answers the document itself, with its metadata in headers', async () => {
    const { headers } = await app.send('PUT', path(), { b: [1, { c: null }], a: 'ä' });
    const got = await app.send('GET', path());
    expect(got.statusCode).toBe(200);
    expect(got.body).toBe('{"a":"ä","b":[1,{"c":null}]}');
    expect(got.headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8', etag: headers['etag'] });
    expect(got.headers['last-modified']).toMatch(/GMT$/);
    expect(got.headers['session-token']).toMatch(/^[\w-]+$/);
  });

  test('[HT7] HEAD answers what GET does, without the body', async () => {
    await app.send('PUT', path(), { a: 1 });
    const [get, head] = [await app.send('GET', path()), await app.send('HEAD', path())];
    expect(head.statusCode).toBe(200);
    expect(head.body).toBe('');
    for (const name of ['etag', 'content-length', 'content-type', 'last-modified'])
      expect(head.headers[name]).toBe(get.headers[name]);
    expect((await app.send('HEAD', `${path()}-none`)).statusCode).toBe(404);
  });

  test('[HT1] DELETE answers 204, and 404 when there is nothing to delete; so does GET then', async () => {
    await app.send('PUT', path(), {});
    const deleted = await app.send('DELETE', path());
    expect([deleted.statusCode, deleted.body]).toEqual([204, '']);
    for (const method of ['DELETE', 'GET']) {
      const missing = await app.send(method, path());
      expect(missing.statusCode).toBe(404);
      expect(missing.json()).toMatchObject({ code: 'SYNC_DOCUMENT_NOT_FOUND', status: 404, retryable: false });
    }
  });

  test('[HT8] POST creates under an id that sorts after earlier ones, and says where', async () => {
    const first = await app.send('POST', '/v1/app/posted/docs', { n: 1 });
    expect(first.statusCode).toBe(201);
    const location = first.headers['location'] as string;
    expect(location).toBe(`/v1/app/posted/docs/${first.json().id}`);
    expect((await app.send('GET', location)).json()).toEqual({ n: 1 });
    const second = await app.send('POST', '/v1/app/posted/docs', { n: 2 });
    expect(second.json().id > first.json().id).toBe(true);
    const refused = await app.send('POST', '/v1/none/posted/docs', { n: 3 });
    expect([refused.statusCode, refused.headers['location']]).toEqual([404, undefined]);
  });

  test('[HT11] every answer about documents carries a session token that writes move', async () => {
    const before = (await app.send('GET', path())).headers['session-token'];
    const after = (await app.send('PUT', path(), { a: 1 })).headers['session-token'];
    expect(before).toBeDefined();
    expect(after).not.toBe(before);
    expect((await app.send('GET', path())).headers['session-token']).toBe(after);
  });

  test('[HT10] Prefer: return=representation answers the document, and says so', async () => {
    const answer = await app.send('PUT', path(), { z: 1, a: 2 }, { prefer: 'return=representation' });
    expect([answer.statusCode, answer.body]).toEqual([201, '{"a":2,"z":1}']);
    expect(answer.headers['preference-applied']).toBe('return=representation');
    const minimal = await app.send('PUT', path(), { z: 1 }, { prefer: 'return=minimal' });
    expect(minimal.json()).toEqual({ id, etag: minimal.headers['etag'] });
    expect(minimal.headers['preference-applied']).toBe('return=minimal');
  });

  test('[HT4] keys such as __proto__ are data and come back', async () => {
    const text = '{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"toString":1}';
    expect((await app.send('PUT', path(), text)).statusCode).toBe(201);
    const got = (await app.send('GET', path())).body;
    expect(got).toBe('{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"toString":1}');
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe('PATCH', () => {
  const patch = (type: string, body: unknown, headers = {}): ReturnType<TestApp['send']> =>
    app.send('PATCH', path(), JSON.stringify(body), { 'content-type': `application/${type}`, ...headers });
  const read = async (): Promise<unknown> => (await app.send('GET', path())).json();

  test('[HT8] a merge patch sets members and removes those given as null', async () => {
    await app.send('PUT', path(), { a: 1, b: { c: 2, d: 3 } });
    expect((await patch('merge-patch+json', { a: null, b: { c: 4 }, e: [5] })).statusCode).toBe(200);
    expect(await read()).toEqual({ b: { c: 4, d: 3 }, e: [5] });
  });

  test('[HT8] a JSON Patch is atomic: when its test fails half-way nothing of it happened', async () => {
    await app.send('PUT', path(), { a: 1, list: [1, 2] });
    const before = (await app.send('GET', path())).headers['etag'];
    const failed = await patch('json-patch+json', [
      { op: 'add', path: '/list/-', value: 3 },
      { op: 'test', path: '/a', value: 2 },
    ]);
    expect(failed.statusCode).toBe(409);
    expect(failed.json()).toMatchObject({ code: 'CRDT_PATCH_TEST_FAILED' });
    expect((await app.send('GET', path())).headers['etag']).toBe(before);
    expect(await read()).toEqual({ a: 1, list: [1, 2] });
    const done = await patch('json-patch+json', [
      { op: 'test', path: '/a', value: 1 },
      { op: 'add', path: '/list/0', value: 0 },
      { op: 'remove', path: '/a' },
    ]);
    expect(done.statusCode).toBe(200);
    expect(await read()).toEqual({ list: [0, 1, 2] });
  });

  test('[HT8] operations say what JSON cannot, and create what is missing', async () => {
    const operations = [
      { op: 'increment', path: '/n', value: 2 },
      { op: 'append', path: '/list', value: 'x' },
      { op: 'set-add', path: '/tags', value: 'red' },
      { op: 'text-insert', path: '/text', index: 0, value: 'hello' },
    ];
    expect((await patch('vnd.atoll.ops+json', operations)).statusCode).toBe(201);
    expect((await patch('vnd.atoll.ops+json', [operations[0]])).statusCode).toBe(200);
    expect(await read()).toEqual({ n: 4, list: ['x'], tags: ['red'], text: 'hello' });
  });

  test('[HT8] a PATCH of a missing document creates it, unless If-Match asks for an existing one', async () => {
    const refused = await patch('merge-patch+json', { a: 1 }, { 'if-match': '*' });
    expect(refused.statusCode).toBe(412);
    expect((await patch('merge-patch+json', { a: 1 })).statusCode).toBe(201);
  });

  test.each([
    ['merge-patch+json', {}],
    ['merge-patch+json', { a: null }],
    ['json-patch+json', []],
    ['json-patch+json', [{ op: 'test', path: '', value: {} }]],
    ['vnd.atoll.ops+json', []],
  ])('[HT8] a PATCH of a missing document with %s %j creates an empty one', async (type, body) => {
    expect((await patch(type, body)).statusCode).toBe(201);
    expect(await read()).toEqual({});
    expect((await patch(type, body)).statusCode).toBe(200);
  });

  test('[HT8] a PATCH that fails on a missing document does not create it', async () => {
    const failed = await patch('json-patch+json', [{ op: 'test', path: '/a', value: 1 }]);
    expect(failed.statusCode).toBe(409);
    expect((await app.send('GET', path())).statusCode).toBe(404);
  });

  test('[HT5] a media type that PATCH does not take is a 415 that names those it does', async () => {
    const refused = await app.send('PATCH', path(), { a: 1 });
    expect(refused.statusCode).toBe(415);
    expect(refused.json().code).toBe('HTTP_MEDIA_TYPE_UNSUPPORTED');
    expect(refused.headers['accept-patch']).toBe(
      'application/merge-patch+json, application/json-patch+json, application/vnd.atoll.ops+json',
    );
  });
});

describe('preconditions', () => {
  test('[HT9] a write with a stale ETag is a 412 and changes nothing', async () => {
    const stale = (await app.send('PUT', path(), { v: 1 })).headers['etag'] as string;
    const etag = (await app.send('PUT', path(), { v: 2 })).headers['etag'] as string;
    for (const method of ['PUT', 'DELETE']) {
      const refused = await app.send(method, path(), method === 'PUT' ? { v: 3 } : undefined, { 'if-match': stale });
      expect(refused.statusCode).toBe(412);
      expect(refused.json()).toMatchObject({ code: 'SYNC_PRECONDITION_FAILED', errors: [{ parameter: 'If-Match' }] });
    }
    expect((await app.send('GET', path())).headers['etag']).toBe(etag);
    expect((await app.send('PUT', path(), { v: 3 }, { 'if-match': `"x", ${etag}` })).statusCode).toBe(200);
  });

  test('[HT9] If-None-Match: * writes only what does not exist', async () => {
    expect((await app.send('PUT', path(), { v: 1 }, { 'if-none-match': '*' })).statusCode).toBe(201);
    expect((await app.send('PUT', path(), { v: 2 }, { 'if-none-match': '*' })).statusCode).toBe(412);
    expect((await app.send('GET', path())).json()).toEqual({ v: 1 });
  });

  test('[HT9] a read of a known version is a 304 without a body, with its ETag', async () => {
    const etag = (await app.send('PUT', path(), { v: 1 })).headers['etag'] as string;
    for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const same = await app.send('GET', path(), undefined, { 'if-none-match': value });
      expect([same.statusCode, same.body, same.headers['etag']]).toEqual([304, '', etag]);
    }
    expect((await app.send('GET', path(), undefined, { 'if-none-match': '"x"' })).statusCode).toBe(200);
    expect((await app.send('GET', path(), undefined, { 'if-match': '"x"' })).statusCode).toBe(412);
    expect((await app.send('GET', path(), undefined, { 'if-match': 'unquoted' })).statusCode).toBe(400);
  });
});

describe('ids', () => {
  // `.` and `..` are in the e2e tests: this test's client, like browsers, would resolve them.
  const odd = ['a/b', '../../etc/passwd', '..a', 'a%2Fb', 'ä 😀', '__proto__', 'a?b#c', "o'%", ' ', '\\'];
  test.each([...odd, 'x'.repeat(256), 'ß'.repeat(128)].map((name) => [name.slice(0, 20), name]))(
    '[HT4] %j is one segment and plain data',
    async (_label, name) => {
      const url = `/v1/app/ids/docs/${encodeURIComponent(name)}`;
      const written = await app.send('PUT', url, { name });
      expect(written.statusCode).toBe(201);
      expect(written.json().id).toBe(name);
      expect((await app.send('GET', url)).json()).toEqual({ name });
      const { items } = (await app.send('GET', `/v1/app/ids/docs?prefix=${encodeURIComponent(name)}`)).json();
      expect(items.map((item: { id: string }) => item.id)).toContain(name);
    },
  );

  const refused: readonly (readonly [string, string])[] = [
    ['', 'SYNC_DOCUMENT_ID_INVALID'],
    ['a%00b', 'SYNC_DOCUMENT_ID_INVALID'],
    ['a%0Ab', 'SYNC_DOCUMENT_ID_INVALID'],
    ['%7F', 'SYNC_DOCUMENT_ID_INVALID'],
    ['%C2%85', 'SYNC_DOCUMENT_ID_INVALID'],
    ['x'.repeat(257), 'SYNC_DOCUMENT_ID_INVALID'],
    ['x'.repeat(300), 'SYNC_DOCUMENT_ID_INVALID'],
    ['%C3%9F'.repeat(129), 'SYNC_DOCUMENT_ID_INVALID'],
    ['%FF', 'HTTP_URL_INVALID'],
    ['%C3', 'HTTP_URL_INVALID'],
    ['%C0%AF', 'HTTP_URL_INVALID'],
    ['%ED%A0%80', 'HTTP_URL_INVALID'],
    ['%zz', 'HTTP_URL_INVALID'],
    ['100%', 'HTTP_URL_INVALID'],
  ];
  test.each(refused.map(([segment, code]) => [segment.slice(0, 20), segment, code] as const))(
    '[HT4] the segment %j is a 400',
    async (_label, segment, code) => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await app.send(method, `/v1/app/ids/docs/${segment}`, method === 'PUT' ? {} : undefined);
        expect([answer.statusCode, answer.json().code]).toEqual([400, code]);
      }
    },
  );

  test('[HT4] an id that is too long names the limit', async () => {
    const tooLong = await app.send('GET', `/v1/app/ids/docs/${'x'.repeat(300)}`);
    expect(tooLong.json().errors).toMatchObject([{ parameter: 'id', max: 256 }]);
  });
});
