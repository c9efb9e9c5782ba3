/**
 * @module
 * Owns answering a query: one page of the documents of a collection that pass a filter, in an order. What it reads is durable, and
 * it reads views only. It examines a bounded number of documents per page, in slices between which others get their turn.
 */
import type { JsonValue } from '../../crdt/index.ts';
import type { Database } from '../database.ts';
import { SyncError } from '../errors.ts';
import { compareBytes } from '../key.ts';
import type { Constraints } from './bounds.ts';
import { decodeCursor } from './cursor.ts';
import type { Cursor } from './cursor.ts';
import { readHeldPage } from './held-page.ts';
import type { PageItem } from './held-page.ts';
import type { IndexPath } from './index-definition.ts';
import type { Place } from './entry-block.ts';
import { placeOf, positionOf } from './index-key.ts';
import type { Order, Plan } from './plan.ts';
import { PreparedQuery } from './prepared-query.ts';
import { AnsweredPage } from './query-page.ts';
import type { Examined, QueryPage } from './query-page.ts';
import { IndexDropped, QueryScan } from './query-scan.ts';
import type { Match, QueryLimits } from './query-scan.ts';

export interface PageOptions {
  /** Documents at most, at least 1. */
  readonly limit: number;
  /** Of the page before. */
  readonly cursor?: string;
}

export interface QueryRequest extends PageOptions {
  readonly filter?: JsonValue;
  readonly sort?: JsonValue;
}

const NO_COMPONENT = new Uint8Array(0);

interface Page {
  readonly items: readonly PageItem[];
  /** Where to go on; null = at its end. */
  readonly end: Uint8Array | null;
}

/**
 * Answers one page. Documents that nobody changes meanwhile come exactly once over all pages.
 *
 * @throws SyncError `SYNC_QUERY_INVALID`, `SYNC_QUERY_CURSOR_INVALID`, `SYNC_QUERY_SORT_LIMIT`
 */
export async function runQuery(
  database: Database,
  collection: string,
  request: QueryRequest,
  limits: QueryLimits,
): Promise<QueryPage> {
  const { filter = {}, sort = {} } = request;
  const query = new PreparedQuery(collection, filter, sort);
  return peekPrepared(database, query, request, limits) ?? runPrepared(database, query, request, limits);
}

/** The same of a query that may have been answered before, without waiting; null when the store would have to be asked. */
export function peekPrepared(
  database: Database,
  query: PreparedQuery,
  { limit, cursor: text }: PageOptions,
  { bytesMax, examinedMax }: QueryLimits,
): QueryPage | null {
  database.assertOpen();
  const { collection } = query;
  const { indexes, table } = database.parts;
  const cursor = text === undefined ? null : decodeCursor(query.hash, text);
  const [plan] = choosePlans(query.plans(indexes.readyOf(collection)), cursor) as [Plan];
  const after = cursor?.position ?? null;
  const page = readHeldPage(table, plan, { collection, after, limit, bytesMax, examinedMax });
  return page === null ? null : present(query, plan, page, page);
}

/** The same with what it takes. */
export async function runPrepared(
  database: Database,
  query: PreparedQuery,
  { limit, cursor: text }: PageOptions,
  limits: QueryLimits,
): Promise<QueryPage> {
  const cursor = text === undefined ? null : decodeCursor(query.hash, text);
  for (;;) {
    database.assertOpen();
    try {
      return await answer(database, query, { limit, cursor }, limits);
    } catch (error) {
      // The page begins anew, with the indexes that are left.
      if (!(error instanceof IndexDropped)) throw error;
    }
  }
}

async function answer(
  database: Database,
  query: PreparedQuery,
  { limit, cursor }: { readonly limit: number; readonly cursor: Cursor | null },
  limits: QueryLimits,
): Promise<QueryPage> {
  const { collection, constraints } = query;
  const plans = choosePlans(query.plans(database.parts.indexes.readyOf(collection)), cursor);
  for (const [i, plan] of plans.entries()) {
    const scan = new QueryScan(database, query, limits);
    try {
      const page = plan.sorts ? await sortPage(scan, plan, cursor, limit) : await readPage(scan, plan, cursor, limit);
      return present(query, plan, page, scan);
    } catch (error) {
      if (!isSortLimit(error)) throw error;
      // Another way may need no sorting.
      if (i === plans.length - 1) throw sortRefusal(constraints, plan.order.paths, limits);
    }
  }
  throw new Error('there is always a plan');
}

/**
 * What sorts is followed by what needs no sorting only. A page that continues others goes on in their order, whatever this node
 * would choose: by an index on the same paths, or by sorting.
 */
