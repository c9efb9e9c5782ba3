/**
 * @module
 * Owns what a query gives: a page of documents, where to go on, and how it came about for those who ask.
 */
import type { IndexPath } from './index-definition.ts';
import type { PageItem } from './held-page.ts';
import type { Plan } from './plan.ts';

/** How a page came about. */
export interface QueryExplanation {
  /** Null: all documents of the collection were looked at. */
  readonly index: string | null;
  readonly bounds: readonly { readonly path: string; readonly ranges: readonly string[] }[];
  readonly direction: 'forward' | 'backward';
  /** Who put the documents in order. */
  readonly sort: 'index' | 'memory' | 'none';
  readonly keysExamined: number;
  readonly documentsExamined: number;
  readonly returned: number;
}

export interface QueryPage {
  readonly items: readonly PageItem[];
  /** For the next page; `null` = there is none. A page may be short of its limit, even empty, and have one. */
  readonly cursor: string | null;
  readonly explain: QueryExplanation;
}

/** What was looked at for a page. */
export type Examined = Pick<QueryExplanation, 'keysExamined' | 'documentsExamined'>;

/**
 * A class, as an accessor of an object literal is another for each object, of which the engine keeps what it has seen: a fifth of all that
 * a query makes outlived it.
 */
export class AnsweredPage implements QueryPage {
  readonly items: readonly PageItem[];
  readonly cursor: string | null;
  readonly #plan: Plan;
  readonly #sort: readonly IndexPath[];
  readonly #examined: Examined;

  constructor(
    items: readonly PageItem[],
    cursor: string | null,
    plan: Plan,
    sort: readonly IndexPath[],
    examined: Examined,
  ) {
    this.items = items;
    this.cursor = cursor;
    this.#plan = plan;
    this.#sort = sort;
    this.#examined = examined;
  }

  /** Made for those who look at it. */
  get explain(): QueryExplanation {
    const { index, order, sorts, bounds } = this.#plan;
    const { keysExamined, documentsExamined } = this.#examined;
    return {
      index: index?.name ?? null,
      bounds: bounds(),
      direction: order.isReverse ? 'backward' : 'forward',
      sort: sorts ? 'memory' : this.#sort.length > 0 ? 'index' : 'none',
      keysExamined,
      documentsExamined,
      returned: this.items.length,
    };
  }
}
