import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BulkAnswerLine } from '../../../../server/api/index.ts';
import { MemoryStore, Replica } from '../../../../sync/index.ts';
import { idleTimers, ManualClock, seededRandom } from '../../../helper/manual-ports.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());

async function bulk(
  lines: readonly object[],
  headers = {},
  path = '/v1/app/c/bulk',
): Promise<readonly BulkAnswerLine[]> {
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const answer = await app.send('POST', path, body, { 'content-type': 'application/x-ndjson', ...headers });
  expect(answer.statusCode).toBe(200);
  return answer.body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as BulkAnswerLine);
}

const read = async (id: string): Promise<unknown> => (await app.send('GET', `/v1/app/c/docs/${id}`)).json();
const increment = (id: string, value = 1) => ({ id, ops: [{ op: 'increment', path: '/n', value }] });
const codes = (lines: readonly BulkAnswerLine[]): unknown[] =>
  lines.map((line) => ('error' in line ? line.error.code : line.status));

test('[SE60] an import with an Idempotency-Key that is repeated counts each line once, also one that was broken off', async () => {
  const lines = [increment('x'), increment('y', 5), increment('x', 2), { id: 'z', doc: { v: 1 } }];
  const headers = { 'idempotency-key': 'import-1' };
  const first = await bulk(lines.slice(0, 2), headers);
  expect(codes(first)).toEqual([201, 201]);
  await app.send('PUT', '/v1/app/c/docs/y', { n: 100 });
  const second = await bulk(lines, headers);
  expect(codes(second)).toEqual([201, 201, 200, 201]);
  expect(second.map((line) => 'replayed' in line)).toEqual([true, true, false, false]);
  expect(second[0]).toEqual({ ...first[0], replayed: true });
  expect(codes(await bulk(lines, headers))).toEqual(codes(second));
  expect([await read('x'), await read('y')]).toEqual([{ n: 3 }, { n: 100 }]);
});

test('[SE60] another line at the same number, or of another collection, is a problem of that line', async () => {
  const headers = { 'idempotency-key': 'import-2' };
  await bulk([increment('p'), increment('p')], headers);
  const answers = await bulk([increment('p'), increment('p', 7), increment('p')], headers);
  expect(codes(answers)).toEqual([201, 'SYNC_KEY_REUSED', 200]);
  expect(answers[1]).toMatchObject({ id: 'p', status: 422, line: 2 });
  expect(codes(await bulk([increment('p')], headers, '/v1/app/other/bulk'))).toEqual(['SYNC_KEY_REUSED']);
  expect(await read('p')).toEqual({ n: 3 });
});

test('[SE60] a line has a key of its own, whatever its number and that of the request', async () => {
  const line = { ...increment('own', 4), key: 'order-77' };
  expect(codes(await bulk([line, line]))).toEqual([201, 201]);
  expect(codes(await bulk([increment('other'), line], { 'idempotency-key': 'import-3' }))).toEqual([201, 201]);
  expect(await read('own')).toEqual({ n: 4 });
  // It is a key as any other.
  const patch = JSON.stringify([{ op: 'increment', path: '/n', value: 4 }]);
  const type = { 'content-type': 'application/vnd.atoll.ops+json', 'idempotency-key': 'order-77' };
  expect((await app.send('PATCH', '/v1/app/c/docs/own', patch, type)).statusCode).toBe(422);
  expect(await read('own')).toEqual({ n: 4 });
});

test('[SE60] a line that was refused is not remembered, and a bad key is a problem of its line', async () => {
  const headers = { 'idempotency-key': 'import-4' };
  const remove = { id: 'later', delete: true };
  expect(codes(await bulk([remove], headers))).toEqual(['SYNC_DOCUMENT_NOT_FOUND']);
  await app.send('PUT', '/v1/app/c/docs/later', {});
  expect(codes(await bulk([remove], headers))).toEqual([204]);
  for (const key of ['', 'a\nb', 7, null, 'x'.repeat(256)]) {
    const [answer] = await bulk([{ ...increment('bad'), key }]);
    expect(answer, JSON.stringify(key)).toMatchObject({ status: 400, error: { errors: [{ pointer: '/key' }] } });
  }
  const bad = await app.send('POST', '/v1/app/c/bulk', '{}\n', {
    'content-type': 'application/x-ndjson',
    'idempotency-key': 'é',
  });
  expect([bad.statusCode, bad.json().code]).toEqual([400, 'HTTP_HEADER_INVALID']);
  // The lines of an atomic request are one operation.
  const atomic = await app.send(
    'POST',
    '/v1/app/c/bulk?atomic=true',
    `${JSON.stringify({ ...increment('bad'), key: 'k' })}\n`,
    {
      'content-type': 'application/x-ndjson',
    },
  );
  expect([atomic.statusCode, atomic.json().errors[0].pointer]).toEqual([400, '/0/key']);
});

test('[DB60] writes of one document are applied in the order of the calls, whatever else they wait for', async () => {
  // Reads of what is remembered under a key come back in any order.
  let delays = 0;
  const store = new MemoryStore();
  const { get } = store;
  store.get = async (key) => {
    const value = await get.call(store, key);
    const turns = delays > 0 && key[0] === 'j'.charCodeAt(0) ? delays-- : 0;
    for (let i = 0; i < turns; i++) await new Promise((done) => setImmediate(done));
    return value;
  };
  const clock = new ManualClock();
  const replica = await Replica.open({ store, clock, timers: idleTimers, random: seededRandom(77) });
  await replica.createDatabase('app');
  const database = replica.database('app');
  await database.write('c', 'list', { kind: 'replace', value: { l: [] } });
  delays = 40;
  const append = (value: number) =>
    ({ kind: 'operations', operations: [{ op: 'append', path: '/l', value }] }) as const;
  const isKeyed = [true, true, false, true, false, false, true, true];
  await Promise.all(
    isKeyed.map((keyed, i) =>
      database.write('c', 'list', append(i), keyed ? { operation: { key: `k${i}`, fingerprint: 'f' } } : {}),
    ),
  );
  const { json } = (await database.get('c', 'list'))!;
  expect(JSON.parse(new TextDecoder().decode(json))).toEqual({ l: [0, 1, 2, 3, 4, 5, 6, 7] });
  await replica.close();
});
