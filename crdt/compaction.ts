/**
 * @module
 * Owns how a document leaves its history behind. In a list Yjs keeps of everything that was deleted where it stood, because something may still come
 * that stands beside it. Here it is collected: what is left keeps its identity, stands between what is left, and a marker tells of
 * which list the rest was, so that what comes late has a place (late-place.ts). SPEC.md CP.
 */
import * as Y from 'yjs';
import { assert } from './assert.ts';
import { listAmong, markerContent, markersOf, typeOf } from './collected.ts';
import type { CompactionMarker, ListId, ListRange, Settled } from './collected.ts';
import { interiorOf } from './document.ts';
import type { CrdtDocument } from './document.ts';
import { markerClientOf } from './marker-client.ts';
import type { ElementId } from './model.ts';
import { MARKER_ROOT } from './root-name.ts';
import { encodeStructs, withPlace, type Struct } from './struct-writer.ts';

/**
 * Returns the whole state of a document without what was deleted: an update of it, for `apply` here and at other replicas.
 *
 * @param client - The Yjs client id of the node.
 */
export function withoutHistory(document: CrdtDocument, client: number): Uint8Array {
  const doc = interiorOf(document).doc();
  const writer = markerClientOf(client);
  return compactedState(doc, { client: writer, clock: Y.getState(doc.store, writer) });
}

/** @param marker - Of the element that says so: the writer's next clock. */
function compactedState(doc: Y.Doc, { client, clock }: ElementId): Uint8Array {
  const markers = markersOf(doc);
  const placed = placeLists(doc);
  const clients = new Map<number, Struct[]>();
  const settled = new Map<number, Settled>();
  for (const [owner, structs] of doc.store.clients) {
    const kept: Struct[] = [];
    const ranges: ListRange[] = [];
    const starts = startsOf(markers, owner);
    for (const struct of structs) {
      const item = struct instanceof Y.Item ? (struct.parentSub === null ? placed.get(struct) : struct) : undefined;
      if (item !== undefined) kept.push(item);
      else keepBlank(kept, struct);
      noteList(doc, ranges, struct as Struct, { markers, starts });
    }
    clients.set(owner, kept);
    settled.set(owner, { end: Y.getState(doc.store, owner), ranges });
  }
  const content = markerContent((markers[0]?.number ?? 0) + 1, settled);
  const marker = new Y.Item(Y.createID(client, clock), null, null, null, null, MARKER_ROOT as never, null, content);
  clients.set(client, [...(clients.get(client) ?? []), marker]);
  return encodeStructs(clients, deletesOf(clients));
}

/**
 * Returns what stays of all lists, where it stands then: as if one writer after the other had put down what is left, each between what stood there
 * by then, so that nothing builds on what comes later.
 */
function placeLists(doc: Y.Doc): ReadonlyMap<Y.Item, Y.Item> {
  const placed = new Map<Y.Item, Y.Item>();
  const turns = turnsOf(doc);
  const seen = new Set<unknown>([doc.share.get(MARKER_ROOT)]);
  for (const { parentSub, parent } of turns.keys()) {
    if (parentSub !== null || seen.has(parent)) continue;
    seen.add(parent);
    placeList(parent as Y.AbstractType<unknown>, turns, placed);
  }
  return placed;
}

/** Returns an order in which all items can be written: who writes first, and within what, comes first. */
function turnsOf(doc: Y.Doc): ReadonlyMap<Y.Item, number> {
  const turns = new Map<Y.Item, number>();
  const clients = [...doc.store.clients].sort(([a], [b]) => b - a).map(([, structs]) => ({ structs, next: 0 }));
  const isWritten = (struct: Y.Item | Y.GC): boolean => !(struct instanceof Y.Item) || turns.has(struct);
  const isReady = (struct: Y.Item | Y.GC): boolean => {
    if (!(struct instanceof Y.Item)) return true;
    const within = (struct.parent as Y.AbstractType<unknown>)._item;
    if (within !== null && !turns.has(within)) return false;
    // Members stay where they are.
    const beside = struct.parentSub === null ? [] : [struct.origin, struct.rightOrigin];
    return beside.every((id) => id === null || isWritten(Y.getItem(doc.store, id)));
  };
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const client of clients) {
      for (let struct = client.structs[client.next]; struct !== undefined; struct = client.structs[++client.next]) {
        if (!isReady(struct)) break;
        isMoving = true;
        if (struct instanceof Y.Item) turns.set(struct, turns.size);
      }
    }
  }
  return turns;
}

