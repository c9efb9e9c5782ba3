/**
 * Groups of writes on other replicas: observers look at every moment at which something becomes visible.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database, GroupWrite } from '../../../sync/index.ts';
import { decodeBatch } from '../../../sync/batch.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import type { SnapshotOptions } from '../../../sync/snapshot-options.ts';
import { ReplicaCluster } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const DOCUMENTS = 100;
const decoder = new TextDecoder();
let cluster: ReplicaCluster;
beforeEach(() => {
  cluster = new ReplicaCluster();
});
afterEach(() => cluster.close());

const databaseOf = ({ replica }: Member): Database => replica.database('app');
const group = (from: number, to: number, n: number): GroupWrite[] =>
  Array.from({ length: to - from }, (_, i) => ({
    collection: 'c',
    id: `d${from + i}`,
    change: { kind: 'replace', value: { n, text: 'x'.repeat(40) } },
  }));

/** What a replica shows of the documents that every group writes as a whole. */
function shown(database: Database, from: number, to: number): Set<number | null> {
  const values = new Set<number | null>();
  for (let i = from; i < to; i++) {
    const document = database.peek('c', `d${i}`);
    values.add(document ? (JSON.parse(decoder.decode(document.json)) as { n: number }).n : null);
  }
  return values;
}

/** Looks whenever documents become visible, and counts when those of a group were not all of one group. */
function observe(member: Member, ranges: readonly (readonly [number, number])[]): { looks: number; torn: string[] } {
  const seen = { looks: 0, torn: [] as string[] };
  const database = databaseOf(member);
  const { table } = database.parts;
  const markDurable = table.markDurable.bind(table);
  table.markDurable = (sealed) => {
    markDurable(sealed);
    seen.looks++;
    for (const [from, to] of ranges) {
      const values = shown(database, from, to);
      if (values.size > 1) seen.torn.push([...values].join());
    }
  };
  return seen;
}

/** The first keeps hardly anything in memory for others, and cuts documents into small chunks. */
async function startPair(): Promise<readonly [Member, Member]> {
  const a = await cluster.start('a', [], { link: { ringBytesMax: 4096 }, snapshot: { chunkBytes: 1000 } });
  await a.replica.createDatabase('app');
  const b = await cluster.start('b', ['a']);
  await cluster.until(() => b.replica.databases().includes('app'));
  return [a, b];
}

const equal = (a: Member, b: Member) => (): boolean =>
  databaseOf(a).digest().digest === databaseOf(b).digest().digest && databaseOf(a).documents > 0;

test('[SE9] a group is one batch, whatever shares its commit', async () => {
  const [a] = await startPair();
  const batches: Uint8Array[] = [];
  a.replica.engine.onDurable((key, durable) => {
    if (key === 'app.0') batches.push(...durable.map(({ bytes }) => bytes));
  });
  const single = (id: string): Promise<unknown> => databaseOf(a).write('c', id, { kind: 'replace', value: {} });
  const singles = (name: string): Promise<unknown>[] => Array.from({ length: 90 }, (_, i) => single(`${name}${i}`));
  const large = group(0, 100, 1).map((write) => ({
    ...write,
    change: { kind: 'replace', value: { text: 'y'.repeat(5000) } } as const,
  }));
  await Promise.all([
    ...singles('s'),
    databaseOf(a).writeAll(group(0, 100, 1)),
    databaseOf(a).writeAll(group(0, 60, 2)),
    ...singles('t'),
    databaseOf(a).writeAll(large),
    single('u'),
  ]);
  const lengths = batches.map((bytes) =>
    decodeBatch(bytes).records.map((record) => (record.kind === 'update' ? record.id : 'origin')),
  );
  const whole = (ids: readonly string[]): boolean =>
    lengths.some((batch) => batch.some((_, at) => ids.every((id, i) => batch[at + i] === id)));
  const ids = group(0, 100, 1).map(({ id }) => id);
  expect(whole(ids)).toBe(true);
  expect(whole(ids.slice(0, 60))).toBe(true);
  expect(lengths.filter((batch) => batch.includes('d99')).length).toBe(2);
  expect(lengths.every((batch) => batch.length <= 128)).toBe(true);
  expect(Math.max(...batches.map(({ length }) => length))).toBeGreaterThan(300_000);
});

