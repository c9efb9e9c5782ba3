/** Writes that clients repeat: on one node, on another one, and on one that does not know of them yet. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { STAMP_EPOCH_MS } from '../../../crdt/index.ts';
import type { Change, JsonObject } from '../../../crdt/index.ts';
import type { Database, GroupWrite, WriteOutcome } from '../../../sync/index.ts';
import { OPERATIONS } from '../../../sync/operation.ts';
import { OperationSweep } from '../../../sync/operation-sweep.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import { ReplicaCluster, isLinked } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

let cluster: ReplicaCluster;
beforeEach(() => {
  cluster = new ReplicaCluster();
});
afterEach(() => cluster.close());

const databaseOf = ({ replica }: Member): Database => replica.database('app');
const operation = (key: string, fingerprint = `print of ${key}`) => ({ key, fingerprint });
const once = (member: Member, key: string, id: string, change: Change): Promise<WriteOutcome> =>
  databaseOf(member).write('c', id, change, { operation: operation(key) });
const add = (value: number): Change => ({ kind: 'operations', operations: [{ op: 'increment', path: '/n', value }] });
const read = async (member: Member, id: string): Promise<JsonObject | null> => {
  const document = await databaseOf(member).get('c', id);
  return document && (JSON.parse(new TextDecoder().decode(document.json)) as JsonObject);
};
const areEqual = (members: readonly Member[]) => (): boolean =>
  new Set(members.map((member) => databaseOf(member).digest().digest)).size === 1;

async function startThree(): Promise<readonly [Member, Member, Member]> {
  const a = await cluster.start('a', [], { link: { ringBytesMax: 4096 } });
  await a.replica.createDatabase('app');
  const b = await cluster.start('b', ['a']);
  const c = await cluster.start('c', ['a', 'b']);
  await cluster.until(() => [b, c].every(({ replica }) => replica.databases().includes('app')));
  await cluster.until(() => isLinked(a, b) && isLinked(a, c) && isLinked(b, c));
  return [a, b, c];
}

describe('an operation', () => {
  test('[SE7] that is repeated gets the first answer and changes nothing, also at the same time', async () => {
    const [a, b] = await startThree();
    const [first, second] = await Promise.all([once(a, 'k', 'x', add(5)), once(a, 'k', 'x', add(5))]);
    expect(first).toEqual({ status: 'created', etag: expect.any(String) });
    expect(second).toEqual({ ...first, isReplay: true });
    await once(a, 'other', 'x', add(1));
    await cluster.until(areEqual([a, b]));
    expect(await once(b, 'k', 'x', add(5))).toEqual({ ...first, isReplay: true });
    expect(await read(b, 'x')).toEqual({ n: 6 });
  });

  test('[SE7] is remembered over a crash, as soon as the write is', async () => {
    const a = await cluster.start('a');
    await a.replica.createDatabase('app');
    const first = await once(a, 'k', 'x', add(5));
    const again = await cluster.start('a', [], { store: a.store.crash(0, {}) });
    expect(await once(again, 'k', 'x', add(5))).toEqual({ ...first, isReplay: true });
    expect(await read(again, 'x')).toEqual({ n: 5 });
  });

  test('[SE7] has one key, which another request cannot use', async () => {
    const [a] = await startThree();
    await once(a, 'k', 'x', add(5));
    const other = { operation: operation('k', 'another print') };
    await expect(databaseOf(a).write('c', 'x', add(6), other)).rejects.toMatchObject({ code: 'SYNC_KEY_REUSED' });
    expect(await read(a, 'x')).toEqual({ n: 5 });
  });

  test('[SE7] that was refused is not remembered, and its precondition is not asked again', async () => {
    const [a] = await startThree();
    await expect(once(a, 'gone', 'x', { kind: 'delete' })).rejects.toMatchObject({ code: 'SYNC_DOCUMENT_NOT_FOUND' });
    const create = (): Promise<WriteOutcome> =>
      databaseOf(a).write(
        'c',
        'x',
        { kind: 'replace', value: { a: 1 } },
        { operation: operation('k'), ifNoneMatch: '*' },
      );
    expect((await create()).status).toBe('created');
    expect(await create()).toMatchObject({ status: 'created', isReplay: true });
    expect((await once(a, 'gone', 'x', { kind: 'delete' })).status).toBe('deleted');
    expect((await once(a, 'gone', 'x', { kind: 'delete' })).isReplay).toBe(true);
  });

  test('[SE7] may be a batch', async () => {
    const [a, b] = await startThree();
    const writes: GroupWrite[] = ['x', 'y'].map((id) => ({ collection: 'c', id, change: add(1) }));
    const first = await databaseOf(a).writeAll(writes, { operation: operation('k') });
    await cluster.until(areEqual([a, b]));
    const second = await databaseOf(b).writeAll(writes, { operation: operation('k') });
    expect(second).toEqual(first.map((outcome) => ({ ...outcome, isReplay: true })));
    expect([await read(b, 'x'), await read(b, 'y')]).toEqual([{ n: 1 }, { n: 1 }]);
  });

  test('[SE7] may be as large as a request', async () => {
    const a = await cluster.start('a', [], {
      limits: { depthMax: 64, documentBytesMax: 2_000_000, keyBytesMax: 4096 },
    });
    await a.replica.createDatabase('app');
    const path = (i: number): string => `/${'p'.repeat(2000)}${i}`;
    const operations = Array.from({ length: 600 }, (_, i) => ({ op: 'increment', path: path(i), value: 1 }) as const);
    const change: Change = { kind: 'operations', operations };
    expect((await once(a, 'k', 'x', change)).isReplay).toBeUndefined();
    expect((await once(a, 'k', 'x', change)).isReplay).toBe(true);
  });

  test('[SE7] leaves nothing that clients are shown', async () => {
    const [a] = await startThree();
    await databaseOf(a).write('c', 'x', add(1));
    const before = databaseOf(a).info();
    await once(a, 'k', 'x', { kind: 'merge-patch', patch: {} });
    const { digest, ...rest } = databaseOf(a).info();
    expect({ ...before, digest }).toEqual({ ...rest, digest });
    expect(databaseOf(a).stats.get(OPERATIONS)?.documents).toBe(1);
    const unsent: string[] = [];
    for await (const { collection } of a.replica.unsent()) unsent.push(collection);
    expect(unsent).not.toContain(OPERATIONS);
  });
});

describe('an operation that two nodes were asked for, neither knowing of the other', () => {
  const CHANGES: readonly (readonly [string, Change, JsonObject])[] = [
    ['an increment', add(5), { n: 105 }],
    [
      'an append',
      { kind: 'operations', operations: [{ op: 'append', path: '/l', value: 'new' }] },
      { l: ['old', 'new'] },
    ],
    [
      'an insertion',
      { kind: 'operations', operations: [{ op: 'insert', path: '/l', index: 0, value: 'new' }] },
      { l: ['new', 'old'] },
    ],
    [
      'an element by JSON Patch',
      { kind: 'json-patch', operations: [{ op: 'add', path: '/l/-', value: { deep: [1] } }] },
      { l: ['old', { deep: [1] }] },
    ],
    [
      'a text',
      { kind: 'operations', operations: [{ op: 'text-insert', path: '/t', index: 0, value: 'new ' }] },
      { t: 'new old' },
    ],
    ['a member', { kind: 'operations', operations: [{ op: 'set-add', path: '/s', value: 'new' }] }, { s: ['new'] }],
    ['a merge patch', { kind: 'merge-patch', patch: { l: [1, 2], n: 3 } }, { l: [1, 2], n: 3 }],
    ['a new document', { kind: 'replace', value: { l: ['x'] } }, {}],
  ];
  const BASE: JsonObject = { n: 100, l: ['old'], t: 'old' };

  test.each(CHANGES)('[SE7] counts once when they meet: %s', async (what, change, shown) => {
    const [a, b, c] = await startThree();
    const id = what === 'a new document' ? 'new' : 'base';
    const values = what === 'a text' ? [{ op: 'text-insert', path: '/t', index: 0, value: 'old' } as const] : [];
    const { t: _text, ...rest } = BASE;
    await databaseOf(a).write('c', 'base', { kind: 'replace', value: what === 'a text' ? rest : BASE });
    if (values.length > 0) await databaseOf(a).write('c', 'base', { kind: 'operations', operations: values });
    await cluster.until(areEqual([a, b, c]));
    for (const pair of ['a|b', 'a|c']) cluster.network.cut.add(pair);
    await cluster.until(() => !isLinked(a, b) && !isLinked(a, c));
    const first = await once(a, 'k', id, change);
    const second = await once(b, 'k', id, change);
    expect(second.isReplay).toBeUndefined();
    expect(second.status).toBe(first.status);
    await cluster.until(areEqual([b, c]));
    cluster.network.cut.clear();
    await cluster.until(areEqual([a, b, c]));
    const expected = id === 'new' ? { l: ['x'] } : { ...BASE, ...shown };
    for (const member of [a, b, c]) {
      expect(await read(member, id)).toEqual(expected);
      expect((await once(member, 'k', id, change)).isReplay).toBe(true);
    }
  });

  test('[SE7] is never seen to count twice, whichever way the two come together', async () => {
    const random = seededRandom(5);
    const [a, b, c] = await startThree();
    await databaseOf(a).write('c', 'x', add(0));
    await cluster.until(areEqual([a, b, c]));
    const members = [a, b, c];
    let sum = 0;
    const seen: number[] = [];
    for (const member of members) {
      const { table } = databaseOf(member).parts;
      const markDurable = table.markDurable.bind(table);
      table.markDurable = (sealed) => {
        markDurable(sealed);
        const document = databaseOf(member).peek('c', 'x');
        if (document) seen.push((JSON.parse(new TextDecoder().decode(document.json)) as { n: number }).n);
      };
    }
    for (let round = 0; round < 12; round++) {
      const [one, two] = random.bytes(1)[0]! % 2 === 0 ? [a, b] : [b, c];
      for (const pair of ['a|b', 'a|c', 'b|c']) cluster.network.cut.add(pair);
      await cluster.until(() =>
        members.every(({ replica }) => replica.status().links.every(({ state }) => state !== 'live')),
      );
      await once(one!, `k${round}`, 'x', add(round + 1));
      await once(two!, `k${round}`, 'x', add(round + 1));
      sum += round + 1;
      cluster.network.cut.clear();
      await cluster.until(areEqual(members));
      for (const member of members) expect(await read(member, 'x')).toEqual({ n: sum });
      expect(Math.max(...seen)).toBe(sum);
    }
  });

  test('[SE7] counts once when three nodes were asked for it', async () => {
    const members = await startThree();
    await databaseOf(members[0]).write('c', 'x', { kind: 'replace', value: { n: 1, l: ['old'] } });
    await cluster.until(areEqual(members));
    for (const pair of ['a|b', 'a|c', 'b|c']) cluster.network.cut.add(pair);
    const change: Change = {
      kind: 'operations',
      operations: [
        { op: 'increment', path: '/n', value: 5 },
        { op: 'append', path: '/l', value: 'new' },
      ],
    };
    for (const member of members) await once(member, 'k', 'x', change);
    for (const pair of ['b|c', 'a|c', 'a|b']) {
      cluster.network.cut.delete(pair);
      await cluster.time.advance(5000);
    }
    await cluster.until(areEqual(members));
    for (const member of members) expect(await read(member, 'x')).toEqual({ n: 6, l: ['old', 'new'] });
  });

  test('[SE7] counts once also where both come as documents instead of records', async () => {
    const [a, b, c] = await startThree();
    await databaseOf(a).write('c', 'x', add(1));
    await cluster.until(areEqual([a, b, c]));
    for (const pair of ['a|b', 'a|c', 'b|c']) cluster.network.cut.add(pair);
    await once(a, 'k', 'x', add(5));
    await once(b, 'k', 'x', add(5));
    for (let i = 0; i < 60; i++) {
      const writes = Array.from({ length: 100 }, (_, n): GroupWrite => ({
        collection: 'c',
        id: `d${n}`,
        change: add(i),
      }));
      await databaseOf(a).writeAll(writes);
    }
    let chunks = 0;
    cluster.network.filter = ({ message }) => {
      if (message.type === 'snapshot-chunk') chunks++;
      return true;
    };
    cluster.network.cut.clear();
    await cluster.until(() => areEqual([a, b, c])() && chunks > 0);
    await cluster.until(areEqual([a, b, c]));
    for (const member of [a, b, c]) expect(await read(member, 'x')).toEqual({ n: 6 });
  });
});

test('[SE7] operations are forgotten after a day by who did them, a little later by others, and earlier when they are too many', async () => {
  const [a, b] = await startThree();
  for (let i = 0; i < 10; i++) await once(a, `k${i}`, 'x', add(1));
  await cluster.until(areEqual([a, b]));
  // The virtual clock is behind the epoch of stamps.
  let nowMs = STAMP_EPOCH_MS;
  const sweepOf = (member: Member, operationsMax = 1000): OperationSweep =>
    new OperationSweep({
      clock: { now: () => nowMs },
      timers: cluster.time,
      databases: () => [databaseOf(member)],
      isOwn: (origin) => origin === member.replica.origin,
      onFailure: (error) => expect(error).toBeUndefined(),
      operationsMax,
    });
  nowMs += 23 * 3600_000;
  expect(await sweepOf(a).sweep()).toBe(0);
  nowMs += 2 * 3600_000;
  expect(await sweepOf(b).sweep()).toBe(0);
  expect(await sweepOf(a, 1000).sweep()).toBe(10);
  expect(databaseOf(a).stats.get(OPERATIONS)?.documents).toBe(0);
  expect((await once(a, 'k1', 'x', add(1))).isReplay).toBeUndefined();
  await cluster.until(areEqual([a, b]));
  nowMs += 25 * 3600_000;
  expect(await sweepOf(b).sweep()).toBe(1);
  await cluster.until(areEqual([a, b]));
  for (let i = 0; i < 5; i++) await once(a, `more${i}`, 'x', add(1));
  nowMs = STAMP_EPOCH_MS;
  expect(await sweepOf(a, 4).sweep()).toBe(5);
});
