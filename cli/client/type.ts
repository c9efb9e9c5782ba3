/**
 * @module
 * Owns the shapes that cross the HTTP API, as a client sees them. Answers may carry more members than are named here.
 */
import type { JsonObject, JsonValue } from '../../crdt/json-value.ts';

export type { JsonObject, JsonValue };

/** Taken by every call. */
export interface CallOptions {
  /** Ends the call with an `AbortError`. */
  readonly signal?: AbortSignal;
}

export interface WriteCallOptions extends CallOptions {
  /** Write only if the document still has this ETag; `*` = only if it exists. Checked on the node that accepts the write. */
  readonly ifMatch?: string;
  /** `*` = only if the document does not exist yet. */
  readonly ifNoneMatch?: string;
}

/** A document with its version. */
export interface ReadDocument<T = JsonObject> {
  readonly id: string;
  readonly doc: T;
  /** Strong ETag, quoted. Equal on replicas that hold the same writes. */
  readonly etag: string;
}

export interface FetchedDocument<T = JsonObject> extends ReadDocument<T> {
  /** Last modification, milliseconds since the Unix epoch; null when the node did not say. */
  readonly modifiedMs: number | null;
  /** Paths at which losing values are kept: see `conflicts()`. */
  readonly conflicts: number;
}

export interface WriteResult {
  readonly id: string;
  readonly etag: string;
  readonly created: boolean;
}

export interface ListOptions extends CallOptions {
  /** Only ids that start with this. */
  readonly prefix?: string;
  /** Documents per request. Default: the node's. */
  readonly limit?: number;
  /** Top-level fields to return; default all. */
  readonly fields?: readonly string[];
  /** Continue after a page: its `cursor`. */
  readonly cursor?: string;
}

export interface DocumentPage<T = JsonObject> {
  readonly items: readonly ReadDocument<T>[];
  /** Give it to the next `page()`; null at the end. */
  readonly cursor: string | null;
}

/** One line of a bulk request. */
export type BulkLine =
  | { readonly id: string; readonly doc: JsonObject }
  | { readonly id: string; readonly merge: JsonObject }
  | { readonly id: string; readonly ops: readonly JsonObject[] }
  | { readonly id: string; readonly delete: true };

/** One line of a bulk answer, in the order of the request. */
export interface BulkResult {
  readonly id: string | null;
  readonly status: number;
  readonly etag?: string;
  readonly error?: { readonly code: string; readonly detail?: string; readonly title?: string; readonly retryable?: boolean };
}

/** Values that lost at a path, readable until somebody writes that path again. */
export interface DocumentConflict {
  readonly path: string;
  readonly shown?: JsonValue;
  readonly others: readonly { readonly value: JsonValue; readonly at: string; readonly replica: string }[];
}

export interface DatabaseInfo {
  readonly name: string;
  readonly collections: readonly { readonly name: string; readonly documents: number }[];
  readonly documents: number;
  readonly bytes: number;
  readonly digest: string;
}

export interface CollectionInfo {
  readonly name: string;
  readonly documents: number;
  readonly bytes?: number;
  readonly deletePolicy?: string;
  readonly types?: Readonly<Record<string, string>>;
}

/** What `PUT /v1/{db}/{collection}` takes. */
export interface CollectionSettings {
  readonly deletePolicy?: 'update-wins' | 'delete-wins';
  /** JSON Pointer to type, e.g. `{"/body": "text"}`. */
  readonly types?: Readonly<Record<string, 'text' | 'set' | 'array' | 'counter'>>;
}

/** Equal `digest` = equal databases. */
export interface DatabaseDigest {
  readonly digest: string;
  readonly documents: number;
  readonly vector: Readonly<Record<string, JsonValue>>;
}
