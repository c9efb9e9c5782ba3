/**
 * Compaction: when documents leave their history behind, and what becomes of what is written meanwhile by who is away, was set back or
 * decided at the same time.
 */
import { afterEach, expect, test } from 'vitest';
import { CrdtDocument } from '../../../crdt/index.ts';
import type { Change, IntentOperation } from '../../../crdt/index.ts';
import { readHosted } from '../../../sync/host/hosted-document.ts';
import type { HostedDocument } from '../../../sync/host/hosted-document.ts';
import { rangeOf } from '../../../sync/key.ts';
import { SharedDocument } from '../../../sync/index.ts';
import type { ReplicaOptions } from '../../../sync/index.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const SECRET = new TextEncoder().encode('secret');
/** When a test says so. */
const BY_HAND = { intervalMs: 1e9, bytesMin: 500, ratioMin: 2, quietMs: 0 };
let cluster: ReplicaCluster;

afterEach(() => cluster.close());

async function start(
  names: readonly string[],
  compaction: ReplicaOptions['compaction'] = BY_HAND,
  options: Partial<ReplicaOptions> = {},
): Promise<Member[]> {
  cluster = new ReplicaCluster();
  // Stamps begin with 2024.
  cluster.time.jump(10_000_000_000);
  const members: Member[] = [];
  for (const name of names) members.push(await open(name, names, { compaction, ...options }));
  await cluster.until(() => members.every((each) => members.every((other) => stateOf(each, other) === 'live')));
  await members[0]!.replica.createDatabase('app');
  await cluster.until(() => members.every(({ replica }) => replica.databases().includes('app')));
  return members;
}

function open(name: string, names: readonly string[], options: Partial<ReplicaOptions> = {}): Promise<Member> {
  const joins = names.filter((other) => other < name);
  return cluster.start(name, joins, { clusterSecret: SECRET, compaction: BY_HAND, ...options });
}

const change = ({ replica }: Member, what: Change): Promise<unknown> => replica.database('app').write('c', 'x', what);
const operate = (member: Member, ...operations: readonly IntentOperation[]): Promise<unknown> =>
  change(member, { kind: 'operations', operations });

async function read({ replica }: Member): Promise<Record<string, unknown>> {
  const found = await replica.database('app').get('c', 'x');
  return JSON.parse(new TextDecoder().decode(found!.json)) as Record<string, unknown>;
}

/** Bytes of the stored document. */
async function stored({ store }: Member): Promise<number> {
  let bytes = 0;
  for (const kind of ['j', 'y']) {
    for await (const entries of store.range(rangeOf(kind, 2))) for (const [, value] of entries) bytes += value.length;
  }
  return bytes;
}

function digestOf({ replica }: Member): string {
  const { vector, ...rest } = replica.database('app').digest();
  return JSON.stringify([rest, Object.entries(vector).sort(([x], [y]) => Number(x) - Number(y))]);
}
const isEqual = (...members: Member[]): boolean => new Set(members.map(digestOf)).size === 1;
const compactionOf = ({ replica }: Member) => replica.status().databases[0]!.compaction;
const compacted = (...members: Member[]): number =>
  members.reduce((sum, each) => sum + compactionOf(each).compacted, 0);

/** One write after which most of the document is history; returns the text. */
async function grow(member: Member, others: readonly Member[] = []): Promise<string> {
  const operations: IntentOperation[] = [];
  let text = '';
  for (let i = 0; i < 150; i++) {
    const index = (i * 7919) % (text.length + 1);
    operations.push({ op: 'text-insert', path: '/text', index, value: `${i % 10}` });
    text = text.slice(0, index) + `${i % 10}` + text.slice(index);
    if (text.length < 20) continue;
    operations.push({ op: 'text-delete', path: '/text', index: index % 10, length: 8 });
    text = text.slice(0, index % 10) + text.slice((index % 10) + 8);
  }
  await operate(member, ...operations);
  await heard(member, ...others);
  return text;
}

