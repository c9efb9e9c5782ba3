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

const [A, B] = [2 ** 32 + 1, 2 ** 32 + 2];

/** Two nodes hold "base". The first hears of an X in it, and that it was deleted; who types a Y behind the X knows of it and of no delete. */
function tell(): { first: CrdtDocument; second: CrdtDocument; heard: readonly Uint8Array[]; late: Uint8Array } {
  const [first, second] = [CrdtDocument.create(), CrdtDocument.create()];
  const editor = new Y.Doc();
  editor.clientID = 7;
  const text = editor.getText('t');
  let stamp = 1000;
  const send = (): readonly Uint8Array[] => {
    const update = Y.encodeStateAsUpdate(editor, first.encodeStateVector());
    return mergeClient(first, update, ADMISSION, { client: A, stamp: stamp++ });
  };
  text.insert(0, 'base');
  const heard = [...send()];
  for (const record of heard) second.apply(record);
  text.insert(2, 'X');
  heard.push(...send());
  const other = new Y.Doc();
  other.clientID = 9;
  Y.applyUpdate(other, Y.encodeStateAsUpdate(editor));
  other.getText('t').insert(3, 'Y');
  const late = Y.encodeStateAsUpdate(other, Y.encodeStateVector(editor));
  text.delete(2, 1);
  heard.push(...send());
  return { first, second, heard, late };
}

function load(...updates: readonly Uint8Array[]): string {
  const document = CrdtDocument.create();
  for (const update of updates) document.apply(update);
  return sorted(document);
}

const sorted = (document: CrdtDocument): string => [...textOf(document)].sort().join('');

test('[CP4] what is anchored at an element that only the compaction covers that does not count is not lost', () => {
  const { first, second, heard, late } = tell();
  const compactions = [withoutHistory(first, A), withoutHistory(second, B)];
  expect(load(...heard, late, ...compactions)).toBe('Yabes');
  expect(load(...heard, ...compactions, late)).toBe('Yabes');
});

test('[CP4] … nor after a further compaction', () => {
  const { first, second, late } = tell();
  for (const [document, client] of [
    [first, A],
    [second, B],
    [first, A],
  ] as const)
    first.apply(withoutHistory(document, client));
  mergeClient(first, late, ADMISSION, { client: A, stamp: 2000 });
  expect(sorted(first)).toBe('Yabes');
});
