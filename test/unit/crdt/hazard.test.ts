/**
 * What goes wrong with plain Yjs, reproduced, and the same through our interface. When Yjs changes, the first half of a test
 * says so. The hazards of identity (a client id used twice, one per request) are the replication layer's: rule I2.
 */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, normaliseState, mergeClient, type Author, type ClientAdmission } from '../../../crdt/index.ts';
import { codeOf } from '../../helper/crdt-failure.ts';

const AUTHOR: Author = { client: 2 ** 33 + 5, stamp: 1000 };
const OTHER: Author = { client: 2 ** 33 + 4, stamp: 2000 };

function merged(a: CrdtDocument, b: CrdtDocument): string {
  const [stateA, stateB] = [a.encode(), b.encode()];
  a.apply(stateB);
  b.apply(stateA);
  expect(a.view().json).toBe(b.view().json);
  return a.view().json;
}

test('[CR1] Yjs: the higher client id wins whatever the time; here the later stamp does', () => {
  const docs = [2, 1].map((client) => {
    const doc = new Y.Doc();
    doc.clientID = client;
    doc.getMap('m').set('k', client === 1 ? 'later' : 'earlier');
    return doc;
  }) as [Y.Doc, Y.Doc];
  Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(docs[1]));
  expect(docs[0].getMap('m').get('k')).toBe('earlier');

  const [a, b] = [CrdtDocument.create(), CrdtDocument.create()];
  a.change({ kind: 'replace', value: { k: 'earlier' } }, AUTHOR);
  b.change({ kind: 'replace', value: { k: 'later' } }, OTHER);
  expect(merged(a, b)).toBe('{"k":"later"}');
});

test('[CR3] Yjs: of two maps created concurrently one is lost whole; here they merge', () => {
  const docs = [1, 2].map((client) => {
    const doc = new Y.Doc();
    doc.clientID = client;
    doc.getMap('m').set('o', new Y.Map([[`from${client}`, 1]]));
    return doc;
  }) as [Y.Doc, Y.Doc];
  Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(docs[1]));
  expect(docs[0].getMap('m').toJSON()).toEqual({ o: { from2: 1 } });

  const [a, b] = [CrdtDocument.create(), CrdtDocument.create()];
  a.change({ kind: 'replace', value: { o: { a: 1 } } }, AUTHOR);
  b.change({ kind: 'replace', value: { o: { b: 1 } } }, OTHER);
  expect(merged(a, b)).toBe('{"o":{"a":1,"b":1}}');
});

test('[CR2] Yjs: set then delete can erase a set nobody saw; here it survives', () => {
  const docs = [2, 1].map((client) => {
    const doc = new Y.Doc();
    doc.clientID = client;
    doc.getMap('m').set('k', client);
    return doc;
  }) as [Y.Doc, Y.Doc];
  docs[0].getMap('m').delete('k');
  Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(docs[1]));
  expect(docs[0].getMap('m').toJSON()).toEqual({});

  const [a, b] = [CrdtDocument.create(), CrdtDocument.create()];
  a.change({ kind: 'replace', value: { k: 'a' } }, AUTHOR);
  a.change({ kind: 'merge-patch', patch: { k: null } }, AUTHOR);
  b.change({ kind: 'replace', value: { k: 'b' } }, OTHER);
  expect(merged(a, b)).toBe('{"k":"b"}');
});

test('[CR14] Yjs: equal state vectors hide a delete; here a delete moves the clock', () => {
  const doc = new Y.Doc();
  doc.getMap('m').set('k', 1);
  const before = Y.encodeStateVector(doc);
  doc.getMap('m').delete('k');
  expect(Y.encodeStateVector(doc)).toEqual(before);

  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value: { k: 1 } }, AUTHOR);
  const vector = Y.encodeStateVectorFromUpdate(normaliseState(document.encode()));
  document.change({ kind: 'merge-patch', patch: { k: null } }, AUTHOR);
  expect(Y.encodeStateVectorFromUpdate(normaliseState(document.encode()))).not.toEqual(vector);
});

test('[CR13] Yjs: an update after a gap makes an existing key vanish and parks the rest; here it is refused', () => {
  const source = new Y.Doc();
  const updates: Uint8Array[] = [];
  source.on('update', (update: Uint8Array) => updates.push(update));
  for (const value of [1, 2, 3]) source.getMap('m').set('k', value);
  const victim = new Y.Doc();
  Y.applyUpdate(victim, updates[0]!);
  Y.applyUpdate(victim, updates[2]!);
  expect(victim.store.pendingStructs).not.toBeNull();

  const document = CrdtDocument.create();
  const made = [1, 2, 3].map((k) => document.change({ kind: 'merge-patch', patch: { k } }, AUTHOR)!);
  const reader = CrdtDocument.create();
  reader.apply(made[0]!);
  expect(codeOf(() => reader.apply(made[2]!))).toBe('CRDT_UPDATE_GAP');
  expect(reader.view().json).toBe('{"k":1}');
});

