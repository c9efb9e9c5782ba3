/**
 * Compaction: when documents leave their history behind, and what becomes of who is away, joins, restarts or goes meanwhile.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { Change, IntentOperation } from '../../../crdt/index.ts';
import { rangeOf } from '../../../sync/key.ts';
import type { ReplicaOptions } from '../../../sync/index.ts';
import { ReplicaCluster, isLinked, stateOf } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const SECRET = new TextEncoder().encode('secret');
const OFTEN = { intervalMs: 1000, bytesMin: 500, ratioMin: 2, quietMs: 0 };
let cluster: ReplicaCluster;

afterEach(() => cluster.close());

async function start(names: readonly string[], options: Partial<ReplicaOptions> = {}): Promise<Member[]> {
  cluster = new ReplicaCluster();
  const members: Member[] = [];
  for (const name of names) members.push(await open(name, names, options));
  await cluster.until(() => members.every((each) => members.every((other) => stateOf(each, other) === 'live')));
  await members[0]!.replica.createDatabase('app');
  await cluster.until(() => members.every(({ replica }) => replica.databases().includes('app')));
  return members;
}

function open(name: string, names: readonly string[], options: Partial<ReplicaOptions> = {}): Promise<Member> {
  const joins = names.filter((other) => other < name);
  return cluster.start(name, joins, { clusterSecret: SECRET, compaction: OFTEN, ...options });
}

const change = ({ replica }: Member, what: Change, id = 'x'): Promise<unknown> =>
  replica.database('app').write('c', id, what);
const operate = (member: Member, ...operations: readonly IntentOperation[]): Promise<unknown> =>
  change(member, { kind: 'operations', operations });

async function read({ replica }: Member, id = 'x'): Promise<Record<string, unknown>> {
  const found = await replica.database('app').get('c', id);
  return JSON.parse(new TextDecoder().decode(found!.json)) as Record<string, unknown>;
}

/** Successors that are open, and how often the document was compacted. */
async function held({ replica }: Member): Promise<{ successors: readonly string[]; generation: number }> {
  const { table } = replica.database('app').parts;
  const slot = table.acquire('c', 'x');
  try {
    await slot.loading;
    const { successors, generation } = slot.document;
    return { successors, generation };
  } finally {
    table.release(slot);
  }
}

/** Bytes of the stored state. */
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
const compaction = ({ replica }: Member) => replica.status().databases[0]!.compaction;
const compacted = (...members: Member[]): number => members.reduce((sum, each) => sum + compaction(each).compacted, 0);
const isIdle = (...members: Member[]): boolean => members.every((each) => compaction(each).preparing === 0);

async function edit(members: readonly Member[], edits: number): Promise<string> {
  let text = '';
  for (let i = 0; i < edits; i++) {
    const member = members[i % members.length]!;
    const index = (i * 7919) % (text.length + 1);
    if (text.length > 20) {
      const at = Math.min(index, 10);
      await operate(member, { op: 'text-delete', path: '/text', index: at, length: 10 });
      text = text.slice(0, at) + text.slice(at + 10);
    } else {
      await operate(member, { op: 'text-insert', path: '/text', index, value: `${i % 10}` });
      text = text.slice(0, index) + `${i % 10}` + text.slice(index);
    }
    await cluster.until(() => isEqual(...members));
  }
  return text;
}

/** The one that begins, and the others. */
const byId = (members: readonly Member[]): Member[] =>
  [...members].sort((x, y) => (x.replica.nodeId < y.replica.nodeId ? -1 : 1));

/** The same by one write. */
async function grow(member: Member): Promise<void> {
  const operations: IntentOperation[] = [];
  for (let i = 0; i < 60; i++) {
    operations.push({ op: 'text-insert', path: '/text', index: i % 2, value: `${i % 10}` });
    if (i % 3 > 0) operations.push({ op: 'text-delete', path: '/text', index: (i * 7) % 2, length: 1 });
  }
  await operate(member, ...operations);
}

async function stop(member: Member, ...others: Member[]): Promise<void> {
  await member.replica.close();
  await cluster.until(() => others.every((other) => !isLinked(other, member)));
}

