/**
 * @module
 * Owns which documents of a collection a leaf has subscribed to: all, some by id, those that pass one of several filters.
 */
import { AtollError } from '../../crdt/index.ts';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { SyncError } from '../errors.ts';
import { SELECTED_IDS_MAX } from './limit.ts';
import { validateDocumentId } from '../names.ts';
import type { LeafQueries } from './leaf-query.ts';

/** What a leaf asks for. Any of them suffices. */
export interface LeafSelection {
  readonly isAll: boolean;
  readonly ids: readonly string[];
  readonly filters: readonly JsonValue[];
}

export interface Selection {
  /** These ids and no others; null = others, too. */
  readonly ids: readonly string[] | null;
  matches(id: string, document: () => JsonObject): boolean;
}

/** @throws SyncError `SYNC_QUERY_INVALID`, `SYNC_DOCUMENT_ID_INVALID`, `SYNC_FRAME_MALFORMED` */
export function readSelection(text: string, queries: LeafQueries): Selection {
  const { isAll, ids, filters } = parse(text);
  ids.forEach(validateDocumentId);
  const wanted = new Set(ids);
  const predicates = filters.map((filter) => queries.compile(filter));
  const isAnything = (document: JsonObject): boolean => predicates.some((matches) => matches(document));
  return {
    ids: isAll || predicates.length > 0 ? null : ids,
    matches: (id, document) => isAll || wanted.has(id) || (predicates.length > 0 && isPassing(isAnything, document)),
  };
}

/** A pattern that is too costly for a document does not match it. */
function isPassing(predicate: (document: JsonObject) => boolean, document: () => JsonObject): boolean {
  try {
    return predicate(document());
  } catch (error) {
    if (error instanceof AtollError) return false;
    throw error;
  }
}

function parse(text: string): LeafSelection {
  let value: Partial<LeafSelection>;
  try {
    value = JSON.parse(text) as Partial<LeafSelection>;
  } catch (cause) {
    throw malformed(cause);
  }
  const { isAll, ids, filters } = value;
  const isMeant =
    typeof isAll === 'boolean' &&
    Array.isArray(ids) &&
    ids.length <= SELECTED_IDS_MAX &&
    ids.every((id) => typeof id === 'string') &&
    Array.isArray(filters);
  if (!isMeant) throw malformed(undefined);
  return { isAll, ids: ids as readonly string[], filters: filters as readonly JsonValue[] };
}

function malformed(cause: unknown): SyncError {
  return new SyncError('SYNC_FRAME_MALFORMED', 'The selection of a subscription cannot be read.', { cause });
}
