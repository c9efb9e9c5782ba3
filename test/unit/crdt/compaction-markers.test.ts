/** Two nodes that compacted one document without knowing of each other, and what somebody writes who knows of neither. */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, mergeClient, withoutHistory } from '../../../crdt/index.ts';

const ADMISSION = { isReadOnly: false, bytesMax: 1e7 };

function textOf(document: CrdtDocument): string {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, document.encode());
  return doc.getText('t').toString();
}

/** One covers an element that the other has never heard of. */
test('[CP4] what is anchored at an element that only the compaction covers that does not count is not lost', () => {
  const [a, b] = [2 ** 32 + 1, 2 ** 32 + 2];
  const editor = new Y.Doc();
  editor.clientID = 7;
  editor.getText('t').insert(0, 'base');
  const base = Y.encodeStateAsUpdate(editor);
  const first = CrdtDocument.create();
  const records = [...mergeClient(first, base, ADMISSION, { client: a, stamp: 1000 })];
  const second = CrdtDocument.create();
  for (const record of records) second.apply(record);
  // Heard by the first only.
  const between = Y.encodeStateVector(editor);
  editor.getText('t').insert(2, 'X');
  const x = mergeClient(first, Y.encodeStateAsUpdate(editor, between), ADMISSION, { client: a, stamp: 1001 });
  const late = new Y.Doc();
  late.clientID = 9;
  Y.applyUpdate(late, Y.encodeStateAsUpdate(editor));
  const beforeY = Y.encodeStateVector(late);
  late.getText('t').insert(3, 'Y');
  const y = Y.encodeStateAsUpdate(late, beforeY);
  const beforeDelete = Y.encodeStateVector(editor);
  editor.getText('t').delete(2, 1);
  const deletion = mergeClient(first, Y.encodeStateAsUpdate(editor, beforeDelete), ADMISSION, {
    client: a,
    stamp: 1002,
  });
  const compactedA = withoutHistory(first, a);
  const compactedB = withoutHistory(second, b);

  const load = (...updates: readonly Uint8Array[]): CrdtDocument => {
    const document = CrdtDocument.create();
    for (const update of updates) document.apply(update);
    return document;
  };
  const inOrder = load(...records, ...x, ...deletion, y, compactedA, compactedB);
  const after = load(...records, ...x, ...deletion, compactedA, compactedB, y);
  expect([...textOf(inOrder)].sort().join('')).toBe('Yabes');
  expect([...textOf(after)].sort().join('')).toBe('Yabes');
});

test('[CP4] … nor after a further compaction', () => {
  const [a, b] = [2 ** 32 + 1, 2 ** 32 + 2];
  const editor = new Y.Doc();
  editor.clientID = 7;
  editor.getText('t').insert(0, 'base');
  const first = CrdtDocument.create();
  const records = [...mergeClient(first, Y.encodeStateAsUpdate(editor), ADMISSION, { client: a, stamp: 1000 })];
  const second = CrdtDocument.create();
  for (const record of records) second.apply(record);
  const between = Y.encodeStateVector(editor);
  editor.getText('t').insert(2, 'X');
  mergeClient(first, Y.encodeStateAsUpdate(editor, between), ADMISSION, { client: a, stamp: 1001 });
  const late = new Y.Doc();
  late.clientID = 9;
  Y.applyUpdate(late, Y.encodeStateAsUpdate(editor));
  const beforeY = Y.encodeStateVector(late);
  late.getText('t').insert(3, 'Y');
  const y = Y.encodeStateAsUpdate(late, beforeY);
  const beforeDelete = Y.encodeStateVector(editor);
  editor.getText('t').delete(2, 1);
  mergeClient(first, Y.encodeStateAsUpdate(editor, beforeDelete), ADMISSION, { client: a, stamp: 1002 });
  first.apply(withoutHistory(first, a));
  first.apply(withoutHistory(second, b));
  first.apply(withoutHistory(first, a));
  mergeClient(first, y, ADMISSION, { client: a, stamp: 1003 });
  expect([...textOf(first)].sort().join('')).toBe('Yabes');
});
