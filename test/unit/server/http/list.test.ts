import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DocumentList } from '../../../../server/api/index.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
const ids = ['Z', 'a', 'a/1', 'a/2', 'b', 'z', 'ß', 'ﬀ', '😀'];

beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
  for (const id of ids)
    await app.send('PUT', `/v1/app/c/docs/${encodeURIComponent(id)}`, { id, nested: { x: 1, y: 2 } });
  for (let i = 0; i < 250; i++) await app.send('PUT', `/v1/app/many/docs/${String(i).padStart(4, '0')}`, { i });
});
afterAll(() => app.close());

async function list(query: string, collection = 'c'): Promise<DocumentList> {
  const answer = await app.send('GET', `/v1/app/${collection}/docs${query}`);
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.headers['session-token']).toBeDefined();
  return answer.json<DocumentList>();
}

describe('lists', () => {
  test('[HT12] documents come in the byte order of their ids, with ETag and content', async () => {
    const { items, cursor } = await list('');
    expect(items.map(({ id }) => id)).toEqual(ids);
    expect(cursor).toBeNull();
    const got = await app.send('GET', '/v1/app/c/docs/a');
    expect(items[1]).toEqual({ id: 'a', etag: got.headers['etag'], doc: got.json() });
  });

  test('[HT12] pages are joined by cursors without a gap or a repetition, at every size', async () => {
    for (const limit of [1, 2, 8, 9, 10]) {
      const seen: string[] = [];
      for (let query = `?limit=${limit}`; query !== '';) {
        const { items, cursor } = await list(query);
        expect(items.length).toBeLessThanOrEqual(limit);
        seen.push(...items.map(({ id }) => id));
        query = cursor === null ? '' : `?limit=${limit}&cursor=${cursor}`;
      }
      expect(seen).toEqual(ids);
    }
  });

  test('[HT12] the default page has 100 documents, and a page may have 1,000', async () => {
    const first = await list('', 'many');
    expect(first.items).toHaveLength(100);
    expect((await list(`?cursor=${first.cursor}&limit=1000`, 'many')).items).toHaveLength(150);
  });

  test('[HT12] a prefix selects ids that start with it', async () => {
    expect((await list('?prefix=a%2F')).items.map(({ id }) => id)).toEqual(['a/1', 'a/2']);
    expect((await list('?prefix=a&limit=1&cursor=' + (await list('?prefix=a&limit=1')).cursor)).items[0]?.id).toBe(
      'a/1',
    );
    expect((await list('?prefix=q')).items).toEqual([]);
  });

  test('[HT12] fields keeps the members it names', async () => {
    const { items } = await list('?fields=id,/nested/x&limit=1');
    expect(items[0]?.doc).toEqual({ id: 'Z', nested: { x: 1 } });
  });

  test('[HT12] a page of large documents ends at its bound in bytes, and the cursor goes on', async () => {
    for (let i = 0; i < 12; i++) await app.send('PUT', `/v1/app/large/docs/${i + 10}`, { text: 'x'.repeat(1_000_000) });
    const { items, cursor } = await list('?limit=1000', 'large');
    expect(items).toHaveLength(9);
    const rest = await list(`?limit=1000&cursor=${cursor}`, 'large');
    expect(rest.items.map(({ id }) => id)).toEqual(['19', '20', '21']);
    expect(rest.cursor).toBeNull();
    const small = await openTestApp({
      limits: { ...app.context.limits, listBytes: 100 },
      replica: app.context.replica,
    });
    const seen: string[] = [];
    for (let query = '?limit=100'; query !== '';) {
      const page = (await small.send('GET', `/v1/app/many/docs${query}`)).json<DocumentList>();
      expect(page.items.length).toBeLessThanOrEqual(15);
      seen.push(...page.items.map(({ id }) => id));
      query = page.cursor === null ? '' : `?limit=100&cursor=${page.cursor}`;
    }
    expect(seen).toHaveLength(250);
    await small.close();
  });

  test('[HT12] a collection nobody has written to is an empty list', async () => {
    expect(await list('', 'never')).toEqual({ items: [], cursor: null });
  });
});
