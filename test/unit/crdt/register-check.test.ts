/**
 * What a client may do to the root array: hostile updates, each made with Yjs itself, against a document that a node and a page wrote.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, encodeStamp, openDocument, mergeClient } from '../../../crdt/index.ts';
import type { Author, Change, JsonObject, LiveDocument } from '../../../crdt/index.ts';

const NODE = 2 ** 32 + 7;
const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 0);
const ADMISSION = { isReadOnly: false, bytesMax: 1_000_000 };

let document: CrdtDocument;
let stamp: number;
/** Of somebody who may write, and knows the document. */
let attacker: Y.Doc;

beforeEach(() => {
  document = CrdtDocument.create();
  stamp = encodeStamp(NOW, 0);
  write({ kind: 'replace', value: { title: 'a', nested: { x: 1, y: 2 }, list: [5, { k: 1 }, 'z'] } });
  write({ kind: 'operations', operations: [{ op: 'increment', path: '/count', value: 5 }] });
  write({ kind: 'operations', operations: [{ op: 'text-insert', path: '/note', index: 0, value: 'hello' }] });
  write({ kind: 'operations', operations: [{ op: 'set-add', path: '/tags', value: 'red' }] });
  attacker = new Y.Doc();
  attacker.clientID = 66;
  Y.applyUpdate(attacker, document.encode());
});

function author(): Author {
  stamp += 4096;
  return { client: NODE, stamp };
}

function write(change: Change): void {
  document.change(change, author());
}

function merge(doc: Y.Doc): void {
  mergeClient(document, Y.encodeStateAsUpdate(doc, document.encodeStateVector()), ADMISSION, author());
}

const rows = (doc: Y.Doc): Y.Array<unknown> => doc.getArray('~');
const now = (): number => encodeStamp(NOW, 0);

/** Index of the first element that looks like this. */
function find(matches: (value: unknown) => boolean): number {
  return rows(attacker).toArray().findIndex(matches);
}

function isEntry(path: string, length?: number): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value[0] === path && (length === undefined || value.length === length);
}

/** Clock of the first element at a path. */
function clockOf(path: string): number {
  for (let item = rows(attacker)._start; item !== null; item = item.right) {
    const at = item.deleted ? -1 : item.content.getContent().findIndex(isEntry(path));
    if (at >= 0) return item.id.clock + at;
  }
  throw new Error(`nothing at ${path}`);
}

/** Adds a run of an own write. */
const add =
  (...elements: unknown[]) =>
  (): void =>
    rows(attacker).push([now(), ...elements]);

const remove =
  (matches: (value: unknown) => boolean, length = 1) =>
  (): void =>
    rows(attacker).delete(find(matches), length);

const HOSTILE: readonly (readonly [string, () => void])[] = [
  ['takes the stamp from a write of a node', remove((value) => Array.isArray(value) && typeof value[0] === 'number')],
  ['takes the object from under its members', remove(isEntry('nested', 1))],
  ['takes the head from an array', remove(isEntry('list'))],
  ['drops what others have counted', remove(isEntry('count'))],
  ['sets a counter without saying what it saw', () => (remove(isEntry('count'))(), add(['count', 1])())],
  ['says that a node has counted more', () => add(['count', 0, { [NODE.toString(36)]: [900, clockOf('count')] }])()],
  ['says that a node has counted later', add(['count', 0, { [NODE.toString(36)]: [5, 2 ** 40] }])],
  ['says that somebody has counted who has not', add(['title', 0, { [NODE.toString(36)]: [5, 1] }])],
  ['corrects what it did not repeat', add(['count', -5, 4, 2 ** 44])],
  ['deletes the document', add([0, Uint8Array.of(1, 7, 9)])],
  ['deletes the future of the document', add([1, Uint8Array.of(1, 0x87, 0x80, 0x80, 0x80, 0x10, 0xff, 0x7f)])],
  ['has no stamp', () => rows(attacker).push([['title', 'mine']])],
  ['is from the day after tomorrow', () => rows(attacker).push([encodeStamp(NOW + 48 * HOUR, 0), ['title', 'mine']])],
  ['has a stamp that is no time', () => rows(attacker).push([-1, ['title', 'mine']])],
  ['has a form of a later version', add(['title', 'mine', 9])],
  ['has a number that is none', add(['title', Number.NaN])],
  ['has a value that is not JSON', add(['title', Uint8Array.of(1)])],
  ['has a type among the elements', () => rows(attacker).push([new Y.Map()])],
  ['has a text among the elements', () => attacker.getText('~').insert(0, 'x')],
  ['gives the root array members', () => (attacker.share.delete('~'), attacker.getMap('~').set('k', 1))],
  ['counts more elements than there are', add(['other', [50]])],
  ['has an array in an array', add(['other', [1]], [1, 2, 3])],
  ['has a member of a set that is not canonical', add(['other', 0, 1], ['other', '{ "a":1}', 2])],
  ['has a path that is none', add(['/a~2b', 1])],
  ['names an element that nobody can have', add(['/list/~e!.1', 1])],
  ['is deeper than a document may be', add([`/${'a/'.repeat(100)}a`, 1])],
  ['has a key that is too long', add(['k'.repeat(2000), 1])],
  [
    'shows a text of a member at another one',
    () => (attacker.getText('prose').insert(0, 'x'), add(['other', 'prose', 3])()),
  ],
  ['shows a text that is not there yet', add(['other', `u${NODE.toString(36)}.zzzz.0`, 3])],
];

