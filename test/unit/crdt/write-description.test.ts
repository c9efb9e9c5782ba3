import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, describeWrites, encodeStamp, openDocument, mergeClient } from '../../../crdt/index.ts';

const NOW = Date.UTC(2026, 0);

/** What an update of a client says of itself, once it is in a document of a node. */
function describeEdit(prepare: (doc: Y.Doc) => void, edit: (doc: Y.Doc) => void): readonly unknown[] {
  const doc = new Y.Doc();
  doc.clientID = 7;
  const document = CrdtDocument.create();
  let stamp = encodeStamp(NOW, 0);
  const send = (): readonly Uint8Array[] => {
    const update = Y.encodeStateAsUpdate(doc, document.encodeStateVector());
    const author = { client: 2 ** 32 + 1, stamp: ++stamp };
    return mergeClient(document, update, { isReadOnly: false, bytesMax: 1_000_000 }, author);
  };
  doc.transact(() => prepare(doc));
  send();
  doc.transact(() => edit(doc));
  const updates = send();
  return describeWrites(document.encodeParts(), updates).updates.slice(-1);
}

test.each<readonly [string, (doc: Y.Doc) => void, (doc: Y.Doc) => void, string[], string[]]>([
  ['a text', () => {}, (doc) => doc.getText('body').insert(0, 'x'), ['/body'], []],
  [
    'what is deleted of a text',
    (doc) => doc.getText('body').insert(0, 'xyz'),
    (doc) => doc.getText('body').delete(1, 1),
    ['/body'],
    [],
  ],
  [
    'a format',
    (doc) => doc.getText('a/b').insert(0, 'xyz'),
    (doc) => doc.getText('a/b').format(0, 2, { b: true }),
    ['/a~1b'],
    [],
  ],
  ['a member', () => {}, (doc) => doc.getMap('board').set('k~', 1), ['/board/k~0'], []],
  [
    'a member that is replaced',
    (doc) => doc.getMap('board').set('k', 1),
    (doc) => doc.getMap('board').set('k', 2),
    ['/board/k'],
    [],
  ],
  [
    'a member that is taken away',
    (doc) => doc.getMap('board').set('k', 1),
    (doc) => doc.getMap('board').delete('k'),
    [],
    ['/board/k'],
  ],
  [
    'numbers in a row',
    (doc) => doc.getArray('rows').push([5]),
    (doc) => doc.getArray('rows').push([6, [7]]),
    ['/rows/-'],
    [],
  ],
  [
    'an element that is taken away',
    (doc) => doc.getArray('rows').push([5, 6]),
    (doc) => doc.getArray('rows').delete(0),
    ['/rows'],
    [],
  ],
  [
    'a text within a map within a row',
    (doc) => doc.getArray('rows').push([new Y.Map([['note', new Y.Text()]])]),
    (doc) => ((doc.getArray('rows').get(0) as Y.Map<Y.Text>).get('note') as Y.Text).insert(0, 'x'),
    ['/rows/-/note'],
    [],
  ],
  [
    'JSON of a page, and a text beside it',
    (doc) => openDocument(doc, { now: () => NOW }).write({ kind: 'merge-patch', patch: { a: 1, b: { c: 2 } } }),
    (doc) => {
      doc.getText('body').insert(0, 'x');
      openDocument(doc, { now: () => NOW }).write({ kind: 'merge-patch', patch: { a: 3, b: null } });
    },
    ['/a', '/body'],
    ['/b'],
  ],
])('[YJ61] the paths that an update of a client touched are known: %s', (_what, prepare, edit, paths, removed) => {
  expect(describeEdit(prepare, edit)).toMatchObject([{ paths, removed }]);
});
