/**
 * Writes with a key that were made twice, to documents that are compacted afterwards.
 */
import { afterEach, expect, test } from 'vitest';
import type { IntentOperation } from '../../../crdt/index.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const SECRET = new TextEncoder().encode('secret');
const OFTEN = { intervalMs: 1e9, bytesMin: 300, ratioMin: 2, quietMs: 0 };
let cluster: ReplicaCluster;
afterEach(() => cluster.close());

const operate = ({ replica }: Member, operations: readonly IntentOperation[], options = {}): Promise<unknown> =>
  replica.database('app').write('c', 'x', { kind: 'operations', operations }, options as never);
async function read({ replica }: Member): Promise<Record<string, unknown>> {
  const found = await replica.database('app').get('c', 'x');
  return JSON.parse(new TextDecoder().decode(found!.json)) as Record<string, unknown>;
}
const open = (name: string, joins: readonly string[], more = {}): Promise<Member> =>
  cluster.start(name, joins, { clusterSecret: SECRET, compaction: OFTEN, ...more });
const isEqual = (...members: Member[]): boolean =>
  new Set(members.map(({ replica }) => replica.database('app').digest().digest)).size === 1;

for (const compacts of [false, true])
  test(`[CP66] a repetition that was taken back is taken back once, also by a node that joins later (compacted: ${compacts})`, async () => {
    cluster = new ReplicaCluster();
    const a = await open('a', []);
    const b = await open('b', ['a']);
    await cluster.until(() => isLinked(a, b) && stateOf(a, b) === 'live' && stateOf(b, a) === 'live');
    await a.replica.createDatabase('app');
    await cluster.until(() => b.replica.databases().includes('app'));
    const operations: IntentOperation[] = [{ op: 'increment', path: '/n', value: 100 }];
    for (let i = 0; i < 60; i++) {
      operations.push({ op: 'text-insert', path: '/t', index: i % 2, value: `${i % 10}` });
      if (i % 3 > 0) operations.push({ op: 'text-delete', path: '/t', index: (i * 7) % 2, length: 1 });
    }
    await operate(a, operations);
    await cluster.until(() => isEqual(a, b));
    cluster.network.cut.add('a|b');
    const operation = { key: 'k', fingerprint: 'f' };
    for (const each of [a, b]) await operate(each, [{ op: 'increment', path: '/n', value: 5 }], { operation });
    cluster.network.cut.clear();
    await cluster.time.advance(60_000);
    await cluster.until(() => isEqual(a, b));
    expect(await read(a)).toMatchObject({ n: 105 });
    for (let i = 0; compacts && i < 3; i++) {
      await cluster.time.advance(20_000);
      for (const each of [a, b]) await each.replica.upkeep.compactor.compact();
    }
    if (compacts)
      expect(
        a.replica.status().databases[0]!.compaction.compacted + b.replica.status().databases[0]!.compaction.compacted,
      ).toBe(1);
    expect(await read(a)).toMatchObject({ n: 105 });
    const c = await open('c', ['a', 'b']);
    await cluster.time.advance(60_000);
    await cluster.until(() => isEqual(a, b, c));
    for (const each of [a, b, c]) expect(await read(each)).toMatchObject({ n: 105 });
  });
