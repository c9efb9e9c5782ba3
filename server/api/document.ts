/**
 * @module
 * Owns the shapes of document requests and answers. A document itself is its JSON object and nothing else; its metadata is
 * in headers. Types only.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { Problem } from './problem.ts';

/** Answer to PUT, PATCH and POST, unless `Prefer: return=representation` asks for the document. */
export interface WriteAnswer {
  readonly id: string;
  /** Strong ETag, with its quotes. */
  readonly etag: string;
}

export interface ListItem {
  readonly id: string;
  readonly etag: string;
  readonly doc: JsonObject;
}

/** Answer to GET `/v1/{db}/{collection}/docs`. A page may hold fewer than `limit` items: only a null cursor is the end. */
export interface DocumentList {
  readonly items: readonly ListItem[];
  readonly cursor: string | null;
}

/** One intent of `application/vnd.atoll.ops+json`; `path` is a JSON Pointer. */
export interface IntentLine {
  readonly op: string;
  readonly path: string;
  readonly [member: string]: JsonValue;
}

/** One line of a bulk request. */
export type BulkLine =
  | { readonly id: string; readonly doc: JsonObject }
  | { readonly id: string; readonly merge: JsonObject }
  | { readonly id: string; readonly ops: readonly IntentLine[] }
  | { readonly id: string; readonly delete: true };

/** One line of a bulk answer, in the order of the request. `id` is null when the line did not name a valid one. */
export type BulkAnswerLine =
  | { readonly id: string; readonly status: number; readonly etag?: string }
  | { readonly id: string | null; readonly status: number; readonly line: number; readonly error: Problem };

/** Values that lost at one path. */
export interface ConflictAnswer {
  /** JSON Pointer. */
  readonly path: string;
  /** Absent when the shown value is a deletion. */
  readonly shown?: JsonValue;
  readonly others: readonly {
    readonly value: JsonValue;
    /** ISO 8601. */
    readonly at: string;
    /** Name, or else id, of the node that accepted the write. */
    readonly replica: string;
  }[];
}

export interface ConflictList {
  readonly conflicts: readonly ConflictAnswer[];
}
