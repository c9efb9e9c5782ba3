/** What compacting one document does to it, and to what comes later. */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, CrdtError, isCompaction, mergeClient, normaliseState } from '../../../crdt/index.ts';
import { compact } from '../../helper/compacting-replicas.ts';
import { createReplicas, settle, type DocumentReplica } from '../../helper/crdt-replicas.ts';

const TEXT = { types: { '/t': 'text' } } as const;

function createPair(): [DocumentReplica, DocumentReplica] {
  return createReplicas(2, () => TEXT) as [DocumentReplica, DocumentReplica];
}

const insert = (index: number, value: string) => ({ op: 'text-insert', path: '/t', index, value });
const remove = (index: number, length: number) => ({ op: 'text-delete', path: '/t', index, length });

function apply(replica: DocumentReplica, update: Uint8Array): void {
  replica.document.apply(update);
  replica.record(update);
}

test('[CP1] a compaction is the whole document, without what was deleted and with what is left as it was', () => {
  const [a] = createPair();
  a.put({ t: 'x', list: [1, { k: 2 }, 3], n: 1 }, 1);
  for (let i = 0; i < 2000; i++) a.operate(2 + i, insert(i % 40, 'ab'), ...(i < 20 ? [] : [remove((i * 7) % 38, 2)]));
  a.jsonPatch(3000, { op: 'remove', path: '/list/0' }, { op: 'move', from: '/list/0', path: '/list/1' });
  const before = { view: a.document.view(), bytes: a.document.encode().length };
  compact(a);
  const [update] = [a.log.at(-1)!.update];
  expect([isCompaction(update), isCompaction(a.log[0]!.update)]).toEqual([true, false]);
  expect(a.document.view()).toEqual(before.view);
  expect(CrdtDocument.load(update).view()).toEqual(before.view);
  expect(a.document.encode().length).toBeLessThan(before.bytes / 20);
});

test('[CP2] conflicts, counts and a delete that somebody has not heard of are what they were', () => {
  const [a, b] = createPair();
  a.put({ v: 1, n: 0 }, 1);
  settle([a, b]);
  a.patch({ v: 'a' }, 2);
  b.patch({ v: 'b' }, 3);
  a.operate(4, { op: 'increment', path: '/n', value: 2 });
  b.operate(4, { op: 'increment', path: '/n', value: 3 });
  settle([a, b]);
  const [view, conflicts] = [a.document.view(), a.document.conflicts()];
  compact(a);
  expect([a.document.view(), a.document.conflicts()]).toEqual([view, conflicts]);
  // To have compacted a document is not to have written it: the delete has seen all that was.
  b.delete(9);
  settle([a, b]);
  for (const { document } of [a, b]) expect(document.view().exists).toBe(false);
});

test('[CP3] what comes late goes beside the neighbour that is left, and last when there is none', () => {
  const [a, b] = createPair();
  a.put({ t: '' }, 1);
  a.operate(2, insert(0, '0123456789'));
  settle([a, b]);
  // Both sides delete; what the other one writes there has neighbours that are gone.
  a.operate(3, remove(2, 6));
  b.operate(3, insert(2, '<left>'));
  b.operate(4, insert(14, '<right>'));
  b.operate(5, insert(11, '<inside>'));
  compact(a);
  const late = [...b.log];
  for (const { update } of late) a.document.apply(update);
  // The second stood right of the first; now both stand beside the same neighbours.
  expect(a.value).toEqual({ t: '01<right><left>89<inside>' });
  b.document.apply(a.log.at(-2)!.update);
  b.document.apply(a.log.at(-1)!.update);
  expect(b.value).toEqual(a.value);
  expect(normaliseState(b.document.encode())).toEqual(normaliseState(a.document.encode()));
});

test('[CP3] at an end of the list it stays at the end, and what it deletes is deleted', () => {
  const [a, b] = createPair();
  a.put({ t: '' }, 1);
  a.operate(2, insert(0, 'abcdef'));
  settle([a, b]);
  a.operate(3, remove(0, 2));
  a.operate(4, remove(2, 2));
  b.operate(3, insert(0, '<'));
  b.operate(4, insert(7, '>'));
  b.operate(5, remove(3, 1));
  compact(a);
  settle([a, b]);
  for (const each of [a, b]) expect(each.value).toEqual({ t: '<d>' });
});

