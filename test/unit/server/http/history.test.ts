/** The recent history of documents, on nodes that have heard of each other. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HistoryAnswer } from '../../../../server/api/index.ts';
import type { Change } from '../../../../crdt/index.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';
import { bring, cutLog, openFeedNode, type FeedNode } from '../../sync/feed-fixture.ts';

let here: FeedNode;
let there: FeedNode;
let app: TestApp;
let other: TestApp;

beforeAll(async () => {
  here = await openFeedNode();
  there = await openFeedNode(here);
  app = await openTestApp({ replica: here.replica });
  other = await openTestApp({ replica: there.replica });
});
afterAll(() => Promise.all([app.close(), other.close()]));

const history = async (id: string, query = '', at = app): Promise<HistoryAnswer> => {
  const answer = await at.send('GET', `/v1/app/x/docs/${id}/history${query}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json<HistoryAnswer>();
};

async function write(node: FeedNode, id: string, change: Change): Promise<void> {
  node.clock.ms += 1000;
  await node.database.write('x', id, change);
}

const replace = (value: object): Change => ({ kind: 'replace', value: value as never });
const operate = (...operations: object[]): Change => ({ kind: 'operations', operations: operations as never });

/** A document with a history on both nodes; returns what it should be, newest first. */
async function live(id: string): Promise<readonly object[]> {
  await write(here, id, replace({ name: 'a', tags: ['x', 'y'], address: { city: 'B', zip: 1 }, n: 1 }));
  await bring(here, there);
  there.clock.ms = here.clock.ms;
  await write(there, id, { kind: 'merge-patch', patch: { name: 'b', address: { zip: null } } });
  await bring(there, here);
  here.clock.ms = there.clock.ms;
  await write(
    here,
    id,
    operate({ op: 'increment', path: '/n', value: 2 }, { op: 'append', path: '/tags', value: 'z' }),
  );
  await write(here, id, operate({ op: 'text-insert', path: '/text', index: 0, value: 'hello' }));
  await write(here, id, operate({ op: 'text-insert', path: '/text', index: 5, value: '!' }));
  await bring(here, there);
  const [mine, theirs] = [here.replica.origin, there.replica.origin];
  return [
    { origin: mine, paths: ['/text'], removed: [] },
    { origin: mine, paths: ['/text'], removed: [] },
    { origin: mine, paths: ['/n', '/tags'], removed: [] },
    { origin: theirs, paths: ['/name'], removed: ['/address/zip'] },
    { origin: mine, paths: ['/address', '/n', '/name', '/tags'], removed: [], created: true },
  ];
}

test('[HI1] history tells who wrote which paths and when, newest first, the same on every node', async () => {
  const expected = await live('a');
  const { changes, cursor } = await history('a');
  expect(changes).toMatchObject(expected);
  expect(cursor).toBe(null);
  const stamps = changes.map(({ stamp }) => stamp);
  expect(stamps).toEqual(stamps.toSorted((a, b) => b - a));
  expect(changes.map(({ at }) => Date.parse(at))).toEqual([0, 1, 2, 3, 4].map((back) => here.clock.ms - back * 1000));
  expect(new Set(changes.map(({ partial }) => partial))).toEqual(new Set([false]));
  // Names of nodes travel with the list of members, which these two do not exchange.
  const anonymous = (list: HistoryAnswer['changes']): object[] => list.map((change) => ({ ...change, replica: '' }));
  expect(anonymous((await history('a', '', other)).changes)).toEqual(anonymous(changes));
  expect([changes[0]!.replica, changes[3]!.replica]).toEqual([here.replica.name, there.replica.nodeId]);
});

test('[HI1] deletes are in it, and what was written afterwards', async () => {
  await write(here, 'b', replace({ x: 1 }));
  await write(here, 'b', { kind: 'delete' });
  expect((await history('b')).changes).toMatchObject([
    { deleted: true, created: false, paths: [] },
    { deleted: false, created: true, paths: ['/x'] },
  ]);
  await write(here, 'b', replace({ y: [{ z: 1 }] }));
  await write(here, 'b', { kind: 'json-patch', operations: [{ op: 'replace', path: '/y/0/z', value: 2 }] });
  await write(here, 'b', { kind: 'json-patch', operations: [{ op: 'remove', path: '/y/0' }] });
  expect((await history('b', '?limit=3')).changes).toMatchObject([
    { paths: [], removed: ['/y/-'] },
    { paths: ['/y/-/z'] },
    { created: true, paths: ['/y'], removed: [] },
  ]);
});

test('[HI2] pages go on where the one before ended', async () => {
  for (let n = 0; n < 7; n++) await write(here, 'c', replace({ [`k${n % 3}`]: n }));
  const all = await history('c', '?limit=200');
  expect(all.changes).toHaveLength(7);
  const pages: HistoryAnswer['changes'][number][] = [];
  let query = '?limit=3';
  for (;;) {
    const { changes, cursor } = await history('c', query);
    pages.push(...changes);
    if (cursor === null) break;
    query = `?limit=3&cursor=${cursor}`;
  }
  expect(pages).toEqual(all.changes);
  for (const bad of ['limit=0', 'cursor=abc', 'limit=201']) {
    expect((await app.send('GET', `/v1/app/x/docs/c/history?${bad}`)).statusCode).toBe(400);
  }
  expect((await app.send('GET', '/v1/app/x/docs/never/history')).statusCode).toBe(404);
});

test('[HI3] where the log was cut, history tells of the writes whose values are in place', async () => {
  await live('d');
  await write(here, 'd', replace({ name: 'c', tags: ['x', 'y', 'z'], address: { city: 'B' }, n: 3, text: 'hello!' }));
  await cutLog(here);
  const { changes } = await history('d');
  expect(changes[0]).toMatchObject({ origin: here.replica.origin, paths: ['/name'] });
  const paths = new Set(changes.flatMap((change) => change.paths));
  for (const path of ['/name', '/tags', '/address', '/n', '/text']) expect(paths).toContain(path);
  // More writes than are kept with a document: of the others what they left.
  for (let n = 0; n < 40; n++) await write(here, 'd', { kind: 'merge-patch', patch: { n } });
  await cutLog(here);
  const bounded = (await history('d', '?limit=200')).changes;
  expect(bounded.filter(({ partial }) => !partial).length).toBeLessThanOrEqual(17);
  const left = bounded.filter(({ partial }) => partial);
  expect(left.map((change) => change.paths)).toContainEqual(['/name']);
  expect(left.map(({ origin }) => origin)).toContain(here.replica.origin);
  expect(left.every((change) => !change.paths.includes('/n'))).toBe(true);
  // What comes afterwards is told in full.
  await write(here, 'd', { kind: 'merge-patch', patch: { name: null } });
  expect((await history('d')).changes[0]).toMatchObject({ removed: ['/name'], partial: false });
  // A node that was filled without a log tells as much.
  const filled = await openFeedNode(here);
  const late = await openTestApp({ replica: filled.replica });
  const told = (await history('d', '', late)).changes;
  expect(told.length).toBeGreaterThan(2);
  expect(told.every(({ origin }) => [here.replica.origin, there.replica.origin].includes(origin))).toBe(true);
  await late.close();
});