/** Everybody holds the same, and knows of the others that they do. */
async function heard(...members: Member[]): Promise<void> {
  await cluster.until(() => isEqual(...members));
  await cluster.time.advance(10_000);
}

async function compactAll(...members: Member[]): Promise<void> {
  for (const { replica } of members) await replica.upkeep.compactor.compact();
}

/** The one that compacts, and the others. */
const byId = (members: readonly Member[]): [Member, Member, Member] =>
  [...members].sort((x, y) => (x.replica.nodeId < y.replica.nodeId ? -1 : 1)) as [Member, Member, Member];

async function stop(member: Member, ...others: Member[]): Promise<void> {
  await member.replica.close();
  await cluster.until(() => others.every((other) => !isLinked(other, member)));
}

test('[CP5] a document that has grown leaves its history behind, once, by one member, and stays what it was', async () => {
  const members = byId(await start(['a', 'b', 'c']));
  const [a, b, c] = members;
  const text = await grow(b, [a, c]);
  await operate(b, { op: 'increment', path: '/n', value: 7 });
  await heard(a, b, c);
  const before = await stored(a);
  for (let i = 0; i < 3; i++) {
    await compactAll(c, b, a);
    await heard(a, b, c);
  }
  expect([compacted(a), compacted(b, c)]).toEqual([1, 0]);
  for (const each of members) {
    expect(await read(each)).toEqual({ text, n: 7 });
    expect(await stored(each)).toBeLessThan(before / 2);
    expect(each.replica.status().alarms).toEqual([]);
  }
  await operate(c, { op: 'text-insert', path: '/text', index: 0, value: '>' });
  await operate(a, { op: 'increment', path: '/n', value: 1 });
  await heard(a, b, c);
  for (const each of members) expect(await read(each)).toEqual({ text: `>${text}`, n: 8 });
});

test('[CP5] small documents, those that are written, and those that would not shrink stay as they are', async () => {
  const members = byId(await start(['a', 'b', 'c'], { ...BY_HAND, quietMs: 60_000 }));
  const [a, b, c] = members;
  await grow(b, [a, c]);
  await compactAll(...members);
  expect(compacted(...members)).toBe(0);
  await cluster.time.advance(60_000);
  await compactAll(...members);
  expect(compacted(...members)).toBe(1);
  await cluster.close();
  const strict = byId(await start(['a', 'b', 'c'], { ...BY_HAND, bytesMin: 100_000 }));
  await grow(strict[1], [strict[0], strict[2]]);
  await compactAll(...strict);
  expect(compacted(...strict)).toBe(0);
  await cluster.close();
  const greedy = byId(await start(['a', 'b', 'c'], { ...BY_HAND, shareMax: 0.01 }));
  await grow(greedy[1], [greedy[0], greedy[2]]);
  await compactAll(...greedy);
  await compactAll(...greedy);
  expect([compacted(...greedy), compactionOf(greedy[0]).grown]).toEqual([0, 1]);
});

test('[CP5] a document waits for every member, also for one that is away', async () => {
  const [a, b, c] = byId(await start(['a', 'b', 'c']));
  await stop(c, a, b);
  const text = await grow(b, [a]);
  await compactAll(a, b);
  expect(compacted(a, b)).toBe(0);
  const again = await open('c', ['a', 'b', 'c'], { store: c.store.crash(99, {}) });
  await cluster.until(() => isLinked(a, again) && isLinked(b, again));
  await heard(a, b, again);
  await compactAll(a, b, again);
  expect(compacted(a, b, again)).toBe(1);
  await heard(a, b, again);
  for (const each of [a, b, again]) expect(await read(each)).toEqual({ text });
});

