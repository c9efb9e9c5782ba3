/**
 * @module
 * Owns queries over what a leaf holds: the filters and orders of nodes, over all documents of a collection.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { compareBytes } from '../store/byte-order.ts';
import { invalid, parseFilter } from '../query/filter.ts';
import { placeOf, positionOf } from '../query/index-key.ts';
import { compileFilter } from '../query/predicate.ts';
import { parseSort } from '../query/sort.ts';
import { compareIds } from './leaf-intake.ts';
import type { HeldCollection, LeafDocument } from './leaf-table.ts';

export interface LeafQuery {
  readonly filter?: JsonObject;
  readonly sort?: JsonValue;
  /** Default: no limit. */
  readonly limit?: number;
}

const MEMBERS: ReadonlySet<string> = new Set(['filter', 'sort', 'limit']);

function checked(query: LeafQuery): Required<LeafQuery> {
  if (typeof query !== 'object' || query === null) throw invalid('', 'A query is an object.');
  const unknown = Object.keys(query).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) throw invalid(`/${unknown}`, 'A query of a leaf has "filter", "sort" and "limit".');
  const { filter = {}, sort = {}, limit = Infinity } = query;
  const isCount = limit === Infinity || (Number.isSafeInteger(limit) && limit >= 0);
  if (!isCount) throw invalid('/limit', 'The limit of a query is a whole number from 0.');
  return { filter, sort, limit };
}

/** @throws SyncError `SYNC_QUERY_INVALID` */
export function selectHeld(held: HeldCollection, query: LeafQuery): LeafDocument[] {
  const { filter, sort, limit } = checked(query);
  const matches = compileFilter(parseFilter(filter));
  const paths = parseSort(sort);
  const found: { readonly document: LeafDocument; readonly json: JsonObject }[] = [];
  for (const document of held.documents.values()) {
    if (document.json === null) continue;
    const json = JSON.parse(document.json) as JsonObject;
    if (matches(json)) found.push({ document, json });
  }
  if (paths.length === 0) {
    found.sort((a, b) => compareIds(a.document.id, b.document.id));
    return found.slice(0, limit).map(({ document }) => document);
  }
  const order = { paths, segments: paths.map(({ path }) => path.split('.')) };
  const placed = found.map(({ document, json }) => ({
    document,
    position: positionOf(placeOf(order, json, false), document.id),
  }));
  placed.sort((a, b) => compareBytes(a.position, b.position));
  return placed.slice(0, limit).map(({ document }) => document);
}
