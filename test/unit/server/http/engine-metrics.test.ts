/** What a scrape tells of merging and of caches. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConflictCount, OTHER_COLLECTIONS } from '../../../../sync/conflict-count.ts';
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

async function sample(name: string): Promise<number | null> {
  const { body } = await app.send('GET', '/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? null : Number(line.slice(name.length));
}

const write = ({ database }: FeedNode, id: string, value: { x: string }): Promise<unknown> =>
  database.write('x', id, { kind: 'replace', value });

test('[OB60] losing values are counted when a merge makes them, by collection, and not taken off when they are settled', async () => {
  const conflicts = 'atoll_merge_conflicts_total{database="app",collection="x"}';
  await write(here, 'seen', { x: 'a' });
  await bring(here, there);
  await write(there, 'seen', { x: 'b' });
  await bring(there, here);
  expect(await sample(conflicts)).toBe(null);
  for (const id of ['a', 'b']) {
    await write(here, id, { x: 'here' });
    await write(there, id, { x: 'there' });
  }
  await bring(there, here);
  expect(await sample(conflicts)).toBe(2);
  await write(here, 'a', { x: 'settled' });
  await write(there, 'c', { x: 'more' });
  await bring(there, here);
  expect(await sample(conflicts)).toBe(2);
});

test('[OB60] names of collections that are counted are bounded', () => {
  const count = new ConflictCount();
  for (let i = 0; i < 1000; i++) count.note(`c${i}`, 1);
  count.note('c0', 2);
  count.note('_operations', 5);
  count.note('c1', -1);
  expect(count.byCollection.size).toBe(201);
  expect([count.byCollection.get('c0'), count.byCollection.get('c1')]).toEqual([3, 1]);
  expect(count.byCollection.get(OTHER_COLLECTIONS)).toBe(800);
});

test('[OB61] caches tell what they hold and how often that was what was looked for', async () => {
  const hits = 'atoll_cache_hits_total{cache="documents"}';
  const before = (await sample(hits))!;
  await write(here, 'cached', { x: '1' });
  await write(here, 'cached', { x: '2' });
  await app.send('GET', '/v1/app/x/docs/cached');
  expect((await sample(hits))! - before).toBeGreaterThanOrEqual(2);
  for (const name of ['atoll_cache_bytes{cache="documents"}', 'atoll_cache_misses_total{cache="views"}']) {
    expect(await sample(name), name).not.toBe(null);
  }
  expect(await sample('atoll_cache_entries{cache="documents"}')).toBeGreaterThan(0);
});
