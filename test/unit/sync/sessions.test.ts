import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../sync/index.ts';
import { Sessions } from '../../../sync/sessions.ts';
import { CLUSTER_UNKNOWN, decodeToken, encodeToken } from '../../../sync/token.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

let cluster: ReplicaCluster;
beforeEach(() => {
  cluster = new ReplicaCluster();
});
afterEach(() => cluster.close());

const databaseOf = ({ replica }: Member): Database => replica.database('app');
const write = (member: Member, id: string, value = id): Promise<unknown> =>
  databaseOf(member).write('c', id, { kind: 'replace', value: { value } });
const catchError = (promise: Promise<unknown> | null): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => null,
    (error: unknown) => error,
  );
const code = (name: string): unknown => expect.objectContaining({ code: name });

async function startPair(): Promise<readonly [Member, Member]> {
  const a = await cluster.start('a');
  await a.replica.createDatabase('app');
  await write(a, 'first');
  const b = await cluster.start('b', ['a']);
  await cluster.until(() => b.replica.databases().includes('app') && stateOf(b, b) === 'live');
  return [a, b];
}

/** As a request does. */
function follow({ replica }: Member, token: string, waitMs = 2000): Promise<void> | null {
  const { sessions } = replica.guarantees;
  const seen = sessions.read('app', token);
  return seen && sessions.await(seen, waitMs);
}

describe('waiting', () => {
  test('[SE1] a node that lacks what a session has seen waits until it has it', async () => {
    const [a, b] = await startPair();
    cluster.network.cut.add('a|b');
    await cluster.until(() => !isLinked(a, b));
    await write(a, 'x');
    const token = databaseOf(a).token();
    expect(follow(a, token)).toBeNull();
    let isServed = false;
    const served = Promise.resolve(follow(b, token, 30_000)).then(() => (isServed = true));
    await cluster.time.advance(3000);
    expect(isServed).toBe(false);
    cluster.network.cut.clear();
    await cluster.until(() => isServed);
    await served;
    expect(await databaseOf(b).get('c', 'x')).not.toBeNull();
    expect(b.replica.guarantees.sessions.waiting).toBe(0);
    expect(decodeToken(databaseOf(b).token()).vector).toEqual(decodeToken(token).vector);
  });

  test('[SE2] after the wait it says that it is behind', async () => {
    const [a, b] = await startPair();
    cluster.network.cut.add('a|b');
    await write(a, 'x');
    const error = catchError(follow(b, databaseOf(a).token(), 500));
    await cluster.time.advance(499);
    expect(b.replica.guarantees.sessions.waiting).toBe(1);
    await cluster.time.advance(1);
    expect(await error).toEqual(expect.objectContaining({ code: 'SYNC_REPLICA_BEHIND', retryable: true }));
    expect(b.replica.guarantees.sessions.waiting).toBe(0);
    await expect(follow(b, databaseOf(a).token(), 0)).rejects.toEqual(code('SYNC_REPLICA_BEHIND'));
  });

  test('[SE1] a database that a node has not heard of yet is waited for as well', async () => {
    const [a, b] = await startPair();
    cluster.network.cut.add('a|b');
    await a.replica.createDatabase('new');
    const seen = b.replica.guarantees.sessions.read('new', a.replica.database('new').token());
    let isServed = false;
    void b.replica.guarantees.sessions.await(seen!, 30_000)!.then(() => (isServed = true));
    cluster.network.cut.clear();
    await cluster.until(() => isServed);
    expect(b.replica.databases()).toContain('new');
  });

  test('[SE5] the token of a configuration is covered by nodes that have it', async () => {
    const [a, b] = await startPair();
    cluster.network.cut.add('a|b');
    await databaseOf(a).configureCollection('c', { deletePolicy: 'delete-wins' });
    await expect(follow(b, databaseOf(a).token(true), 0)).rejects.toEqual(code('SYNC_REPLICA_BEHIND'));
    expect(follow(b, databaseOf(a).token())).toBeNull();
    let isServed = false;
    void follow(b, databaseOf(a).token(true), 30_000)!.then(() => (isServed = true));
    cluster.network.cut.clear();
    await cluster.until(() => isServed);
    expect(databaseOf(b).collection('c')).toMatchObject({ deletePolicy: 'delete-wins' });
  });
});

