/** Editors that have not met use one root for different kinds of content: whatever is written over that over REST, it is what shows. */
import * as Y from 'yjs';
import { expect, test } from 'vitest';
import {
  canonicalJson,
  CrdtDocument,
  openDocument,
  mergeClient,
  type Change,
  type JsonValue,
} from '../../../crdt/index.ts';

const KINDS = {
  text: (doc: Y.Doc) => doc.getText('a').insert(0, 'hello'),
  array: (doc: Y.Doc) => doc.getArray('a').push([1, 2]),
  map: (doc: Y.Doc) => doc.getMap('a').set('k', 1),
  xml: (doc: Y.Doc) => doc.getXmlFragment('a').insert(0, [new Y.XmlText('hi')]),
};
type Kind = keyof typeof KINDS;

const put = (value: { readonly a?: JsonValue }): Change => ({ kind: 'replace', value });
const WRITES: readonly Change[] = [
  { kind: 'delete' },
  ...[{}, { a: 5 }, { a: { k: 2 } }, { a: [1, 2, 3] }, { a: 'x' }, { a: 'hello!' }].map(put),
];
/** Characters and elements stand in one row, so a string is put into what shows as a text with something embedded. */
const OVER_ROW = WRITES.slice(0, 3);
const names = Object.keys(KINDS) as Kind[];
const pairs = names.flatMap((first) =>
  names.filter((other) => other !== first).map((other) => [first, other] as const),
);

function createMixed(kinds: readonly Kind[]): CrdtDocument {
  const document = CrdtDocument.create();
  for (const [i, kind] of kinds.entries()) {
    const editor = new Y.Doc();
    editor.clientID = 10 + i;
    KINDS[kind](editor);
    const admission = { isReadOnly: false, bytesMax: 1_000_000 };
    mergeClient(document, Y.encodeStateAsUpdate(editor), admission, { client: 2 ** 32 + 9, stamp: 1000 });
  }
  return document;
}

test.each(pairs)('[CR10] a root that is %s to one editor and %s to another takes every write', (...kinds) => {
  const isOneRow = kinds.includes('text') && kinds.includes('array');
  for (const first of isOneRow ? OVER_ROW : WRITES) {
    for (const second of WRITES) {
      const document = createMixed(kinds);
      for (const [i, change] of [first, second].entries()) {
        // There may be nothing left to delete.
        document.change(change, { client: 2 ** 32 + 9, stamp: 2000 + i });
        const shown = document.view();
        if (change.kind === 'replace') expect(shown.json).toBe(canonicalJson(change.value));
        else expect(shown.exists).toBe(false);
        const { json, exists } = CrdtDocument.load(document.encode()).view();
        expect({ json, exists }).toEqual({ json: shown.json, exists: shown.exists });
      }
    }
  }
});

test('[CR10] [VW2] a row that was emptied beneath a page that works on it is a new row', () => {
  const doc = new Y.Doc();
  const row = doc.getArray<number>('a');
  const live = openDocument<{ a?: number[] }>(doc);
  for (let i = 0; i < 100; i++) row.push([i]);
  // Yjs remembers where it was, and begins there the next time: in a row that is empty, at its start.
  expect(row.get(90)).toBe(90);
  live.delete('/a');
  expect(row.toArray()).toEqual([]);
  for (let i = 0; i < 100; i++) row.insert(i, [i]);
  row.insert(80, [-1]);
  expect(row.toArray()).toEqual([
    ...Array.from({ length: 80 }, (_, i) => i),
    -1,
    ...Array.from({ length: 20 }, (_, i) => 80 + i),
  ]);
});