describe('compaction', { timeout: 60_000 }, () => {
  test('[GC20] a document that has grown leaves its history behind on every node, and stays what it was', async () => {
    const members = (await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } })) as Member[];
    const [a, b, c] = members as [Member, Member, Member];
    const text = await edit(members, 60);
    await operate(b, { op: 'increment', path: '/n', value: 7 });
    await cluster.until(() => isEqual(a, b, c));
    const before = await stored(a);
    expect(before).toBeGreaterThan(1500);
    for (let i = 0; i < 3; i++) {
      await cluster.time.advance(10_000);
      for (const each of members) await each.replica.upkeep.compactor.compact();
      await cluster.until(() => isEqual(a, b, c));
    }
    expect(compacted(a, b, c)).toBe(1);
    for (const each of members) {
      expect(await read(each)).toEqual({ text, n: 7 });
      expect(await stored(each)).toBeLessThan(before / 4);
      expect(each.replica.status().alarms).toEqual([]);
    }
    await operate(c, { op: 'text-insert', path: '/text', index: 0, value: '>' });
    await operate(a, { op: 'increment', path: '/n', value: 1 });
    await cluster.until(() => isEqual(a, b, c));
    for (const each of members) expect(await read(each)).toEqual({ text: `>${text}`, n: 8 });
  });

  test('[GC21] waits for every member, also for one that is away, whose unseen writes are not lost', async () => {
    const members = (await start(['a', 'b', 'c'])) as Member[];
    const [a, b, c] = members as [Member, Member, Member];
    const text = await edit([a], 5);
    await cluster.until(() => isEqual(a, b, c));
    await stop(c, a, b);
    const more = await edit([a, b], 40);
    await cluster.time.advance(120_000);
    expect(compacted(a, b)).toBe(0);
    const again = await open('c', ['a', 'b', 'c'], { store: c.store.crash(99, {}) });
    await change(again, { kind: 'merge-patch', patch: { unseen: true } });
    await cluster.until(() => isLinked(a, again) && isLinked(b, again) && isEqual(a, b, again));
    await cluster.until(() => compacted(a, b, again) > 0 && isIdle(a, b, again) && isEqual(a, b, again), 120_000);
    for (const each of [a, b, again]) {
      const shown = await read(each);
      expect(shown['unseen']).toBe(true);
      expect((shown['text'] as string).length).toBeGreaterThanOrEqual(Math.min(text.length, more.length));
    }
  });

  test('[GC21] goes on while nodes write: what is written meanwhile is there once, whichever generation it was written to', async () => {
    const members = (await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 300 } })) as Member[];
    const [a, b, c] = members as [Member, Member, Member];
    await edit([a], 30);
    for (let i = 0; i < 24; i++) {
      const member = members[i % 3]!;
      await operate(member, { op: 'increment', path: '/n', value: 1 }, { op: 'append', path: '/list', value: i });
      if (i % 5 === 0) await operate(member, { op: 'text-insert', path: '/text', index: 0, value: `<${i}>` });
      await cluster.time.advance(i % 6 === 5 ? 12_000 : (i * 37) % 400);
    }
    await cluster.until(() => isEqual(a, b, c) && isIdle(a, b, c), 120_000);
    expect(compacted(a, b, c)).toBeGreaterThan(0);
    for (const each of members) {
      const { n, list, text } = (await read(each)) as { n: number; list: number[]; text: string };
      expect(n).toBe(24);
      expect([...list].sort((x, y) => x - y)).toEqual(Array.from({ length: 24 }, (_, i) => i));
      expect(text.match(/<\d+>/g)!.length).toBe(5);
    }
  });

  test('[GC22] a node that joins meanwhile gets the document and its successor, and is waited for', async () => {
    const members = (await start(['a', 'b'], { compaction: { ...OFTEN, intervalMs: 1e9 } })) as Member[];
    const [a, b] = members as [Member, Member];
    const text = await edit(members, 40);
    await cluster.time.advance(10_000);
    const [first] = byId(members) as [Member];
    await first.replica.upkeep.compactor.compact();
    expect(compaction(first).preparing).toBe(1);
    const c = await open('c', ['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } });
    await cluster.until(() => stateOf(a, c) === 'live' && isEqual(a, b, c), 60_000);
    await operate(c, { op: 'increment', path: '/n', value: 2 });
    await cluster.time.advance(20_000);
    await first.replica.upkeep.compactor.compact();
    await cluster.until(() => isEqual(a, b, c));
    expect(compacted(first)).toBe(1);
    for (const each of [a, b, c]) expect(await read(each)).toEqual({ text, n: 2 });
  });

  test('[GC22] who prepared a successor decides on it after a restart, and when it is removed another member does', async () => {
    const members = (await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } })) as Member[];
    const [c, a, b] = byId(members) as [Member, Member, Member];
    const name = c.replica.name!;
    const text = await edit(members, 40);
    await cluster.time.advance(10_000);
    await c.replica.upkeep.compactor.compact();
    await cluster.until(() => isEqual(a, b, c));
    await cluster.time.advance(20_000);
    for (const each of [a, b]) {
      await each.replica.upkeep.compactor.compact();
      expect(compaction(each)).toMatchObject({ preparing: 1, compacted: 0 });
    }
    await stop(c, a, b);
    const again = await open(name, ['a', 'b', 'c'], {
      store: c.store.crash(99, {}),
      compaction: { ...OFTEN, intervalMs: 1e9 },
    });
    await cluster.until(() => isEqual(a, b, again) && isLinked(a, again) && isLinked(b, again));
    await cluster.time.advance(20_000);
    // Whatever it may have decided before it stopped is here once all hold what it writes now.
    for (const count of [0, 1]) {
      await again.replica.upkeep.compactor.compact();
      await cluster.until(() => isEqual(a, b, again));
      expect(compacted(again)).toBe(count);
      await cluster.time.advance(20_000);
    }
    // Once more, and this time it does not come back.
    await edit([a, b, again], 60);
    await cluster.time.advance(10_000);
    await again.replica.upkeep.compactor.compact();
    expect(compaction(again).preparing).toBe(1);
    await cluster.until(() => isEqual(a, b, again));
    await stop(again, a, b);
    await a.replica.removeMember(again.replica.nodeId);
    await cluster.until(() => stateOf(b, again) === 'removed');
    const heir = [a, b].find((each) => each.replica.nodeId < (each === a ? b : a).replica.nodeId)!;
    const look = async (): Promise<void> => {
      await cluster.time.advance(10_000);
      await heir.replica.upkeep.compactor.compact();
      await cluster.until(() => isEqual(a, b));
    };
    // What it may have decided before it was out is here once both hold what was written after that.
    const { successors } = await held(heir);
    await look();
    expect((await held(heir)).successors).toEqual(successors);
    await look();
    expect((await held(heir)).successors).toEqual([]);
    await look();
    expect((await held(heir)).successors).not.toEqual(successors);
    await look();
    expect(compacted(a, b)).toBe(1);
    expect(((await read(a))['text'] as string).length).toBeGreaterThan(0);
    expect(text.length).toBeGreaterThan(0);
  });

  test('[GC22] a successor is given up when a member was removed after it was prepared, and another one takes over', async () => {
    const members = await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } });
    const [first, other, gone] = byId(members) as [Member, Member, Member];
    await edit(members, 40);
    const look = async (): Promise<void> => {
      await cluster.time.advance(20_000);
      await first.replica.upkeep.compactor.compact();
      await cluster.until(() => isEqual(first, other));
    };
    await look();
    const { successors } = await held(first);
    expect(successors).toHaveLength(1);
    await stop(gone, first, other);
    await first.replica.removeMember(gone.replica.nodeId);
    await cluster.until(() => stateOf(other, gone) === 'removed');
    await look();
    expect(await held(first)).toEqual({ successors: [], generation: 0 });
    for (let looks = 0; looks < 2; looks++) await look();
    // One number for each that was prepared, so that no two generations have the same.
    expect(await held(other)).toEqual({ successors: [], generation: 2 });
  });

  test('[GC21] nothing takes over while a member that is away may be writing without knowing of it', async () => {
    const members = await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } });
    const [first, other, away] = byId(members) as [Member, Member, Member];
    await edit(members, 40);
    await cluster.until(() => isEqual(...members));
    await cluster.time.advance(20_000);
    const { n = 0 } = (await read(first)) as { n?: number };
    for (const each of [first, other]) {
      cluster.network.cut.add(
        [each, away]
          .map(({ replica }) => replica.name)
          .sort()
          .join('|'),
      );
    }
    await first.replica.upkeep.compactor.compact();
    await cluster.until(() => isEqual(first, other));
    await operate(away, { op: 'increment', path: '/n', value: 5 });
    await first.replica.upkeep.compactor.compact();
    expect(await held(first)).toMatchObject({ successors: [expect.any(String)], generation: 0 });
    cluster.network.cut.clear();
    await cluster.until(() => isEqual(...members));
    await cluster.time.advance(20_000);
    await first.replica.upkeep.compactor.compact();
    expect(await held(first)).toEqual({ successors: [], generation: 0 });
    expect(await read(first)).toMatchObject({ n: n + 5 });
  });

  test('[GC22] nothing is prepared before every member knows who was removed', async () => {
    const members = await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } });
    const [first, other, gone] = byId(members) as [Member, Member, Member];
    await edit(members, 40);
    await cluster.until(() => isEqual(first, other));
    await cluster.time.advance(20_000);
    await stop(gone, first, other);
    const link = [first, other].map(({ replica }) => replica.name).sort();
    cluster.network.cut.add(link.join('|'));
    await first.replica.removeMember(gone.replica.nodeId);
    await first.replica.upkeep.compactor.compact();
    expect((await held(first)).successors).toEqual([]);
    cluster.network.cut.clear();
    await cluster.until(() => stateOf(other, gone) === 'removed');
    await cluster.time.advance(20_000);
    await first.replica.upkeep.compactor.compact();
    expect((await held(first)).successors).toHaveLength(1);
  });

  const cutOff = (one: Member, ...others: Member[]): void => {
    const names = others.map((other) => [one, other].map(({ replica }) => replica.name).sort());
    for (const pair of names) cluster.network.cut.add(pair.join('|'));
  };

  test('[GC22] nobody takes up what a removed member has begun before all know that it was removed', async () => {
    const members = await start(['a', 'b', 'c'], { compaction: { ...OFTEN, intervalMs: 1e9 } });
    const [owner, ...rest] = byId(members) as [Member, Member, Member];
    const [heir, other] = rest as [Member, Member];
    await edit(members, 40);
    await cluster.time.advance(20_000);
    await owner.replica.upkeep.compactor.compact();
    await cluster.until(() => isEqual(...members));
    await stop(owner, ...rest);
    cutOff(heir, other);
    await heir.replica.removeMember(owner.replica.nodeId);
    await cluster.time.advance(20_000);
    const before = digestOf(heir);
    for (let looks = 0; looks < 3; looks++) await heir.replica.upkeep.compactor.compact();
    expect(digestOf(heir)).toBe(before);
    cluster.network.cut.clear();
    await cluster.until(() => stateOf(other, owner) === 'removed' && isEqual(heir, other));
    for (let looks = 0; looks < 2; looks++) {
      await cluster.time.advance(20_000);
      await heir.replica.upkeep.compactor.compact();
      await cluster.until(() => isEqual(heir, other));
    }
    expect(await held(other)).toEqual({ successors: [], generation: 0 });
  });

  test('[CP63] a node that was set back to before its decision does not decide again while somebody is away who may know of it', async () => {
    const options = { compaction: { ...OFTEN, intervalMs: 1e9 } };
    const members = await start(['a', 'b', 'c'], options);
    const [owner, knows, lacks] = byId(members) as [Member, Member, Member];
    const text = await edit(members, 40);
    await cluster.time.advance(20_000);
    await owner.replica.upkeep.compactor.compact();
    await cluster.until(() => isEqual(...members));
    await cluster.time.advance(20_000);
    const copy = owner.store.copy();
    cutOff(lacks, owner, knows);
    await owner.replica.upkeep.compactor.compact();
    await cluster.until(() => isEqual(owner, knows));
    expect(await held(knows)).toEqual({ successors: [], generation: 1 });
    await stop(owner, knows);
    cluster.network.cut.clear();
    cutOff(knows, owner, lacks);
    const { name } = owner.replica;
    const again = await open(
      name,
      members.map(({ replica }) => replica.name),
      { ...options, store: copy },
    );
    await operate(again, { op: 'increment', path: '/n', value: 5 });
    await cluster.until(() => isLinked(again, lacks) && isEqual(again, lacks));
    const { successors } = await held(lacks);
    expect(successors).toHaveLength(1);
    // However long that is.
    for (let looks = 0; looks < 4; looks++) {
      await cluster.time.advance(20_000);
      await again.replica.upkeep.compactor.compact();
    }
    expect(await held(again)).toEqual({ successors, generation: 0 });
    cluster.network.cut.clear();
    await cluster.until(() => isEqual(again, knows, lacks) && isLinked(again, knows), 120_000);
    for (const each of [again, knows, lacks]) {
      expect(await read(each)).toEqual({ text, n: 5 });
      expect(await held(each)).toEqual({ successors: [], generation: 1 });
    }
  });

  test.each([false, true])(
    '[GC24] what a node wrote whose disk was set back to before a compaction is there, also when it hears of that by documents: %s',
    async (isCut) => {
      const log = isCut ? { bytesMin: 0, intervalMs: 500 } : { bytesMin: Infinity };
      const members = (await start(['a', 'b', 'c'], { log, snapshot: { chunkBytes: 1000 } })) as Member[];
      const [a, b, c] = members as [Member, Member, Member];
      await edit([a], 1);
      await grow(a);
      await operate(a, { op: 'append', path: '/list', value: 'old' }, { op: 'increment', path: '/n', value: 1 });
      await cluster.until(() => isEqual(a, b, c));
      const copy = c.store.copy();
      await cluster.until(() => compacted(a, b, c) > 0 && isIdle(a, b, c) && isEqual(a, b, c), 120_000);
      await cluster.time.advance(30_000);
      await stop(c, a, b);
      await operate(a, { op: 'append', path: '/list', value: 'new' });
      const again = await open('c', ['a', 'b', 'c'], { store: copy, log });
      await operate(
        again,
        { op: 'increment', path: '/n', value: 5 },
        { op: 'append', path: '/list', value: 'unseen' },
        { op: 'text-insert', path: '/text', index: 0, value: '<unseen>' },
      );
      await change(again, { kind: 'merge-patch', patch: { deep: { field: 'unseen' } } });
      await cluster.until(() => isLinked(a, again) && isLinked(b, again) && isEqual(a, b, again), 60_000);
      for (const each of [a, b, again]) {
        const { n, list, text, deep } = (await read(each)) as {
          n: number;
          list: string[];
          text: string;
          deep: unknown;
        };
        expect([n, [...list].sort(), deep]).toEqual([6, ['new', 'old', 'unseen'], { field: 'unseen' }]);
        expect(text.match(/<unseen>/g)).toHaveLength(1);
      }
    },
  );

  test.each(['log', 'documents'] as const)(
    '[GC24] [CP65] what a node wrote that was set back and is lost for good is there as soon as another one holds it, heard of by %s',
    async (how) => {
      const log = how === 'documents' ? { bytesMin: 0, intervalMs: 500 } : { bytesMin: Infinity };
      const members = (await start(['a', 'b', 'c'], { log })) as Member[];
      const [a, b, c] = members as [Member, Member, Member];
      await edit([a], 1);
      await grow(a);
      await operate(a, { op: 'append', path: '/list', value: 'old' }, { op: 'increment', path: '/n', value: 1 });
      await cluster.until(() => isEqual(a, b, c));
      const copy = c.store.copy();
      await cluster.until(() => compacted(a, b, c) > 0 && isIdle(a, b, c) && isEqual(a, b, c), 120_000);
      await cluster.time.advance(30_000);
      await stop(c, a, b);
      cutOff(c, a, b);
      const again = await open('c', ['a', 'b', 'c'], { store: copy, log });
      const { origin } = again.replica;
      await operate(
        again,
        { op: 'increment', path: '/n', value: 5 },
        { op: 'append', path: '/list', value: 'unseen' },
        { op: 'text-insert', path: '/text', index: 0, value: '<unseen>' },
      );
      await change(again, { kind: 'merge-patch', patch: { deep: { field: 'unseen' } } });
      const has = (): number => b.replica.database('app').parts.log.durableVector.get(origin)?.seq ?? 0;
      const written = again.replica.database('app').parts.log.durableVector.get(origin)!.seq;
      // It takes nothing in any more, and tells one of the others before it is lost.
      Object.assign(again.replica.database('app').parts.turns, { next: () => new Promise(() => undefined) });
      cluster.network.cut.clear();
      cutOff(again, a);
      await cluster.until(() => has() >= written, 60_000);
      cutOff(again, a, b);
      await cluster.until(() => isEqual(a, b), 60_000);
      for (const each of [a, b]) {
        const { n, list, text, deep } = (await read(each)) as {
          n: number;
          list: string[];
          text: string;
          deep: unknown;
        };
        expect([n, [...list].sort(), deep]).toEqual([6, ['old', 'unseen'], { field: 'unseen' }]);
        expect(text.match(/<unseen>/g)).toHaveLength(1);
      }
    },
  );

  test('[GC23] does not begin while a member is stale, nor with documents that are written, small or as large as what they show', async () => {
    const members = (await start(['a', 'b'], { staleAfterMs: 30_000 })) as Member[];
    const [a, b] = members as [Member, Member];
    await stop(b, a);
    await cluster.until(() => stateOf(a, b) === 'stale', 120_000);
    await edit([a], 40);
    await change(a, { kind: 'replace', value: { big: 'x'.repeat(5000) } }, 'big');
    await change(a, { kind: 'merge-patch', patch: { more: 1 } }, 'big');
    await cluster.time.advance(60_000);
    expect(compaction(a)).toMatchObject({ grown: 1, preparing: 0, compacted: 0 });
    const again = await open('b', ['a', 'b'], { store: b.store.crash(99, {}), staleAfterMs: 30_000 });
    await cluster.until(() => stateOf(a, again) === 'live' && isEqual(a, again), 60_000);
    await cluster.until(() => compacted(a, again) === 1 && isIdle(a, again), 60_000);
    await cluster.until(() => compaction(a).grown === 0 && isEqual(a, again));
  });
});
