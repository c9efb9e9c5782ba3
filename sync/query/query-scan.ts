/**
 * @module
 * Owns reading what a query needs: the candidates of a plan in its order, each with its document as it is now, if it passes the
 * filter. Index entries are followed only to documents that still have them, so that a document that moves meanwhile is not given out
 * of order, and one with several entries is given once. Where entries say all that is asked for, and did not change until their
 * documents were read, these need not be looked into. Of an index that was dropped nothing is believed.
 */
import type { JsonObject } from '../../crdt/index.ts';
import type { Database } from '../database.ts';
import { contentOfView, decodeView, etagOf } from '../document-record.ts';
import { compareBytes, documentOf, successorOf, successorOfPrefix, viewKey } from '../key.ts';
import type { Entry, EntryRequest, Place } from './entry-block.ts';
import type { EntryPage } from './index-entries.ts';
import { entriesOf, positionOf, splitPosition } from './index-key.ts';
import { clip } from './plan.ts';
import type { Plan, PlannedIndex, PositionRange } from './plan.ts';
import type { PreparedQuery } from './prepared-query.ts';

export interface QueryLimits {
  /** Documents looked at per page. */
  readonly examinedMax: number;
  /** Documents sorted in memory. */
  readonly sortMax: number;
  /** Bytes of documents per page, after which it ends early. */
  readonly bytesMax: number;
  /** Lets others have their turn. */
  readonly pause: () => Promise<void>;
}

/** A document that passes the filter. */
export interface Match extends Place {
  readonly etag: string;
  readonly json: Uint8Array;
  /** Null when the index has said enough, and no order has to be made. */
  readonly document: JsonObject | null;
}

interface Found {
  readonly etag: string;
  readonly json: Uint8Array;
}

/** Documents fetched at a time, so that memory is bounded. */
const GROUP = 32;
/** Documents between two pauses, and bytes of them. */
const SLICE = 128;
const SLICE_BYTES = 524_288;
const KEYS_MAX = 1024;
const NO_COMPONENT = new Uint8Array(0);
const OVERFLOW_TAG = 0x01;

const decoder = new TextDecoder();

/** The index that was read is gone: what it gave may not be all. */
export class IndexDropped extends Error {}

export class QueryScan {
  readonly limits: QueryLimits;
  keysExamined = 0;
  documentsExamined = 0;
  /** There is nothing behind what was given last. */
  isAtEnd = false;
  /** Where reading stopped because enough was examined. */
  stoppedAt: Uint8Array | null = null;
  readonly #database: Database;
  readonly #collection: string;
  readonly #query: PreparedQuery;
  #sincePause = 0;

  constructor(database: Database, query: PreparedQuery, limits: QueryLimits) {
    this.#database = database;
    this.#collection = query.collection;
    this.#query = query;
    this.limits = limits;
  }

  /** @param wanted - How many matches are likely to be taken. */
  read(plan: Plan, after: Uint8Array | null, wanted: number): AsyncGenerator<readonly Match[]> {
    return plan.index === null
      ? this.#readAll(plan.sorts ? null : after)
      : this.#readIndex(plan, plan.index, after, wanted);
  }

