import { afterEach, describe, expect, test } from 'vitest';
import { CLOSE_CODES } from '../../../sync/protocol/close-code.ts';
import { MemoryStore } from '../../../sync/index.ts';
import type { Random, ReplicaOptions } from '../../../sync/index.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const SECRET = new TextEncoder().encode('the secret of the cluster');
const DAY_MS = 24 * 3_600_000;
let cluster: ReplicaCluster;

afterEach(() => cluster.close());

async function startThree(more: Partial<ReplicaOptions> = {}): Promise<[Member, Member, Member]> {
  cluster = new ReplicaCluster();
  const a = await cluster.start('a', [], { clusterSecret: SECRET, ...more });
  const b = await cluster.start('b', ['a'], { clusterSecret: SECRET, ...more });
  const c = await cluster.start('c', ['a'], { clusterSecret: SECRET, ...more });
  await cluster.until(() => [a, b, c].every((each) => [a, b, c].every((other) => stateOf(each, other) === 'live')));
  await cluster.until(() => isLinked(b, c));
  return [a, b, c];
}

async function write(member: Member, id: string): Promise<void> {
  await member.replica.createDatabase('app');
  const done = member.replica.database('app').write('c', id, { kind: 'replace', value: { id } });
  await done;
}

describe('the member list', () => {
  test('[ID5] a node that joins is joining until it holds what a member holds, and serves writes meanwhile', async () => {
    cluster = new ReplicaCluster();
    const a = await cluster.start('a', []);
    for (let i = 0; i < 5; i++) await write(a, `d${i}`);
    const b = await cluster.start('b', ['a']);
    expect(stateOf(a, a)).toBe('live');
    expect(b.replica.memberState).toBe('joining');
    await b.replica.createDatabase('other');
    await b.replica.database('other').write('c', 'x', { kind: 'replace', value: {} });
    await cluster.until(() => stateOf(a, b) === 'live');
    expect(b.replica.database('app').digest()).toEqual(a.replica.database('app').digest());
  });

  test('[ID6] one and the same node under a new address is found there, and dialed nowhere else', async () => {
    const [a, b, c] = await startThree();
    const id = b.replica.nodeId;
    await b.replica.close();
    cluster.network.listen('b', (channel) => channel.close(4500, ''));
    const moved = await cluster.start('b2', ['a'], { clusterSecret: SECRET, store: b.store.crash(99, {}) });
    expect(moved.replica.nodeId).toBe(id);
    await cluster.until(() => isLinked(c, moved) && isLinked(a, moved));
    const urlSeenBy = ({ replica }: Member): unknown => replica.status().members.find(({ node }) => node === id)?.url;
    await cluster.until(() => urlSeenBy(a) === 'mem://b2' && urlSeenBy(c) === 'mem://b2');
    const urls = c.replica.status().dials.map(({ url }) => url);
    expect(urls).toContain('mem://b2');
    expect(urls).not.toContain('mem://b');
  });

  test('[ID7] a drained member says so until it is started again', async () => {
    const [a, b] = await startThree();
    await a.replica.drainMember(b.replica.nodeId);
    await cluster.until(() => b.replica.memberState === 'draining');
    await b.replica.close();
    const again = await cluster.start('b', ['a'], { clusterSecret: SECRET, store: b.store.crash(99, {}) });
    await cluster.until(() => stateOf(a, again) === 'live');
    await expect(a.replica.drainMember('nobody')).rejects.toMatchObject({ code: 'SYNC_MEMBER_NOT_FOUND' });
  });
});

