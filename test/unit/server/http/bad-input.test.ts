import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Problem } from '../../../../server/api/index.ts';
import { routesOf } from '../../../../server/http/method.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
const path = '/v1/app/things/docs/kept';

beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
  await app.send('PUT', path, { kept: true });
});
afterAll(() => app.close());

interface BadInput {
  readonly name: string;
  readonly body: string | Buffer;
  readonly status: number;
  readonly code: string;
  readonly field?: Partial<NonNullable<Problem['errors']>[number]>;
  readonly type?: string;
}

const nested = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
const invalid = { status: 400, code: 'CRDT_VALUE_INVALID' };

const bodies: readonly BadInput[] = [
  { name: 'malformed JSON', body: '{"a":1', ...invalid, field: { pointer: '' } },
  { name: 'a malformed member', body: '{"a":{"b":tru}}', ...invalid, field: { pointer: '/a/b' } },
  { name: 'trailing text', body: '{} x', ...invalid, field: { pointer: '' } },
  { name: 'a comment', body: '{/**/}', ...invalid },
  {
    name: 'invalid UTF-8',
    body: Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]),
    ...invalid,
    field: { pointer: '' },
  },
  { name: 'a lone surrogate', body: '{"a":{"b":"\\ud800"}}', ...invalid, field: { pointer: '/a/b' } },
  { name: 'a duplicate key', body: '{"role":"user","role":"admin"}', ...invalid, field: { pointer: '/role' } },
  { name: 'a number beyond a double', body: '{"a":[0,1e400]}', ...invalid, field: { pointer: '/a/1' } },
  {
    name: 'an integer that a double cannot hold',
    body: '{"a":9007199254740993}',
    ...invalid,
    field: { pointer: '/a' },
  },
  { name: 'a byte order mark', body: Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), ...invalid },
  {
    name: 'depth 10,000',
    body: nested(10_000),
    status: 400,
    code: 'CRDT_LIMIT_EXCEEDED',
    field: { limit: 'depth', max: 64 },
  },
  { name: 'depth 65', body: nested(65), status: 400, code: 'CRDT_LIMIT_EXCEEDED', field: { limit: 'depth', max: 64 } },
  {
    name: 'a key of 1,025 bytes',
    body: `{"${'k'.repeat(1025)}":1}`,
    status: 400,
    code: 'CRDT_LIMIT_EXCEEDED',
    field: { limit: 'keyBytes' },
  },
  {
    name: 'a body of 10 MB',
    body: `{"a":"${'x'.repeat(1e7)}"}`,
    status: 413,
    code: 'HTTP_BODY_TOO_LARGE',
    field: { limit: 'bodyBytes', max: 1_048_576 },
  },
  { name: 'an array', body: '[]', status: 400, code: 'HTTP_BODY_INVALID', field: { pointer: '' } },
  { name: 'null', body: 'null', status: 400, code: 'HTTP_BODY_INVALID', field: { pointer: '' } },
  { name: 'nothing', body: '', status: 400, code: 'HTTP_BODY_REQUIRED', field: { pointer: '' } },
  { name: 'text', body: 'hello', type: 'text/plain', status: 415, code: 'HTTP_MEDIA_TYPE_UNSUPPORTED' },
  { name: 'XML', body: '<a/>', type: 'application/xml', status: 415, code: 'HTTP_MEDIA_TYPE_UNSUPPORTED' },
  { name: 'a broken Content-Type', body: '{}', type: 'json', status: 415, code: 'HTTP_MEDIA_TYPE_UNSUPPORTED' },
  {
    name: 'Latin-1',
    body: '{}',
    type: 'application/json; charset=iso-8859-1',
    status: 415,
    code: 'HTTP_MEDIA_TYPE_UNSUPPORTED',
  },
  {
    name: 'a patch',
    body: '{}',
    type: 'application/merge-patch+json',
    status: 415,
    code: 'HTTP_MEDIA_TYPE_UNSUPPORTED',
  },
  { name: 'lines', body: '{}\n', type: 'application/x-ndjson', status: 415, code: 'HTTP_MEDIA_TYPE_UNSUPPORTED' },
];

function expectProblem(answer: Awaited<ReturnType<TestApp['send']>>, status: number, code: string): Problem {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const problem = answer.json<Problem>();
  expect([answer.statusCode, problem.code]).toEqual([status, code]);
  expect(problem).toMatchObject({ status, type: `urn:atoll:problem:${code}`, retryable: status === 503 });
  for (const member of ['title', 'detail'] as const) expect(problem[member].length).toBeGreaterThan(0);
  return problem;
}