  async *#readAll(after: Uint8Array | null): AsyncGenerator<readonly Match[]> {
    const { db, store, table } = this.#database.parts;
    const prefix = viewKey(db, this.#collection, '');
    const lt = successorOfPrefix(prefix);
    const last = after === null ? null : splitPosition(after)!.id;
    const gte = last === null ? prefix : successorOf(viewKey(db, this.#collection, last));
    try {
      for await (const entries of table.late.reading(this.#collection, () => store.range({ gte, lt }))) {
        for (let from = 0; from < entries.length; from += SLICE) {
          const matches: Match[] = [];
          let id = '';
          for (const [key, value] of entries.slice(from, from + SLICE)) {
            id = documentOf(key).id;
            const { json, element } = contentOfView(value) ?? readOdd(value);
            if (json === null) continue;
            this.documentsExamined++;
            const document = this.#examine(json);
            if (document === null) continue;
            const position = positionOf(NO_COMPONENT, id);
            matches.push({ id, etag: etagOf(element), json, document, position, component: NO_COMPONENT });
          }
          yield matches;
          if (this.documentsExamined >= this.limits.examinedMax) {
            this.stoppedAt = positionOf(NO_COMPONENT, id);
            return;
          }
          await this.#breathe();
        }
      }
    } catch (error) {
      throw await this.#database.locateDamage(error, { gte, lt });
    }
  }

  async *#readIndex(
    plan: Plan,
    index: PlannedIndex,
    after: Uint8Array | null,
    wanted: number,
  ): AsyncGenerator<readonly Match[]> {
    const { ranges, order, sorts } = plan;
    const isReverse = !sorts && order.isReverse;
    const left = clip(isReverse ? [...ranges].reverse() : ranges, sorts ? null : after, isReverse);
    let limit = Math.min(KEYS_MAX, plan.isWhole ? wanted : Math.max(8, wanted));
    for (const [i, range] of left.entries()) {
      let { gte, lt } = range;
      for (;;) {
        const request = { gte, lt, reverse: isReverse, limit };
        const page = index.entries.peek(request) ?? (await this.#load(index, request));
        const { entries, version, next } = page;
        this.keysExamined += entries.length;
        const isLast = next === null;
        for (let from = 0; from < entries.length; from += GROUP) {
          const group = entries.slice(from, from + GROUP);
          const peeked = this.#peek(group);
          const isRead = peeked.includes(undefined);
          const found = isRead ? await this.#get(group, peeked) : peeked;
          if (index.isDropped) throw new IndexDropped();
          // Documents are as the entries say if none of these has changed. What is on its way shows on the disk only.
          const isSaid = plan.isWhole && !sorts && index.version === version && !(isRead && index.isChanging);
          const isTaken = isSaid && index.multiple === 0 && !index.hasOverflow;
          const matches = isTaken ? this.#take(group, found) : await this.#follow(group, found, plan, isReverse);
          this.isAtEnd = isLast && i === left.length - 1 && from + GROUP >= entries.length;
          if (matches.length > 0) yield matches;
          if (this.documentsExamined >= this.limits.examinedMax && !this.isAtEnd) {
            this.stoppedAt = group.at(-1)!.position;
            return;
          }
          if ((this.#sincePause += group.length) >= SLICE) await this.#breathe();
        }
        if (next === null) break;
        if (isReverse) lt = next;
        else gte = next;
        limit = Math.min(KEYS_MAX, 2 * limit);
      }
    }
  }

  async #load(index: PlannedIndex, request: EntryRequest): Promise<EntryPage> {
    const { store, commit } = this.#database.parts;
    const page = await index.entries.load(request, store, commit);
    if (index.isDropped) throw new IndexDropped();
    return page;
  }

  /** Documents behind entries, if they are still there and this is the first of their entries that the query meets. */
  async #follow(
    entries: readonly Entry[],
    found: readonly (Found | null | undefined)[],
    { index, ranges }: Plan,
    isReverse: boolean,
  ): Promise<readonly Match[]> {
    const matches = await this.#choose(entries, found);
    return matches.filter((match) => this.#isAtPlace(match, index!, ranges, isReverse));
  }

  /** All that are there. */
  #take(entries: readonly Entry[], found: readonly (Found | null | undefined)[]): readonly Match[] {
    this.documentsExamined += found.length;
    const matches: Match[] = [];
    for (let i = 0; i < found.length; i++) {
      const stored = found[i];
      if (!stored) continue;
      const { id, position } = entries[i]!;
      matches.push({ id, etag: stored.etag, json: stored.json, document: null, position, component: NO_COMPONENT });
    }
    return matches;
  }

  #isAtPlace(
    { document, id, component }: Match,
    index: PlannedIndex,
    ranges: readonly PositionRange[],
    isReverse: boolean,
  ): boolean {
    const { components, isOverflow } = entriesOf(index.definition, document!);
    if (isOverflow) return component[0] === OVERFLOW_TAG;
    if (components.length === 1) return compareBytes(components[0]!, component) === 0;
    const keys = components.filter((each) => isWithin(positionOf(each, id), ranges));
    const first = isReverse ? keys.at(-1) : keys[0];
    return first !== undefined && compareBytes(first, component) === 0;
  }

  /** Documents by name, in groups, those that pass the filter. */
  async *fetch(places: readonly Place[]): AsyncGenerator<readonly Match[]> {
    for (let from = 0; from < places.length; from += GROUP) {
      const group = places.slice(from, from + GROUP);
      const matches = await this.#choose(group, await this.#get(group, this.#peek(group)));
      // They were looked at before.
      this.documentsExamined -= group.length;
      yield matches;
      if ((this.#sincePause += group.length) >= SLICE) await this.#breathe();
    }
  }

  /** Those in memory, null for those that do not exist. */
  #peek(places: readonly Place[]): readonly (Found | null | undefined)[] {
    const { table } = this.#database.parts;
    const found: (Found | null | undefined)[] = [];
    for (const { id } of places) found.push(table.peek(this.#collection, id));
    return found;
  }

  /** The same, with those that are not in memory. */
  async #get(
    places: readonly Place[],
    peeked: readonly (Found | null | undefined)[],
  ): Promise<readonly (Found | null | undefined)[]> {
    const { table } = this.#database.parts;
    const found = [...peeked];
    const read = async (i: number): Promise<void> => {
      found[i] = await table.get(this.#collection, places[i]!.id);
    };
    await Promise.all(peeked.flatMap((stored, i) => (stored === undefined ? [read(i)] : [])));
    return found;
  }

  /** Those that pass the filter. */
  async #choose(places: readonly Place[], found: readonly (Found | null | undefined)[]): Promise<readonly Match[]> {
    const matches: Match[] = [];
    let bytes = 0;
    for (const [i, stored] of found.entries()) {
      this.documentsExamined++;
      if (!stored) continue;
      if ((bytes += stored.json.length) > SLICE_BYTES) {
        bytes = 0;
        await this.limits.pause();
      }
      const document = this.#examine(stored.json);
      if (document === null) continue;
      const { id, position, component } = places[i]!;
      matches.push({ id, etag: stored.etag, json: stored.json, document, position, component });
    }
    return matches;
  }

  #examine(json: Uint8Array): JsonObject | null {
    // Canonical JSON that this node wrote: the plain parser is safe.
    const document = JSON.parse(decoder.decode(json)) as JsonObject;
    return this.#query.matches(document) ? document : null;
  }

  async #breathe(): Promise<void> {
    this.#sincePause = 0;
    await this.limits.pause();
    this.#database.assertOpen();
  }
}

/** There is no document, or the view is damaged, which throws. */
function readOdd(view: Uint8Array): { readonly json: null; readonly element: Uint8Array } {
  return { json: null, element: decodeView(view).element };
}

/** Ranges are ascending and do not overlap. */
function isWithin(key: Uint8Array, ranges: readonly PositionRange[]): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(ranges[middle]!.lt, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length && compareBytes(ranges[low]!.gte, key) <= 0;
}