function placeList(
  list: Y.AbstractType<unknown>,
  turns: ReadonlyMap<Y.Item, number>,
  placed: Map<Y.Item, Y.Item>,
): void {
  const kept: Y.Item[] = [];
  for (let item = list._start; item !== null; item = item.right) if (!item.deleted) kept.push(item);
  const turnOf = (index: number): number => turns.get(kept[index] as Y.Item) as number;
  const left = kept.map((_, index) => index - 1);
  const right = kept.map((_, index) => index + 1);
  const written = [...kept.keys()].sort((a, b) => turnOf(a) - turnOf(b));
  // Backwards: who comes last is taken out first, and has been told his neighbours.
  for (const index of written.toReversed()) {
    const [before, after] = [left[index] as number, right[index] as number];
    if (before >= 0) right[before] = after;
    if (after < kept.length) left[after] = before;
  }
  for (const index of written) {
    const item = kept[index] as Y.Item;
    const origin = kept[left[index] as number]?.lastId ?? null;
    const next = kept[right[index] as number] ?? null;
    const rightOrigin = next === null || staysRight(item, origin, placed.get(next) as Y.Item) ? null : next.id;
    placed.set(item, withPlace(item, { origin, rightOrigin, parent: list }));
  }
}

/** Does Yjs put an item directly behind its left neighbour, although what stands there now is not named? That takes half the bytes. */
function staysRight(item: Y.Item, origin: Y.ID | null, next: Y.Item): boolean {
  if (origin === null) return false;
  if (!Y.compareIDs(origin, next.origin)) return true;
  return next.rightOrigin === null && next.id.client >= item.id.client;
}

function keepBlank(kept: Struct[], { id, length }: { readonly id: Y.ID; readonly length: number }): void {
  const last = kept.at(-1);
  if (last instanceof Y.GC) kept[kept.length - 1] = new Y.GC(last.id, last.length + length);
  else kept.push(new Y.GC(id, length));
}

/** Where ranges of a client begin by earlier compactions, and where these end: backwards, so that the next one is the last. */
function startsOf(markers: readonly CompactionMarker[], client: number): number[] {
  const starts = markers.flatMap(({ settled }) => {
    const own = settled.get(client);
    return own === undefined ? [] : [...own.ranges.map(({ clock }) => clock), own.end];
  });
  return starts.sort((a, b) => b - a);
}

/** Also of what stays: it may be collected with its list later. */
function noteList(
  doc: Y.Doc,
  ranges: ListRange[],
  struct: Struct,
  { markers, starts }: { readonly markers: readonly CompactionMarker[]; readonly starts: number[] },
): void {
  const note = (clock: number, list: ListId | null): void => {
    const last = ranges.at(-1)?.list ?? null;
    if (!isSame(last, list)) ranges.push({ clock, list });
  };
  const { client, clock } = struct.id;
  if (struct instanceof Y.Item) return note(clock, isInList(doc, struct) ? listIdOf(doc, struct) : null);
  // It may have been collected before.
  const noteCollected = (from: number): void => {
    const list = listAmong(markers, { client, clock: from });
    note(from, list === null || typeof list === 'string' || typeOf(doc, list) !== null ? list : null);
  };
  noteCollected(clock);
  while (starts.length > 0 && (starts.at(-1) as number) <= clock) starts.pop();
  while (starts.length > 0 && (starts.at(-1) as number) < clock + struct.length) noteCollected(starts.pop() as number);
}

function isInList(doc: Y.Doc, { parent, parentSub }: Y.Item): boolean {
  return parentSub === null && parent !== doc.share.get(MARKER_ROOT);
}

function listIdOf(doc: Y.Doc, { parent }: Y.Item): ListId {
  const type = parent as Y.AbstractType<unknown>;
  if (type._item !== null) return { client: type._item.id.client, clock: type._item.id.clock };
  const root = [...doc.share].find(([, each]) => each === type);
  assert(root !== undefined, 'a list without an item is a root');
  return root[0];
}

function isSame(a: ListId | null, b: ListId | null): boolean {
  if (a === null || b === null || typeof a === 'string' || typeof b === 'string') return a === b;
  return a.client === b.client && a.clock === b.clock;
}

function deletesOf(clients: ReadonlyMap<number, readonly Struct[]>): Map<number, { clock: number; len: number }[]> {
  const deletes = new Map<number, { clock: number; len: number }[]>();
  for (const [client, structs] of clients) {
    const ranges: { clock: number; len: number }[] = [];
    for (const { id, length, deleted, content } of structs as readonly (Struct & { content?: unknown })[]) {
      if (!deleted && !(content instanceof Y.ContentDeleted)) continue;
      const last = ranges.at(-1);
      if (last !== undefined && last.clock + last.len === id.clock) last.len += length;
      else ranges.push({ clock: id.clock, len: length });
    }
    if (ranges.length > 0) deletes.set(client, ranges);
  }
  return deletes;
}
