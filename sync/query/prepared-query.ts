/**
 * @module
 * Owns a query that was read and understood, for as many pages as are asked for: what its filter means, and how it is best answered, which
 * holds until the indexes are others or hold other kinds of documents.
 */
import type { JsonValue } from '../../crdt/index.ts';
import { compareBytes } from '../key.ts';
import { constraintsOf, isSaidByBounds } from './bounds.ts';
import type { Constraints } from './bounds.ts';
import { encodeCursor, hashQuery } from './cursor.ts';
import { parseFilter } from './filter.ts';
import type { Filter } from './filter.ts';
import type { IndexPath } from './index-definition.ts';
import { planQuery } from './plan.ts';
import type { Order, Plan, PlannedIndex } from './plan.ts';
import { compileFilter } from './predicate.ts';
import type { Predicate } from './predicate.ts';
import { parseSort } from './sort.ts';

/** What plans were made from. */
interface Basis {
  readonly index: PlannedIndex;
  readonly multiple: number;
  readonly hasOverflow: boolean;
}

export class PreparedQuery {
  readonly collection: string;
  readonly sort: readonly IndexPath[];
  readonly constraints: Constraints;
  readonly #given: JsonValue;
  readonly #filter: Filter;
  readonly #isSaid: boolean;
  #hash: number | null = null;
  #matches: Predicate | null = null;
  #basis: readonly Basis[] = [];
  #plans: readonly Plan[] | null = null;
  #end: { readonly order: Order; readonly position: Uint8Array; readonly cursor: string } | null = null;

  /** @throws SyncError `SYNC_QUERY_INVALID` */
  constructor(collection: string, filter: JsonValue, sort: JsonValue) {
    this.collection = collection;
    this.sort = parseSort(sort);
    this.#given = filter;
    this.#filter = parseFilter(filter);
    this.constraints = constraintsOf(this.#filter);
    this.#isSaid = isSaidByBounds(this.#filter);
  }

  /** What cursors belong to. */
  get hash(): number {
    this.#hash ??= hashQuery(this.collection, this.#given, this.sort);
    return this.#hash;
  }

  /** Not asked for where an index says all. */
  get matches(): Predicate {
    this.#matches ??= compileFilter(this.#filter);
    return this.#matches;
  }

  /** The ways to answer it with these indexes, the best first. */
  plans(indexes: readonly PlannedIndex[]): readonly Plan[] {
    if (this.#plans !== null && isBasis(this.#basis, indexes)) return this.#plans;
    const { constraints, sort } = this;
    this.#basis = indexes.map((index) => ({ index, multiple: index.multiple, hasOverflow: index.hasOverflow }));
    this.#plans = planQuery(indexes, { constraints, isSaid: this.#isSaid, sort });
    return this.#plans;
  }

  /** The cursor of a page that ended there. */
  cursorAt(order: Order, position: Uint8Array): string {
    const known = this.#end;
    if (known?.order === order && compareBytes(known.position, position) === 0) return known.cursor;
    const cursor = encodeCursor(this.hash, order, position);
    this.#end = { order, position, cursor };
    return cursor;
  }
}

function isBasis(basis: readonly Basis[], indexes: readonly PlannedIndex[]): boolean {
  if (basis.length !== indexes.length) return false;
  return basis.every(({ index, multiple, hasOverflow }, i) => {
    const now = indexes[i]!;
    return now === index && now.multiple === multiple && now.hasOverflow === hasOverflow;
  });
}
