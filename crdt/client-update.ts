/**
 * @module
 * Owns what an update of a Yjs client must be before it touches a document. Anybody may edit anything in it; nobody may write in the
 * name of a node, take or delete clocks that are not written yet, or bring more than a replica can hold and show. SPEC.md YJ.
 */
import * as Y from 'yjs';
import { listAmong, markersOf } from './collected.ts';
import { isMarkerClient } from './marker-client.ts';
import { CrdtError } from './errors.ts';
import { touchOf, type RootTouch } from './root-touch.ts';
import { SHARED_DEPTH_MAX } from './shared-type.ts';
import { checkContiguous, decodeUpdate, inspectDecoded } from './update.ts';
import type { DecodedUpdate, UpdateInspection } from './update.ts';
import { utf8Length } from './utf8.ts';

/** What an update of a Yjs client may be. @public */
export interface ClientAdmission {
  /** Refuse whatever would change the document. */
  readonly isReadOnly: boolean;
  /** Client ids that other connected clients write as: an update may repeat what they wrote, not continue it. */
  readonly isTaken?: (client: number) => boolean;
  /** The ids that a leaf has proved to be its own. Left out: those of editors. */
  readonly writers?: ReadonlySet<number>;
  /** A leaf held nothing of the document: if it was deleted here, it begins anew. */
  readonly isBeginning?: boolean;
  /** Bytes of an update, and of the whole document. */
  readonly bytesMax: number;
}

/** An update of a client, and what it may be. @public */
export interface ClientEdit {
  readonly update: Uint8Array;
  readonly admission: ClientAdmission;
}

/** What became of edits. @public */
export interface ClientMerge {
  /** Updates for other replicas, in order: what was new. */
  readonly updates: readonly Uint8Array[];
  /** Why edits were not taken. Nothing of them was applied. */
  readonly refused: ReadonlyMap<ClientEdit, unknown>;
}

/** Ids from here on are those of nodes and leaves; Yjs draws below. */
const CLIENT_ID_MAX = 2 ** 32 - 1;
/** Clocks that an update may take without bringing content: of what was written and deleted before it was sent. */
const BLANK_CLOCKS_MAX = 500_000;
const STRUCTS_MAX = 2_000_000;
/** Beyond what one client writes into one document. */
const CLOCK_MAX = 2 ** 32;
/** Root types of a document; Yjs never forgets one. */
const ROOTS_MAX = 1000;
const ROOT_NAME_BYTES_MAX = 1024;
/** Objects within objects in one value. */
const VALUE_DEPTH_MAX = 100;

/** What an update does. */
export interface ClientUpdate {
  /** The client ids it writes as. */
  readonly writers: readonly number[];
  readonly touch: RootTouch;
  readonly deletes: UpdateInspection['deletes'];
}

/**
 * Checks an update against a document, which it does not touch. What it does to the root array is judged when it was applied
 * (register-check.ts).
 *
 * @throws CrdtError `CRDT_UPDATE_MALFORMED`, `CRDT_UPDATE_GAP`, `CRDT_UPDATE_FORBIDDEN` or `CRDT_LIMIT_EXCEEDED`.
 */
export function checkClientUpdate(doc: Y.Doc, update: Uint8Array, admission: ClientAdmission): ClientUpdate {
  checkLimit('updateBytes', update.byteLength, admission.bytesMax);
  const decoded = decodeUpdate(update);
  checkLimit('structs', decoded.structs.length, STRUCTS_MAX);
  const inspection = inspectDecoded(decoded);
  const clocks = new Map<number, number>();
  const note = (client: number): void => {
    clocks.set(client, Y.getState(doc.store, client));
  };
  for (const ids of [inspection.clients, inspection.needs, inspection.deletes]) for (const id of ids.keys()) note(id);
  const writers: number[] = [];
  for (const [client, { to }] of inspection.clients) {
    const known = clocks.get(client) as number;
    if (to <= known) continue;
    if (client === 0) throw forbidden('client id 0 is nobody', client, false);
    if (!isWritable(client, admission)) throw unheard(client, known);
    writers.push(client);
  }
  checkClocks(inspection);
  checkMarkers(doc, inspection);
  checkContiguous(inspection, clocks);
  checkNew(doc, decoded, clocks);
  const taken = writers.find((client) => admission.isTaken?.(client) === true);
  if (taken !== undefined) throw forbidden('another client writes with this id', taken, true);
  return { writers, touch: touchOf(doc, decoded, clocks), deletes: inspection.deletes };
}

