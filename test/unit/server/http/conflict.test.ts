/** Conflicts by HTTP, on a node that has heard of another one. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConflictedList, ConflictList } from '../../../../server/api/index.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';
import { bring, openFeedNode, type FeedNode } from '../../sync/feed-fixture.ts';

let here: FeedNode;
let there: FeedNode;
let app: TestApp;

beforeAll(async () => {
  here = await openFeedNode();
  there = await openFeedNode(here);
  app = await openTestApp({ replica: here.replica });
});
afterAll(() => app.close());

const put = (value: object) => ({ kind: 'replace', value: value as { x: number } }) as const;

/** A document with a value of here and one of there. */
async function conflict(id: string): Promise<void> {
  await here.database.write('x', id, put({ x: 'here', y: 0 }));
  await there.database.write('x', id, put({ x: 'there', y: 0 }));
  await bring(there, here);
}

const conflictsOf = async (id: string): Promise<ConflictList['conflicts']> =>
  (await app.send('GET', `/v1/app/x/docs/${id}/conflicts`)).json<ConflictList>().conflicts;

test('[CF2] a loser is restored by sending it back, under the precondition that nothing has changed', async () => {
  await conflict('a');
  const got = await app.send('GET', '/v1/app/x/docs/a');
  expect(got.headers['atoll-conflicts']).toBe('1');
  const [{ path, shown, shownBy, others }] = (await conflictsOf('a')) as [ConflictList['conflicts'][0]];
  expect(path).toBe('/x');
  expect([shown, others[0]!.value].toSorted()).toEqual(['here', 'there']);
  expect(Date.parse(shownBy!.at)).toBeGreaterThan(0);
  const choice = { path, restore: others[0] };
  const stale = await app.send('POST', '/v1/app/x/docs/a/conflicts', choice, { 'if-match': '"other"' });
  expect(stale.statusCode).toBe(412);
  const headers = { 'if-match': got.headers['etag'] as string, prefer: 'return=representation' };
  const done = await app.send('POST', '/v1/app/x/docs/a/conflicts', choice, headers);
  expect([done.statusCode, done.json()]).toEqual([200, { x: others[0]!.value, y: 0 }]);
  expect(await conflictsOf('a')).toEqual([]);
  expect((await app.send('GET', '/v1/app/x/docs/a')).headers['atoll-conflicts']).toBe(undefined);
  // What is settled is not there to be settled again.
  const again = await app.send('POST', '/v1/app/x/docs/a/conflicts', [choice]);
  expect([again.statusCode, again.json<{ code: string }>().code]).toEqual([409, 'CRDT_CONFLICT_MISSING']);
});

test('[CF2] the shown value is kept, or another one set; several conflicts are settled at once or not at all', async () => {
  await conflict('b');
  const kept = (await app.send('GET', '/v1/app/x/docs/b')).json<{ x: string }>().x;
  const bad = [
    { path: '/x', keep: 'shown' },
    { path: '/y', keep: 'shown' },
  ];
  expect((await app.send('POST', '/v1/app/x/docs/b/conflicts', bad)).statusCode).toBe(409);
  expect(await conflictsOf('b')).toHaveLength(1);
  expect((await app.send('POST', '/v1/app/x/docs/b/conflicts', bad.slice(0, 1))).statusCode).toBe(200);
  expect((await app.send('GET', '/v1/app/x/docs/b')).json()).toMatchObject({ x: kept });
  await conflict('c');
  await app.send('POST', '/v1/app/x/docs/c/conflicts', { path: '/x', value: null });
  expect((await app.send('GET', '/v1/app/x/docs/c')).json()).toEqual({ x: null, y: 0 });
  expect(await conflictsOf('c')).toEqual([]);
});

