/**
 * @module
 * Owns what a leaf subscribes to, as programs say it.
 */
import { canonicalJson } from '../../crdt/index.ts';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { SyncError } from '../errors.ts';
import { validateCollectionName, validateDatabaseName, validateDocumentId } from '../names.ts';
import type { LeafQueries } from './leaf-query.ts';
import { SELECTED_IDS_MAX, SELECTION_LENGTH_MAX, SUBSCRIPTIONS_MAX } from './limit.ts';

/** A collection, or documents of it. Several of one collection add up. */
export interface LeafSubscription {
  readonly database: string;
  readonly collection: string;
  /** Only documents with these ids. */
  readonly ids?: readonly string[];
  /** Only documents that match, as in queries. */
  readonly filter?: JsonObject;
}

/** Of one collection. */
export interface CollectionSelection {
  readonly database: string;
  readonly collection: string;
  /** JSON, equal for equal selections. */
  readonly selection: string;
}

const MEMBERS: ReadonlySet<string> = new Set(['database', 'collection', 'ids', 'filter']);

/** @throws SyncError `SYNC_CONFIG_INVALID`, `SYNC_QUERY_INVALID`, and for names as elsewhere */
export function selectionsOf(
  subscriptions: readonly LeafSubscription[],
  queries: LeafQueries,
): readonly CollectionSelection[] {
  const byCollection = new Map<string, LeafSubscription[]>();
  if (!Array.isArray(subscriptions)) throw invalid('The subscriptions of a leaf are an array.');
  for (const subscription of subscriptions as readonly LeafSubscription[]) {
    const { database, collection } = checked(subscription, queries);
    const key = `${database}\0${collection}`;
    const same = byCollection.get(key) ?? [];
    byCollection.set(key, [...same, subscription]);
  }
  if (byCollection.size > SUBSCRIPTIONS_MAX) {
    throw invalid(`A leaf subscribes to at most ${SUBSCRIPTIONS_MAX} collections.`, SUBSCRIPTIONS_MAX);
  }
  return [...byCollection.values()].map((same) => {
    const [{ database, collection }] = same as [LeafSubscription];
    return { database, collection, selection: selectionOf(same) };
  });
}

/** What is not known here would be passed over, and the whole collection be told. */
function checked(subscription: LeafSubscription, queries: LeafQueries): LeafSubscription {
  if (typeof subscription !== 'object' || subscription === null) {
    throw invalid('A subscription is an object {"database", "collection", "ids"?, "filter"?}.');
  }
  const unknown = Object.keys(subscription).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined)
    throw invalid(`A subscription has no "${unknown}": "ids" or "filter" say which documents.`);
  const { database, collection, ids, filter } = subscription;
  validateDatabaseName(database);
  validateCollectionName(collection);
  if (ids !== undefined && !Array.isArray(ids)) throw invalid('The "ids" of a subscription are an array.');
  ids?.forEach(validateDocumentId);
  if (filter !== undefined) queries.compile(filter);
  return subscription;
}

function selectionOf(same: readonly LeafSubscription[]): string {
  const ids = new Set(same.flatMap((each) => each.ids ?? []));
  if (ids.size > SELECTED_IDS_MAX) {
    throw invalid(
      `A leaf subscribes to at most ${SELECTED_IDS_MAX} documents of a collection by id.`,
      SELECTED_IDS_MAX,
    );
  }
  // Ids and a filter in one subscription are both to hold; nothing needs that, and a program that says it means something else.
  if (same.some((each) => each.ids !== undefined && each.filter !== undefined)) {
    throw invalid('A subscription has "ids" or "filter", not both.');
  }
  const isAll = same.some((each) => each.ids === undefined && each.filter === undefined);
  const filters = new Map(
    same.flatMap(({ filter }) => (filter === undefined ? [] : [[canonicalJson(filter), filter]])),
  );
  const selection = { isAll, ids: [...ids].sort(), filters: [...filters.values()] };
  const text = canonicalJson(selection as unknown as JsonValue);
  if (text.length <= SELECTION_LENGTH_MAX) return text;
  const message = `What a leaf selects of a collection has at most ${SELECTION_LENGTH_MAX} characters as JSON; this has ${text.length}.`;
  throw invalid(message, SELECTION_LENGTH_MAX);
}

function invalid(message: string, limit?: number): SyncError {
  const details = { field: 'subscribe', ...(limit !== undefined && { limit }) };
  return new SyncError('SYNC_CONFIG_INVALID', message, { details });
}
