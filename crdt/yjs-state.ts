/**
 * @module
 * Owns every use of a Y.Doc. It reads struct internals (`_start`, `right`, `store`), which Yjs keeps stable within 13.6; the
 * version is pinned and the tests of this folder compare with what Yjs reads and writes.
 */
import * as Y from 'yjs';
import { assert } from './assert.ts';
import { isMarkerClient } from './marker-client.ts';
import { CrdtError } from './errors.ts';
import type { ElementId, Model } from './model.ts';
import { ModelReader } from './read-model.ts';
import { facesOf } from './shared-type.ts';
import type { TextRange } from './retract.ts';
import { canEdit, editRoot } from './shared-edit.ts';
import type { Transaction } from './transaction.ts';
import { MARKER_ROOT, ROOT } from './root-name.ts';
import type { RootOrder } from './write-update.ts';

/** Creates an empty Y.Doc. A fixed guid costs a twentieth of a random one; client 0 never writes. */
export function createDoc(): Y.Doc {
  const doc = new Y.Doc({ guid: 'a', gc: true });
  doc.clientID = 0;
  return doc;
}

/** @throws CrdtError `CRDT_UPDATE_MALFORMED` */
export function loadDoc(state: Uint8Array): Y.Doc {
  const doc = createDoc();
  try {
    applyTo(doc, state);
  } catch (cause) {
    throw new CrdtError('CRDT_UPDATE_MALFORMED', 'not a Yjs v1 update: it cannot be decoded', { cause });
  }
  if (hasGap(doc)) throw new CrdtError('CRDT_UPDATE_MALFORMED', 'the state has a gap');
  return doc;
}

/** What a replica with these clocks lacks. @throws CrdtError `CRDT_UPDATE_MALFORMED` */
export function diffOf(doc: Y.Doc, stateVector: Uint8Array): Uint8Array {
  try {
    return Y.encodeStateAsUpdate(doc, stateVector);
  } catch (cause) {
    throw new CrdtError('CRDT_UPDATE_MALFORMED', 'not a Yjs state vector', { cause });
  }
}

/**
 * Applies an update, and nothing else: Yjs takes formats that enclose nothing out of a text after what it believes to be a change from
 * elsewhere. Replicas would do so at different moments and differ; editors do it, and their deletes arrive like any other.
 */
export function applyTo(doc: Y.Doc, update: Uint8Array): Y.Transaction {
  const apply = (transaction: Y.Transaction): Y.Transaction => {
    Y.applyUpdate(doc, update);
    return transaction;
  };
  return Y.transact(doc, apply, null, true);
}

/** Runs a change and returns its update, or null when it had no effect. */
export function observeUpdate(doc: Y.Doc, change: (doc: Y.Doc) => void): Uint8Array | null {
  let update: Uint8Array | null = null;
  const keep = (bytes: Uint8Array): void => {
    update = bytes;
  };
  doc.on('update', keep);
  try {
    change(doc);
  } finally {
    doc.off('update', keep);
  }
  return update;
}

/** Tells whether somebody deleted the document; whether it is deleted depends on more. */
export function hasTombstone(doc: Y.Doc): boolean {
  for (let item = rootOf(doc)._start; item !== null; item = item.right) {
    if (item.deleted || !(item.content instanceof Y.ContentAny)) continue;
    const values = item.content.arr as readonly unknown[];
    if (values.some((value) => Array.isArray(value) && value[1] instanceof Uint8Array)) return true;
  }
  return false;
}

/** Tells whether there are shared types. */
export function hasShared(doc: Y.Doc): boolean {
  return [...doc.share.keys()].some((name) => name !== ROOT && name !== MARKER_ROOT);
}

/** Tells whether a Y.Doc waits for something that no update has brought: its state is incomplete. */
export function hasGap(doc: Y.Doc): boolean {
  return doc.store.pendingStructs !== null || doc.store.pendingDs !== null;
}

/** Returns the next clock of every client. */
export function clocksOf(doc: Y.Doc): Map<number, number> {
  const clocks = new Map<number, number>();
  for (const [client, structs] of doc.store.clients) {
    const last = structs.at(-1);
    if (last !== undefined) clocks.set(client, last.id.clock + last.length);
  }
  return clocks;
}

/** Reads the live content of a Y.Doc. */
export function readDoc(doc: Y.Doc): Model {
  return readRoots(doc, [...doc.share.keys()]);
}

/** The same as far as a write without content has to know it: without the shared types. */
export function readOwn(doc: Y.Doc): Model {
  return readRoots(doc, []);
}

