/**
 * Feeds over replicas in memory: what they tell, from where they go on, and what they cost.
 */
import { expect, test } from 'vitest';
import { ChangeFeed } from '../../../sync/index.ts';
import { idleTimers } from '../../helper/manual-ports.ts';
import {
  bring,
  copySnapshot,
  cutLog,
  FeedReader,
  forgetDocuments,
  KEY,
  openFeedNode,
  versionsOf,
} from './feed-fixture.ts';
import type { FeedNode } from './feed-fixture.ts';

const put = (value: number) => ({ kind: 'replace', value: { value } }) as const;
const remove = { kind: 'delete' } as const;
const cursorOf = ({ database }: FeedNode): string => {
  const feed = ChangeFeed.open(database, idleTimers, {
    collection: null,
    documents: false,
    since: 'now',
    onChange: () => undefined,
  });
  const { cursor } = feed;
  feed.close();
  return cursor;
};

test('[FE2] a feed begins with all documents that exist, each once, and goes on with what changes', async () => {
  const node = await openFeedNode();
  for (const id of ['a', 'b', 'c']) await node.database.write('x', id, put(1));
  await node.database.write('y', 'd', put(1));
  await node.database.write('x', 'b', put(2));
  await node.database.write('x', 'c', remove);
  const all = new FeedReader();
  all.attach(node);
  expect(await all.drain()).toEqual(['x/a', 'x/b', 'y/d']);
  // The last of them ends the beginning: its cursor is that of a change.
  expect(all.told.map(({ cursor }) => cursor.includes('~'))).toEqual([true, true, false]);
  const one = new FeedReader('y');
  one.attach(node);
  expect(await one.drain()).toEqual(['y/d']);
  await node.database.write('x', 'a', remove);
  await node.database.write('y', 'e', put(1));
  expect(await all.drain()).toEqual(['-x/a', 'y/e']);
  expect(await one.drain()).toEqual(['y/e']);
  expect(all.mirror).toEqual(await versionsOf(node));
});

test('[FE2] a change is told whenever the log is cut while it is read', async () => {
  let ranges = Infinity;
  for (let moment = 0; moment < ranges; moment++) {
    const node = await openFeedNode();
    await node.database.write('x', 'a', put(1));
    const reader = new FeedReader('x', cursorOf(node));
    await node.database.write('x', 'b', put(2));
    await node.database.write('x', 'a', remove);
    reader.attach(node);
    let at = 0;
    node.beforeRange = async () => {
      if (at++ !== moment) return;
      node.beforeRange = null;
      await cutLog(node);
    };
    expect(await reader.drain()).toEqual(['x/b', '-x/a']);
    // One run in which nothing is cut tells how many moments there are.
    if (node.beforeRange !== null) ranges = at;
  }
  expect(ranges).toBeGreaterThan(1);
});

test('[FE2] from any change a feed goes on with the next, on any node that holds it', async () => {
  const node = await openFeedNode();
  for (let i = 0; i < 5; i++) await node.database.write('x', `a${i}`, put(i));
  const other = await openFeedNode(node);
  const start = cursorOf(node);
  await Promise.all(Array.from({ length: 300 }, (_, i) => node.database.write(i % 2 ? 'x' : 'y', `d${i}`, put(i))));
  await other.database.write('x', 'there', put(1));
  await bring(other, node);
  await bring(node, other);
  const reader = new FeedReader(null, start);
  reader.attach(node);
  await reader.drain();
  expect(reader.told).toHaveLength(301);
  for (const at of [0, 1, 127, 128, 200, 299, 300]) {
    for (const where of [node, other]) {
      const again = new FeedReader(null, reader.told[at]!.cursor);
      again.attach(where);
      await again.drain();
      const told = new Set(again.told.map(({ id }) => id));
      const missing = reader.told.slice(at + 1).filter(({ id }) => !told.has(id));
      expect(missing).toEqual([]);
      expect(again.told.length).toBe(reader.told.length - at - 1);
      again.close();
    }
  }
});

test('[FE2] documents that a feed began with are gone on with elsewhere', async () => {
  const node = await openFeedNode();
  await Promise.all(Array.from({ length: 40 }, (_, i) => node.database.write('x', `d${i}`, put(i))));
  const other = await openFeedNode(node);
  const reader = new FeedReader();
  reader.attach(node);
  await reader.page(5);
  await node.database.write('x', 'd0', remove);
  await node.database.write('x', 'new', put(1));
  await bring(node, other);
  reader.attach(other);
  await reader.drain();
  expect(reader.mirror).toEqual(await versionsOf(other));
  expect(reader.told.filter(({ id }) => id === 'd39')).toHaveLength(1);
});