function choosePlans(plans: readonly Plan[], cursor: Cursor | null): readonly Plan[] {
  const usable =
    cursor === null
      ? plans
      : plans.map((plan) =>
          isSameOrder(plan.order, cursor.order) ? plan : { ...plan, order: cursor.order, sorts: true },
        );
  const [best] = usable as [Plan];
  const same = cursor === null ? best : (usable.find(({ sorts }) => !sorts) ?? best);
  return same.sorts ? [same, ...usable.filter(({ sorts }) => !sorts)] : [same];
}

function isSameOrder(a: Order, b: Order): boolean {
  if (a.isReverse !== b.isReverse || a.paths.length !== b.paths.length) return false;
  return a.paths.every(({ path, order }, i) => path === b.paths[i]!.path && order === b.paths[i]!.order);
}

/** Documents come in order. */
async function readPage(scan: QueryScan, plan: Plan, cursor: Cursor | null, limit: number): Promise<Page> {
  const items: Match[] = [];
  let bytes = 0;
  for await (const matches of scan.read(plan, cursor?.position ?? null, limit)) {
    for (const match of matches) {
      items.push(match);
      bytes += match.json.length;
      if (items.length < limit && bytes < scan.limits.bytesMax) continue;
      const isEnd = scan.isAtEnd && match === matches.at(-1);
      return { items, end: isEnd ? null : match.position };
    }
  }
  return { items, end: scan.stoppedAt };
}

/** All matching documents are looked at; of those behind the cursor the first ones are kept, by name. */
async function sortPage(scan: QueryScan, plan: Plan, cursor: Cursor | null, limit: number): Promise<Page> {
  const { order } = plan;
  const sign = order.isReverse ? -1 : 1;
  const compare = (a: Place, b: Place): number => sign * compareBytes(a.position, b.position);
  const start: Place | null = cursor === null ? null : { position: cursor.position, id: '', component: NO_COMPONENT };
  let places: Place[] = [];
  let matched = 0;
  for await (const matches of scan.read(plan, null, scan.limits.sortMax)) {
    for (const { id, document } of matches) {
      if (++matched > scan.limits.sortMax) throw sortLimit();
      const component = placeOf(order, document!, order.isReverse);
      const place = { id, component, position: positionOf(component, id) };
      if (start !== null && compare(place, start) <= 0) continue;
      places.push(place);
    }
    // Memory is bounded by the page, not by what matches.
    if (places.length > 2 * limit + 1000) places = places.sort(compare).slice(0, limit + 1);
  }
  if (scan.stoppedAt !== null) throw sortLimit();
  places.sort(compare);
  return fetchPage(scan, places, limit);
}

async function fetchPage(scan: QueryScan, places: readonly Place[], limit: number): Promise<Page> {
  const items: Match[] = [];
  let bytes = 0;
  const wanted = places.slice(0, limit);
  for await (const matches of scan.fetch(wanted)) {
    for (const match of matches) {
      items.push(match);
      bytes += match.json.length;
      if (bytes >= scan.limits.bytesMax && match.position !== places.at(-1)!.position)
        return { items, end: match.position };
    }
  }
  return { items, end: places.length > limit ? wanted.at(-1)!.position : null };
}

function present(query: PreparedQuery, plan: Plan, { items, end }: Page, examined: Examined): QueryPage {
  const cursor = end === null ? null : query.cursorAt(plan.order, end);
  return new AnsweredPage(items, cursor, plan, query.sort, examined);
}

function sortLimit(): SyncError {
  return new SyncError('SYNC_QUERY_SORT_LIMIT', 'Too much to sort.');
}

function isSortLimit(error: unknown): boolean {
  return error instanceof SyncError && error.code === 'SYNC_QUERY_SORT_LIMIT';
}

/** Says which index would help: first what the filter fixes, then what is sorted by. */
function sortRefusal(constraints: Constraints, sort: readonly IndexPath[], { sortMax }: QueryLimits): SyncError {
  const names = sort.map(({ path }) => path);
  const fixed = [...constraints]
    .filter(([path, all]) => !names.includes(path) && all.some((each) => each.length === 1 && each[0]!.point !== null))
    .map(([path]) => path);
  const paths = [...fixed, ...sort.map(({ path, order }) => (order === 'asc' ? path : { path, order }))].slice(0, 8);
  const remedy = JSON.stringify({ paths });
  const message = `More than ${sortMax} documents would have to be sorted in memory; create an index with ${remedy}, or narrow the filter.`;
  return new SyncError('SYNC_QUERY_SORT_LIMIT', message, {
    details: { path: '/sort', name: 'querySortDocuments', limit: sortMax },
  });
}