test('[CP5] what is large by its content has not grown, however often it was written', async () => {
  const [a, b, c] = byId(await start(['a', 'b', 'c']));
  await change(a, { kind: 'replace', value: { text: 'x'.repeat(2000), n: 0 } });
  for (let n = 1; n < 10; n++) await change(a, { kind: 'merge-patch', patch: { n } });
  await heard(a, b, c);
  await compactAll(a, b, c);
  expect([compactionOf(a).grown, compacted(a, b, c)]).toEqual([0, 0]);
});

test('[CP5] a document that somebody has open waits', async () => {
  const [a, b, c] = byId(await start(['a', 'b', 'c']));
  await grow(b, [a, c]);
  const editor = new SharedDocument(a.replica.database('app'), 'c', 'x', () => undefined);
  await editor.open();
  await compactAll(a);
  expect([compactionOf(a).grown, compacted(a)]).toEqual([1, 0]);
  editor.close();
  await compactAll(a);
  expect(compacted(a)).toBe(1);
});

test('[CP5] while a member is stale nothing is compacted, although it is not waited for', async () => {
  const named = await start(['a', 'b', 'c'], BY_HAND, { staleAfterMs: 60_000 });
  const [a, b, c] = byId(named);
  await stop(c, a, b);
  await grow(b, [a]);
  await cluster.until(() => stateOf(a, c) === 'stale', 600_000);
  await heard(a, b);
  await compactAll(a, b);
  expect([compactionOf(a).grown, compacted(a, b)]).toEqual([1, 0]);
});

test('[CP7] a leaf that read the document before gets all of it, and one that has heard of the compaction what it lacks', async () => {
  const [a, b, c] = byId(await start(['a', 'b', 'c']));
  await grow(b, [a, c]);
  const database = a.replica.database('app');
  const hosted = async (held: Uint8Array): Promise<HostedDocument> =>
    (await readHosted(database, { collection: 'c', id: 'x' }, held))!;
  const clocksOf = (document: HostedDocument): Uint8Array =>
    CrdtDocument.load(...(document.parts as [Uint8Array])).encodeStateVector();
  const before = clocksOf(await hosted(new Uint8Array(0)));
  expect((await hosted(before)).isWhole).toBe(false);
  await compactAll(a);
  const told = await hosted(before);
  expect([told.isWhole, (await hosted(clocksOf(told))).isWhole]).toEqual([true, false]);
});

test('[CP3] what is written on both sides of a partition while one of them compacts is all there', async () => {
  const named = await start(['a', 'b', 'c']);
  const members = byId(named);
  const [a, b, c] = members;
  const text = await grow(b, [a, c]);
  await change(a, { kind: 'merge-patch', patch: { list: ['p', 'q', 'r'] } });
  await heard(a, b, c);
  const alone = 'abc'[named.indexOf(c)]!;
  for (const other of 'abc') cluster.network.cut.add(`${alone}|${other}`);
  await compactAll(a);
  expect(compacted(a)).toBe(1);
  for (let i = 0; i < text.length; i++) {
    await operate(c, { op: 'text-insert', path: '/text', index: 2 * i, value: 'c' });
    await operate(a, { op: 'text-insert', path: '/text', index: 2 * i, value: 'a' });
  }
  await change(c, { kind: 'json-patch', operations: [{ op: 'remove', path: '/list/1' }] });
  await operate(c, { op: 'increment', path: '/n', value: 5 });
  await operate(a, { op: 'increment', path: '/n', value: 6 });
  cluster.network.cut.clear();
  await heard(a, b, c);
  const shown = (await read(a)) as { text: string };
  expect(shown).toMatchObject({ n: 11, list: ['p', 'r'] });
  // Each side wrote its letter before each of the digits, whatever stands between.
  expect(shown.text.replace(/[ac]/g, '')).toBe(text);
  expect([...shown.text].filter((letter) => letter === 'c').length).toBe(text.length);
  expect([...shown.text].filter((letter) => letter === 'a').length).toBe(text.length);
  for (const each of [b, c]) expect(await read(each)).toEqual(shown);
  for (const each of members) expect(each.replica.status().alarms).toEqual([]);
});
