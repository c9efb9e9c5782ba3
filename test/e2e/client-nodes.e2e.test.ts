import { afterAll, beforeAll, expect, test } from 'vitest';
import { AtollClient, type Change } from '../../cli/client.ts';
import type { AtollNode } from '../../server/index.ts';
import { freePort } from '../helper/port.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
let a: AtollNode;
let b: AtollNode;
let both: AtollClient;

async function openAdvertised(name: string, join: string[]): Promise<AtollNode> {
  const listen = `127.0.0.1:${await freePort()}`;
  return nodes.open({ name, listen, advertise: `http://${listen}`, join });
}

beforeAll(async () => {
  a = await openAdvertised('a', []);
  b = await openAdvertised('b', [a.url]);
  both = new AtollClient({ endpoints: [a.url, b.url], policy: 'round-robin' });
  await both.database('app').create();
});
afterAll(() => nodes.close());

test('[CC6] two nodes in turns: what was created and written is there at once, also configuration', async () => {
  const app = both.database('app');
  for (let n = 0; n < 20; n++) {
    const people = app.collection<{ n: number }>(`people-${n % 3}`);
    await people.put('ada', { n });
    expect((await people.get('ada'))?.doc).toEqual({ n });
    expect(await people.delete('ada')).toBe(true);
    expect(await people.get('ada')).toBeNull();
  }
  await app.collection('typed').configure({ types: { '/tags': 'set' } });
  expect((await app.collection('typed').info()).types).toEqual({ '/tags': 'set' });
  expect((await app.collection('typed').info()).types).toEqual({ '/tags': 'set' });
  // In another process, at the other node.
  const other = new AtollClient({ endpoints: b.url, session: both.session.export() });
  await app.collection('people').put('bob', { by: 'a or b' });
  other.session.add(both.session.export());
  expect(await other.database('app').collection('people').get('bob')).not.toBeNull();
});

test('[CC7] the answer to a write says on how many nodes it is durable', async () => {
  const people = both.database('app').collection('people');
  const two = await people.put('carl', {}, { replicas: 2, waitSeconds: 20 });
  expect(two.replicas).toEqual({ durable: 2, members: 2, isReached: true });
  const three = await people.put('carl', { x: 1 }, { replicas: 3, waitSeconds: 20 });
  expect(three.replicas).toMatchObject({ durable: 2, members: 2 });
  expect((await people.put('carl', { x: 2 })).replicas).toBeUndefined();
});

test('[CC8] a feed tells what is written, and goes on by its cursor on the other node', async () => {
  const people = both.database('app').collection<{ n: number }>('followed');
  const feed = people.changes({ since: 'now', include: ['doc'] });
  const first = feed.next();
  let isTold = false;
  void first.then(() => (isTold = true));
  // Whether the feed is open before a write is not known: write until it tells.
  for (let n = 0; !isTold; n++) await people.put('x', { n });
  const { value } = await first;
  expect((value as Change<{ n: number }>).doc?.n).toBeGreaterThanOrEqual(0);
  await feed.return();
  await people.put('y', { n: 1 });
  const later: string[] = [];
  const rest = new AtollClient({ endpoints: b.url, session: both.session.export() });
  const changes = rest.database('app').changes({ since: (value as Change).cursor, follow: false });
  for await (const { id } of changes) later.push(id);
  expect(later).toContain('y');
});

test('[CC5] a database that none of the endpoints holds is found on another member', async () => {
  const { members } = both;
  const listed = await members.list();
  await both.database('solo').create();
  await waitFor(async () => (await new AtollClient({ endpoints: b.url }).databases()).includes('solo'));
  await members.place(listed.find(({ name }) => name === 'a')!.node, ['app']);
  const near = new AtollClient({ endpoints: a.url, retries: 0 });
  await waitFor(async () => !(await near.databases()).includes('solo'));
  const things = near.database('solo').collection('things');
  await things.put('x', { here: true });
  expect((await things.get('x'))?.doc).toEqual({ here: true });
  const lost = new AtollClient({ endpoints: a.url, discover: false });
  await expect(lost.database('solo').info()).rejects.toMatchObject({ status: 421, code: 'SYNC_DATABASE_ELSEWHERE' });
});

test('[CC1] queries and indexes, batches, history and conflicts answer as the client says', async () => {
  const app = both.database('app');
  const cities = app.collection<{ name: string; country: string; population: number }>('cities');
  await app.batch([
    { collection: 'cities', id: 'lisbon', doc: { name: 'Lisbon', country: 'PT', population: 5 } },
    { collection: 'cities', id: 'porto', doc: { name: 'Porto', country: 'PT', population: 2 } },
    { collection: 'cities', id: 'paris', doc: { name: 'Paris', country: 'FR', population: 20 } },
  ]);
  await cities.indexes.define('by-country', { paths: ['country', { path: 'population', order: 'desc' }] });
  await waitFor(async () => (await cities.indexes.list()).every(({ state }) => state === 'ready'));
  const found: string[] = [];
  const query = { filter: { country: 'PT' }, sort: { population: -1 as const }, limit: 1 };
  for await (const { id } of cities.query(query)) found.push(id);
  expect(found).toEqual(['lisbon', 'porto']);
  const near = new AtollClient({ endpoints: a.url }).database('app').collection('cities');
  await waitFor(async () => (await near.indexes.get('by-country')).state === 'ready');
  expect((await near.queryPage({ ...query, explain: true })).explain).toMatchObject({
    index: 'by-country',
    sort: 'index',
  });
  await cities.mergePatch('porto', { population: 3 });
  const writes = [];
  for await (const change of cities.history('porto')) writes.push(change);
  expect(writes.map(({ created, paths }) => [created, paths.includes('/population')])).toEqual([
    [false, true],
    [true, true],
  ]);
  expect(await cities.conflicts('porto')).toEqual([]);
  for await (const _ of cities.conflicted()) expect.unreachable();
  await cities.indexes.drop('by-country');
  expect(await cities.indexes.list()).toEqual([]);
});
