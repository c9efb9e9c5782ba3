import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BulkAnswerLine, Problem } from '../../../../server/api/index.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
const path = '/v1/app/bulk/bulk';

beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());

async function bulk(
  lines: readonly (string | object)[],
  url = path,
): Promise<{ status: number; lines: BulkAnswerLine[] }> {
  const body = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const answer = await app.send('POST', url, `${body}\n`, { 'content-type': 'application/x-ndjson' });
  expect(answer.headers['content-type']).toBe('application/x-ndjson');
  const text = answer.body.split('\n').filter((line) => line !== '');
  return { status: answer.statusCode, lines: text.map((line) => JSON.parse(line) as BulkAnswerLine) };
}

const read = async (id: string): Promise<unknown> => (await app.send('GET', `/v1/app/bulk/docs/${id}`)).json();

describe('bulk', () => {
  test('[HT18] each line is a replacement, a merge, operations or a deletion, and is answered in order', async () => {
    const { status, lines } = await bulk([
      { id: 'a', doc: { v: 1 } },
      { id: 'a', merge: { w: 2 } },
      { id: 'a', ops: [{ op: 'increment', path: '/n', value: 3 }] },
      { id: 'b', doc: {} },
      { id: 'b', delete: true },
      { id: 'b', delete: true },
    ]);
    expect(status).toBe(200);
    expect(lines.map((line) => [line.id, line.status])).toEqual([
      ['a', 201],
      ['a', 200],
      ['a', 200],
      ['b', 201],
      ['b', 204],
      ['b', 404],
    ]);
    expect(await read('a')).toEqual({ n: 3, v: 1, w: 2 });
    expect(lines[0]).toMatchObject({ etag: expect.stringMatching(/^".+"$/) as string });
  });

  test('[HT18] a result points to the place in its line, and names the limit of the document', async () => {
    const nested = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
    const { lines } = await bulk([
      {
        id: 'p',
        ops: [
          { op: 'append', path: '/l', value: 1 },
          { op: 'fly', path: '/l' },
        ],
      },
      `{"id":"p","doc":${nested(65)}}`,
      `{"id":"p","doc":${nested(10_000)}}`,
      `{"id":"p","doc":${nested(64)}}`,
      `{"id":"p","ops":[{"op":"append","path":"/l","value":${nested(62)}}]}`,
    ]);
    const depth = { limit: 'depth', max: 64 };
    expect(lines).toMatchObject([
      { status: 400, error: { code: 'CRDT_PATCH_INVALID', errors: [{ pointer: '/ops/1' }] } },
      {
        status: 400,
        error: {
          code: 'CRDT_LIMIT_EXCEEDED',
          errors: [{ ...depth, pointer: expect.stringMatching(/^\/doc\/a/) as string }],
        },
      },
      { status: 400, error: { code: 'CRDT_LIMIT_EXCEEDED', errors: [depth] } },
      { status: 201 },
      { status: 200 },
    ]);
  });

  test('[HT18] a bad line is a result like any other, and the lines around it are done', async () => {
    const bad: readonly (readonly [string | object, number, string, string | null])[] = [
      ['{"id":"x","doc":{', 400, 'CRDT_VALUE_INVALID', null],
      ['[]', 400, 'HTTP_BODY_INVALID', null],
      [{ doc: {} }, 400, 'HTTP_BODY_INVALID', null],
      [{ id: 7, doc: {} }, 400, 'HTTP_BODY_INVALID', null],
      [{ id: 'a\0', doc: {} }, 400, 'SYNC_DOCUMENT_ID_INVALID', null],
      [{ id: '', doc: {} }, 400, 'SYNC_DOCUMENT_ID_INVALID', null],
      [{ id: 'x' }, 400, 'HTTP_BODY_INVALID', 'x'],
      [{ id: 'x', doc: {}, merge: {} }, 400, 'HTTP_BODY_INVALID', 'x'],
      [{ id: 'x', doc: [] }, 400, 'HTTP_BODY_INVALID', 'x'],
      [{ id: 'x', delete: false }, 400, 'HTTP_BODY_INVALID', 'x'],
      [{ id: 'x', ops: {} }, 400, 'HTTP_BODY_INVALID', 'x'],
      [{ id: 'x', doc: {}, extra: 1 }, 400, 'HTTP_BODY_INVALID', 'x'],
      ['{"id":"x","doc":{"a":1e400}}', 400, 'CRDT_VALUE_INVALID', null],
      [`{"id":"x","doc":{"a":"${'x'.repeat(1_100_000)}"}}`, 413, 'HTTP_LINE_TOO_LARGE', null],
    ];
    const { lines } = await bulk([
      { id: 'first', doc: { ok: 1 } },
      ...bad.map(([line]) => line),
      { id: 'last', doc: { ok: 2 } },
    ]);
    expect(lines).toHaveLength(bad.length + 2);
    bad.forEach(([, status, code, id], index) => {
      const line = lines[index + 1] as { id: string | null; status: number; line: number; error: Problem };
      expect([line.status, line.error.code, line.id, line.line]).toEqual([status, code, id, index + 2]);
      expect(line.error.errors?.[0]).toBeDefined();
    });
    expect(await read('first')).toEqual({ ok: 1 });
    expect(await read('last')).toEqual({ ok: 2 });
  });

  test('[HT18] a document may be as large and deep in a line as in a PUT', async () => {
    const large = { id: 'large', doc: { a: 'x'.repeat(1_048_576 - 8) } };
    const deep = JSON.parse(`{"id":"deep","doc":${'{"a":'.repeat(64)}1${'}'.repeat(64)}}`) as object;
    const deeper = JSON.parse(`{"id":"deeper","doc":${'{"a":'.repeat(65)}1${'}'.repeat(65)}}`) as object;
    const { lines } = await bulk([large, deep, deeper]);
    expect(lines.map(({ status }) => status)).toEqual([201, 201, 400]);
  });

  test('[HT18] lines for one document are done in their order', async () => {
    const { lines } = await bulk(Array.from({ length: 3000 }, (_, n) => ({ id: 'same', doc: { n } })));
    expect(lines.every(({ status }) => status < 300)).toBe(true);
    expect(await read('same')).toEqual({ n: 2999 });
  });

  test('[HT17] an empty body is an empty answer', async () => {
    const answer = await app.send('POST', path, '\n\n', { 'content-type': 'application/x-ndjson' });
    expect([answer.statusCode, answer.body]).toEqual([200, '']);
  });

  test.each([
    ['?atomic=maybe', 'application/x-ndjson', 400, 'HTTP_QUERY_INVALID'],
    ['?atomc=true', 'application/x-ndjson', 400, 'HTTP_QUERY_INVALID'],
    ['', 'application/json', 415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'],
    ['', 'text/plain', 415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'],
  ])('[HT17] bulk%s with %s is refused as a whole', async (query, type, status, code) => {
    const answer = await app.send('POST', `${path}${query}`, '{"id":"no","doc":{}}\n', { 'content-type': type });
    expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
    expect((await app.send('GET', '/v1/app/bulk/docs/no')).statusCode).toBe(404);
  });
});
