/**
 * @module
 * Owns reading what a query needs: the candidates of a plan in its order, each with its document as it is now, if it passes the
 * filter. Index entries are followed only to documents that still have them, so that a document that moves meanwhile is not given out
 * of order, and one with several entries is given once.
 */
import type { JsonObject } from '../../crdt/index.ts';
import type { Database } from '../database.ts';
import { contentOfView, decodeView, etagOf } from '../document-record.ts';
import { compareBytes, documentOf, successorOf, successorOfPrefix, viewKey } from '../key.ts';
import { concat, entriesOf, positionOf, splitPosition } from './index-key.ts';
import type { KeyRange, Plan, PlannedIndex } from './plan.ts';
import type { Predicate } from './predicate.ts';

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

/** Where a document stands. */
export interface Place {
  readonly id: string;
  /** In the order of the plan: components, then the id. */
  readonly position: Uint8Array;
  /** Of an entry of an index. */
  readonly component: Uint8Array;
}

/** A document that passes the filter. */
export interface Match extends Place {
  readonly etag: string;
  readonly json: Uint8Array;
  readonly document: JsonObject;
}

/** Documents fetched at a time, so that memory is bounded. */
const GROUP = 32;
/** Documents between two pauses, and bytes of them. */
const SLICE = 128;
const SLICE_BYTES = 524_288;
const KEYS_MAX = 1024;
const NO_COMPONENT = new Uint8Array(0);
/** Of keys of entries: letter, database, index. */
const PREFIX_BYTES = 9;
const OVERFLOW_TAG = 0x01;

const decoder = new TextDecoder();

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
  readonly #matches: Predicate;
  #sincePause = 0;

  constructor(database: Database, collection: string, matches: Predicate, limits: QueryLimits) {
    this.#database = database;
    this.#collection = collection;
    this.#matches = matches;
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
          await this.#breathe(SLICE);
        }
      }
    } catch (error) {
      throw await this.#database.locateDamage(error, { gte, lt });
    }
  }

  async *#readIndex(
    { ranges, order, sorts }: Plan,
    index: PlannedIndex,
    after: Uint8Array | null,
    wanted: number,
  ): AsyncGenerator<readonly Match[]> {
    const isReverse = !sorts && order.isReverse;
    const start = after === null || sorts ? null : concat(index.prefix, after);
    const left = clip(isReverse ? [...ranges].reverse() : ranges, start, isReverse);
    let limit = Math.min(KEYS_MAX, Math.max(8, wanted + 1));
    for (const [i, range] of left.entries()) {
      let { gte, lt } = range;
      for (;;) {
        const keys = await this.#readKeys(index, { gte, lt }, isReverse, limit);
        const isLast = keys.length < limit;
        for (let from = 0; from < keys.length; from += GROUP) {
          const group = keys.slice(from, from + GROUP);
          const matches = await this.#follow(group, index, ranges, isReverse);
          this.isAtEnd = isLast && i === left.length - 1 && from + GROUP >= keys.length;
          if (matches.length > 0) yield matches;
          if (this.documentsExamined >= this.limits.examinedMax && !this.isAtEnd) {
            this.stoppedAt = group.at(-1)!.subarray(PREFIX_BYTES);
            return;
          }
          await this.#breathe(GROUP);
        }
        if (isLast) break;
        const last = keys.at(-1)!;
        if (isReverse) lt = last;
        else gte = successorOf(last);
        limit = Math.min(KEYS_MAX, 2 * limit);
      }
    }
  }

  async #readKeys(
    index: PlannedIndex,
    { gte, lt }: KeyRange,
    reverse: boolean,
    limit: number,
  ): Promise<readonly Uint8Array[]> {
    const { store, indexes } = this.#database.parts;
    const keys = await indexes.pages.get(index, { gte, lt, reverse, limit }, async (request) => {
      const read: Uint8Array[] = [];
      for await (const entries of store.range({ ...request, values: false }))
        for (const [key] of entries) read.push(key);
      return read;
    });
    this.keysExamined += keys.length;
    return keys;
  }

  /** Documents behind entries, if they are still there and this is the first of their entries that the query meets. */
  async #follow(
    keys: readonly Uint8Array[],
    index: PlannedIndex,
    ranges: readonly KeyRange[],
    isReverse: boolean,
  ): Promise<readonly Match[]> {
    const places = keys.map((key) => {
      const position = key.subarray(PREFIX_BYTES);
      const { component, id } = splitPosition(position)!;
      return { position, component, id };
    });
    const found = await this.#get(places);
    return found.filter((match) => this.#isAtPlace(match, index, ranges, isReverse));
  }

  #isAtPlace(
    { document, id, component }: Match,
    index: PlannedIndex,
    ranges: readonly KeyRange[],
    isReverse: boolean,
  ): boolean {
    const { components, isOverflow } = entriesOf(index.definition, document);
    if (isOverflow) return component[0] === OVERFLOW_TAG;
    if (components.length === 1) return compareBytes(components[0]!, component) === 0;
    const keys = components.filter((each) => isWithin(concat(index.prefix, positionOf(each, id)), ranges));
    const first = isReverse ? keys.at(-1) : keys[0];
    return first !== undefined && compareBytes(first, component) === 0;
  }

  /** Documents by name, in groups, those that pass the filter. */
  async *fetch(places: readonly Place[]): AsyncGenerator<readonly Match[]> {
    for (let from = 0; from < places.length; from += GROUP) {
      const matches = await this.#get(places.slice(from, from + GROUP));
      // They were looked at before.
      this.documentsExamined -= Math.min(GROUP, places.length - from);
      yield matches;
      await this.#breathe(GROUP);
    }
  }

  async #get(places: readonly Place[]): Promise<readonly Match[]> {
    const { table } = this.#database.parts;
    const found = places.map(({ id }) => table.peek(this.#collection, id));
    if (found.includes(undefined)) {
      const read = async (i: number): Promise<void> => {
        found[i] = await table.get(this.#collection, places[i]!.id);
      };
      await Promise.all(found.flatMap((stored, i) => (stored === undefined ? [read(i)] : [])));
    }
    const matches: Match[] = [];
    let bytes = 0;
    for (const [i, stored] of found.entries()) {
      this.documentsExamined++;
      if (stored === null || stored === undefined) continue;
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
    return this.#matches(document) ? document : null;
  }

  async #breathe(documents: number): Promise<void> {
    this.#sincePause += documents;
    if (this.#sincePause < SLICE) return;
    this.#sincePause = 0;
    await this.limits.pause();
    this.#database.assertOpen();
  }
}

/** There is no document, or the view is damaged, which throws. */
function readOdd(view: Uint8Array): { readonly json: null; readonly element: Uint8Array } {
  return { json: null, element: decodeView(view).element };
}

/** What is left of ranges behind a key. */
function clip(ranges: readonly KeyRange[], start: Uint8Array | null, isReverse: boolean): readonly KeyRange[] {
  if (start === null) return ranges;
  const left = ranges.map(({ gte, lt }) => {
    if (isReverse) return { gte, lt: compareBytes(start, lt) < 0 ? start : lt };
    const next = successorOf(start);
    return { gte: compareBytes(next, gte) > 0 ? next : gte, lt };
  });
  return left.filter(({ gte, lt }) => compareBytes(gte, lt) < 0);
}

/** Ranges are ascending and do not overlap. */
function isWithin(key: Uint8Array, ranges: readonly KeyRange[]): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(ranges[middle]!.lt, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length && compareBytes(ranges[low]!.gte, key) <= 0;
}
