/**
 * Nodes that begin many epochs: what of them is listed, told, and asked for.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../../sync/index.ts';
import { decodeCursor } from '../../../sync/feed/cursor.ts';
import { ChangeFeed } from '../../../sync/feed/change-feed.ts';
import { EpochRenewal, LISTED_MAX } from '../../../sync/epoch-renewal.ts';
import { wholeOf } from '../../../sync/lineage.ts';
import { GENESIS_CHAIN } from '../../../sync/version-vector.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

let cluster: ReplicaCluster;
beforeEach(() => {
  cluster = new ReplicaCluster();
});
afterEach(() => cluster.close());

const databaseOf = ({ replica }: Member): Database => replica.database('app');
const write = (member: Member, id: string): Promise<unknown> =>
  databaseOf(member).write('c', id, { kind: 'replace', value: { id } });
const code = (name: string): unknown => expect.objectContaining({ code: name });
const vectorOf = (member: Member): ReturnType<Member['replica']['engine']['vector']> =>
  member.replica.engine.vector('app.0');
const heldBy = (member: Member): number[] => [...wholeOf(vectorOf(member))].map(([origin]) => origin).sort();
const listedBy = (member: Member): number[] => [...vectorOf(member)].map(([origin]) => origin).sort();
const areEqual = (a: Member, b: Member): boolean =>
  b.replica.databases().includes('app') &&
  databaseOf(a).digest().digest === databaseOf(b).digest().digest &&
  JSON.stringify(heldBy(a)) === JSON.stringify(heldBy(b));

async function startPair(): Promise<readonly [Member, Member]> {
  const a = await cluster.start('a');
  await a.replica.createDatabase('app');
  await write(a, 'first');
  const b = await cluster.start('b', ['a']);
  await cluster.until(() => areEqual(a, b) && stateOf(b, b) === 'live');
  return [a, b];
}

/** Begins an epoch and writes in it, as a process does that is started anew. */
async function renew(member: Member, id: string): Promise<void> {
  databaseOf(member).parts.renewEpoch();
  await write(member, id);
}

function follow({ replica }: Member, token: string, waitMs = 0): Promise<void> | null {
  const { sessions } = replica.guarantees;
  const seen = sessions.read('app', token);
  return seen && sessions.await(seen, waitMs);
}

/** Every message with data of the database, `from>to`. */
function tapData(): string[] {
  const sent: string[] = [];
  cluster.network.filter = ({ from, to, message }) => {
    const isData = message.type === 'data' || message.type === 'snapshot-request' || message.type === 'offer';
    if (isData && message.database === 'app.0') sent.push(`${message.type} ${from}>${to}`);
    return true;
  };
  return sent;
}

async function tell(feed: ChangeFeed): Promise<string[]> {
  const told: string[] = [];
  for (let page = await feed.read(); page !== null; page = await feed.read())
    told.push(...page.changes.map(({ id }) => id));
  return told;
}

test('[GC10] tokens, cursors and announcements do not grow with the number of epochs', async () => {
  const [a, b] = await startPair();
  const lengths: number[] = [];
  for (let n = 1; n <= 60; n++) {
    await renew(n % 2 === 0 ? a : b, `d${n}`);
    if (n % 3 === 0) await cluster.until(() => areEqual(a, b));
    lengths.push(databaseOf(a).token().length);
  }
  await cluster.until(() => areEqual(a, b));
  expect(heldBy(a).length).toBeGreaterThan(60);
  expect(listedBy(a)).toEqual(listedBy(b));
  expect(listedBy(a).length).toBeLessThanOrEqual(4);
  expect(Math.max(...lengths)).toBeLessThan(150);
  expect(Object.keys(databaseOf(a).digest().vector).length).toBeLessThanOrEqual(4);
  const feed = ChangeFeed.open(databaseOf(b), cluster.time, {
    collection: null,
    documents: false,
    since: 'now',
    onChange: () => {},
  });
  expect(feed.cursor.length).toBeLessThan(250);
  feed.close();
});

