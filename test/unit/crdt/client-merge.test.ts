import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, openDocument, mergeClient, mergeClients } from '../../../crdt/index.ts';
import type { ClientAdmission, ClientEdit, CrdtError } from '../../../crdt/index.ts';

const AUTHOR = { client: 2 ** 32 + 9, stamp: 5000 };
const ADMISSION: ClientAdmission = { isReadOnly: false, bytesMax: 1_000_000 };

/** A document with a text, and editors that have it. */
function begin(editors: number): { readonly document: CrdtDocument; readonly docs: readonly Y.Doc[] } {
  const document = CrdtDocument.create();
  const first = new Y.Doc();
  first.getText('text').insert(0, '.');
  mergeClient(document, Y.encodeStateAsUpdate(first), ADMISSION, AUTHOR);
  const docs = Array.from({ length: editors }, (_, index) => {
    const doc = new Y.Doc();
    doc.clientID = 100 + index;
    Y.applyUpdate(doc, document.encode());
    return doc;
  });
  return { document, docs };
}

function typed(doc: Y.Doc, text: string, admission: Partial<ClientAdmission> = {}): ClientEdit {
  const before = Y.encodeStateVector(doc);
  doc.getText('text').insert(0, text);
  return { update: Y.encodeStateAsUpdate(doc, before), admission: { ...ADMISSION, ...admission } };
}

function codes(refused: ReadonlyMap<ClientEdit, unknown>, edits: readonly ClientEdit[]): (string | undefined)[] {
  return edits.map((edit) => (refused.get(edit) as CrdtError | undefined)?.code);
}

function textOf(document: CrdtDocument): string {
  return (JSON.parse(document.view().json) as { text: string }).text;
}

test('[YJ80] what many type at one moment is one update, with all of it', () => {
  const { document, docs } = begin(20);
  const follower = CrdtDocument.load(document.encode());
  const edits = docs.map((doc, index) => typed(doc, String.fromCharCode(97 + index)));
  const { updates, refused } = mergeClients(document, edits, AUTHOR);
  expect(updates).toHaveLength(1);
  expect(refused.size).toBe(0);
  follower.apply(updates[0]!);
  const yjs = new Y.Doc();
  for (const { update } of edits) Y.applyUpdate(yjs, update);
  for (const doc of docs) Y.applyUpdate(doc, updates[0]!);
  expect([...textOf(document)].toSorted().join('')).toBe('.abcdefghijklmnopqrst');
  expect(textOf(follower)).toBe(textOf(document));
  for (const doc of docs) expect(doc.getText('text').toJSON()).toBe(textOf(document));
  // What one that was here before is told again changes nothing.
  expect(mergeClients(document, edits, AUTHOR)).toMatchObject({ updates: [] });
});

test('[YJ80] one that is refused takes nothing of the others with it, and the next build on those before them', () => {
  const { document, docs } = begin(4);
  const [first, second, third, fourth] = docs as [Y.Doc, Y.Doc, Y.Doc, Y.Doc];
  const edits = [
    typed(first, 'a'),
    { update: Y.encodeStateAsUpdateV2(second), admission: ADMISSION },
    typed(second, 'b', { isReadOnly: true }),
    typed(third, 'c', { isTaken: () => true }),
    typed(first, 'A'),
    typed(fourth, 'd'.repeat(1000), { bytesMax: 1000 }),
  ];
  const { updates, refused } = mergeClients(document, edits, AUTHOR);
  expect(codes(refused, edits)).toEqual([
    undefined,
    'CRDT_UPDATE_MALFORMED',
    'CRDT_UPDATE_FORBIDDEN',
    'CRDT_UPDATE_FORBIDDEN',
    undefined,
    'CRDT_LIMIT_EXCEEDED',
  ]);
  expect(updates).toHaveLength(1);
  expect(textOf(document)).toBe('Aa.');
});

test('[YJ80] together they have no more bytes than each of them may find there', () => {
  const { document, docs } = begin(10);
  const edits = docs.map((doc) => typed(doc, 'x'.repeat(300), { bytesMax: 1000 }));
  const { refused } = mergeClients(document, edits, AUTHOR);
  expect(codes(refused, edits).filter((code) => code === 'CRDT_LIMIT_EXCEEDED')).toHaveLength(7);
  expect(textOf(document)).toHaveLength(901);
});

test('[YJ80] writes of pages, and what begins a document, are merged one by one', () => {
  const document = CrdtDocument.create();
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  doc.getText('text').insert(0, 'x');
  const page = openDocument<{ n: number }>(doc, { now: () => 1_700_000_000_000 });
  page.increment('/n', 2);
  doc.getText('text').insert(1, 'y');
  doc.getText('text').insert(2, 'z');
  const edits = updates.map((update) => ({ update, admission: ADMISSION }));
  const author = { ...AUTHOR, stamp: 2 ** 50 };
  const merge = mergeClients(document, edits, author);
  expect(merge.refused.size).toBe(0);
  expect(JSON.parse(document.view().json)).toEqual({ n: 2, text: 'xyz' });
  // The beginning and the first, a mark and the page, the last two.
  expect(merge.updates).toHaveLength(5);
  const follower = CrdtDocument.create();
  for (const update of merge.updates) follower.apply(update);
  expect(follower.view().json).toBe(document.view().json);
});

test('[YJ80] where Yjs fails on one of them, the others are merged all the same', () => {
  const { document, docs } = begin(3);
  const [first, second, third] = docs as [Y.Doc, Y.Doc, Y.Doc];
  const bad = typed(second, 'b');
  let looks = 0;
  const edits: ClientEdit[] = [
    typed(first, 'a'),
    {
      admission: ADMISSION,
      // As it was judged, but not as it is merged.
      get update() {
        return looks++ === 0 ? bad.update : Uint8Array.of(1, 1, 200);
      },
    },
    typed(third, 'c'),
  ];
  const { updates, refused } = mergeClients(document, edits, AUTHOR);
  expect(codes(refused, edits)).toEqual([undefined, 'CRDT_UPDATE_MALFORMED', undefined]);
  expect(updates).toHaveLength(2);
  expect([...textOf(document)].toSorted()).toEqual(['.', 'a', 'c']);
  expect(textOf(CrdtDocument.load(...document.encodeParts()))).toBe(textOf(document));
});