test('[CR13] Yjs: v2 bytes are swallowed silently and truncated bytes applied by half; here both are refused', () => {
  const source = new Y.Doc();
  source.getMap('m').set('k', 'some value');
  const victim = new Y.Doc();
  Y.applyUpdate(victim, Y.encodeStateAsUpdateV2(source));
  expect(victim.getMap('m').toJSON()).toEqual({});
  const whole = Y.encodeStateAsUpdate(source);
  expect(() => Y.applyUpdate(victim, whole.subarray(0, whole.length - 1))).toThrow();
  expect(victim.getMap('m').toJSON()).toEqual({ k: 'some value' });

  const document = CrdtDocument.create();
  expect(codeOf(() => document.apply(Y.encodeStateAsUpdateV2(source)))).toBe('CRDT_UPDATE_MALFORMED');
  expect(codeOf(() => document.apply(whole.subarray(0, whole.length - 1)))).toBe('CRDT_UPDATE_MALFORMED');
  expect(document.view().exists).toBe(false);
});

test('[CR13] Yjs: 11 bytes erase what another client will write; here deletes reach no further than what is known', () => {
  // No structs; delete set: client 5, clock 0, length 2^40.
  const attack = Uint8Array.of(0, 1, 5, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20);
  const server = new Y.Doc();
  Y.applyUpdate(server, attack);
  const victim = new Y.Doc();
  victim.clientID = 5;
  victim.getMap('m').set('k', 1);
  Y.applyUpdate(server, Y.encodeStateAsUpdate(victim));
  expect(server.getMap('m').toJSON()).toEqual({});

  expect(codeOf(() => CrdtDocument.create().apply(attack))).toBe('CRDT_UPDATE_GAP');
});

test('[CR13] Yjs: anyone may write as anyone; here only as the clients the sender was given', () => {
  const sender = CrdtDocument.create();
  const update = sender.change({ kind: 'replace', value: { k: 1 } }, AUTHOR)!;
  const receiver = CrdtDocument.create();
  const merge = (admission: Partial<ClientAdmission>): number =>
    mergeClient(receiver, update, { isReadOnly: false, bytesMax: 1000, isBeginning: true, ...admission }, OTHER).length;
  expect(codeOf(() => merge({}))).toBe('CRDT_UPDATE_GAP');
  expect(codeOf(() => merge({ writers: new Set([OTHER.client]) }))).toBe('CRDT_UPDATE_FORBIDDEN');
  expect(codeOf(() => merge({ writers: new Set([AUTHOR.client]), bytesMax: 10 }))).toBe('CRDT_LIMIT_EXCEEDED');
  expect(receiver.view().exists).toBe(false);
  receiver.apply(update);
  // What is known already does no harm, whoever repeats it.
  expect(merge({ writers: new Set() })).toBe(0);
});

test('[CR13] Yjs: structs that wait for each other stay pending for ever; here they are refused', () => {
  const circle = (first: number, second: number): number[] => [1, first, 0, 0x88, second, 0, 1, 125, 1];
  const update = Uint8Array.from([2, ...circle(5, 6), ...circle(6, 5), 0]);
  const victim = new Y.Doc();
  Y.applyUpdate(victim, update);
  expect(victim.store.pendingStructs).not.toBeNull();

  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value: { k: 1 } }, AUTHOR);
  document.change({ kind: 'merge-patch', patch: { k: 2 } }, AUTHOR);
  expect(codeOf(() => document.apply(update))).toBe('CRDT_UPDATE_MALFORMED');
  expect(document.view().json).toBe('{"k":2}');
  expect(codeOf(() => normaliseState(update))).toBe('CRDT_UPDATE_MALFORMED');
});

test('[CR14] Yjs: overwriting in turns leaves a tombstone each; here they melt together, for one writer and for two', () => {
  const doc = new Y.Doc();
  for (let index = 0; index < 2000; index++) doc.getMap('m').set(`k${index % 10}`, index);
  expect(Y.encodeStateAsUpdate(doc).length).toBeGreaterThan(9000);

  for (const writers of [[AUTHOR], [AUTHOR, OTHER]]) {
    const document = CrdtDocument.create();
    for (let index = 0; index < 2000; index++) {
      document.change(
        { kind: 'merge-patch', patch: { [`k${index % 10}`]: index } },
        { ...writers[index % writers.length]!, stamp: index },
      );
    }
    expect(document.encode().length).toBeLessThan(400);
  }
});

test('[CR14] Yjs: `__proto__` disappears from JSON; here it is a key like any other', () => {
  const doc = new Y.Doc();
  doc.getMap('m').set('__proto__', { x: 1 });
  expect(Object.keys(doc.getMap('m').toJSON())).toEqual([]);

  const value = JSON.parse('{"__proto__":{"constructor":1},"list":[{"__proto__":2}],"toString":"s"}') as never;
  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value }, AUTHOR);
  const reloaded = CrdtDocument.load(document.encode());
  expect(reloaded.view().json).toBe('{"__proto__":{"constructor":1},"list":[{"__proto__":2}],"toString":"s"}');
  expect(Object.prototype).not.toHaveProperty('x');
});

test('[CR14] a first state with paths that nobody here would write reads the same whether it arrives or is loaded', () => {
  for (const path of ['/a/~e1.2/b', '/~x/y', '/a~', '~e.5/x', '/a/b/c', '//', 'a/b', '~']) {
    const doc = new Y.Doc();
    doc.clientID = 2 ** 33;
    doc.getArray('~').push([[1000], ['a'], [path, 5]]);
    const state = Y.encodeStateAsUpdate(doc);
    const document = CrdtDocument.create();
    document.apply(state);
    expect(document.view(), path).toEqual(CrdtDocument.load(state).view());
  }
});