test('[GC10] the same is listed after a restart', async () => {
  const [a, b] = await startPair();
  for (let n = 1; n <= 5; n++) await renew(a, `d${n}`);
  await cluster.until(() => areEqual(a, b));
  const [held, listed] = [heldBy(a), listedBy(a)];
  await a.replica.close();
  const again = await cluster.start('a', ['b'], { store: a.store.crash(99, {}) });
  expect([heldBy(again), listedBy(again)]).toEqual([held, listed]);
  await cluster.until(() => isLinked(again, b) && areEqual(again, b));
});

test('[GC12] a session from before is followed, and one from afterwards not by a node that lacks what it has seen', async () => {
  const [a, b] = await startPair();
  const before = databaseOf(a).token();
  cluster.network.cut.add('a|b');
  await cluster.until(() => !isLinked(a, b));
  const middle: string[] = [];
  for (let n = 1; n <= 5; n++) {
    await renew(a, `d${n}`);
    middle.push(databaseOf(a).token());
  }
  expect(listedBy(a)).toEqual([a.replica.origin]);
  for (const token of [before, ...middle]) expect(follow(a, token)).toBeNull();
  expect(follow(b, before)).toBeNull();
  for (const token of middle) await expect(follow(b, token)).rejects.toEqual(code('SYNC_REPLICA_BEHIND'));
  cluster.network.cut.clear();
  await cluster.until(() => areEqual(a, b));
  for (const token of [before, ...middle]) expect(follow(b, token)).toBeNull();
});

test('[GC13] peers that meet again send only what is missing, whatever they list', async () => {
  const [a, b] = await startPair();
  for (let n = 1; n <= 4; n++) await renew(n % 2 === 0 ? a : b, `d${n}`);
  await cluster.until(() => areEqual(a, b));
  cluster.network.cut.add('a|b');
  await cluster.until(() => !isLinked(a, b));
  // b folds everything into an epoch that a has not heard of.
  await renew(b, 'apart');
  expect(listedBy(b)).toEqual([b.replica.origin]);
  expect(listedBy(a)).not.toContain(b.replica.origin);
  const sent = tapData();
  cluster.network.cut.clear();
  await cluster.until(() => areEqual(a, b));
  await cluster.time.advance(20_000);
  expect(sent).toEqual(['data b>a']);
  expect(a.replica.status().links[0]!.lag.entries).toBe(0);
});

test('[GC13] and when both began epochs meanwhile, each gets what the other wrote, once', async () => {
  const [a, b] = await startPair();
  for (let n = 1; n <= 4; n++) await renew(n % 2 === 0 ? a : b, `d${n}`);
  await cluster.until(() => areEqual(a, b));
  cluster.network.cut.add('a|b');
  await cluster.until(() => !isLinked(a, b));
  for (let n = 1; n <= 3; n++) {
    await renew(a, `a${n}`);
    await renew(b, `b${n}`);
  }
  let batches = 0;
  cluster.network.filter = ({ message }) => {
    if (message.type === 'data' && message.database === 'app.0') batches += message.weight;
    return true;
  };
  cluster.network.cut.clear();
  await cluster.until(() => areEqual(a, b));
  await cluster.time.advance(20_000);
  const bytes = [a, b].flatMap((member) =>
    [...wholeOf(vectorOf(member))].map(([origin]) => databaseOf(member).parts.log.bytesOf(origin)),
  );
  expect(batches).toBeLessThan(bytes.reduce((sum, each) => sum + each, 0) / 2);
  expect([a, b].map((member) => member.replica.status().links[0]!.duplicates)).toEqual([0, 0]);
  expect(a.replica.status().alarms).toEqual([]);
  expect([...a.incidents, ...b.incidents]).toEqual([]);
});

