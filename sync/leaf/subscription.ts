/**
 * @module
 * Owns what a leaf subscribes to, as programs say it.
 */
import { canonicalJson } from '../../crdt/index.ts';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { SyncError } from '../errors.ts';
import { validateCollectionName, validateDatabaseName, validateDocumentId } from '../names.ts';
import { SELECTED_IDS_MAX, SUBSCRIPTIONS_MAX } from './limit.ts';

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

/** @throws SyncError `SYNC_CONFIG_INVALID`, and for names as elsewhere */
export function selectionsOf(subscriptions: readonly LeafSubscription[]): readonly CollectionSelection[] {
  const byCollection = new Map<string, LeafSubscription[]>();
  for (const subscription of subscriptions) {
    const { database, collection, ids = [] } = subscription;
    validateDatabaseName(database);
    validateCollectionName(collection);
    ids.forEach(validateDocumentId);
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
    throw invalid('A subscription has "ids" or "filter", not both.', 1);
  }
  const isAll = same.some((each) => each.ids === undefined && each.filter === undefined);
  const filters = new Map(
    same.flatMap(({ filter }) => (filter === undefined ? [] : [[canonicalJson(filter), filter]])),
  );
  const selection = { isAll, ids: [...ids].sort(), filters: [...filters.values()] };
  return canonicalJson(selection as unknown as JsonValue);
}

function invalid(message: string, limit: number): SyncError {
  return new SyncError('SYNC_CONFIG_INVALID', message, { details: { field: 'subscribe', limit } });
}
