import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());

const OPS = { 'content-type': 'application/vnd.atoll.ops+json' };
const keyed = (key: string, headers: Record<string, string> = {}) => ({ 'idempotency-key': key, ...headers });
const increment = (id: string, key: string, value = 5) =>
  app.send('PATCH', `/v1/app/c/docs/${id}`, JSON.stringify([{ op: 'increment', path: '/n', value }]), keyed(key, OPS));
const read = async (id: string): Promise<unknown> => (await app.send('GET', `/v1/app/c/docs/${id}`)).json();

test('[SE7] a repeated PATCH is done once and gets the first answer', async () => {
  const first = await increment('x', 'k1');
  await increment('x', 'k2', 1);
  const second = await increment('x', 'k1');
  expect([first.statusCode, second.statusCode]).toEqual([201, 201]);
  expect(second.body).toBe(first.body);
  expect(second.headers['etag']).toBe(first.headers['etag']);
  expect([first.headers['idempotency-replayed'], second.headers['idempotency-replayed']]).toEqual([undefined, 'true']);
  expect(await read('x')).toEqual({ n: 6 });
});

test('[SE7] a repeated PUT that was overtaken does not undo what came after it', async () => {
  await app.send('PUT', '/v1/app/c/docs/put', { v: 1 }, keyed('put-1'));
  await app.send('PUT', '/v1/app/c/docs/put', { v: 2 });
  const again = await app.send(
    'PUT',
    '/v1/app/c/docs/put',
    { v: 1 },
    keyed('put-1', { prefer: 'return=representation' }),
  );
  expect([again.statusCode, again.headers['preference-applied']]).toEqual([201, undefined]);
  expect(await read('put')).toEqual({ v: 2 });
});

test('[SE7] a repeated DELETE is 204 again, also when the document is there again', async () => {
  await app.send('PUT', '/v1/app/c/docs/gone', { v: 1 });
  expect((await app.send('DELETE', '/v1/app/c/docs/gone', undefined, keyed('del'))).statusCode).toBe(204);
  await app.send('PUT', '/v1/app/c/docs/gone', { v: 2 });
  expect((await app.send('DELETE', '/v1/app/c/docs/gone', undefined, keyed('del'))).statusCode).toBe(204);
  expect(await read('gone')).toEqual({ v: 2 });
});

test('[SE7] a repeated POST makes one document, at an id that follows from the key', async () => {
  const post = (key: string) => app.send('POST', '/v1/app/posts/docs', { a: 1 }, keyed(key));
  const [first, second] = [await post('p1'), await post('p1')];
  expect([first.statusCode, second.statusCode]).toEqual([201, 201]);
  expect(second.json()).toEqual(first.json());
  expect(second.headers['location']).toBe(first.headers['location']);
  expect(first.json().id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const time = '0192f0c1-7a5b';
  const sortable = await post(`${time}-7abc-8def-0123456789ab`);
  expect(sortable.json().id).toMatch(new RegExp(`^${time}-7[0-9a-f]{3}-[89ab]`));
  const { items } = (await app.send('GET', '/v1/app/posts/docs')).json();
  expect(items).toHaveLength(2);
});

test('[SE7] a repeated batch is done once, and so is an atomic bulk request', async () => {
  const writes = [{ collection: 'c', id: 'batch', ops: [{ op: 'append', path: '/l', value: 1 }] }];
  const batch = () => app.send('POST', '/v1/app/_batch', { writes }, keyed('batch'));
  expect((await batch()).headers['idempotency-replayed']).toBeUndefined();
  const again = await batch();
  expect([again.statusCode, again.headers['idempotency-replayed']]).toEqual([200, 'true']);
  const line = `${JSON.stringify({ id: 'batch', ops: [{ op: 'append', path: '/l', value: 2 }] })}\n`;
  const headers = keyed('bulk', { 'content-type': 'application/x-ndjson' });
  const bulk = () => app.send('POST', '/v1/app/c/bulk?atomic=true', line, headers);
  const [one, two] = [await bulk(), await bulk()];
  expect(two.body).toBe(one.body);
  expect(await read('batch')).toEqual({ l: [1, 2] });
});

test('[SE7] another body, method or path with a key that was used is 422, and changes nothing', async () => {
  await increment('once', 'used');
  const answers = [
    await increment('once', 'used', 6),
    await increment('another', 'used'),
    await app.send('PUT', '/v1/app/c/docs/once', { n: 0 }, keyed('used')),
    await app.send('DELETE', '/v1/app/c/docs/once', undefined, keyed('used')),
    await app.send('POST', '/v1/app/c/docs', { n: 0 }, keyed('used')),
    await app.send(
      'POST',
      '/v1/app/_batch',
      { writes: [{ collection: 'c', id: 'once', delete: true }] },
      keyed('used'),
    ),
  ];
  for (const answer of answers) {
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'SYNC_KEY_REUSED']);
    expect(answer.json().errors).toEqual([expect.objectContaining({ parameter: 'Idempotency-Key' })]);
  }
  expect(await read('once')).toEqual({ n: 5 });
});

test('[SE7] a key has 1 to 255 printable characters, with or without quotes around them', async () => {
  expect((await increment('limit', 'k'.repeat(255))).statusCode).toBe(201);
  for (const key of ['k'.repeat(256), 'tab\there', 'é', '']) {
    const answer = await increment('limit', key);
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'HTTP_HEADER_INVALID']);
  }
  await increment('limit', 'quoted');
  expect((await increment('limit', '"quoted"')).headers['idempotency-replayed']).toBe('true');
  expect(await read('limit')).toEqual({ n: 10 });
});

test('[SE7] what was refused can be asked again with its key', async () => {
  const put = () => app.send('PUT', '/v1/app/c/docs/later', { a: 1 }, keyed('later', { 'if-match': '*' }));
  expect((await put()).statusCode).toBe(412);
  await app.send('PUT', '/v1/app/c/docs/later', { a: 0 });
  expect((await put()).statusCode).toBe(200);
  expect((await put()).headers['idempotency-replayed']).toBe('true');
});