test('[FE2] a position that a node has not reached is gone on with from what it holds, and the rest is told again', async () => {
  const here = await openFeedNode();
  const there = await openFeedNode(here);
  await here.database.write('x', 'both', put(1));
  const reader = new FeedReader();
  reader.attach(here);
  await reader.drain();
  const feed = reader.attach(there);
  expect(feed.isAhead).toBe(true);
  // The other node is gone, and with it a version that the reader has seen.
  await there.database.write('x', 'both', put(2));
  expect(await reader.drain()).toEqual(['x/both']);
  // It comes back: the reader is told of the document that has both writes.
  await bring(here, there);
  expect(feed.isAhead).toBe(false);
  expect(await reader.drain()).toEqual(['x/both']);
  expect(reader.mirror).toEqual(await versionsOf(there));
});

test('[FE6] behind the log, what changed is told from the index, and nothing else', async () => {
  const node = await openFeedNode();
  await Promise.all(Array.from({ length: 500 }, (_, i) => node.database.write('x', `d${i}`, put(i))));
  const since = cursorOf(node);
  for (let round = 1; round <= 3; round++) {
    for (const id of ['d7', 'd8', 'gone']) await node.database.write('x', id, put(-round));
  }
  await node.database.write('x', 'gone', remove);
  await cutLog(node);
  await node.database.write('x', 'd9', put(-1));
  const reader = new FeedReader(null, since);
  reader.attach(node);
  node.reads.length = 0;
  expect((await reader.drain()).toSorted()).toEqual(['-x/gone', 'x/d7', 'x/d8', 'x/d9']);
  expect(node.reads).not.toContain('j');
  expect(node.reads).toContain('x');
});

test('[FE8] a delete that is forgotten is told while the log holds it; behind the log a cursor from before is refused', async () => {
  const node = await openFeedNode();
  for (const id of ['a', 'b', 'c']) await node.database.write('x', id, put(1));
  const before = cursorOf(node);
  const live = new FeedReader(null, before);
  live.attach(node);
  await node.database.write('x', 'a', remove);
  const between = cursorOf(node);
  await node.database.write('x', 'b', put(2));
  expect(await live.drain()).toEqual(['-x/a', 'x/b']);
  await forgetDocuments(node, 'x', ['a']);
  // Nothing has changed for who was told.
  expect(await live.drain()).toEqual([]);
  const late = new FeedReader(null, before);
  late.attach(node);
  expect(await late.drain()).toEqual(['-x/a', 'x/b']);
  expect(late.told[0]!.etag).toBe(null);
  await cutLog(node);
  const tooLate = new FeedReader(null, before);
  tooLate.attach(node);
  await expect(tooLate.drain()).rejects.toMatchObject({ code: 'SYNC_CURSOR_EXPIRED' });
  // A cursor from after the delete has missed nothing.
  const after = new FeedReader(null, between);
  after.attach(node);
  expect(await after.drain()).toEqual(['x/b']);
  const anew = new FeedReader();
  anew.attach(node);
  await anew.drain();
  expect(anew.mirror).toEqual(await versionsOf(node));
});

test('[FE6] what a damaged log does not tell is found by looking at all documents', async () => {
  const node = await openFeedNode();
  await Promise.all(Array.from({ length: 100 }, (_, i) => node.database.write('x', `d${i}`, put(i))));
  const reader = new FeedReader(null, cursorOf(node));
  for (const [id, document] of await versionsOf(node)) reader.mirror.set(id, document);
  await node.database.write('x', 'd5', put(-1));
  await node.database.write('y', 'new', put(1));
  await node.database.write('x', 'd6', remove);
  node.damaged.add('l');
  reader.attach(node);
  expect((await reader.drain()).toSorted()).toEqual(['-x/d6', 'x/d5', 'y/new']);
  await node.database.write('x', 'd7', put(-1));
  expect(await reader.drain()).toEqual(['x/d7']);
  expect(reader.mirror).toEqual(await versionsOf(node));
});

test('[FE2] what a snapshot brings is told like what peers send', async () => {
  const donor = await openFeedNode();
  const node = await openFeedNode(donor);
  const reader = new FeedReader(null, cursorOf(node));
  reader.attach(node);
  expect(await reader.drain()).toEqual([]);
  await Promise.all(Array.from({ length: 30 }, (_, i) => donor.database.write('x', `d${i}`, put(i))));
  await donor.database.write('x', 'd3', remove);
  await cutLog(donor);
  await copySnapshot(donor.replica, node.replica, KEY);
  await node.database.write('x', 'own', put(1));
  expect(await reader.drain()).toHaveLength(31);
  expect(reader.mirror).toEqual(await versionsOf(node));
});

