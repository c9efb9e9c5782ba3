/**
 * @module
 * Owns where something goes that comes to a compacted document and stands beside what was collected: its author had not heard of the compaction. What
 * it gets instead follows from the update, the marker and what both name, so that replicas agree in whatever order things come. SPEC.md CP.
 */
import * as Y from 'yjs';
import { collectedFrom, isSettled, markersOf, typeOf } from './collected.ts';
import type { CompactionMarker, ListId } from './collected.ts';
import { encodeStructs, withPlace, type Struct } from './struct-writer.ts';
import { decodeUpdate } from './update.ts';

/** Returns the update with places in a compacted document, or as it is when it needs none. Parts that are there already may be left out. */
export function placeLate(doc: Y.Doc, update: Uint8Array): Uint8Array {
  const markers = markersOf(doc);
  if (!decodeUpdate(update).structs.some((struct) => isUnplaced(doc, markers, struct))) return update;
  // Nothing is left that is there in part.
  const { structs, ds } = decodeUpdate(Y.diffUpdate(update, Y.encodeStateVector(doc)));
  return encodeStructs(new LatePlaces(doc, markers, structs as readonly Struct[]).place(), ds.clients);
}

/** Is it new here, and beside something that was collected? */
function isUnplaced(doc: Y.Doc, markers: readonly CompactionMarker[], struct: Y.Item | Y.GC | Y.Skip): boolean {
  if (!(struct instanceof Y.Item)) return false;
  const { id, length } = struct;
  const known = Y.getState(doc.store, id.client);
  if (id.clock + length <= known) return false;
  // Of one that is there in part, Yjs looks at the neighbours of the whole.
  const before = id.clock < known ? Y.createID(id.client, known - 1) : null;
  return [before, struct.origin, struct.rightOrigin].some(
    (at) => at !== null && collectedFrom(doc, markers, at) !== null,
  );
}

/** Null = the end of the list. */
interface Neighbours {
  readonly origin: Y.ID | null;
  readonly rightOrigin: Y.ID | null;
}

/** What one client writes in the update, and what of it has a place: the first. */
interface Writer {
  readonly structs: readonly Struct[];
  readonly placed: Struct[];
}

/** Places of what one update brings. */
class LatePlaces {
  readonly #doc: Y.Doc;
  readonly #markers: readonly CompactionMarker[];
  readonly #settled: CompactionMarker['settled'];
  readonly #writers = new Map<number, Writer>();
  /** Looked for once: nothing moves meanwhile. */
  readonly #last = new Map<Y.AbstractType<unknown> | null, Y.ID | null>();
  readonly #following = new Map<Y.Item, Y.Item | null>();

  constructor(doc: Y.Doc, markers: readonly CompactionMarker[], structs: readonly Struct[]) {
    this.#doc = doc;
    this.#markers = markers;
    this.#settled = (markers[0] as CompactionMarker).settled;
    const clients = new Map<number, Struct[]>();
    for (const struct of structs) {
      const own = clients.get(struct.id.client);
      if (own === undefined) clients.set(struct.id.client, [struct]);
      else own.push(struct);
    }
    for (const [client, own] of clients) this.#writers.set(client, { structs: own, placed: [] });
  }

