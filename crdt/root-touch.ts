/**
 * @module
 * Owns whether an update of a Yjs client concerns the root array, where writes of JSON are, or only shared types. Yjs names the parent of
 * an item only where it has no neighbour, so it is looked for along the neighbours.
 */
import * as Y from 'yjs';
import { listAmong, markersOf } from './collected.ts';
import { ROOT } from './root-name.ts';
import type { DecodedUpdate } from './update.ts';

/** How an update concerns the root array. */
export interface RootTouch {
  /** It adds to it, or deletes of it. */
  readonly isTouched: boolean;
  /** Its writes go on with a document that their author had, and begin none. */
  readonly continues: boolean;
}

/** @param clocks - What is known of the clients that the update names. */
export function touchOf(doc: Y.Doc, { structs, ds }: DecodedUpdate, clocks: ReadonlyMap<number, number>): RootTouch {
  const root = doc.share.get(ROOT);
  const isIn = membershipOf(doc, structs);
  const begun = new Set<number>();
  let isTouched = root !== undefined && deletesOf(doc, ds, root);
  let continues = false;
  let begins = false;
  for (const struct of structs) {
    const { client, clock } = struct.id;
    const known = clocks.get(client) ?? 0;
    if (clock + struct.length <= known || !(struct instanceof Y.Item) || !isIn(struct)) continue;
    isTouched = true;
    if (begun.has(client) || !(struct.content instanceof Y.ContentAny)) continue;
    begun.add(client);
    const first: unknown = struct.content.arr[Math.max(0, known - clock)];
    if (typeof first === 'number') continues = true;
    else begins = true;
  }
  return { isTouched, continues: continues && !begins };
}

/** Tells of an item of an update whether it is an element of the root array. */
function membershipOf(doc: Y.Doc, structs: DecodedUpdate['structs']): (item: Y.Item) => boolean {
  const markers = markersOf(doc);
  const wasElement = (id: Y.ID): boolean => listAmong(markers, id) === ROOT;
  const byClient = new Map<number, DecodedUpdate['structs'][number][]>();
  for (const struct of structs) {
    const own = byClient.get(struct.id.client);
    if (own === undefined) byClient.set(struct.id.client, [struct]);
    else own.push(struct);
  }
  const known = new Map<Y.Item, boolean>();
  return (item) => {
    const chain: Y.Item[] = [];
    let answer = false;
    for (let at: Y.Item | null = item; at !== null;) {
      const found = known.get(at);
      if (found !== undefined) {
        answer = found;
        break;
      }
      chain.push(at);
      // Circles do not get here: such updates are refused.
      const parent: unknown = at.parent;
      const neighbour: Y.ID | null = at.origin ?? at.rightOrigin;
      if (neighbour === null || parent !== null) {
        answer = parent === ROOT;
        break;
      }
      if (neighbour.clock < Y.getState(doc.store, neighbour.client)) {
        answer = isElement(Y.getItem(doc.store, neighbour), doc.share.get(ROOT)) || wasElement(neighbour);
        break;
      }
      const next = structAt(byClient.get(neighbour.client) ?? [], neighbour.clock);
      at = next instanceof Y.Item ? next : null;
    }
    for (const each of chain) known.set(each, answer);
    return answer;
  };
}

/** Structs of one client are in the order of their clocks. */
function structAt(structs: DecodedUpdate['structs'], clock: number): DecodedUpdate['structs'][number] | null {
  let low = 0;
  let high = structs.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const struct = structs[middle] as Y.Item;
    if (struct.id.clock > clock) high = middle - 1;
    else if (struct.id.clock + struct.length <= clock) low = middle + 1;
    else return struct;
  }
  return null;
}

function deletesOf(doc: Y.Doc, { clients }: DecodedUpdate['ds'], root: unknown): boolean {
  for (const [client, ranges] of clients) {
    const structs = doc.store.clients.get(client) ?? [];
    for (const { clock, len } of ranges) {
      if (len === 0 || clock >= Y.getState(doc.store, client)) continue;
      for (let index = Y.findIndexSS(structs, clock); index < structs.length; index++) {
        const struct = structs[index] as Y.Item | Y.GC;
        if (struct.id.clock >= clock + len) break;
        if (!struct.deleted && isElement(struct, root)) return true;
      }
    }
  }
  return false;
}

function isElement(struct: Y.Item | Y.GC, root: unknown): boolean {
  return struct instanceof Y.Item && root !== undefined && struct.parent === root;
}