test('[GC13] a node that joins by a snapshot lists what its donor lists, and is asked for nothing', async () => {
  const [a, b] = await startPair();
  for (let n = 1; n <= 6; n++) await renew(n % 2 === 0 ? a : b, `d${n}`);
  await cluster.until(() => areEqual(a, b));
  const sent = tapData();
  const c = await cluster.start('c', ['a'], {});
  for (const { replica } of [a, b]) replica.engine.snapshotOptions = { ...replica.engine.snapshotOptions };
  await cluster.until(() => areEqual(a, c));
  expect(listedBy(c)).toEqual(listedBy(a));
  await c.replica.close();
  const again = await cluster.start('c', ['a'], { store: c.store.crash(99, {}) });
  sent.length = 0;
  await cluster.until(() => isLinked(a, again) && areEqual(a, again));
  await cluster.time.advance(10_000);
  expect(listedBy(again)).toEqual(listedBy(a));
  expect(sent).toEqual([]);
});

test('[GC13] a node with an old disk gets back the epochs that its peers have folded, and says so', async () => {
  const [a, b] = await startPair();
  await renew(b, 'b1');
  await cluster.until(() => areEqual(a, b));
  await b.replica.close();
  const start = (): Promise<Member> => cluster.start('b', ['a'], { store: b.store.crash(99, {}) });
  const went = await start();
  databaseOf(went).parts.epoch.begin(b.replica.nodeId, b.replica.origin);
  await write(went, 'b1 more');
  await renew(went, 'b2');
  await renew(went, 'b3');
  await cluster.until(() => areEqual(a, went));
  await renew(a, 'a1');
  expect(listedBy(a)).toEqual([a.replica.origin]);
  await went.replica.close();
  const back = await start();
  await cluster.until(() => isLinked(a, back) && areEqual(a, back));
  expect(back.incidents.map(({ kind }) => kind)).toContain('history-lost');
  expect((await databaseOf(back).get('c', 'b1 more'))?.json).toBeDefined();
});

test('[ID60] a history that forked under an epoch which both sides have folded is found when they meet', async () => {
  const [a, b] = await startPair();
  await renew(b, 'same');
  await cluster.until(() => areEqual(a, b));
  await b.replica.close();
  // Two processes go on from one state as one epoch: of the second nobody hears before it has begun another one.
  const { origin } = b.replica;
  const forkOf = async (text: string): Promise<Member> => {
    const member = await cluster.start('b', text === 'true' ? ['a'] : [], { store: b.store.crash(99, {}) });
    databaseOf(member).parts.epoch.begin(member.replica.nodeId, origin);
    await write(member, `${text} 1`);
    return member;
  };
  const real = await forkOf('true');
  await cluster.until(() => areEqual(a, real));
  await renew(real, 'folded');
  await cluster.until(() => areEqual(a, real));
  await real.replica.close();
  const forked = await forkOf('fork');
  await renew(forked, 'folded too');
  expect(listedBy(forked)).toEqual([forked.replica.origin]);
  expect(listedBy(a)).not.toContain(origin);
  forked.replica.addPeer('mem://a');
  await cluster.until(() => forked.incidents.some(({ kind }) => kind === 'history-forked'));
  await cluster.until(() => isLinked(a, forked) && areEqual(a, forked));
  const ids = (await databaseOf(a).list('c', { limit: 10 })).items.map(({ id }) => id);
  expect(ids).toEqual(['first', 'folded', 'same', 'true 1']);
});

