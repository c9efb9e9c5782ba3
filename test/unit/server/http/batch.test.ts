import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());

const batch = async (writes: unknown, headers: Record<string, string> = {}) =>
  app.send('POST', '/v1/app/_batch', { writes }, headers);
const read = async (id: string, collection = 'c'): Promise<unknown> => {
  const answer = await app.send('GET', `/v1/app/${collection}/docs/${id}`);
  return answer.statusCode === 404 ? null : answer.json();
};
const digest = async (): Promise<unknown> => (await app.send('GET', '/v1/app/_digest')).json();

describe('a batch', () => {
  test('[SE8] applies writes of all kinds to documents of several collections, in order', async () => {
    await app.send('PUT', '/v1/app/c/docs/old', { a: 1, n: 1 });
    await app.send('PUT', '/v1/app/c/docs/gone', { a: 1 });
    const answer = await batch([
      { collection: 'c', id: 'new', doc: { b: 1 } },
      { collection: 'd', id: 'new', doc: { b: 2 } },
      { collection: 'c', id: 'old', merge: { a: null, c: 3 } },
      { collection: 'c', id: 'old', ops: [{ op: 'increment', path: '/n', value: 4 }] },
      { collection: 'c', id: 'gone', delete: true },
    ]);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['session-token']).toBeDefined();
    const { results } = answer.json() as { results: { id: string; status: number; etag?: string }[] };
    expect(results.map(({ id, status }) => [id, status])).toEqual([
      ['new', 201],
      ['new', 201],
      ['old', 200],
      ['old', 200],
      ['gone', 204],
    ]);
    expect(results[4]).toEqual({ id: 'gone', status: 204 });
    expect([await read('new'), await read('new', 'd'), await read('old'), await read('gone')]).toEqual([
      { b: 1 },
      { b: 2 },
      { c: 3, n: 5 },
      null,
    ]);
    const { headers } = await app.send('GET', '/v1/app/c/docs/old');
    expect(headers['etag']).toBe(results[3]!.etag);
  });

  test.each([
    [
      'a missing target',
      { collection: 'c', id: 'x', ops: [{ op: 'remove', path: '/l', index: 3 }] },
      409,
      '/writes/2/ops/0',
    ],
    ['a delete of nothing', { collection: 'c', id: 'never', delete: true }, 404, '/writes/2'],
    ['a failed precondition', { collection: 'c', id: 'base', doc: {}, ifMatch: '"no"' }, 412, '/writes/2'],
    ['one that must not exist', { collection: 'c', id: 'base', doc: {}, ifNoneMatch: '*' }, 412, '/writes/2'],
    ['a value too deep', { collection: 'c', id: 'x', doc: deep(65) }, 400, '/writes/2/doc'],
  ])('[SE8] with %s changes nothing and points there', async (_what, bad, status, pointer) => {
    await app.send('PUT', '/v1/app/c/docs/base', { base: true, l: [1] });
    const before = await digest();
    const answer = await batch([
      { collection: 'c', id: 'first', doc: { a: 1 } },
      { collection: 'c', id: 'base', merge: { more: 1 } },
      bad,
      { collection: 'c', id: 'last', doc: { a: 1 } },
    ]);
    expect(answer.statusCode).toBe(status);
    expect(answer.json().errors[0].pointer.startsWith(pointer)).toBe(true);
    expect(await digest()).toEqual(before);
    expect([await read('first'), await read('base'), await read('last')]).toEqual([null, { base: true, l: [1] }, null]);
    // What was taken back can be written.
    const after = await batch([{ collection: 'c', id: 'base', merge: { more: 2 } }]);
    expect(after.statusCode).toBe(200);
    expect(await read('base')).toEqual({ base: true, l: [1], more: 2 });
  });

  test.each([
    ['no list', {}, '/writes'],
    ['nothing', [], '/writes'],
    ['no object', [5], '/writes/0'],
    ['no collection', [{ id: 'x', doc: {} }], '/writes/0/collection'],
    ['a bad collection', [{ collection: '_x', id: 'x', doc: {} }], '/writes/0/collection'],
    ['no id', [{ collection: 'c', doc: {} }], '/writes/0/id'],
    ['a bad id', [{ collection: 'c', id: '', doc: {} }], '/writes/0/id'],
    ['two changes', [{ collection: 'c', id: 'x', doc: {}, delete: true }], '/writes/0'],
    ['a stray member', [{ collection: 'c', id: 'x', doc: {}, more: 1 }], '/writes/0/more'],
    ['a bad tag', [{ collection: 'c', id: 'x', doc: {}, ifMatch: 'x' }], '/writes/0/ifMatch'],
  ])('[SE8] of %s is refused', async (_what, writes, pointer) => {
    const answer = await batch(writes);
    expect([answer.statusCode, answer.json().errors[0].pointer]).toEqual([400, pointer]);
    expect(await read('x')).toBeNull();
  });

  test('[SE8] has at most 100 writes', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ collection: 'many', id: `d${i}`, doc: { i } }));
    const answer = await batch(many(101));
    expect([answer.statusCode, answer.json().errors[0]]).toMatchObject([413, { limit: 'batchWrites', max: 100 }]);
    expect(await read('d0', 'many')).toBeNull();
    expect((await batch(many(100))).statusCode).toBe(200);
    expect(await read('d99', 'many')).toEqual({ i: 99 });
    expect((await app.send('GET', '/v1/_limits')).json()).toMatchObject({ batchWrites: 100 });
  });

  test('[SE6] says how many members hold it', async () => {
    const alone = await batch([{ collection: 'c', id: 'copies', doc: {} }], { prefer: 'replicas=1' });
    expect([alone.statusCode, alone.headers['atoll-replicas']]).toEqual([200, '1/1']);
    const missed = await batch([{ collection: 'c', id: 'copies', doc: {} }], { prefer: 'replicas=2, wait=0' });
    expect([missed.statusCode, missed.headers['atoll-replicas']]).toEqual([202, '1/1']);
  });
});

