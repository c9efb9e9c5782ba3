/**
 * @module
 * Queries and indexes on real processes: an index of one node on another, through a partition, and through kill -9 in the middle of builds.
 */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { TcpProxy } from '../../bench/harness/tcp-proxy.ts';
import type { DoctorAnswer, IndexAnswer, IndexList, QueryAnswer } from '../../server/api/index.ts';
import { Leftovers, cli, eventually } from './cli-process.ts';

const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

type Node = Awaited<ReturnType<Leftovers['startNode']>>;

async function call<T>(node: Node, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${node.url}${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return (text === '' ? null : JSON.parse(text)) as T;
}

const query = (node: Node, body: object): Promise<QueryAnswer> =>
  call(node, 'POST', '/v1/app/people/query', { explain: true, ...body });

async function isReady(node: Node, name: string): Promise<boolean> {
  const { indexes } = await call<IndexList>(node, 'GET', '/v1/app/people/indexes').catch(() => ({ indexes: [] }));
  return indexes.some((index) => index.name === name && index.state === 'ready');
}

/** Everything that is stored is read, and indexes are compared with documents. */
async function expectHealthy(node: Node): Promise<void> {
  await call(node, 'POST', '/v1/_cluster/doctor');
  let report: DoctorAnswer | null = null;
  await eventually(async () => {
    report = await call<DoctorAnswer>(node, 'GET', '/v1/_cluster/doctor');
    return !report.scrub.running && Object.keys(report.scrub.passes).includes('app.0');
  }, 60_000);
  expect(report).toMatchObject({ healthy: true, alarms: [] });
  expect(report!.checks).toContainEqual(expect.objectContaining({ check: 'indexes', database: 'app.0', ok: true }));
}

test('[QU7][QU8] an index that is defined on one side of a partition holds the documents of both on every node afterwards', async () => {
  const proxy = await TcpProxy.listen();
  const one = await leftovers.startNode(['--name', 'one']);
  proxy.targetPort = Number(new URL(one.url).port);
  const two = await leftovers.startNode(['--name', 'two', '--join', proxy.url]);
  await call(one, 'PUT', '/v1/app');
  for (let i = 0; i < 20; i++) await call(one, 'PUT', `/v1/app/people/docs/p${i}`, { team: 'red', age: 20 + i });
  await eventually(async () => (await query(two, {}).catch(() => null))?.items.length === 20);

  proxy.cut();
  await call(one, 'PUT', '/v1/app/people/indexes/team', { paths: ['team', { path: 'age', order: 'desc' }] });
  await eventually(() => isReady(one, 'team'));
  await call(one, 'PUT', '/v1/app/people/docs/p1', { team: 'blue', age: 41 });
  await call(two, 'PUT', '/v1/app/people/docs/p2', { team: 'blue', age: 42 });
  await call(two, 'DELETE', '/v1/app/people/docs/p3');
  // Both go on answering: one by the index, the other without.
  const wanted = { filter: { team: 'blue' }, sort: { age: -1 } };
  expect((await query(one, wanted)).explain).toMatchObject({ index: 'team', sort: 'index', returned: 1 });
  expect((await query(two, wanted)).explain).toMatchObject({ index: null, sort: 'memory', returned: 1 });

  proxy.heal();
  await eventually(async () => (await isReady(two, 'team')) && (await query(one, wanted)).items.length === 2, 60_000);
  for (const node of [one, two]) {
    const { items, explain } = await query(node, wanted);
    expect(items.map(({ id, doc }) => [id, doc['age']])).toEqual([
      ['p2', 42],
      ['p1', 41],
    ]);
    expect(explain).toMatchObject({ index: 'team', keysExamined: 2 });
    await eventually(async () => (await query(node, { filter: { team: 'red' } })).items.length === 17);
    await expectHealthy(node);
  }
  // A cursor of one node goes on at the other.
  const first = await query(one, { filter: { team: 'red' }, sort: { age: -1 }, limit: 10 });
  const rest = await query(two, { filter: { team: 'red' }, sort: { age: -1 }, limit: 10, cursor: first.cursor });
  expect(new Set([...first.items, ...rest.items].map(({ id }) => id)).size).toBe(17);
  await call(two, 'DELETE', '/v1/app/people/indexes/team');
  await eventually(async () => !(await isReady(one, 'team')));
  await proxy.close();
}, 120_000);

test('[QU7][QU8] builds that kill -9 cuts off go on after the start, and writes before and after are in them', async () => {
  const data = join(await leftovers.directory(), 'data');
  let node = await leftovers.startNode([], data);
  await call(node, 'PUT', '/v1/app');
  const count = 10_000;
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ id: `p${i}`, n: i % 50, tags: [`t${i % 10}`, 'all'], city: { name: `c${i}` } }),
  );
  const end = await cli(['import', '-', 'app/people', '--quiet', '--url', node.url], { stdin: lines.join('\n') });
  expect(end.stderr).toBe('');
  const definitions: Record<string, string[]> = {
    n: ['n'],
    tags: ['tags'],
    city: ['city.name'],
    both: ['tags', 'n'],
    three: ['n', 'tags', 'city.name'],
  };
  for (const [name, paths] of Object.entries(definitions))
    await call(node, 'PUT', `/v1/app/people/indexes/${name}`, { paths });
  await call(node, 'PUT', '/v1/app/people/docs/p7', { n: 1000, tags: ['new'] });
  let unfinished: readonly IndexAnswer[] = [];
  await eventually(async () => {
    const { indexes } = await call<IndexList>(node, 'GET', '/v1/app/people/indexes');
    unfinished = indexes.filter(({ state }) => state === 'building');
    return indexes.some(({ progress }) => progress.documents > 0);
  });
  await node.stop('SIGKILL');
  expect(unfinished.length).toBeGreaterThan(0);

  node = await leftovers.startNode([], data);
  await call(node, 'PUT', '/v1/app/people/docs/p8', { n: 1001, tags: ['new'] });
  await eventually(
    async () => (await Promise.all(Object.keys(definitions).map((name) => isReady(node, name)))).every(Boolean),
    60_000,
  );
  expect(await query(node, { filter: { n: { $gte: 1000 } } })).toMatchObject({ items: [{ id: 'p7' }, { id: 'p8' }] });
  expect((await query(node, { filter: { tags: 't3', n: 13 }, limit: 1000 })).explain).toMatchObject({
    index: 'both',
    returned: count / 50,
  });
  expect((await query(node, { filter: { 'city.name': `c${count - 1}` } })).items.map(({ id }) => id)).toEqual([
    `p${count - 1}`,
  ]);
  await expectHealthy(node);
}, 180_000);