test('[GC15] where many origins are listed, a node that writes there begins an epoch, once an hour at most', async () => {
  const [a] = await startPair();
  const { log, epoch } = databaseOf(a).parts;
  let renewals = 0;
  let now = 0;
  const renewal = new EpochRenewal({
    clock: { now: () => now },
    timers: cluster.time,
    databases: () => [databaseOf(a)],
    members: () => 2,
    epoch,
    renewEpoch: () => {
      renewals++;
      databaseOf(a).parts.renewEpoch();
    },
  });
  const meet = (count: number): void => {
    const strangers = Array.from(
      { length: count },
      (_, i) => [2 ** 41 + renewals * 1000 + i, { seq: 1, chain: GENESIS_CHAIN }] as const,
    );
    log.adopt(new Map(strangers));
  };
  meet(LISTED_MAX);
  await write(a, 'x');
  renewal.look();
  expect(renewals).toBe(0);
  meet(LISTED_MAX + 2);
  await write(a, 'y');
  renewal.look();
  expect([renewals, listedBy(a).length > LISTED_MAX]).toEqual([1, true]);
  await write(a, 'z');
  expect(listedBy(a)).toEqual([a.replica.origin]);
  meet(LISTED_MAX + 2);
  await write(a, 'again');
  renewal.look();
  expect(renewals).toBe(1);
  now = 3_600_000;
  renewal.look();
  expect(renewals).toBe(2);
});

test('[GC16] status and doctor tell how many epochs are listed, and how many follow from those', async () => {
  const [a] = await startPair();
  for (let n = 1; n <= 5; n++) await renew(a, `d${n}`);
  const { epochs } = a.replica.status().databases.find(({ name }) => name === 'app')!;
  expect(epochs).toEqual({ listed: 1, folded: heldBy(a).length - 1 });
  const check = a.replica.doctor().checks.find((each) => each.check === 'epochs' && each.database === 'app.0');
  expect(check).toEqual({
    check: 'epochs',
    database: 'app.0',
    ok: true,
    detail: `1 listed, ${heldBy(a).length - 1} folded`,
  });
});

test('[GC14] a cursor from before tells what came since, and one from afterwards goes on at a node that lacks the last epoch', async () => {
  const [a, b] = await startPair();
  const open = (member: Member, since: string): ChangeFeed =>
    ChangeFeed.open(databaseOf(member), cluster.time, { collection: 'c', documents: false, since, onChange: () => {} });
  const first = open(a, 'now');
  const before = first.cursor;
  first.close();
  for (let n = 1; n <= 6; n++) await renew(n % 2 === 0 ? a : b, `d${n}`);
  await cluster.until(() => areEqual(a, b));
  for (const member of [a, b]) {
    const feed = open(member, before);
    expect((await tell(feed)).sort()).toEqual(['d1', 'd2', 'd3', 'd4', 'd5', 'd6']);
    expect(feed.cursor.length).toBeLessThan(250);
    feed.close();
  }
  cluster.network.cut.add('a|b');
  await cluster.until(() => !isLinked(a, b));
  await renew(a, 'unheard');
  const after = open(a, 'now');
  const cursor = after.cursor;
  after.close();
  expect(decodeCursor(databaseOf(a), cursor).vector.size).toBeLessThan(6);
  const elsewhere = open(b, cursor);
  expect(elsewhere.isAhead).toBe(true);
  expect(await tell(elsewhere)).toEqual([]);
  await write(b, 'here');
  await cluster.time.advance(100);
  expect(await tell(elsewhere)).toEqual(['here']);
  elsewhere.close();
});

test('[GC14] a page of a feed that is behind never says more than was told', async () => {
  const [a] = await startPair();
  const first = ChangeFeed.open(databaseOf(a), cluster.time, {
    collection: 'c',
    documents: false,
    since: 'now',
    onChange: () => {},
  });
  let { cursor } = first;
  first.close();
  const wanted: string[] = [];
  for (let n = 1; n <= 6; n++) {
    await renew(a, `d${n}`);
    await write(a, `e${n}`);
    wanted.push(`d${n}`, `e${n}`);
  }
  // After every change somebody else goes on.
  const told: string[] = [];
  for (let i = 0; i < 40 && told.length < wanted.length; i++) {
    const feed = ChangeFeed.open(databaseOf(a), cluster.time, {
      collection: 'c',
      documents: false,
      since: cursor,
      onChange: () => {},
    });
    const page = await feed.read();
    const change = page?.changes[0];
    if (change !== undefined) told.push(change.id);
    cursor = change?.cursor ?? feed.cursor;
    feed.close();
  }
  expect(told).toEqual(wanted);
});