describe('removal', () => {
  test('[I12] a removed node is cut off at once, refused at authentication although it knows the secret, and takes no writes', async () => {
    const [a, b, c] = await startThree();
    await write(b, 'before');
    await a.replica.removeMember(b.replica.nodeId);
    await cluster.until(() => !isLinked(a, b) && !isLinked(c, b));
    await cluster.until(() => b.incidents.some(({ kind }) => kind === 'removed'));
    await expect(write(b, 'after')).rejects.toMatchObject({ code: 'SYNC_NODE_REMOVED' });
    expect(await b.replica.database('app').get('c', 'before')).not.toBeNull();
    a.events.length = 0;
    b.replica.addPeer('mem://a');
    await cluster.time.advance(2000);
    expect(a.events).toContainEqual(expect.objectContaining({ type: 'closed', code: CLOSE_CODES.FENCED }));
    expect(a.events).not.toContainEqual(expect.objectContaining({ type: 'live' }));
    await cluster.time.advance(30_000);
    expect(isLinked(c, b)).toBe(false);
    expect(c.replica.status().dials.map(({ node }) => node)).not.toContain(b.replica.nodeId);
  });

  test('[I12] a removed node that was away learns of it at its first link, also for later starts', async () => {
    const [a, b] = await startThree();
    await b.replica.close();
    await a.replica.removeMember(b.replica.nodeId);
    const store = b.store.crash(99, {});
    const late = await cluster.start('b', ['a'], { clusterSecret: SECRET, store });
    await write(late, 'x');
    await cluster.until(() => late.replica.removal !== null);
    await late.replica.close();
    const again = await cluster.start('b', [], { clusterSecret: SECRET, store: store.crash(99, {}) });
    await expect(write(again, 'y')).rejects.toMatchObject({ code: 'SYNC_NODE_REMOVED' });
  });

  test('[ID8] removal is for ever, idempotent, and not for oneself; with an empty directory the node is a new one', async () => {
    const [a, b, c] = await startThree();
    await a.replica.removeMember(b.replica.nodeId);
    await a.replica.removeMember(b.replica.nodeId);
    await expect(a.replica.removeMember(a.replica.nodeId)).rejects.toMatchObject({ code: 'SYNC_MEMBER_CONFLICT' });
    await expect(a.replica.removeMember('nobody')).rejects.toMatchObject({ code: 'SYNC_MEMBER_NOT_FOUND' });
    await expect(a.replica.drainMember(b.replica.nodeId)).rejects.toMatchObject({ code: 'SYNC_MEMBER_CONFLICT' });
    await cluster.until(() => stateOf(c, b) === 'removed');
    await b.replica.close();
    const fresh = await cluster.start('b', ['a'], { clusterSecret: SECRET, store: new MemoryStore() });
    await cluster.until(() => stateOf(c, fresh) === 'live');
    expect(stateOf(c, b)).toBe('removed');
  });
});