describe('bodies', () => {
  test.each(bodies)(
    '[HT5] $name is a $status that says where',
    async ({ body, status, code, field, type = 'application/json' }) => {
      const answer = await app.send('PUT', path, body, { 'content-type': type });
      const problem = expectProblem(answer, status, code);
      if (field !== undefined) expect(problem.errors).toMatchObject([field]);
      // The document is as it was, and the node alive.
      expect((await app.send('GET', path)).json()).toEqual({ kept: true });
    },
  );

  test('[HT5] a body without Content-Type is a 415 that names what is taken', async () => {
    const answer = await app.app.inject({ method: 'PUT', url: path, payload: Buffer.from('{}') });
    const problem = expectProblem(answer, 415, 'HTTP_MEDIA_TYPE_UNSUPPORTED');
    expect(problem.errors).toMatchObject([{ parameter: 'Content-Type' }]);
    expect(answer.headers['accept']).toBe('application/json');
    const patched = await app.send('PATCH', path, '{}', { 'content-type': 'text/plain' });
    expectProblem(patched, 415, 'HTTP_MEDIA_TYPE_UNSUPPORTED');
    expect(patched.headers['accept-patch']).toMatch('application/merge-patch+json, application/json-patch+json');
  });

  test('[HT5] UTF-8 may be said in any case', async () => {
    for (const type of ['application/json;charset=UTF-8', 'Application/JSON; charset="utf-8"']) {
      expect(
        (await app.send('PUT', '/v1/app/things/docs/type', '{}', { 'content-type': type })).statusCode,
      ).toBeLessThan(300);
    }
  });

  test('[HT6] a document at each limit is taken', async () => {
    const atLimit = [nested(64), `{"${'k'.repeat(1024)}":1}`, `{"a":"${'x'.repeat(1_048_576 - 8)}"}`];
    for (const body of atLimit)
      expect((await app.send('PUT', '/v1/app/limits/docs/x', body)).statusCode).toBeLessThan(300);
    const over = await app.send('PUT', '/v1/app/limits/docs/x', `{"a":"${'x'.repeat(1_048_576 - 7)}"}`);
    expectProblem(over, 413, 'HTTP_BODY_TOO_LARGE');
  });
});

describe('patches', () => {
  const patch = (type: string, body: string): ReturnType<TestApp['send']> =>
    app.send('PATCH', path, body, { 'content-type': `application/${type}` });

  test.each([
    ['json-patch+json', '{}', 400, 'HTTP_BODY_INVALID'],
    ['json-patch+json', '[1]', 400, 'CRDT_PATCH_INVALID'],
    ['json-patch+json', '[{"op":"explode","path":"/a"}]', 400, 'CRDT_PATCH_INVALID'],
    ['json-patch+json', '[{"op":"add","path":"/a"}]', 400, 'CRDT_PATCH_INVALID'],
    ['json-patch+json', '[{"op":"add","path":"a","value":1}]', 400, 'CRDT_POINTER_INVALID'],
    [
      'json-patch+json',
      '[{"op":"add","path":"/x","value":1},{"op":"remove","path":"/none"}]',
      409,
      'CRDT_PATCH_TARGET_MISSING',
    ],
    [
      'json-patch+json',
      '[{"op":"add","path":"/x","value":1},{"op":"test","path":"/kept","value":2}]',
      409,
      'CRDT_PATCH_TEST_FAILED',
    ],
    ['merge-patch+json', '[]', 400, 'HTTP_BODY_INVALID'],
    ['merge-patch+json', '{"a":1e400}', 400, 'CRDT_VALUE_INVALID'],
    ['vnd.atoll.ops+json', '{}', 400, 'HTTP_BODY_INVALID'],
    ['vnd.atoll.ops+json', '[null]', 400, 'CRDT_PATCH_INVALID'],
    ['vnd.atoll.ops+json', '[{"op":"fly","path":"/a"}]', 400, 'CRDT_PATCH_INVALID'],
    ['vnd.atoll.ops+json', '[{"op":"increment","path":"/n"}]', 400, 'CRDT_PATCH_INVALID'],
    ['vnd.atoll.ops+json', '[{"op":"append","path":"/n"}]', 400, 'CRDT_PATCH_INVALID'],
    ['vnd.atoll.ops+json', '[{"op":"increment","path":"/n","by":1}]', 400, 'CRDT_PATCH_INVALID'],
    ['vnd.atoll.ops+json', '[{"op":"remove","path":"/n","index":0,"value":1}]', 400, 'CRDT_PATCH_INVALID'],
    [
      'vnd.atoll.ops+json',
      '[{"op":"increment","path":"/n","value":1},{"op":"append","path":"/kept","value":1}]',
      409,
      'CRDT_TYPE_MISMATCH',
    ],
  ])('[HT5] %s %s is a %i and changes nothing', async (type, body, status, code) => {
    const problem = expectProblem(await patch(type, body), status, code);
    if (code.startsWith('CRDT')) expect(problem.errors?.[0]?.pointer).toBeDefined();
    expect((await app.send('GET', path)).json()).toEqual({ kept: true });
  });

  test('[HT6] a patch that takes the document past a limit is refused with its name and value', async () => {
    const grown = await patch('merge-patch+json', `{"a":"${'x'.repeat(1_048_560)}"}`);
    const size = { limit: 'documentBytes', max: 1_048_576 };
    expect(expectProblem(grown, 413, 'CRDT_LIMIT_EXCEEDED').errors).toMatchObject([size]);
    const deep = await patch('vnd.atoll.ops+json', `[{"op":"append","path":"${'/a'.repeat(64)}","value":1}]`);
    const depth = { limit: 'depth', max: 64 };
    expect(expectProblem(deep, 400, 'CRDT_LIMIT_EXCEEDED').errors).toMatchObject([depth]);
    expect((await app.send('GET', path)).json()).toEqual({ kept: true });
  });
});