describe('bulk with atomic=true', () => {
  const bulk = (lines: readonly unknown[]) =>
    app.send('POST', '/v1/app/c/bulk?atomic=true', lines.map((line) => `${JSON.stringify(line)}\n`).join(''), {
      'content-type': 'application/x-ndjson',
    });

  test('[SE8] applies all lines', async () => {
    const answer = await bulk([
      { id: 'l1', doc: { a: 1 } },
      { id: 'l1', merge: { b: 2 } },
    ]);
    expect(answer.statusCode).toBe(200);
    const lines = answer.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; status: number });
    expect(lines.map(({ id, status }) => [id, status])).toEqual([
      ['l1', 201],
      ['l1', 200],
    ]);
    expect(await read('l1')).toEqual({ a: 1, b: 2 });
  });

  test.each([
    [{ id: 'l3', doc: { a: 1 }, x: 1 }, 400, '/1/x'],
    [{ id: 'l3', doc: [] }, 400, '/1/doc'],
    [{ id: 'l3', delete: true }, 404, '/1'],
  ])('[SE8] or none: %j', async (bad, status, pointer) => {
    const answer = await bulk([{ id: 'l2', doc: { a: 1 } }, bad]);
    expect([answer.statusCode, answer.json().errors[0].pointer]).toEqual([status, pointer]);
    expect(await read('l2')).toBeNull();
  });

  test('[SE8] takes as many lines as a batch, and at least one', async () => {
    const many = Array.from({ length: 101 }, (_, i) => ({ id: `m${i}`, doc: {} }));
    expect((await bulk(many)).statusCode).toBe(413);
    expect(await read('m0')).toBeNull();
    expect((await bulk(many.slice(1))).statusCode).toBe(200);
    expect((await bulk([])).statusCode).toBe(400);
  });
});

function deep(levels: number): unknown {
  return levels === 0 ? {} : { d: deep(levels - 1) };
}
