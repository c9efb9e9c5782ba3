/**
 * Nodes that compacted one document without knowing of each other.
 */
import { afterEach, expect, test } from 'vitest';
import type { Change, IntentOperation } from '../../../crdt/index.ts';
import { ReplicaCluster, isLinked } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const SECRET = new TextEncoder().encode('secret');
const OFTEN = { intervalMs: 1e9, bytesMin: 300, ratioMin: 2, quietMs: 0 };
let cluster: ReplicaCluster;
afterEach(() => cluster.close());

const write = ({ replica }: Member, what: Change): Promise<unknown> => replica.database('app').write('c', 'x', what);
async function read({ replica }: Member): Promise<Record<string, unknown>> {
  const found = await replica.database('app').get('c', 'x');
  return JSON.parse(new TextDecoder().decode(found!.json)) as Record<string, unknown>;
}
const open = (name: string, joins: readonly string[], more = {}): Promise<Member> =>
  cluster.start(name, joins, { clusterSecret: SECRET, compaction: OFTEN, ...more });

async function fill(member: Member, name: string, compacts: boolean): Promise<void> {
  await member.replica.createDatabase('app');
  const operations: IntentOperation[] = [];
  for (let i = 0; i < 60; i++) {
    operations.push({ op: 'text-insert', path: '/t', index: i % 2, value: `${i % 10}` });
    if (i % 3 > 0) operations.push({ op: 'text-delete', path: '/t', index: (i * 7) % 2, length: 1 });
  }
  await write(member, { kind: 'operations', operations });
  await write(member, { kind: 'merge-patch', patch: { [name]: 'acknowledged' } });
  for (let i = 0; compacts && i < 3; i++) {
    await cluster.time.advance(20_000);
    await member.replica.upkeep.compactor.compact();
  }
  if (compacts) expect(member.replica.status().databases[0]!.compaction.compacted).toBe(1);
}

for (const compacts of [false, true])
  test(`[CP67] nodes that began alone and are linked later keep what both have written (compacted: ${compacts})`, async () => {
    cluster = new ReplicaCluster();
    const a = await open('a', []);
    const b = await open('b', []);
    await fill(a, 'of-a', compacts);
    await fill(b, 'of-b', compacts);
    await b.replica.close();
    const again = await open('b', ['a'], { store: b.store.crash(99, {}) });
    await cluster.until(() => isLinked(a, again));
    await cluster.time.advance(120_000);
    const shown = [await read(a), await read(again)];
    for (const each of shown) expect(each).toMatchObject({ 'of-a': 'acknowledged', 'of-b': 'acknowledged' });
  });

for (const compacts of [false, true])
  test(`[CP67] [ID2] processes that ran from copies of one directory keep what both have written (compacted: ${compacts})`, async () => {
    cluster = new ReplicaCluster();
    const origin = await open('o', []);
    await fill(origin, 'of-o', false);
    await origin.replica.close();
    const a = await open('a', [], { store: origin.store.crash(98, {}) });
    const b = await open('b', [], { store: origin.store.crash(99, {}) });
    await fill(a, 'of-a', compacts);
    await fill(b, 'of-b', compacts);
    await b.replica.close();
    const again = await open('b', ['a'], { store: b.store.crash(97, {}) });
    await cluster.time.advance(240_000);
    const shown = [await read(a), await read(again)];
    for (const each of shown) expect(each).toMatchObject({ 'of-a': 'acknowledged', 'of-b': 'acknowledged' });
  });