describe('where the fault is', () => {
  const patch = (type: string, body: string): ReturnType<TestApp['send']> =>
    app.send('PATCH', path, body, { 'content-type': `application/${type}` });

  test.each([
    ['json-patch+json', '[{"op":"test","path":"/kept","value":true},{"op":"remove","path":"/none"}]', '/1', '/none'],
    ['json-patch+json', '[{"path":"/kept"}]', '/0', '"op" is missing'],
    ['vnd.atoll.ops+json', '[{"path":"/n"}]', '/0', '"op" is missing'],
    [
      'vnd.atoll.ops+json',
      '[{"op":"increment","path":"/n","value":1},{"op":"append","path":"/kept","value":1}]',
      '/1',
      '/kept',
    ],
  ])('[HT5] %s %s points to the operation in the body, and says the path', async (type, body, pointer, detail) => {
    const problem = (await patch(type, body)).json<Problem>();
    expect(problem.errors).toMatchObject([{ pointer }]);
    expect(problem.detail).toContain(detail);
  });

  test('[HT6] a patch may hold a value as deep as the document may be, and one level more names the limit', async () => {
    const body = (depth: number): string => `[{"op":"add","path":"","value":${nested(depth)}}]`;
    const url = '/v1/app/limits/docs/deep';
    const type = { 'content-type': 'application/json-patch+json' };
    expect((await app.send('PATCH', url, body(64), type)).statusCode).toBe(201);
    for (const depth of [65, 66, 67, 10_000]) {
      const problem = expectProblem(await app.send('PATCH', url, body(depth), type), 400, 'CRDT_LIMIT_EXCEEDED');
      expect(problem.errors).toMatchObject([{ limit: 'depth', max: 64 }]);
    }
  });

  test('[HT6] an id that is too long names the limit', async () => {
    const answer = await app.send('PUT', `/v1/app/things/docs/${'x'.repeat(257)}`, {});
    const problem = expectProblem(answer, 400, 'SYNC_DOCUMENT_ID_INVALID');
    expect(problem.errors).toMatchObject([{ parameter: 'id', limit: 'idBytes', max: 256 }]);
  });
});

