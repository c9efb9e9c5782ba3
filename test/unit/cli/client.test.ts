import { expect, test } from 'vitest';
import { AtollClient, ClientError, type BulkAnswerLine } from '../../../cli/client.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
}
type Reply = (seen: Seen, signal: AbortSignal | undefined) => Response | Promise<Response>;

function clientOf(reply: Reply, endpoints: readonly string[] = ['http://a:1', 'http://b:2/'], timeoutMs?: number) {
  const seen: Seen[] = [];
  const fakeFetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    if (url.endsWith('/readyz')) return json({ status: 'ready' });
    const body = init.body === undefined ? '' : await new Response(init.body).text();
    const request = { method: init.method ?? 'GET', url, headers: new Headers(init.headers), body };
    seen.push(request);
    return reply(request, init.signal ?? undefined);
  };
  const client = new AtollClient({
    endpoints,
    retries: 0,
    fetch: fakeFetch as typeof fetch,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return { client, seen, people: client.database('app').collection('people') };
}

const json = (value: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } });
const refused = (): TypeError => Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } });
const broken = (): TypeError => Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNRESET' } });
const problem = (status: number, code: string, more: object = {}): Response =>
  json({ type: '', title: 't', status, detail: 'what happened', code, retryable: false, ...more }, status);

test('[CL19] a refused connection moves any request to the next endpoint, which then stays in use', async () => {
  const { client, seen, people } = clientOf(({ url }) => {
    if (url.startsWith('http://a')) throw refused();
    return json({ id: 'x', etag: '"1"' }, 201);
  });
  expect(await people.mergePatch('x', { a: 1 })).toEqual({ id: 'x', etag: '"1"', created: true });
  await people.put('x', {});
  expect(seen.map(({ url }) => new URL(url).host)).toEqual(['a:1', 'b:2', 'b:2']);
  expect(client.endpoints).toEqual(['http://a:1', 'http://b:2']);
});

test('[CL19] a connection that broke moves only requests that change nothing or have a key', async () => {
  for (const [idempotencyKey, requests] of [
    ['k', 2],
    [null, 1],
  ] as const) {
    const { seen, people } = clientOf(() => {
      throw broken();
    });
    const failure = { code: 'CLIENT_UNREACHABLE', status: 0, retryable: true };
    await expect(people.put('x', {}, { idempotencyKey })).rejects.toMatchObject(failure);
    expect(seen).toHaveLength(requests);
    await expect(people.get('x')).rejects.toMatchObject(failure);
    expect(seen).toHaveLength(requests + 2);
  }
});

test('[CL19] when no endpoint answers the error names all that were tried', async () => {
  const { client, seen } = clientOf(() => {
    throw refused();
  });
  await expect(client.databases()).rejects.toMatchObject({
    code: 'CLIENT_UNREACHABLE',
    details: { endpoints: ['http://a:1', 'http://b:2'] },
  });
  expect(seen).toHaveLength(2);
  expect(() => new AtollClient({ endpoints: [] })).toThrow(ClientError);
  expect(() => new AtollClient({ endpoints: 'localhost:7400' })).toThrow(/only http and https/);
  expect(() => new AtollClient({ endpoints: 'nonsense' })).toThrow(/is not a URL/);
});

test('[CL19] after a time-out the next request goes to the next endpoint', async () => {
  const { client, seen } = clientOf(
    async ({ url }, signal) =>
      url.startsWith('http://b')
        ? json({ databases: [] })
        : new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))),
    ['http://a:1', 'http://b:2'],
    20,
  );
  await expect(client.databases()).rejects.toMatchObject({ code: 'CLIENT_TIMEOUT', endpoint: 'http://a:1' });
  expect(await client.databases()).toEqual([]);
  expect(seen.map(({ url }) => new URL(url).host)).toEqual(['a:1', 'b:2']);
});

test('[CL20] an error carries code, status, retryable and fields of the problem the node answered', async () => {
  const errors = [{ pointer: '/a', detail: 'too deep', limit: 'depth', max: 64 }];
  const { people } = clientOf(() => problem(400, 'CRDT_LIMIT_EXCEEDED', { retryable: true, errors }), ['http://a:1']);
  await expect(people.put('x', {})).rejects.toMatchObject({
    name: 'ClientError',
    code: 'CRDT_LIMIT_EXCEEDED',
    status: 400,
    retryable: true,
    message: 'what happened',
    endpoint: 'http://a:1',
    details: { errors },
  });
});

test('[CL20] an answer that is not a problem, or not JSON, says that no node gave it', async () => {
  const gateway = clientOf(() => new Response('<h1>Bad gateway</h1>', { status: 502 }));
  await expect(gateway.client.limits()).rejects.toMatchObject({
    code: 'CLIENT_RESPONSE_INVALID',
    status: 502,
    retryable: true,
  });
  const page = clientOf(() => new Response('<html>'));
  await expect(page.client.limits()).rejects.toMatchObject({ code: 'CLIENT_RESPONSE_INVALID', retryable: false });
  const bulk = clientOf(() => new Response('{"id":"a"}\n<html>\n'));
  await expect(bulk.people.writeMany([])).rejects.toMatchObject({ code: 'CLIENT_RESPONSE_INVALID' });
});