test('[CF2] a choice that cannot be read is refused with where it is wrong', async () => {
  await conflict('d');
  for (const [body, pointer] of [
    [{ keep: 'shown' }, '/path'],
    [[{ path: '/x' }], '/0'],
    [{ path: '/x', keep: 'loser' }, '/keep'],
    [{ path: '/x', keep: 'shown', value: 1 }, ''],
    [{ path: '/x', restore: { replica: 'n' } }, '/restore'],
    [[], ''],
  ] as const) {
    const answer = await app.send('POST', '/v1/app/x/docs/d/conflicts', body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ errors: { pointer: string }[] }>().errors[0]!.pointer).toBe(pointer);
  }
  expect((await app.send('POST', '/v1/app/x/docs/none/conflicts', { path: '', keep: 'shown' })).statusCode).toBe(404);
  expect(await conflictsOf('d')).toHaveLength(1);
  await app.send('POST', '/v1/app/x/docs/d/conflicts', { path: '/x', keep: 'shown' });
});

test('[CF3] a collection lists the documents that have losing values, page by page, while they have them', async () => {
  const list = async (query = ''): Promise<ConflictedList> =>
    (await app.send('GET', `/v1/app/x/conflicts${query}`)).json<ConflictedList>();
  expect(await list()).toEqual({ items: [], cursor: null });
  for (let i = 0; i < 5; i++) await here.database.write('x', `plain${i}`, put({ i }));
  for (const id of ['l1', 'l2', 'l3']) await conflict(id);
  const first = await list('?limit=2');
  expect(first.items.map(({ id }) => id)).toEqual(['l1', 'l2']);
  expect(first.items[0]).toMatchObject({ deleted: false, conflicts: [{ path: '/x' }] });
  expect((await app.send('GET', '/v1/app/x/docs/l1')).headers['etag']).toBe(first.items[0]!.etag);
  const second = await list(`?limit=2&cursor=${first.cursor}`);
  expect(second).toMatchObject({ items: [{ id: 'l3' }], cursor: null });
  await app.send('POST', '/v1/app/x/docs/l2/conflicts', { path: '/x', keep: 'shown' });
  await app.send('DELETE', '/v1/app/x/docs/l3');
  expect((await list()).items.map(({ id }) => id)).toEqual(['l1']);
  // A write that another node had not seen is listed also of a document that a delete took.
  await here.database.configureCollection('strict', { deletePolicy: 'delete-wins' });
  await here.database.write('strict', 'gone', put({ x: 1 }));
  await bring(here, there);
  await there.database.write('strict', 'gone', put({ x: 2 }));
  await here.database.write('strict', 'gone', { kind: 'delete' });
  await bring(there, here);
  const lost = (await app.send('GET', '/v1/app/strict/conflicts')).json<ConflictedList>();
  expect(lost.items).toMatchObject([
    { id: 'gone', deleted: true, conflicts: [{ path: '', others: [{ value: { x: 2 } }] }] },
  ]);
  const { restored } = { restored: lost.items[0]!.conflicts[0]!.others[0]! };
  const answer = await app.send('POST', '/v1/app/strict/docs/gone/conflicts', { path: '', restore: restored });
  expect(answer.statusCode).toBe(201);
  expect((await app.send('GET', '/v1/app/strict/docs/gone')).json()).toEqual({ x: 2 });
});

test('[CF3] a feed tells losing values with the changes that made them, and only those if asked', async () => {
  const poll = async (query: string): Promise<{ id: string; conflicts?: unknown[] }[]> => {
    const { body } = await app.send('GET', `/v1/app/x/changes?wait=0&${query}`);
    return body
      .split('\n')
      .filter((line) => line.includes('"id"'))
      .map((line) => JSON.parse(line) as { id: string; conflicts?: unknown[] });
  };
  const { headers } = await app.send('GET', '/v1/app/x/changes?since=now&wait=0');
  const since = headers['atoll-cursor'] as string;
  await here.database.write('x', 'quiet', put({ x: 1 }));
  await conflict('f');
  // Two nodes wrote: whose changes come first is not said.
  const told = (await poll(`since=${since}&include=conflicts`)).sort((a, b) => (a.id < b.id ? -1 : 1));
  expect(told).toMatchObject([
    { id: 'f', conflicts: [{ path: '/x', shownBy: {}, others: [{ at: expect.any(String) as string }] }] },
    { id: 'quiet', conflicts: [] },
  ]);
  expect((await poll(`since=${since}&only=conflicts`)).map(({ id }) => id)).toEqual(['f']);
});