test('[SE9] nobody sees a part of a group: here, and where it is pushed', async () => {
  const [a, b] = await startPair();
  const seen = [
    observe(a, [
      [0, 30],
      [30, DOCUMENTS],
    ]),
    observe(b, [
      [0, 30],
      [30, DOCUMENTS],
    ]),
  ];
  const random = seededRandom(11);
  for (let round = 0; round < 20; round++) {
    const writer = random.bytes(1)[0]! % 4 === 0 ? b : a;
    const [from, to] = random.bytes(1)[0]! % 2 === 0 ? [0, 30] : [30, DOCUMENTS];
    // One writer per part at a time: concurrent groups merge document by document.
    if (round > 0) await cluster.until(equal(a, b));
    const writes = [databaseOf(writer).writeAll(group(from!, to!, round))];
    for (let i = 0; i < 50; i++) writes.push(databaseOf(writer).writeAll(group(200 + i, 201 + i, round)));
    await Promise.all(writes);
    await cluster.time.advance(random.bytes(1)[0]! % 20);
  }
  await cluster.until(equal(a, b));
  for (const { looks, torn } of seen) {
    expect(looks).toBeGreaterThan(10);
    expect(torn).toEqual([]);
  }
});

test('[SE9] nor while a node catches up by documents instead of records', async () => {
  const [a, b] = await startPair();
  await databaseOf(a).writeAll(group(0, DOCUMENTS, 0));
  await cluster.until(equal(a, b));
  cluster.network.cut.add('a|b');
  for (let n = 1; n <= 60; n++) await databaseOf(a).writeAll(group(0, DOCUMENTS, n));
  let chunks = 0;
  cluster.network.filter = ({ message }) => {
    if (message.type === 'snapshot-chunk') chunks++;
    return true;
  };
  const seen = observe(b, [[0, DOCUMENTS]]);
  cluster.network.cut.clear();
  await cluster.until(equal(a, b));
  expect(chunks).toBeGreaterThan(0);
  expect(seen.looks).toBeGreaterThan(0);
  expect(seen.torn).toEqual([]);
  expect([...shown(databaseOf(b), 0, DOCUMENTS)]).toEqual([60]);
});

test('[SE9] nor on a node that joins, as long as what it takes in is small', async () => {
  const [a] = await startPair();
  for (let n = 1; n <= 12; n++) await databaseOf(a).writeAll(group(0, DOCUMENTS, n));
  const join = async (name: string, snapshot: Partial<SnapshotOptions>): Promise<readonly string[]> => {
    const node = await cluster.start(name, ['a'], { snapshot });
    await cluster.until(() => node.replica.databases().includes('app'));
    const { torn } = observe(node, [[0, DOCUMENTS]]);
    await cluster.until(equal(a, node));
    expect([...shown(databaseOf(node), 0, DOCUMENTS)]).toEqual([12]);
    return torn;
  };
  expect(await join('c', {})).toEqual([]);
  // Larger than what is merged at once: parts show, while the status says `merging`. The observer would have seen them above.
  expect((await join('d', { atomicBytesMax: 0 })).length).toBeGreaterThan(0);
});

test('[SE8] a refused group leaves nothing in memory, in the log or on other replicas', async () => {
  const [a, b] = await startPair();
  await databaseOf(a).writeAll(group(0, 3, 1));
  await cluster.until(equal(a, b));
  const before = databaseOf(a).digest();
  const bad: GroupWrite = { collection: 'c', id: 'none', change: { kind: 'delete' } };
  const refused = databaseOf(a).writeAll([...group(0, 50, 2), bad, ...group(50, 60, 2)]);
  const other = databaseOf(a).write('c', 'other', { kind: 'replace', value: {} });
  await expect(refused).rejects.toMatchObject({ index: 50, code: 'SYNC_DOCUMENT_NOT_FOUND' });
  await other;
  expect(databaseOf(a).documents).toBe(before.documents + 1);
  expect([...shown(databaseOf(a), 0, 3)]).toEqual([1]);
  await databaseOf(a).writeAll(group(0, 50, 3));
  await cluster.until(equal(a, b));
  // A peer keeps in memory only a few of so many.
  for (let i = 0; i < 50; i++) await databaseOf(b).get('c', `d${i}`);
  expect([...shown(databaseOf(b), 0, 50)]).toEqual([3]);
  expect(Object.values(databaseOf(a).digest().vector)).toEqual([Object.values(before.vector)[0]! + 51]);
});