describe('tokens', () => {
  test('[SE3] of others, of other databases and of what is gone are refused', async () => {
    const [a, b] = await startPair();
    const token = databaseOf(a).token();
    const seen = decodeToken(token);
    expect(seen.cluster).not.toBe(CLUSTER_UNKNOWN);
    expect(decodeToken(databaseOf(b).token()).cluster).toBe(seen.cluster);
    expect(() => follow(b, 'nonsense')).toThrow(code('SYNC_TOKEN_INVALID'));
    expect(() => b.replica.guarantees.sessions.read('other', token)).toThrow(code('SYNC_TOKEN_INVALID'));
    const foreign = encodeToken({ ...seen, cluster: '0123456789abcdef' });
    expect(() => follow(b, foreign)).toThrow(code('SYNC_TOKEN_FOREIGN'));
    await a.replica.dropDatabase('app');
    await a.replica.createDatabase('app');
    expect(() => follow(a, token)).toThrow(code('SYNC_TOKEN_EXPIRED'));
    await expect(follow(b, databaseOf(a).token(), 0)).rejects.toEqual(code('SYNC_REPLICA_BEHIND'));
  });

  test('[SE3] that have seen writes which a removed node took with it are refused after the wait', async () => {
    const [a, b] = await startPair();
    await write(b, 'known');
    await cluster.until(() => a.replica.engine.vector('app.0').get(b.replica.origin) !== undefined);
    cluster.network.cut.add('a|b');
    await write(b, 'lost');
    const token = databaseOf(b).token();
    await expect(follow(a, token, 0)).rejects.toEqual(code('SYNC_REPLICA_BEHIND'));
    await a.replica.removeMember(b.replica.nodeId);
    await expect(follow(a, token, 0)).rejects.toEqual(code('SYNC_TOKEN_EXPIRED'));
  });

  test('[SE4] forged ones wait no longer than others, and only so many at a time', async () => {
    const [a] = await startPair();
    const seen = decodeToken(databaseOf(a).token());
    const sessions = new Sessions({
      catalog: { liveKey: () => 'app.0', isDropped: () => false, clusterIds: [] as readonly string[] } as never,
      timers: cluster.time,
      databaseOf: () => databaseOf(a),
      isPlaced: () => true,
      isOfRemoved: () => false,
      hasLost: () => false,
      limits: { waitersMax: 3, positionsMax: 10 },
    });
    const forge = (positions: number): Promise<unknown> => {
      const vector = new Map(Array.from({ length: positions }, (_, i) => [2 ** 40 + i, Number.MAX_SAFE_INTEGER]));
      return catchError(sessions.await({ ...seen, vector }, 1000));
    };
    const waiting = [forge(1), forge(2), forge(3)];
    expect(sessions.waiting).toBe(3);
    expect(await forge(1)).toEqual(code('SYNC_REPLICA_BEHIND'));
    await cluster.time.advance(1000);
    expect(await Promise.all(waiting)).toEqual(Array(3).fill(code('SYNC_REPLICA_BEHIND')));
    expect(await forge(11)).toEqual(code('SYNC_REPLICA_BEHIND'));
    expect(sessions.waiting).toBe(0);
    const last = forge(10);
    expect(sessions.waiting).toBe(1);
    sessions.end();
    expect(await last).toEqual(code('SYNC_REPLICA_BEHIND'));
    expect(sessions.waiting).toBe(0);
  });
});

describe('copies', () => {
  const versionOf = async (member: Member, id: string): Promise<ReadonlyMap<number, number>> => {
    const change = { kind: 'replace', value: { id } } as const;
    return (await databaseOf(member).write('c', id, change, { returnVersion: true })).version!;
  };

  test('[SE6] a write waits for as many durable copies as it asks for', async () => {
    const [a] = await startPair();
    const version = await versionOf(a, 'x');
    const { copies } = a.replica.guarantees;
    let count: unknown = null;
    void copies.await(databaseOf(a), version, 2, 5000).then((result) => (count = result));
    expect(count).toBeNull();
    expect(await cluster.until(() => count !== null)).toBeLessThan(1000);
    expect(count).toEqual({ copies: 2, members: 2 });
    expect(await copies.await(databaseOf(a), version, 3, 5000)).toEqual({ copies: 2, members: 2 });
  });

  test('[SE6] what is not known of a member is not counted, however long it is waited for', async () => {
    const [a, b] = await startPair();
    cluster.network.cut.add('a|b');
    await cluster.until(() => !isLinked(a, b));
    const version = await versionOf(a, 'x');
    let count: unknown = null;
    void a.replica.guarantees.copies.await(databaseOf(a), version, 2, 5000).then((result) => (count = result));
    await cluster.time.advance(4999);
    expect(count).toBeNull();
    await cluster.time.advance(1);
    expect(count).toEqual({ copies: 1, members: 2 });
  });

  test('[SE6] the wait ends when the member that lacks the write is removed', async () => {
    const [a, b] = await startPair();
    cluster.network.cut.add('a|b');
    const version = await versionOf(a, 'x');
    let count: unknown = null;
    void a.replica.guarantees.copies.await(databaseOf(a), version, 2, 60_000).then((result) => (count = result));
    await a.replica.removeMember(b.replica.nodeId);
    await cluster.until(() => count !== null, 1000);
    expect(count).toEqual({ copies: 1, members: 1 });
  });
});