test('[CP3] what is written within something that was deleted is gone with it', () => {
  const [a] = createPair();
  const doc = new Y.Doc();
  const text = new Y.XmlText('inside');
  doc.getXmlFragment('x').insert(0, [new Y.XmlElement('p'), new Y.XmlElement('q')]);
  (doc.getXmlFragment('x').get(0) as Y.XmlElement).insert(0, [text]);
  a.put({ v: 1 }, 1);
  apply(a, Y.encodeStateAsUpdate(doc));
  const before = Y.encodeStateVector(doc);
  text.insert(3, 'late');
  const late = Y.encodeStateAsUpdate(doc, before);
  const other = new Y.Doc();
  Y.applyUpdate(other, a.document.encode());
  other.getXmlFragment('x').delete(0, 1);
  apply(a, Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc)));
  compact(a);
  a.document.apply(late);
  expect(a.value).toEqual({ v: 1, x: [{ children: [], name: 'q' }] });
});

test('[CP4] of two compactions that did not know of each other one counts, and all content is there on both sides', () => {
  const [a, b] = createPair();
  a.put({ t: '' }, 1);
  a.operate(2, insert(0, 'abcdef'));
  settle([a, b]);
  a.operate(3, remove(1, 2));
  b.operate(3, remove(3, 2));
  compact(a);
  compact(b);
  a.operate(5, insert(1, 'A'), { op: 'increment', path: '/n', value: 1 });
  b.operate(5, insert(1, 'B'), { op: 'increment', path: '/n', value: 2 });
  settle([a, b]);
  for (const each of [a, b]) {
    const { t, n } = each.value as { t: string; n: number };
    expect([[...t].sort().join(''), n]).toEqual(['ABaf', 3]);
  }
});

test('[CP7] no client writes or deletes what nodes keep of a compaction', () => {
  const [a] = createPair();
  a.put({ t: 'text' }, 1);
  compact(a);
  const admission = { isReadOnly: false, bytesMax: 1e6 };
  const author = { client: a.client, stamp: 9 };
  const editor = new Y.Doc();
  Y.applyUpdate(editor, a.document.encode());
  const [before, view] = [Y.encodeStateVector(editor), a.document.view()];
  editor.getArray('~~').delete(0, 1);
  const deletion = Y.encodeStateAsUpdate(editor, before);
  expect(() => mergeClient(a.document, deletion, admission, author)).toThrow(CrdtError);
  const forger = new Y.Doc();
  forger.getArray('~~').insert(0, [[7, Uint8Array.of(0, 0)]]);
  mergeClient(a.document, Y.encodeStateAsUpdate(forger), admission, author);
  expect(a.document.view().json).toBe(view.json);
  expect(a.document.isCompactedSince(new Map())).toBe(true);
  expect(isCompaction(Y.encodeStateAsUpdate(forger))).toBe(false);
});

test('[CP7] who has not heard of a compaction can be told from who has', () => {
  const [a, b] = createPair();
  a.put({ t: 'text' }, 1);
  settle([a, b]);
  const clocksOf = (document: CrdtDocument): Map<number, number> => Y.decodeStateVector(document.encodeStateVector());
  expect(a.document.isCompactedSince(new Map())).toBe(false);
  compact(a);
  expect(a.document.isCompactedSince(clocksOf(b.document))).toBe(true);
  settle([a, b]);
  expect(a.document.isCompactedSince(clocksOf(b.document))).toBe(false);
});

test('[CP1] a marker that cannot be read is refused, and costs nothing', () => {
  const [a] = createPair();
  a.put({ t: 'text' }, 1);
  const doc = new Y.Doc();
  doc.clientID = 2 ** 51 + 5;
  doc.getArray('~~').insert(0, [[1, Uint8Array.of(200)]]);
  const view = a.document.view();
  expect(() => a.document.apply(Y.encodeStateAsUpdate(doc))).toThrow(/compaction cannot be read/);
  expect(a.document.view()).toEqual(view);
});
