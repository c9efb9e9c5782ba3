/** What depends on where the neighbours of something are: how deep it lies, and where a format ends. */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, mergeClient, withoutHistory } from '../../../crdt/index.ts';

const ADMISSION = { isReadOnly: false, bytesMax: 1e8 };
const NODE = 2 ** 32 + 1;

function send(document: CrdtDocument, editor: Y.Doc): void {
  const update = Y.encodeStateAsUpdate(editor, document.encodeStateVector());
  mergeClient(document, update, ADMISSION, { client: NODE, stamp: 1000 });
}

function nested(list: Y.Array<unknown>, count: number): Y.Array<unknown> {
  let at = list;
  for (let index = 0; index < count; index++) {
    const next = new Y.Array<unknown>();
    at.insert(0, [next]);
    at = next;
  }
  return at;
}

test.each([false, true])('[CP7] nesting is limited, compacted: %s', (isCompacted) => {
  const document = CrdtDocument.create();
  const editor = new Y.Doc();
  editor.clientID = 7;
  const deep = nested(editor.getArray('l'), 90);
  deep.insert(0, ['x']);
  send(document, editor);
  deep.delete(0, 1);
  send(document, editor);
  if (isCompacted) document.apply(withoutHistory(document, NODE));
  nested(deep, 90);
  expect(() => send(document, editor)).toThrow('nesting');
});

/** An editor with an old copy makes "one t" bold; of it "one" is left. */
test('[CP3] a late format stays within what it was given to', () => {
  const document = CrdtDocument.create();
  const editor = new Y.Doc();
  editor.clientID = 7;
  editor.getText('t').insert(0, 'one two three');
  send(document, editor);
  const late = new Y.Doc();
  late.clientID = 9;
  Y.applyUpdate(late, document.encode());
  editor.getText('t').delete(3, 6);
  send(document, editor);
  document.apply(withoutHistory(document, NODE));
  late.getText('t').format(0, 5, { bold: true });
  send(document, late);
  const doc = new Y.Doc();
  Y.applyUpdate(doc, document.encode());
  const delta = doc.getText('t').toDelta() as { insert: string; attributes?: unknown }[];
  const bold = delta.filter(({ attributes }) => attributes !== undefined).map(({ insert }) => insert);
  expect('one'.startsWith(bold.join(''))).toBe(true);
});
