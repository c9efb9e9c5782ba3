/** Tokens of a cluster, or a node, that was set back. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../../sync/index.ts';
import { decodeToken, encodeToken } from '../../../sync/token.ts';
import { isLinked, ReplicaCluster, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

let cluster: ReplicaCluster;
beforeEach(() => {
  cluster = new ReplicaCluster();
});
afterEach(() => cluster.close());

const databaseOf = ({ replica }: Member): Database => replica.database('app');
const write = (member: Member, id: string): Promise<unknown> =>
  databaseOf(member).write('c', id, { kind: 'replace', value: { id } });

/** What a request with the token is answered that does not wait; null = it is served. */
async function answerOf({ replica }: Member, token: string): Promise<string | null> {
  const { sessions } = replica.guarantees;
  try {
    const seen = sessions.read('app', token);
    await (seen && sessions.await(seen, 0));
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const BEHIND = 'SYNC_REPLICA_BEHIND';
const EXPIRED = 'SYNC_TOKEN_EXPIRED';

async function startPair(): Promise<readonly [Member, Member]> {
  const a = await cluster.start('a');
  await a.replica.createDatabase('app');
  await write(a, 'first');
  const b = await cluster.start('b', ['a']);
  await cluster.until(() => b.replica.databases().includes('app') && stateOf(b, b) === 'live');
  await write(b, 'second');
  await cluster.until(() => databaseOf(a).digest().digest === databaseOf(b).digest().digest);
  return [a, b];
}

test('[SE61] a session from before a whole cluster was restored is told so, on every node, and a new one is served', async () => {
  const [a, b] = await startPair();
  const backups = [a.store.copy(), b.store.copy()] as const;
  await write(a, 'gone');
  await cluster.until(() => databaseOf(a).digest().digest === databaseOf(b).digest().digest);
  const token = databaseOf(b).token();
  await Promise.all([a.replica.close(), b.replica.close()]);
  const a2 = await cluster.start('a', [], { store: backups[0] });
  // Its peer may hold what is missing here, as long as that is not known.
  for (let i = 0; i < 4; i++) {
    expect(await answerOf(a2, token)).toBe(BEHIND);
    await cluster.time.advance(10_000);
  }
  const b2 = await cluster.start('b', ['a'], { store: backups[1] });
  await cluster.until(() => isLinked(a2, b2) && isLinked(b2, a2));
  await cluster.time.advance(10_000);
  for (const node of [a2, b2]) expect(await answerOf(node, token)).toBe(BEHIND);
  await cluster.time.advance(16_000);
  for (const node of [a2, b2]) expect(await answerOf(node, token)).toBe(EXPIRED);
  await write(b2, 'new');
  const fresh = databaseOf(b2).token();
  await cluster.time.advance(1000);
  expect(await answerOf(a2, fresh)).toBe(null);
});

test('[SE61] a node alone that was set back says so; one whose peer holds what it lost gets it back and serves', async () => {
  const a = await cluster.start('a');
  await a.replica.createDatabase('app');
  const backup = a.store.copy();
  await write(a, 'gone');
  const token = databaseOf(a).token();
  await a.replica.close();
  const a2 = await cluster.start('a', [], { store: backup });
  expect(await answerOf(a2, token)).toBe(BEHIND);
  await cluster.time.advance(16_000);
  expect(await answerOf(a2, token)).toBe(EXPIRED);
  const b = await cluster.start('b', ['a']);
  await cluster.until(() => b.replica.databases().includes('app') && stateOf(b, b) === 'live');
  const old = a2.store.copy();
  await write(a2, 'kept');
  await cluster.time.advance(1000);
  const kept = databaseOf(a2).token();
  await a2.replica.close();
  const a3 = await cluster.start('a', [], { store: old });
  expect(await answerOf(a3, kept)).toBe(BEHIND);
  await cluster.until(() => isLinked(a3, b));
  await cluster.time.advance(20_000);
  expect(await answerOf(a3, kept)).toBe(null);
});

test('[SE61] what a living member writes, or an absent one may hold, is not lost', async () => {
  const [a, b] = await startPair();
  cluster.network.cut.add('a|b');
  await cluster.until(() => !isLinked(a, b));
  await write(b, 'unseen');
  const token = databaseOf(b).token();
  for (let i = 0; i < 5; i++) {
    expect(await answerOf(a, token)).toBe(BEHIND);
    await cluster.time.advance(10_000);
  }
  cluster.network.cut.clear();
  await cluster.until(() => isLinked(a, b));
  await cluster.time.advance(1000);
  expect(await answerOf(a, token)).toBe(null);
  // In the name of a living epoch everything may still come.
  const seen = decodeToken(token);
  const early = encodeToken({ ...seen, vector: new Map([[b.replica.origin, 1_000_000]]) });
  for (let i = 0; i < 5; i++) {
    expect(await answerOf(a, early)).toBe(BEHIND);
    await cluster.time.advance(10_000);
  }
});
