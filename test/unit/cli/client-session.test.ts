import { expect, test } from 'vitest';
import type { CollectionClient } from '../../../cli/client.ts';
import { encodeToken } from '../../../sync/token.ts';
import { joinTokens } from '../../../cli/client/session-token.ts';
import { FakeCluster, json, problem, written } from './fake-cluster.ts';

const sent = (fake: FakeCluster): (string | null)[] =>
  fake.seen.splice(0).map(({ headers }) => headers.get('session-token'));

test('[CC6] the token of an answer goes with the next request for the same database, on any node', async () => {
  const fake = new FakeCluster();
  let count = 0;
  for (const host of ['a:1', 'b:2'])
    fake.node(host, () => {
      count++;
      return count === 3
        ? problem(404, 'SYNC_DOCUMENT_NOT_FOUND', {}, { 'session-token': 't3' })
        : written({ 'session-token': `t${count}` });
    });
  const client = fake.client({ policy: 'round-robin' });
  const people = client.database('app').collection('people');
  await people.put('x', {});
  await people.get('x');
  expect(await people.get('gone')).toBeNull();
  await client.database('other').collection('c').put('x', {});
  await people.get('x');
  expect(sent(fake)).toEqual([null, 't1', 't2', null, 't3']);
  expect(client.session.export()).toEqual({ app: 't5', other: 't4' });
});

test('[CC6] a session is handed on, is separate for every user of a client, and can be given up', async () => {
  const fake = new FakeCluster();
  fake.node('a:1', () => written({ 'session-token': 'seen' }));
  const client = fake.client({ session: { app: 'before' } });
  const put = async (on = client): Promise<unknown> => on.database('app').collection('c').put('x', {});
  await put();
  const other = client.withSession();
  await put(other);
  const continued = client.withSession(other.session.export());
  await put(continued);
  client.session.forget('app');
  await put();
  await put(fake.client({ session: false }));
  expect(sent(fake)).toEqual(['before', null, 'seen', null, null]);
  await client.database('app').drop();
  expect(client.session.token('app')).toBeUndefined();
});

test('[CC6] a node that is behind is asked last for a while; a database that the session has seen is not missing', async () => {
  const fake = new FakeCluster();
  const behind = () => problem(503, 'SYNC_REPLICA_BEHIND', { retryable: true });
  fake.node('a:1', ({ headers }) => (headers.has('session-token') ? behind() : written({ 'session-token': 't' })));
  fake.node('b:2', ({ headers }) => (headers.has('session-token') ? written({ 'session-token': 't' }) : written()));
  fake.node('c:3', () => problem(404, 'SYNC_DATABASE_NOT_FOUND'));
  const people = fake.people({ policy: 'round-robin' });
  await people.put('x', {});
  fake.takeHosts();
  for (let i = 0; i < 4; i++) await people.put('x', {});
  expect(fake.takeHosts()).toEqual(['b:2', 'c:3', 'a:1', 'b:2', 'b:2', 'b:2']);
  await fake.advance(1_100);
  await people.put('x', {});
  expect(fake.takeHosts().length).toBeGreaterThan(1);
  const all = new FakeCluster();
  for (const host of ['a:1', 'b:2']) all.node(host, () => problem(404, 'SYNC_DATABASE_NOT_FOUND'));
  await expect(all.people({ session: { app: 't' } }).get('x')).rejects.toMatchObject({
    code: 'SYNC_DATABASE_NOT_FOUND',
  });
  expect(all.takeHosts()).toEqual(['a:1', 'b:2']);
  await expect(all.people().get('x')).rejects.toMatchObject({ status: 404 });
  expect(all.takeHosts()).toEqual(['a:1']);
});

test('[CC7] write concern and patience travel as Prefer, and the answer tells how many nodes have the write', async () => {
  const fake = new FakeCluster();
  fake.node('a:1', () => json({ id: 'x', etag: '"1"' }, 202, { 'atoll-replicas': '2/3' }));
  const people = fake.people();
  expect(await people.put('x', {}, { replicas: 3, waitSeconds: 1 })).toMatchObject({
    replicas: { durable: 2, members: 3, isReached: false },
  });
  const calls: ((on: CollectionClient) => Promise<unknown>)[] = [
    (on) => on.get('x', { waitSeconds: 0 }),
    (on) => on.delete('x', { replicas: 2 }),
    (on) => on.get('x'),
  ];
  for (const call of calls) await call(people);
  expect(fake.seen.map(({ headers }) => headers.get('prefer'))).toEqual([
    'replicas=3, wait=1',
    'wait=0',
    'replicas=2',
    null,
  ]);
});

test('[CC6] tokens are joined to what the node itself would make of both', () => {
  const cluster = '0123456789abcdef';
  const token = (vector: [number, number][], system: [number, number][] = [], database = 'app.0'): string =>
    encodeToken({ cluster, database, vector: new Map(vector), system: new Map(system) });
  const BIG = 2 ** 42 - 1;
  const left = token(
    [
      [5, 300],
      [BIG, 7],
      [9, 1],
    ],
    [[3, 1]],
  );
  const right = token([
    [5, 200],
    [BIG, 2 ** 40],
    [12, 4],
  ]);
  const both = token(
    [
      [5, 300],
      [9, 1],
      [12, 4],
      [BIG, 2 ** 40],
    ],
    [[3, 1]],
  );
  expect(joinTokens(left, right)).toBe(both);
  expect(joinTokens(right, left)).toBe(both);
  expect(joinTokens(both, left)).toBe(both);
  expect(joinTokens(left, both)).toBe(both);
  // One that was dropped and made anew: what was seen of the former does not count.
  const anew = token([[5, 1]], [], 'app.1');
  expect(joinTokens(left, anew)).toBe(anew);
});

test('[CC6] tokens in an unknown format are not mixed: the newer one stands', () => {
  expect(joinTokens('same', 'same')).toBe('same');
  expect(joinTokens('old', 'not base64!')).toBe('not base64!');
  expect(joinTokens('AQEB', 'AgEB')).toBe('AgEB');
});