/** @throws CrdtError `CRDT_UPDATE_FORBIDDEN` for what a leaf may not write as. */
function isWritable(client: number, { writers }: ClientAdmission): boolean {
  if (writers === undefined) return client <= CLIENT_ID_MAX;
  if (!writers.has(client)) throw forbidden('it may not write with this client id', client, false);
  return true;
}

/**
 * Does a document begin anew with an update? Not with one of somebody who had it and had not seen the delete: what becomes of both is a
 * rule (CR11). A leaf says whether it had it.
 */
export function beginsAnew(
  { writers, isBeginning }: ClientAdmission,
  { continues }: RootTouch,
  { isDeleted, isEmpty }: { readonly isDeleted: boolean; readonly isEmpty: boolean },
): boolean {
  if (writers !== undefined) return isDeleted && isBeginning === true;
  return isEmpty || (isDeleted && !continues);
}

/** Clocks that nobody can have reached are not on their way either. */
function checkClocks({ deletes, needs }: UpdateInspection): void {
  for (const [client, ranges] of deletes) {
    if (ranges.some(({ to }) => to > CLOCK_MAX)) throw forbidden('it deletes what nobody wrote', client, false);
  }
  for (const [client, clock] of needs) {
    if (clock > CLOCK_MAX) throw forbidden('it builds on what nobody wrote', client, false);
  }
}

/** What a document says of how it was compacted is the nodes' own. */
function checkMarkers(doc: Y.Doc, { deletes }: UpdateInspection): void {
  const ofMarkers = new Map([...deletes].filter(([client]) => isMarkerClient(client)));
  const [client] = ofMarkers.keys();
  if (client !== undefined && deletesAnything(doc, ofMarkers))
    throw forbidden('it deletes what nodes keep', client, false);
}

/** Checks what the structs bring that are not here yet. */
function checkNew(doc: Y.Doc, { structs }: DecodedUpdate, clocks: ReadonlyMap<number, number>): void {
  const roots = new Set<string>();
  const depths = new Map<string, number>();
  let blank = 0;
  for (const struct of structs) {
    const { client, clock } = struct.id;
    const added = clock + struct.length - (clocks.get(client) as number);
    if (added <= 0) continue;
    if (!(struct instanceof Y.Item) || struct.content instanceof Y.ContentDeleted) {
      blank += Math.min(added, struct.length);
      if (!(struct instanceof Y.Item)) continue;
    }
    if (typeof struct.parent === 'string' && !doc.share.has(struct.parent)) roots.add(struct.parent);
    if (struct.content instanceof Y.ContentType) checkDepth(doc, struct, depths);
    else checkValues(struct.content);
  }
  if (blank > BLANK_CLOCKS_MAX) {
    throw new CrdtError('CRDT_UPDATE_FORBIDDEN', `the update takes ${blank} clocks without content`, {
      details: { limit: BLANK_CLOCKS_MAX, actual: blank },
    });
  }
  if (roots.size > 0) checkLimit('rootTypes', doc.share.size + roots.size, ROOTS_MAX);
  for (const name of roots) checkLimit('rootNameBytes', utf8Length(name), ROOT_NAME_BYTES_MAX);
}