function readRoots(doc: Y.Doc, roots: readonly string[]): Model {
  const reader = new ModelReader();
  const clients = new Map<number, LiveItem[]>();
  let position = 0;
  for (let item = rootOf(doc)._start; item !== null; item = item.right) {
    if (item.deleted || !(item.content instanceof Y.ContentAny)) continue;
    const { client, clock } = item.id;
    const live: LiveItem = { clock, position, values: item.content.arr as readonly unknown[] };
    position += live.values.length;
    const items = clients.get(client);
    if (items === undefined) clients.set(client, [live]);
    else items.push(live);
  }
  for (const [client, items] of clients) {
    reader.startClient(client);
    items.sort((a, b) => a.clock - b.clock);
    for (const item of items) {
      for (let index = 0; index < item.values.length; index++) {
        reader.read(item.clock + index, item.values[index], item.position + index);
      }
    }
  }
  for (const name of roots) {
    const type = doc.share.get(name);
    if (name === ROOT || name === MARKER_ROOT || type === undefined) continue;
    for (const face of facesOf(type)) reader.readShared(name, face);
  }
  const model = reader.finish();
  for (const [client, clock] of clocksOf(doc)) if (!isMarkerClient(client)) model.clocks.set(client, clock);
  return model;
}

interface LiveItem {
  readonly clock: number;
  readonly position: number;
  readonly values: readonly unknown[];
}

/** Answers where elements stand in the root array of a Y.Doc. */
export function orderOf(doc: Y.Doc): RootOrder {
  const root = rootOf(doc);
  return {
    tail(client) {
      const last = doc.store.clients.get(client)?.at(-1);
      if (last instanceof Y.Item && last.parent === root) return { left: last.lastId, right: last.right?.id ?? null };
      let item = root._start;
      while (item !== null && item.right !== null) item = item.right;
      return { left: item?.lastId ?? null, right: null };
    },
    rightOf(id) {
      const item = itemAt(doc, id);
      return id.clock < item.lastId.clock ? { client: id.client, clock: id.clock + 1 } : (item.right?.id ?? null);
    },
    leftOf(id) {
      const item = itemAt(doc, id);
      return id.clock > item.id.clock ? { client: id.client, clock: id.clock - 1 } : (item.left?.lastId ?? null);
    },
  };
}

/** The order after a write, so that the next one by the same client need not merge this one first. */
export function orderAfter(last: ElementId, right: ElementId | null, merged: () => Y.Doc): RootOrder {
  return {
    tail: (client) => (client === last.client ? { left: last, right } : orderOf(merged()).tail(client)),
    rightOf: (id) => orderOf(merged()).rightOf(id),
    leftOf: (id) => orderOf(merged()).leftOf(id),
  };
}

/**
 * Applies an update that was made in the name of this very Y.Doc, within a transaction of it. Yjs believes that somebody else uses its
 * client id when that comes from elsewhere, and would take another one.
 */
export function applyOwn(doc: Y.Doc, transaction: Y.Transaction, update: Uint8Array): void {
  const { local } = transaction;
  Y.applyUpdate(doc, update);
  transaction.local = local;
}

/** Applies edits of root types as one transaction of a client and returns its update. */
export function editRoots(doc: Y.Doc, client: number, transaction: Transaction): Uint8Array | null {
  // Set after loading: Yjs replaces the id when an update of the same client comes in from outside.
  doc.clientID = client;
  const update = observeUpdate(doc, () => doc.transact(() => applyRootEdits(doc, transaction)));
  doc.clientID = 0;
  return update;
}

/** Applies the edits of root types that a write makes, within a transaction of the Y.Doc. */
export function applyRootEdits(doc: Y.Doc, { textEdits, sharedEdits }: Transaction): void {
  for (const { name, index, remove, insert } of textEdits) {
    const text = doc.getText(name);
    if (remove > 0) text.delete(index, remove);
    if (insert !== '') text.insert(index, insert);
  }
  for (const edit of sharedEdits) editRoot(doc, edit);
}

/** Names a root type that a write edits and that the Y.Doc has opened as another kind; null when there is none. */
export function misfit(doc: Y.Doc, { textEdits, sharedEdits }: Transaction): string | null {
  const texts = textEdits.map(({ name }) => ({ root: name, kind: 'text', target: '' }) as const);
  return [...texts, ...sharedEdits].find((edit) => !canEdit(doc, edit))?.root ?? null;
}

/** What is left of a write in the texts of a Y.Doc, the last of each text first. */
export function textRangesOf(
  doc: Y.Doc,
  write: { readonly client: number; readonly from: number; readonly to: number },
): TextRange[] {
  const ranges: TextRange[] = [];
  for (const [name, type] of doc.share) {
    if (name === ROOT) continue;
    let index = 0;
    const found: TextRange[] = [];
    for (let item = type._start; item !== null; item = item.right) {
      if (item.deleted || !item.countable) continue;
      const { client, clock } = item.id;
      const from = Math.max(clock, write.from);
      const to = Math.min(clock + item.length, write.to);
      const isText = item.content instanceof Y.ContentString;
      if (isText && client === write.client && from < to)
        found.push({ name, index: index + from - clock, length: to - from });
      index += item.length;
    }
    ranges.push(...found.reverse());
  }
  return ranges;
}

function rootOf(doc: Y.Doc): Y.Array<unknown> {
  return doc.getArray(ROOT);
}

function itemAt(doc: Y.Doc, id: ElementId): Y.Item {
  const item = Y.getItem(doc.store, Y.createID(id.client, id.clock));
  assert(item instanceof Y.Item, 'a live slot is an item');
  return item;
}