describe('join tokens', () => {
  test('[ID9] a node that has a token and not the secret is told the secret, once, and keeps it', async () => {
    cluster = new ReplicaCluster();
    const a = await cluster.start('a', [], { clusterSecret: SECRET });
    const { token } = await a.replica.createJoinToken(60_000);
    const b = await cluster.start('b', ['a'], { joinToken: token });
    await cluster.until(() => stateOf(a, b) === 'live');
    const frames = cluster.network.passed.map(({ frame }) => Buffer.from(frame).toString('latin1'));
    expect(frames.some((frame) => frame.includes('the secret of the cluster'))).toBe(false);
    expect(frames.some((frame) => frame.includes(token))).toBe(false);
    await b.replica.close();
    const again = await cluster.start('b', ['a'], { store: b.store.crash(99, {}) });
    await cluster.until(() => isLinked(a, again));
    const thief = await cluster.start('thief', ['a'], { joinToken: token });
    await cluster.until(() => thief.replica.status().dials[0]!.state === 'stopped');
    expect(thief.replica.status().dials[0]!.lastError).toBe('TOKEN_REFUSED: the join token was used already');
    expect(stateOf(a, thief)).toBeUndefined();
  });

  test('[ID9] an expired, an unknown and a forged token are refused, and none is told to strangers', async () => {
    cluster = new ReplicaCluster();
    const a = await cluster.start('a', [], { clusterSecret: SECRET });
    const { token } = await a.replica.createJoinToken(60_000);
    await cluster.time.advance(61_000);
    const late = await cluster.start('late', ['a'], { joinToken: token });
    await cluster.until(() => late.replica.status().dials[0]!.state === 'stopped');
    expect(late.replica.status().dials[0]!.lastError).toBe('TOKEN_REFUSED: the join token has expired');
    const unknown = await cluster.start('unknown', ['a'], {
      joinToken: `atolljoin_${'0'.repeat(16)}_${'0'.repeat(48)}`,
    });
    await cluster.until(() => unknown.replica.status().dials[0]!.attempts > 2);
    expect(unknown.replica.status().dials[0]!.lastError).toMatch(/^TOKEN_UNKNOWN/);
    const forged = await cluster.start('forged', ['a'], { joinToken: `${token.slice(0, 27)}${'0'.repeat(48)}` });
    await cluster.until(() => forged.replica.status().dials[0]!.state === 'stopped');
    expect(forged.replica.status().dials[0]!.lastError).toMatch(/^TOKEN_REFUSED/);
    expect(a.replica.status().members).toHaveLength(1);
    await expect(cluster.start('bad', ['a'], { joinToken: 'x' })).rejects.toMatchObject({ code: 'SYNC_TOKEN_INVALID' });
  });

  test('[ID9] a secret of 512 bytes can be told, and a longer one is refused clearly', async () => {
    cluster = new ReplicaCluster();
    for (const [length, state] of [
      [512, 'linked'],
      [513, 'stopped'],
    ] as const) {
      const a = await cluster.start(`a${length}`, [], { clusterSecret: new Uint8Array(length).fill(7) });
      const { token } = await a.replica.createJoinToken(60_000);
      const b = await cluster.start(`b${length}`, [`a${length}`], { joinToken: token });
      await cluster.until(() => ['linked', 'stopped'].includes(b.replica.status().dials[0]!.state));
      expect(b.replica.status().dials[0]!.state).toBe(state);
      if (state === 'stopped') expect(b.replica.status().dials[0]!.lastError).toContain('longer than 512 bytes');
    }
  });

  test('[ID9] of two nodes with one token at the same moment one is admitted', async () => {
    cluster = new ReplicaCluster();
    const a = await cluster.start('a', [], { clusterSecret: SECRET });
    const { token } = await a.replica.createJoinToken(60_000);
    const [b, c] = await Promise.all([
      cluster.start('b', ['a'], { joinToken: token }),
      cluster.start('c', ['a'], { joinToken: token }),
    ]);
    await cluster.until(() =>
      [b, c].every(({ replica }) => ['linked', 'stopped'].includes(replica.status().dials[0]!.state)),
    );
    await cluster.time.advance(5000);
    expect([b, c].map(({ replica }) => replica.status().dials[0]!.state).sort()).toEqual(['linked', 'stopped']);
  });

  test('[ID9] a token works at a member that has not heard of it yet, as soon as it has', async () => {
    cluster = new ReplicaCluster();
    const a = await cluster.start('a', [], { clusterSecret: SECRET });
    const b = await cluster.start('b', ['a'], { clusterSecret: SECRET });
    await cluster.until(() => stateOf(a, b) === 'live');
    cluster.network.cut.add('a|b');
    const { token } = await a.replica.createJoinToken(600_000);
    cluster.network.cut.add('a|c');
    const c = await cluster.start('c', ['b'], { joinToken: token });
    await cluster.until(() => c.replica.status().dials[0]!.attempts > 2);
    cluster.network.cut.clear();
    await cluster.until(() => stateOf(a, c) === 'live');
  });
});

