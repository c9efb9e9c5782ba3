/**
 * @module
 * Pages by indexes on nodes that write, merge what others wrote, are cut off and start again, with less memory than the entries take.
 */
import { expect, test } from 'vitest';
import { defineIndex, runQuery } from '../../../../sync/index.ts';
import type { Database, QueryLimits } from '../../../../sync/index.ts';
import { checkIndexes } from '../../../helper/index-check.ts';
import { seededRandom } from '../../../helper/manual-ports.ts';
import { ReplicaCluster, type Member } from '../replica-fixture.ts';

const LIMITS: QueryLimits = { examinedMax: 1e6, sortMax: 1000, bytesMax: 1e7, pause: () => Promise.resolve() };
const DOCUMENTS = 500;

interface Thing {
  readonly id: string;
  readonly kind: number;
  readonly n: number;
}

interface Wanted {
  readonly filter: object;
  readonly matches: (thing: Thing) => boolean;
  readonly order: -1 | 1 | null;
}

const random = seededRandom(60);
const below = (end: number): number => {
  const [a, b] = random.bytes(2) as unknown as [number, number];
  return (a * 256 + b) % end;
};

function anyQuery(): Wanted {
  const kind = below(12);
  const [low, high] = [below(1000), below(1000)].sort((a, b) => a - b) as [number, number];
  const order = ([-1, 1, null] as const)[below(3)]!;
  if (below(3) === 0) return { filter: { kind }, matches: (thing) => thing.kind === kind, order };
  const isWithin = ({ n }: Thing): boolean => n >= low && n < high;
  const range = { n: { $gte: low, $lt: high } };
  if (below(2) === 0) return { filter: range, matches: isWithin, order };
  return { filter: { kind, ...range }, matches: (thing) => thing.kind === kind && isWithin(thing), order };
}

const read = (json: Uint8Array): Omit<Thing, 'id'> => JSON.parse(new TextDecoder().decode(json)) as Omit<Thing, 'id'>;

/** All pages of a query; each document passes, in the order asked for. */
async function pagesOf(database: Database, { filter, matches, order }: Wanted): Promise<readonly Thing[]> {
  const things: Thing[] = [];
  let cursor: string | null = null;
  do {
    const request = { filter: filter as never, sort: (order === null ? {} : { n: order }) as never, limit: 25 };
    const page = await runQuery(database, 'c', { ...request, ...(cursor !== null && { cursor }) }, LIMITS);
    for (const { id, json } of page.items) things.push({ id, ...read(json) });
    cursor = page.cursor;
  } while (cursor !== null);
  expect(things.every(matches)).toBe(true);
  if (order !== null)
    expect(things.map(({ n }) => n)).toEqual(things.map(({ n }) => n).toSorted((a, b) => order * (a - b)));
  return things;
}

/** What is merged on the way makes a scan and a page two moments: such a comparison is made again. */
async function expectScan(database: Database): Promise<void> {
  for (let compared = 0; compared < 12;) {
    const { digest } = database.digest();
    const { items } = await database.list('c', { limit: DOCUMENTS, prefix: '', bytesMax: 1e7 });
    const wanted = anyQuery();
    const ids = (await pagesOf(database, wanted)).map(({ id }) => id);
    if (database.digest().digest !== digest) continue;
    const scanned = items.map(({ id, json }) => ({ id, ...read(json) })).filter(wanted.matches);
    expect(ids.toSorted()).toEqual(scanned.map(({ id }) => id).toSorted());
    compared++;
  }
}

async function write(database: Database): Promise<void> {
  const id = `d${below(DOCUMENTS)}`;
  const value = { kind: below(12), n: below(1000) };
  if (below(8) > 0) await database.write('c', id, { kind: 'replace', value });
  else
    await database
      .write('c', id, { kind: 'delete' })
      .catch((error: unknown) => expect(error).toMatchObject({ code: 'SYNC_DOCUMENT_NOT_FOUND' }));
}

test('[QU60] pages are what a scan gives, on nodes that write, merge, are cut off and start again', async () => {
  const cluster = new ReplicaCluster();
  const options = { cacheBytesMax: 40_000 };
  const app = ({ replica }: Member): Database => replica.database('app');
  const a = await cluster.start('a', [], options);
  await a.replica.createDatabase('app');
  let b = await cluster.start('b', ['a'], options);
  await cluster.until(() => b.replica.databases().includes('app'));
  for (let i = 0; i < DOCUMENTS; i++)
    await app(a).write('c', `d${i}`, { kind: 'replace', value: { kind: i % 12, n: below(1000) } });
  await Promise.all([
    defineIndex(app(a), 'c', 'kind', { paths: ['kind', { path: 'n', order: 'desc' }] }),
    defineIndex(app(a), 'c', 'n', { paths: ['n'] }),
    ...Array.from({ length: 50 }, () => write(app(a))),
  ]);
  const isReady = (member: Member): boolean => {
    const indexes = app(member).parts.indexes.of('c');
    return indexes.length === 2 && indexes.every(({ state }) => state === 'ready');
  };
  await cluster.until(() => isReady(a) && isReady(b));

  for (let round = 0; round < 40; round++) {
    if (round % 10 === 3) cluster.network.cut.add('a|b');
    if (round % 10 === 7) cluster.network.cut.clear();
    if (round === 20) {
      await b.replica.close();
      b = await cluster.start('b', ['a'], { ...options, store: b.store.copy() });
      await cluster.until(() => b.replica.databases().includes('app') && isReady(b));
    }
    const doing: Promise<unknown>[] = [];
    for (const member of [a, b]) {
      for (let i = 0; i < 6; i++) doing.push(write(app(member)));
      for (let i = 0; i < 3; i++) doing.push(pagesOf(app(member), anyQuery()));
    }
    await cluster.time.advance(20);
    await Promise.all(doing);
    if (round % 6 === 5) for (const member of [a, b]) await expectScan(app(member));
  }
  cluster.network.cut.clear();
  await cluster.until(() => app(a).digest().digest === app(b).digest().digest, 120_000);
  for (const member of [a, b]) {
    await expectScan(app(member));
    for (const verdict of await checkIndexes(app(member))) expect(verdict).toMatchObject({ isEqual: true });
    const { hits, bytes } = app(member).parts.indexes.cacheUsage();
    expect(hits).toBeGreaterThan(100);
    expect(bytes).toBeLessThanOrEqual(20_000);
  }
  await cluster.close();
}, 120_000);