  /** Returns the structs of the update where they are to go. What something builds on is placed before it. */
  place(): ReadonlyMap<number, readonly Struct[]> {
    for (let isMoving = true; isMoving;) {
      isMoving = false;
      for (const { structs, placed } of this.#writers.values()) {
        for (let next = structs[placed.length]; next !== undefined; next = structs[placed.length]) {
          if (!this.#isReady(next)) break;
          placed.push(next instanceof Y.Item ? this.#placeItem(next) : next);
          isMoving = true;
        }
      }
    }
    return new Map([...this.#writers].map(([client, { placed }]) => [client, placed]));
  }

  #isReady(struct: Struct): boolean {
    if (!(struct instanceof Y.Item)) return true;
    return [struct.origin, struct.rightOrigin].every((id) => {
      if (id === null) return true;
      const writer = this.#writers.get(id.client);
      const last = writer?.structs[writer.placed.length];
      return last === undefined || id.clock < last.id.clock;
    });
  }

  #placeItem(item: Y.Item): Y.Item {
    const { origin, rightOrigin } = item;
    const before = origin === null ? null : collectedFrom(this.#doc, this.#markers, origin);
    const after = rightOrigin === null ? null : collectedFrom(this.#doc, this.#markers, rightOrigin);
    const list = before ?? after;
    if (list === null) return item;
    const place = this.#neighbours(item, typeOf(this.#doc, list), {
      origin: before === null ? origin : undefined,
      rightOrigin: after === null ? rightOrigin : undefined,
    });
    const parent = place.origin === null && place.rightOrigin === null ? parentOf(list) : null;
    return withPlace(item, { ...place, parent });
  }

  /** Beside the neighbour that is still there; last when neither is. */
  #neighbours(
    item: Y.Item,
    type: Y.AbstractType<unknown> | null,
    {
      origin,
      rightOrigin,
    }: { readonly origin: Y.ID | null | undefined; readonly rightOrigin: Y.ID | null | undefined },
  ): Neighbours {
    if (origin === null) return { origin, rightOrigin: this.#from(type?._start ?? null)?.id ?? null };
    if (origin !== undefined) return { origin, rightOrigin: this.#next(origin) };
    if (rightOrigin !== undefined && rightOrigin !== null) return { origin: this.#previous(rightOrigin), rightOrigin };
    const start = this.#formatBefore(item);
    if (start !== null) return { origin: start, rightOrigin: this.#next(start) };
    return { origin: this.#lastOf(type), rightOrigin: null };
  }

  /** Where a format begins, of which this is the end: if all that it was to end before is gone, it must not spread over the rest. */
  #formatBefore({ id: { client, clock }, content }: Y.Item): Y.ID | null {
    if (!(content instanceof Y.ContentFormat) || clock === 0) return null;
    const id = Y.createID(client, clock - 1);
    return this.#find(id)?.content instanceof Y.ContentFormat ? id : null;
  }

  /** What stands right of something, of what was there at the compaction. */
  #next(id: Y.ID): Y.ID | null {
    for (let at: Y.ID | null = id; at !== null;) {
      if (this.#isSettled(at)) return at === id ? this.#settledNext(at) : at;
      at = this.#find(at)?.rightOrigin ?? null;
    }
    return null;
  }

  #previous(id: Y.ID): Y.ID | null {
    for (let at: Y.ID | null = id; at !== null;) {
      if (this.#isSettled(at)) return at === id ? this.#settledPrevious(at) : at;
      const item: Y.Item | null = this.#find(at);
      // What one has written at a time may have become one item with what was there before.
      at = item === null ? null : this.#isSettled(item.id) ? this.#settledEnd(item) : item.origin;
    }
    return null;
  }

  #settledNext({ client, clock }: Y.ID): Y.ID | null {
    const item = this.#find(Y.createID(client, clock));
    if (item === null) return null;
    if (clock < this.#settledEnd(item).clock) return Y.createID(client, clock + 1);
    let next = this.#following.get(item);
    if (next === undefined) this.#following.set(item, (next = this.#from(item.right)));
    return next?.id ?? null;
  }

  #settledPrevious({ client, clock }: Y.ID): Y.ID | null {
    const item = this.#find(Y.createID(client, clock));
    if (item === null) return null;
    if (clock > item.id.clock) return Y.createID(client, clock - 1);
    let before = item.left;
    while (before !== null && !this.#isSettled(before.id)) before = before.left;
    return before === null ? null : this.#settledEnd(before);
  }

  #lastOf(type: Y.AbstractType<unknown> | null): Y.ID | null {
    const known = this.#last.get(type);
    if (known !== undefined) return known;
    let last: Y.Item | null = null;
    for (let item = this.#from(type?._start ?? null); item !== null; item = this.#from(item.right)) last = item;
    const id = last === null ? null : this.#settledEnd(last);
    this.#last.set(type, id);
    return id;
  }

  /** The first that was there at the compaction, from an item on. */
  #from(item: Y.Item | null): Y.Item | null {
    let at = item;
    while (at !== null && !this.#isSettled(at.id)) at = at.right;
    return at;
  }

  #settledEnd({ id, length }: Y.Item): Y.ID {
    const end = this.#settled.get(id.client)?.end ?? 0;
    return Y.createID(id.client, Math.min(id.clock + length, end) - 1);
  }

  #isSettled(id: Y.ID): boolean {
    return isSettled(this.#settled, id);
  }

  /** The item with this id: of the document, or of the update, where it is to go. */
  #find(id: Y.ID): Y.Item | null {
    const isHere = id.clock < Y.getState(this.#doc.store, id.client);
    const struct: unknown = isHere
      ? Y.getItem(this.#doc.store, id)
      : structAt(this.#writers.get(id.client)?.placed, id.clock);
    return struct instanceof Y.Item ? struct : null;
  }
}

/** Structs of one client are in the order of their clocks. */
function structAt(structs: readonly Struct[] = [], clock: number): Struct | undefined {
  let [low, high] = [0, structs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((structs[middle] as Struct).id.clock <= clock) low = middle + 1;
    else high = middle;
  }
  return structs[low - 1];
}

function parentOf(list: ListId): string | Y.ID {
  return typeof list === 'string' ? list : Y.createID(list.client, list.clock);
}