test('[CL20] a redirection is not followed: it would take a token elsewhere', async () => {
  const { people, seen } = clientOf(
    () => new Response(null, { status: 307, headers: { location: 'http://evil:1/' } }),
    ['http://a:1'],
  );
  await expect(people.put('x', {})).rejects.toMatchObject({ code: 'CLIENT_RESPONSE_INVALID', status: 307 });
  expect(seen).toHaveLength(1);
});

test('[CL20] a missing document is null or false, a missing database is an error', async () => {
  const document = clientOf(() => problem(404, 'SYNC_DOCUMENT_NOT_FOUND'));
  expect(await document.people.get('x')).toBeNull();
  expect(await document.people.delete('x')).toBe(false);
  const database = clientOf(() => problem(404, 'SYNC_DATABASE_NOT_FOUND'));
  await expect(database.people.get('x')).rejects.toMatchObject({ code: 'SYNC_DATABASE_NOT_FOUND', status: 404 });
  await expect(database.people.delete('x')).rejects.toMatchObject({ status: 404 });
});

test('[CL20] a document comes with its version, time and conflicts', async () => {
  const { people, seen } = clientOf(() =>
    json({ a: 1 }, 200, { etag: '"v"', 'last-modified': 'Sun, 22 Nov 2026 10:00:00 GMT', 'atoll-conflicts': '2' }),
  );
  expect(await people.get('a/b ü')).toEqual({
    id: 'a/b ü',
    doc: { a: 1 },
    etag: '"v"',
    modifiedMs: Date.UTC(2026, 10, 22, 10),
    conflicts: 2,
  });
  expect(seen[0]?.url).toBe('http://a:1/v1/app/people/docs/a%2Fb%20%C3%BC');
  await expect(people.get('..')).rejects.toMatchObject({ code: 'SYNC_DOCUMENT_ID_INVALID' });
  await expect(people.get('\ud800')).rejects.toMatchObject({ code: 'SYNC_DOCUMENT_ID_INVALID' });
});

test('[CL20] a request that takes too long is CLIENT_TIMEOUT, and an abort stays an abort', async () => {
  const hang: Reply = async (_, signal) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  await expect(clientOf(hang, ['http://a:1'], 10).client.limits()).rejects.toMatchObject({
    code: 'CLIENT_TIMEOUT',
    retryable: true,
  });
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 10);
  await expect(clientOf(hang).client.limits({ signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
});

test('[CL21] a list goes on from page to page until the cursor is null, also over empty pages', async () => {
  const pages: Record<string, unknown> = {
    '': { items: [{ id: 'a', etag: '1', doc: {} }], cursor: 'c1' },
    c1: { items: [], cursor: 'c2' },
    c2: { items: [{ id: 'b', etag: '2', doc: {} }], cursor: null },
  };
  const { people, seen } = clientOf(({ url }) => json(pages[new URL(url).searchParams.get('cursor') ?? '']));
  const ids: string[] = [];
  for await (const { id } of people.list({ prefix: 'é', limit: 10, fields: ['a', '/b'] })) ids.push(id);
  expect(ids).toEqual(['a', 'b']);
  expect(Object.fromEntries(new URL(seen[2]?.url ?? '').searchParams)).toEqual({
    prefix: 'é',
    limit: '10',
    fields: 'a,/b',
    cursor: 'c2',
  });
});

test('[CL21] bulk lines go out and results come in as streams, in order, whatever the chunks', async () => {
  const answers: BulkAnswerLine[] = [
    { id: 'ä', status: 201, etag: '"1"' },
    { id: 'b', status: 200, etag: '"2"' },
  ];
  const bytes = Buffer.from(answers.map((answer) => JSON.stringify(answer)).join('\n'));
  const { people, seen } = clientOf(
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
            controller.close();
          },
        }),
      ),
  );
  async function* lines() {
    yield { id: 'ä', doc: { n: 1 } };
    yield '{"id":"b","delete":true}';
  }
  const results: BulkAnswerLine[] = [];
  for await (const result of people.bulk(lines())) results.push(result);
  expect(results).toEqual(answers);
  expect(seen[0]?.body).toBe('{"id":"ä","doc":{"n":1}}\n{"id":"b","delete":true}\n');
  expect(seen[0]?.headers.get('content-type')).toBe('application/x-ndjson');
});

test('[CL21] a bulk answer that breaks off is an error, not an end', async () => {
  const { people } = clientOf(
    () =>
      new Response(
        new ReadableStream(
          {
            start(controller) {
              controller.enqueue(Buffer.from('{"id":"a","status":201}\n'));
              controller.error(new TypeError('terminated'));
            },
          },
          { highWaterMark: 0 },
        ),
      ),
  );
  const reading = async (): Promise<void> => {
    for await (const result of people.bulk([])) expect(result).toBeDefined();
  };
  await expect(reading()).rejects.toMatchObject({ code: 'CLIENT_UNREACHABLE', retryable: true });
});