test('[FE3] a cursor of another database, of one that was dropped, or of another cluster is refused', async () => {
  const node = await openFeedNode();
  await node.database.write('x', 'a', put(1));
  const since = cursorOf(node);
  await node.replica.createDatabase('other');
  await node.replica.dropDatabase('app');
  await node.replica.createDatabase('app');
  const stranger = await openFeedNode();
  const options = { collection: null, documents: false, since, onChange: () => undefined };
  for (const database of [node.replica.database('other'), node.replica.database('app'), stranger.database]) {
    expect(() => ChangeFeed.open(database, idleTimers, options)).toThrow(
      expect.objectContaining({ code: 'SYNC_CURSOR_FOREIGN' }),
    );
    for (const broken of ['', 'x', `${since}A`, `${since}~`, `${since}~AA~AA`, since.slice(1)]) {
      expect(() => ChangeFeed.open(database, idleTimers, { ...options, since: broken })).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^SYNC_CURSOR_/) as string }),
      );
    }
  }
});

test('[FE4] feeds that have caught up share what they send and read nothing', async () => {
  const node = await openFeedNode();
  const open = (collection: string | null): ChangeFeed =>
    ChangeFeed.open(node.database, idleTimers, {
      collection,
      documents: true,
      since: 'now',
      onChange: () => undefined,
    });
  const feeds = [open(null), open(null), open('x'), open('x')];
  for (const feed of feeds) expect(await feed.read()).toBe(null);
  await Promise.all(Array.from({ length: 20 }, (_, i) => node.database.write(i % 2 ? 'x' : 'y', `d${i}`, put(i))));
  node.reads.length = 0;
  const [a, b, c, d] = await Promise.all(feeds.map((feed) => feed.read()));
  expect(a!.changes).toHaveLength(20);
  expect(b).toBe(a);
  expect(c!.changes.map(({ collection }) => collection)).toEqual(Array.from({ length: 10 }, () => 'x'));
  expect(d).toBe(c);
  expect(node.reads).toEqual([]);
  for (const feed of feeds) feed.close();
  expect(node.database.tail).toBe(null);
});

test(
  '[FE5] a feed that stands still while much is written goes on from the log, page by page',
  { timeout: 60_000 },
  async () => {
    const node = await openFeedNode();
    const reader = new FeedReader(null, cursorOf(node));
    reader.attach(node);
    expect(await reader.drain()).toEqual([]);
    // One page of what is shared, and then nothing for long.
    await Promise.all(Array.from({ length: 600 }, (_, i) => node.database.write('x', `e${i}`, put(i))));
    expect(await reader.page()).toHaveLength(256);
    for (let round = 0; round < 50; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => node.database.write('x', `d${round}-${i}`, put(i))));
    }
    node.reads.length = 0;
    const sizes: number[] = [];
    for (let page = await reader.page(); page !== null; page = await reader.page()) sizes.push(page.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(256);
    expect(new Set(reader.told.map(({ id }) => id)).size).toBe(5600);
    expect(node.reads).toContain('l');
    expect(reader.mirror).toEqual(await versionsOf(node));
  },
);

test('[FE5] a page of large documents holds few of them', async () => {
  const node = await openFeedNode();
  const text = 'x'.repeat(30_000);
  for (let i = 0; i < 40; i++) await node.database.write('x', `d${i}`, { kind: 'replace', value: { text, i } });
  const feed = ChangeFeed.open(node.database, idleTimers, {
    collection: 'x',
    documents: true,
    onChange: () => undefined,
  });
  let told = 0;
  for (let page = await feed.read(); page !== null; page = await feed.read()) {
    const bytes = page.changes.reduce((sum, { json }) => sum + json!.length, 0);
    expect(bytes).toBeLessThan(10 * 30_100);
    told += page.changes.length;
  }
  expect(told).toBe(40);
  feed.close();
});

test('[FE2] closing the database ends its feeds', async () => {
  const node = await openFeedNode();
  let woken = 0;
  const feed = ChangeFeed.open(node.database, idleTimers, {
    collection: null,
    documents: false,
    since: 'now',
    onChange: () => woken++,
  });
  expect(feed.isEnded).toBe(false);
  await node.replica.dropDatabase('app');
  expect(feed.isEnded).toBe(true);
  expect(woken).toBeGreaterThan(0);
  await expect(feed.read()).rejects.toMatchObject({ code: 'SYNC_CLOSED' });
  feed.close();
});
