/** Many clients who write at one place that was collected. */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, mergeClient, withoutHistory } from '../../../crdt/index.ts';
import { encodeStructs, type Struct } from '../../../crdt/struct-writer.ts';

const ADMISSION = { isReadOnly: false, bytesMax: 1e8 };
const NODE = 2 ** 32 + 1;

/** "abc" of client 7, of which b was deleted; compacted or not. */
function base(isCompacted: boolean): CrdtDocument {
  const editor = new Y.Doc();
  editor.clientID = 7;
  editor.getText('t').insert(0, 'abc');
  const document = CrdtDocument.create();
  mergeClient(document, Y.encodeStateAsUpdate(editor), ADMISSION, { client: NODE, stamp: 1000 });
  editor.getText('t').delete(1, 1);
  mergeClient(document, Y.encodeStateAsUpdate(editor), ADMISSION, { client: NODE, stamp: 1001 });
  if (isCompacted) document.apply(withoutHistory(document, NODE));
  return document;
}

function item(id: Y.ID, origin: Y.ID | null, rightOrigin: Y.ID | null): Y.Item {
  return new Y.Item(id, null, origin, null, rightOrigin, null, null, new Y.ContentString('x'));
}

/** Each of another client, beside the one before it. */
function chain(count: number): Uint8Array {
  const clients = new Map<number, Struct[]>();
  const collected = Y.createID(7, 1);
  for (let index = 0; index < count; index++) {
    const right = index === count - 1 ? Y.createID(7, 2) : Y.createID(1_000_000 - index - 1, 0);
    clients.set(1_000_000 - index, [item(Y.createID(1_000_000 - index, 0), collected, right)]);
  }
  return encodeStructs(clients, new Map());
}

function length(document: CrdtDocument): number {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, document.encode());
  return doc.getText('t').length;
}

test('[CP3] many clients that build on each other beside what was collected are placed like any other', () => {
  const update = chain(2_000);
  const plain = base(false);
  const record = mergeClient(plain, update, ADMISSION, { client: NODE + 1, stamp: 1002 });
  expect(length(plain)).toBe(2_002);
  // The record of that node at one which compacted.
  const compacted = base(true);
  for (const part of record) compacted.apply(part);
  expect(length(compacted)).toBe(2_002);
});

test('[CP3] … and the other way round', () => {
  const document = base(false);
  const compaction = withoutHistory(document, NODE);
  mergeClient(document, chain(2_000), ADMISSION, { client: NODE + 1, stamp: 1002 });
  document.apply(compaction);
  expect(length(document)).toBe(2_002);
});