describe('during a partition', () => {
  test('[I12] a member removed on one side is fenced on the other when it hears of it, and what it wrote there stays', async () => {
    const [a, b, c] = await startThree();
    await write(a, 'before');
    await cluster.until(() => c.replica.databases().includes('app') && b.replica.databases().includes('app'));
    for (const pair of ['a|b', 'a|c']) cluster.network.cut.add(pair);
    await a.replica.removeMember(b.replica.nodeId);
    await write(b, 'from-b');
    await write(c, 'from-c');
    await cluster.time.advance(20_000);
    expect(isLinked(b, c)).toBe(true);
    cluster.network.cut.clear();
    await cluster.until(() => stateOf(c, b) === 'removed' && !isLinked(b, c) && b.replica.removal !== null);
    const digest = (member: Member): unknown => member.replica.database('app').digest().digest;
    await cluster.until(() => isLinked(a, c) && digest(a) === digest(c));
    expect(a.replica.database('app').documents).toBe(3);
  });

  test('[ID5] a node that joins one side is a member on the other as soon as that is reached', async () => {
    const [a, b, c] = await startThree();
    for (const pair of ['a|b', 'a|c', 'a|d']) cluster.network.cut.add(pair);
    const d = await cluster.start('d', ['c'], { clusterSecret: SECRET });
    await cluster.until(() => stateOf(c, d) === 'live' && isLinked(b, d));
    await write(d, 'from-d');
    cluster.network.cut.clear();
    await cluster.until(() => stateOf(a, d) === 'live' && isLinked(a, d));
    await cluster.until(() => a.replica.databases().includes('app'));
    await cluster.until(() => a.replica.database('app').documents === 1);
  });
});

describe('one origin', () => {
  /** The second draw of a first start is the origin. */
  const randomOf = (seed: number): Random => {
    const random = seededRandom(seed);
    let draws = 0;
    return { bytes: (length) => (++draws === 2 ? new Uint8Array(length).fill(7) : random.bytes(length)) };
  };

  test('[ID1] drawn by two nodes is given up by both at their first link', async () => {
    cluster = new ReplicaCluster();
    const a = await cluster.start('a', [], { random: randomOf(1) });
    const b = await cluster.start('b', [], { random: randomOf(2) });
    expect(a.replica.origin).toBe(b.replica.origin);
    const before = a.replica.origin;
    b.replica.addPeer('mem://a');
    await cluster.until(() => a.replica.origin !== before && b.replica.origin !== before);
    for (const { incidents } of [a, b]) expect(incidents.map(({ kind }) => kind)).toContain('epoch-shared');
  });
});