/** Yjs deletes and shows nested types by recursion. A type whose parent is that of a neighbour counts from the neighbour. */
function checkDepth(doc: Y.Doc, item: Y.Item, depths: Map<string, number>): void {
  const parent: unknown = item.parent ?? item.origin ?? item.rightOrigin;
  let depth = 0;
  if (parent instanceof Y.ID) {
    const known = depths.get(`${parent.client}.${parent.clock}`);
    depth = known ?? depthIn(doc, parent);
    if (item.parent instanceof Y.ID) depth++;
  }
  checkLimit('nesting', depth, SHARED_DEPTH_MAX);
  depths.set(`${item.id.client}.${item.id.clock}`, depth);
}

/** How many types an item that is here lies within. */
function depthIn(doc: Y.Doc, { client, clock }: Y.ID): number {
  if (clock >= Y.getState(doc.store, client)) return 0;
  let depth = 0;
  let item: unknown = Y.getItem(doc.store, Y.createID(client, clock));
  if (!(item instanceof Y.Item)) {
    // What was collected lay as deep as its list has it.
    const list = listAmong(markersOf(doc), { client, clock });
    return list === null || typeof list === 'string' ? 0 : depthIn(doc, Y.createID(list.client, list.clock)) + 1;
  }
  while (item instanceof Y.Item && depth <= SHARED_DEPTH_MAX) {
    const type: unknown = item.parent;
    item = type instanceof Y.AbstractType ? type._item : null;
    if (item !== null) depth++;
  }
  return depth;
}

function checkValues(content: Y.Item['content']): void {
  const values =
    content instanceof Y.ContentAny || content instanceof Y.ContentJSON
      ? (content.arr as readonly unknown[])
      : content instanceof Y.ContentEmbed
        ? [content.embed as unknown]
        : content instanceof Y.ContentFormat
          ? [content.value as unknown]
          : [];
  for (const value of values) {
    if (typeof value === 'object' && value !== null) checkLimit('nesting', nestingOf(value, 0), VALUE_DEPTH_MAX);
  }
}

function nestingOf(value: unknown, depth: number): number {
  if (depth > VALUE_DEPTH_MAX || typeof value !== 'object' || value === null || value instanceof Uint8Array)
    return depth;
  let deepest = depth + 1;
  for (const member of Object.values(value)) deepest = Math.max(deepest, nestingOf(member, depth + 1));
  return deepest;
}

/** Tells whether an update deletes something that still stands. */
export function deletesAnything(
  doc: Y.Doc,
  deletes: ReadonlyMap<number, readonly { from: number; to: number }[]>,
): boolean {
  for (const [client, ranges] of deletes) {
    const structs = doc.store.clients.get(client) ?? [];
    for (const { from, to } of ranges) {
      if (from >= to) continue;
      for (let index = Y.findIndexSS(structs, from); index < structs.length; index++) {
        const struct = structs[index] as Y.Item | Y.GC;
        if (struct.id.clock >= to) break;
        if (!struct.deleted) return true;
      }
    }
  }
  return false;
}

/** Checks a size. @throws CrdtError `CRDT_LIMIT_EXCEEDED` */
export function checkLimit(name: string, actual: number, limit: number): void {
  if (actual <= limit) return;
  throw new CrdtError('CRDT_LIMIT_EXCEEDED', `${name} would be ${actual}; the limit is ${limit}`, {
    details: { name, limit, actual },
  });
}

/** What nodes write comes from nodes: a client that was with another node may have it sooner. */
function unheard(client: number, known: number): CrdtError {
  const message = 'it brings what a node wrote and no node has brought here yet';
  return new CrdtError('CRDT_UPDATE_GAP', message, { retryable: true, details: { client, known, isOfNode: true } });
}

/** @param isTaken - Another client may be about to write this. */
function forbidden(reason: string, client: number, isTaken: boolean): CrdtError {
  return new CrdtError('CRDT_UPDATE_FORBIDDEN', reason, { details: { client, isTaken } });
}