describe('[VW4] an update is refused that', () => {
  test.each(HOSTILE)('%s', (_what, act) => {
    const before = { view: document.view(), bytes: document.encode(), clocks: document.encodeStateVector() };
    attacker.transact(act);
    expect(() => merge(attacker)).toThrow(expect.objectContaining({ code: 'CRDT_UPDATE_FORBIDDEN' }));
    expect(document.view()).toEqual(before.view);
    expect(document.encode()).toEqual(before.bytes);
    expect(document.encodeStateVector()).toEqual(before.clocks);
    // Others go on.
    const page = pageOf(5);
    page.live.set('/title', 'b');
    page.live.increment('/count', 2);
    merge(page.doc);
    write({ kind: 'merge-patch', patch: { done: true } });
    expect(JSON.parse(document.view().json)).toMatchObject({ title: 'b', count: 7, note: 'hello', done: true });
  });

  test('takes back that a document was deleted', () => {
    const old = pageOf(5);
    document.change({ kind: 'delete' }, { ...author(), deletePolicy: 'delete-wins' });
    Y.applyUpdate(attacker, document.encode());
    const row = rows(attacker);
    const tombstone = row.toArray().findIndex((value) => Array.isArray(value) && value[1] instanceof Uint8Array);
    attacker.transact(() => {
      row.delete(tombstone, 1);
      row.push([now(), ['title', 'mine']]);
    });
    expect(() => merge(attacker)).toThrow(expect.objectContaining({ code: 'CRDT_UPDATE_FORBIDDEN' }));
    expect(document.view().exists).toBe(false);
    expect(old.live.json).toBeDefined();
  });
});

describe('[VW4] what an update may do', () => {
  test('a client that writes all it sees anew leaves nothing of others behind, and no count is lost', () => {
    const page = pageOf(5);
    page.live.set('', { count: 1, list: [] });
    write({ kind: 'operations', operations: [{ op: 'increment', path: '/count', value: 3 }] });
    merge(page.doc);
    expect(JSON.parse(document.view().json)).toEqual({ count: 4, list: [] });
  });

  test('a page that knew an older count takes that, and no more, into what it sets', () => {
    const page = pageOf(5);
    write({ kind: 'operations', operations: [{ op: 'increment', path: '/count', value: 1 }] });
    write({ kind: 'operations', operations: [{ op: 'increment', path: '/count', value: 1 }] });
    page.live.set('/count', 100);
    merge(page.doc);
    expect(JSON.parse(document.view().json)).toMatchObject({ count: 102 });
  });

  test('a counter in an element that somebody removed meanwhile', () => {
    write({ kind: 'operations', operations: [{ op: 'increment', path: '/list/1/n', value: 5 }] });
    const page = pageOf(5);
    page.live.set('/list/1/n', 1);
    write({ kind: 'operations', operations: [{ op: 'remove', path: '/list', index: 1 }] });
    merge(page.doc);
    expect(JSON.parse(document.view().json)).toMatchObject({ list: [5, 'z'] });
    expect(document.conflicts()).toMatchObject([{ path: '/list/-', others: [{ value: { n: 1 } }] }]);
  });

  test('an element goes with the counter in it', () => {
    write({ kind: 'operations', operations: [{ op: 'increment', path: '/list/1/n', value: 5 }] });
    const page = pageOf(5);
    page.live.write({ kind: 'operations', operations: [{ op: 'remove', path: '/list', index: 1 }] });
    merge(page.doc);
    expect(JSON.parse(document.view().json)).toMatchObject({ list: [5, 'z'] });
  });

  test('pages that met each other, and no node, bring what either counted', () => {
    const a = pageOf(5);
    const b = pageOf(6);
    a.live.increment('/count', 10);
    Y.applyUpdate(b.doc, Y.encodeStateAsUpdate(a.doc));
    b.live.set('/count', 0);
    merge(b.doc);
    write({ kind: 'operations', operations: [{ op: 'increment', path: '/count', value: 1 }] });
    expect(JSON.parse(document.view().json)).toMatchObject({ count: 1 });
  });
});

function pageOf(client: number): { doc: Y.Doc; live: LiveDocument<JsonObject> } {
  const doc = new Y.Doc();
  doc.clientID = client;
  Y.applyUpdate(doc, document.encode());
  return { doc, live: openDocument<JsonObject>(doc, { now: () => NOW + HOUR }) };
}