describe('members that are away', () => {
  test('[ID10] their lag and what they hold back are known from their last word, also after a restart', async () => {
    const [a, b, c] = await startThree();
    await write(a, 'first');
    await cluster.until(() => a.replica.horizon('app.0').entries === 0);
    await c.replica.close();
    await cluster.until(() => !isLinked(a, c));
    for (let i = 0; i < 7; i++) await write(b, `d${i}`);
    await cluster.until(() => a.replica.database('app').documents === 8);
    await cluster.time.advance(60_000);
    const check = (member: Member): void => {
      const seen = member.replica.status().members.find(({ node }) => node === c.replica.nodeId);
      expect(seen).toMatchObject({ linked: false, state: 'live' });
      expect(seen!.lag!.entries).toBeGreaterThanOrEqual(7);
      expect(seen!.lag!.seconds).toBeGreaterThan(50);
      const { entries, blockers } = member.replica.status().databases[0]!.horizon;
      expect(entries).toBe(8);
      expect(blockers).toMatchObject([{ node: c.replica.nodeId, name: 'c', entries: 8 }]);
    };
    check(a);
    await a.replica.close();
    const again = await cluster.start('a', ['b'], { clusterSecret: SECRET, store: a.store.crash(99, {}) });
    await cluster.until(() => isLinked(again, b));
    await cluster.time.advance(1000);
    check(again);
  });

  test('[ID11] who was away for too long is stale and not waited for, and is live again when it has caught up', async () => {
    const [a, b, c] = await startThree({ staleAfterMs: 600_000 });
    await write(a, 'first');
    await cluster.until(() => a.replica.horizon('app.0').entries === 0);
    await c.replica.close();
    await write(b, 'second');
    await cluster.time.advance(300_000);
    // The clock says that a week has passed, and nobody believes it.
    cluster.time.jump(7 * DAY_MS);
    await cluster.time.advance(120_000);
    expect(a.replica.horizon('app.0').blockers).toHaveLength(1);
    await cluster.until(() => stateOf(b, c) === 'stale' && stateOf(a, c) === 'stale', 300_000);
    expect(stateOf(a, b)).toBe('live');
    expect(a.replica.horizon('app.0')).toMatchObject({ entries: 0, blockers: [] });
    const again = await cluster.start('c', ['a'], { clusterSecret: SECRET, store: c.store.crash(99, {}) });
    expect(again.replica.memberState).toBe('live');
    await cluster.until(() => again.replica.memberState === 'stale');
    await cluster.until(() => stateOf(a, again) === 'live');
    expect(again.replica.database('app').digest()).toEqual(a.replica.database('app').digest());
  });

  test('[ID12] the horizon moves also where a member is reached only through others, and stops when it is cut off', async () => {
    cluster = new ReplicaCluster();
    for (const pair of ['a|c', 'a|d', 'b|d']) cluster.network.cut.add(pair);
    const a = await cluster.start('a');
    const b = await cluster.start('b', ['a']);
    const c = await cluster.start('c', ['b']);
    const d = await cluster.start('d', ['c']);
    await write(a, 'first');
    await cluster.until(() => a.replica.status().members.length === 4);
    await cluster.until(
      () => a.replica.horizon('app.0').entries === 0 && d.replica.horizon('app.0').entries === 0,
      300_000,
    );
    expect(a.replica.status().members.find(({ node }) => node === d.replica.nodeId)!.lastSeen).not.toBeNull();
    cluster.network.cut.add('c|d');
    await cluster.until(() => !isLinked(c, d));
    await write(b, 'second');
    await cluster.time.advance(300_000);
    for (const each of [a, b, c]) {
      expect(each.replica.horizon('app.0').blockers).toMatchObject([{ node: d.replica.nodeId }]);
    }
    cluster.network.cut.delete('c|d');
    await cluster.until(() => a.replica.horizon('app.0').entries === 0, 300_000);
  });

  test('[ID12] where everybody is linked to everybody nothing is passed on', async () => {
    await startThree();
    await cluster.time.advance(120_000);
    expect(cluster.network.passed.some(({ message }) => message.type === 'holdings')).toBe(false);
  });
});

describe('many members', () => {
  test('[OV1] beyond sixteen members links are few, whoever was joined, and everything still arrives everywhere', async () => {
    cluster = new ReplicaCluster();
    const first = await cluster.start('m0');
    const members = [first];
    for (let i = 1; i < 24; i++) {
      members.push(await cluster.start(`m${i}`, ['m0']));
      await cluster.time.advance(500);
    }
    const linksOf = ({ replica }: Member): number =>
      replica.status().links.filter(({ state }) => state === 'live').length;
    const sees = ({ replica }: Member): number =>
      replica.status().members.filter(({ state }) => state === 'live').length;
    await cluster.until(() => members.every((member) => sees(member) === 24), 300_000);
    await cluster.until(() => members.every((member) => linksOf(member) <= 8), 300_000);
    await write(first, 'x');
    await cluster.until(() => members.every(({ replica }) => replica.databases().includes('app')));
    await cluster.until(() => members.every(({ replica }) => replica.database('app').documents === 1));
    await cluster.until(() => first.replica.horizon('app.0').entries === 0, 600_000);
    expect(Math.max(...members.map(linksOf))).toBeLessThanOrEqual(8);
    expect(Math.min(...members.map(linksOf))).toBeGreaterThanOrEqual(6);
  }, 60_000);
});
