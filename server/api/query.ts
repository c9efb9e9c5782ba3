/**
 * @module
 * Owns the shapes of queries and indexes, requests and answers. Types only.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { ListItem } from './document.ts';

/** Body of POST `/v1/{db}/{collection}/query`. */
export interface QueryBody {
  /** MongoDB's form: `{"country": "DE", "population": {"$gt": 100000}}`. Default: all documents. */
  readonly filter?: JsonObject;
  /** Path → 1 or -1, the first counts most; or an array of such objects. Default: whatever order is cheapest. */
  readonly sort?: JsonValue;
  /** Names of members, or JSON Pointers, to keep of each document. */
  readonly fields?: readonly string[];
  /** Documents per page; default 100. */
  readonly limit?: number;
  /** The cursor of the page before; filter and sort must be the same. */
  readonly cursor?: string | null;
  /** Say how the page came about. */
  readonly explain?: boolean;
}

/** How a page of a query came about. */
export interface QueryExplanation {
  /** Null: the documents of the collection were looked at one after another. */
  readonly index: string | null;
  /** What was read of the index, by path. */
  readonly bounds: readonly { readonly path: string; readonly ranges: readonly string[] }[];
  readonly direction: 'forward' | 'backward';
  /** What put the documents in order. */
  readonly sort: 'index' | 'memory' | 'none';
  readonly keysExamined: number;
  readonly documentsExamined: number;
  readonly returned: number;
}

/** A page may hold fewer than `limit` items: only a null cursor is the end. */
export interface QueryAnswer {
  readonly items: readonly ListItem[];
  readonly cursor: string | null;
  readonly explain?: QueryExplanation;
}

export interface IndexPathAnswer {
  /** Names of members, joined by dots. */
  readonly path: string;
  readonly order: 'asc' | 'desc';
}

/** Body of PUT `/v1/{db}/{collection}/indexes/{name}`. */
export interface IndexRequest {
  readonly paths: readonly (string | { readonly path: string; readonly order?: 'asc' | 'desc' })[];
  /** Leave out documents that have none of the paths. Default false. */
  readonly sparse?: boolean;
}

/** An index as the answering node has it. Queries use it once it is `ready`. */
export interface IndexAnswer {
  readonly name: string;
  readonly collection: string;
  readonly paths: readonly IndexPathAnswer[];
  readonly sparse: boolean;
  readonly state: 'building' | 'ready' | 'failed';
  /** Documents looked at so far, of about `total`. */
  readonly progress: { readonly documents: number; readonly total: number };
  /** Why it failed. */
  readonly error?: string;
}

export interface IndexList {
  readonly indexes: readonly IndexAnswer[];
}