describe('requests', () => {
  test.each([
    ['GET', '/v1?limit=1', 'limit'],
    ['DELETE', '/v1/app?dry-run=1', 'dry-run'],
    ['GET', `${path}?fields=a`, 'fields'],
    ['PUT', `${path}?a&b=2`, 'a'],
    ['PUT', '/v1/app/things?__proto__=1', '__proto__'],
    ['GET', '/v1/_limits?x', 'x'],
  ])('[HT5] %s %s has a parameter that the request does not take', async (method, url, parameter) => {
    const answer = await app.send(method, url, method === 'PUT' ? {} : undefined);
    expect(expectProblem(answer, 400, 'HTTP_QUERY_INVALID').errors).toMatchObject([{ parameter }]);
    expect((await app.send('GET', path)).json()).toEqual({ kept: true });
  });

  test('[HT5] an encoded body is a 415 that names the header', async () => {
    for (const [url, type] of [
      [path, 'application/json'],
      ['/v1/app/things/bulk', 'application/x-ndjson'],
    ] as const) {
      const method = type === 'application/json' ? 'PUT' : 'POST';
      const answer = await app.send(method, url, '{}', { 'content-type': type, 'content-encoding': 'gzip' });
      const problem = expectProblem(answer, 415, 'HTTP_MEDIA_TYPE_UNSUPPORTED');
      expect(problem.errors).toMatchObject([{ parameter: 'Content-Encoding' }]);
      expect(answer.headers['accept-encoding']).toBe('identity');
    }
    const plain = await app.send('PUT', '/v1/app/things/docs/plain', '{}', { 'content-encoding': 'identity' });
    expect(plain.statusCode).toBe(201);
  });

  test('[HT5] a database has no settings', async () => {
    const stray = expectProblem(await app.send('PUT', '/v1/app', { replicas: 3 }), 400, 'HTTP_BODY_INVALID');
    expect(stray.errors).toMatchObject([{ pointer: '/replicas' }]);
    const text = await app.send('PUT', '/v1/app', 'x', { 'content-type': 'text/plain' });
    expectProblem(text, 415, 'HTTP_MEDIA_TYPE_UNSUPPORTED');
    expect((await app.send('PUT', '/v1/app', {})).statusCode).toBe(200);
  });

  test('[HT5] a path that is nowhere is a 404, whatever the method and body', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'POST']) {
      const answer = await app.send(method, '/nowhere', method === 'GET' || method === 'DELETE' ? undefined : { a: 1 });
      expectProblem(answer, 404, 'HTTP_ROUTE_NOT_FOUND');
    }
    expectProblem(await app.send('GET', '/v1/app/things/docs/a/b/c'), 404, 'HTTP_ROUTE_NOT_FOUND');
  });

  test.each([
    ['POST', path, 'DELETE, GET, HEAD, PATCH, PUT'],
    ['DELETE', '/v1/app/things/docs', 'GET, HEAD, POST'],
    ['GET', '/v1/app/things/bulk', 'POST'],
    ['POST', '/v1/app', 'DELETE, GET, HEAD, PUT'],
    ['POST', '/v1/app/_digest', 'GET, HEAD'],
    ['POST', '/livez', 'GET, HEAD'],
  ])('[HT1] %s %s is a 405 that allows %s', async (method, url, allow) => {
    const answer = await app.send(method, url);
    expectProblem(answer, 405, 'HTTP_METHOD_NOT_ALLOWED');
    expect(answer.headers['allow']).toBe(allow);
  });

  const methods = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'QUERY'];

  test('[HT1] every path of the route table refuses every other method, whatever comes with it', async () => {
    const table = routesOf(app.app);
    expect([...table.keys()]).toEqual(expect.arrayContaining(['/v1/_cluster', '/v1/_limits', '/v1/:db/_digest']));
    for (const [pattern, allowed] of table) {
      const url = pattern.replace(':db', 'app').replace(':collection', 'things').replace(':id', 'kept');
      const allow = [...allowed].sort().join(', ');
      for (const method of methods.filter((name) => !allowed.has(name))) {
        const answer = await app.send(method, url, 'garbage', { 'content-type': 'text/plain' });
        expect([method, url, answer.statusCode, answer.headers['allow']]).toEqual([method, url, 405, allow]);
        expect(answer.headers['content-type']).toBe('application/problem+json');
        if (method !== 'HEAD') expect(answer.json()).toMatchObject({ code: 'HTTP_METHOD_NOT_ALLOWED' });
      }
      const options = await app.send('OPTIONS', url);
      expect([url, options.statusCode, options.headers['allow']]).toEqual([url, 204, allow]);
    }
    expect((await app.send('GET', path)).json()).toEqual({ kept: true });
  });

  test('[HT1] OPTIONS answers the methods of a path', async () => {
    const answer = await app.send('OPTIONS', path);
    expect([answer.statusCode, answer.headers['allow']]).toEqual([204, 'DELETE, GET, HEAD, PATCH, PUT']);
  });

  test.each([
    ['GET', '/v1/App', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['PUT', '/v1/1app', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['PUT', `/v1/${'a'.repeat(64)}`, 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['PUT', '/v1/_system', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['PUT', '/v1/..%2fetc', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['GET', '/v1/App/things', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['GET', '/v1/_system/things/docs/a', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['POST', '/v1/App/things/bulk', 'SYNC_DATABASE_NAME_INVALID', 'db'],
    ['PUT', '/v1/app/Things', 'SYNC_COLLECTION_NAME_INVALID', 'collection'],
    ['GET', '/v1/app/%20/docs/a', 'SYNC_COLLECTION_NAME_INVALID', 'collection'],
    ['GET', '/v1/app/x.y/docs', 'SYNC_COLLECTION_NAME_INVALID', 'collection'],
  ])('[HT3] %s %s is a 400', async (method, url, code, parameter) => {
    const problem = expectProblem(await app.send(method, url), 400, code);
    expect(problem.errors).toMatchObject([{ parameter }]);
  });

  test.each(['/v1/_admin/nothing', '/v1/_cluster/nothing/docs/a', '/v1/app/_digest/docs', '/v1/app/_batch/docs/a'])(
    '[HT3] %s begins with a name of the API, where there is nothing: 404',
    async (url) => {
      for (const method of ['GET', 'PUT', 'DELETE'])
        expectProblem(await app.send(method, url, method === 'PUT' ? {} : undefined), 404, 'HTTP_ROUTE_NOT_FOUND');
    },
  );

  test('[HT3] a database that does not exist is a 404 for everything in it', async () => {
    for (const url of [
      '/v1/none',
      '/v1/none/c',
      '/v1/none/c/docs',
      '/v1/none/c/docs/a',
      '/v1/none/_digest',
      '/v1/none/c/docs/a/conflicts',
    ]) {
      expectProblem(await app.send('GET', url), 404, 'SYNC_DATABASE_NOT_FOUND');
    }
    expectProblem(await app.send('PUT', '/v1/none/c/docs/a', {}), 404, 'SYNC_DATABASE_NOT_FOUND');
    expectProblem(await app.send('DELETE', '/v1/none'), 404, 'SYNC_DATABASE_NOT_FOUND');
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=0x10', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=%2010', 'limit'],
    ['limit=', 'limit'],
    ['limit=+5', 'limit'],
    ['colour=red', 'colour'],
    ['fields=', 'fields'],
    ['fields=/a~3', 'fields'],
    ['limit=1&limit=2', 'limit'],
  ])('[HT12] a list with ?%s is a 400 that names the parameter', async (query, parameter) => {
    const problem = expectProblem(await app.send('GET', `/v1/app/things/docs?${query}`), 400, 'HTTP_QUERY_INVALID');
    expect(problem.errors).toMatchObject([{ parameter }]);
  });

  test.each(['prefix=%ff', 'prefix=%', 'prefix=%ed%a0%80'])('[HT12] a list with ?%s is a 400', async (query) => {
    expectProblem(await app.send('GET', `/v1/app/things/docs?${query}`), 400, 'HTTP_URL_INVALID');
  });

  test('[HT12] a cursor that is none is a 400', async () => {
    expectProblem(await app.send('GET', '/v1/app/things/docs?cursor=abc'), 400, 'HTTP_CURSOR_INVALID');
  });

  test('[HT9] an unreadable precondition is a 400 that names the header', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await app.send(method, path, method === 'PUT' ? {} : undefined, { 'if-match': 'unquoted' });
      expect(expectProblem(answer, 400, 'HTTP_HEADER_INVALID').errors).toMatchObject([{ parameter: 'If-Match' }]);
    }
  });

  test('[HT9] a write with If-Unmodified-Since is a 400 that says what to send instead', async () => {
    for (const method of ['PUT', 'DELETE']) {
      const headers = { 'if-unmodified-since': 'Wed, 21 Oct 2026 07:28:00 GMT' };
      const answer = await app.send(method, path, method === 'PUT' ? {} : undefined, headers);
      const problem = expectProblem(answer, 400, 'HTTP_HEADER_INVALID');
      expect(problem.errors).toMatchObject([{ parameter: 'If-Unmodified-Since' }]);
      expect(problem.detail).toContain('If-Match');
    }
    expect((await app.send('GET', path)).json()).toEqual({ kept: true });
  });

  test('[HT5] an unexpected error is a 500 that shows nothing', async () => {
    const broken = await openTestApp();
    broken.context.replica.databases = () => {
      throw new Error('secret detail');
    };
    const answer = await broken.send('GET', '/v1');
    expectProblem(answer, 500, 'HTTP_INTERNAL');
    expect(answer.body).not.toContain('secret');
    await broken.close();
  });
});
