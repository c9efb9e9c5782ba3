/**
 * @module
 * Owns queries over what a leaf holds, over all documents of a collection. Filters and orders are those of nodes (`leaf-queries.ts`), where
 * the program has brought them along.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { invalidArgument } from '../program-argument.ts';
import { invalid } from '../query/query-fault.ts';
import { compareBytes } from '../store/byte-order.ts';
import { compareIds } from './leaf-intake.ts';
import type { HeldCollection, LeafDocument } from './leaf-table.ts';

export interface LeafQuery {
  readonly filter?: JsonObject;
  readonly sort?: JsonValue;
  /** Default: no limit. */
  readonly limit?: number;
}

/** What filters and orders mean. */
export interface LeafQueries {
  /** @throws SyncError `SYNC_QUERY_INVALID` */
  compile(filter: JsonValue): (document: JsonObject) => boolean;
  /** @returns The place of a document, as bytes to compare; null for the order of ids. @throws SyncError `SYNC_QUERY_INVALID` */
  order(sort: JsonValue): ((id: string, document: JsonObject) => Uint8Array) | null;
}

/** Of a leaf whose program has none. */
export const NO_QUERIES: LeafQueries = { compile: refuse, order: refuse };

const MEMBERS: ReadonlySet<string> = new Set(['filter', 'sort', 'limit']);

function refuse(): never {
  const message = 'A leaf has filters and orders when it is given them: createLeaf({ …, queries: leafQueries }).';
  throw invalidArgument('queries', message);
}

function checked(query: LeafQuery): LeafQuery & { readonly limit: number } {
  if (typeof query !== 'object' || query === null) throw invalid('', 'A query is an object.');
  const unknown = Object.keys(query).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) throw invalid(`/${unknown}`, 'A query of a leaf has "filter", "sort" and "limit".');
  const { limit = Infinity } = query;
  const isCount = limit === Infinity || (Number.isSafeInteger(limit) && limit >= 0);
  if (!isCount) throw invalid('/limit', 'The limit of a query is a whole number from 0.');
  return { ...query, limit };
}

/** @throws SyncError `SYNC_QUERY_INVALID`, `SYNC_CONFIG_INVALID` when it takes queries that were not given. */
export function selectHeld({ documents, queries }: HeldCollection, query: LeafQuery): LeafDocument[] {
  const { filter, sort, limit } = checked(query);
  const matches = filter === undefined ? null : queries.compile(filter);
  const placeOf = sort === undefined ? null : queries.order(sort);
  const found: { readonly document: LeafDocument; readonly place: Uint8Array }[] = [];
  for (const document of documents.values()) {
    if (document.json === null) continue;
    const json = matches === null && placeOf === null ? {} : (JSON.parse(document.json) as JsonObject);
    if (matches?.(json) === false) continue;
    found.push({ document, place: placeOf?.(document.id, json) ?? NO_PLACE });
  }
  found.sort((a, b) => compareBytes(a.place, b.place) || compareIds(a.document.id, b.document.id));
  return found.slice(0, limit).map(({ document }) => document);
}

const NO_PLACE = new Uint8Array(0);
