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

/** What becomes of one document. */
export type WriteLine =
  | { readonly id: string; readonly doc: JsonObject }
  | { readonly id: string; readonly merge: JsonObject }
  | { readonly id: string; readonly ops: readonly IntentLine[] }
  | { readonly id: string; readonly delete: true };

/** One line of a bulk request. With a `key` it is done once, as a request with that `Idempotency-Key` is; not in an atomic one. */
export type BulkLine = WriteLine & { readonly key?: string };

/** One line of a bulk answer, in the order of the request. `id` is null when the line did not name a valid one. */
export type BulkAnswerLine =
  | BulkResult
  | { readonly id: string | null; readonly status: number; readonly line: number; readonly error: Problem };

/** Who wrote a value: the name, or else id, of the node that accepted it, and when (ISO 8601). */
export interface AuthorAnswer {
  readonly at: string;
  readonly replica: string;
}

/** One write of a batch. With `ifMatch` or `ifNoneMatch` it is refused, and so is the batch, when the document has another version here. */
export type BatchWrite = WriteLine & {
  readonly collection: string;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
};

/** Body of POST `/v1/{db}/_batch`: all are applied, or none is. */
export interface BatchRequest {
  readonly writes: readonly BatchWrite[];
}

/** Of one write, in the order of the request; without `etag` the document was deleted. */
export interface BatchResult {
  readonly id: string;
  readonly status: number;
  readonly etag?: string;
}

/** Of a line that was done. */
export interface BulkResult extends BatchResult {
  /** It had been done before, and this is what was answered then. */
  readonly replayed?: true;
}

export interface BatchAnswer {
  readonly results: readonly BatchResult[];
}

/** Values that lost at one path. */
export interface ConflictAnswer {
  /** JSON Pointer. */
  readonly path: string;
  /** Absent when the shown value is a deletion. */
  readonly shown?: JsonValue;
  /** Who wrote what is shown. */
  readonly shownBy?: AuthorAnswer;
  readonly others: readonly (AuthorAnswer & { readonly value: JsonValue })[];
}

export interface ConflictList {
  readonly conflicts: readonly ConflictAnswer[];
}

/** Body of POST `…/conflicts`, or a list of them: what is to stand at the path of a conflict. */
export type ConflictChoiceRequest =
  | { readonly path: string; readonly keep: 'shown' }
  /** An entry of `others`. */
  | { readonly path: string; readonly restore: AuthorAnswer & { readonly value?: JsonValue } }
  | { readonly path: string; readonly value: JsonValue };

/** Documents of a collection that have losing values. Only a null cursor is the end. */
export interface ConflictedList {
  readonly items: readonly {
    readonly id: string;
    readonly etag: string;
    readonly deleted: boolean;
    readonly conflicts: readonly ConflictAnswer[];
  }[];
  readonly cursor: string | null;
}

/** A line of a change feed. Without an `id` it is only a position: a sign of life, or where the feed ended. */
export interface ChangeLine {
  readonly cursor: string;
  readonly collection: string;
  readonly id: string;
  /** Absent when nothing is left of the document. */
  readonly etag?: string;
  readonly deleted: boolean;
  /** With `include=doc`, unless deleted. */
  readonly doc?: JsonObject;
  /** With `include=conflicts`. */
  readonly conflicts?: readonly ConflictAnswer[];
}

/** One write of a document, in its recent history. */
export interface HistoryChange extends AuthorAnswer {
  /** Hybrid logical clock: orders writes. */
  readonly stamp: number;
  /** Process start of the node that accepted the write. */
  readonly origin: number;
  /** JSON Pointers that were set or edited; `-` is an element of an array. */
  readonly paths: readonly string[];
  /** JSON Pointers that were taken away, as far as the log tells. */
  readonly removed: readonly string[];
  /** The document was created, or deleted. */
  readonly created: boolean;
  readonly deleted: boolean;
  /** The log does not hold the write any more: `paths` are those that are still in place. */
  readonly partial: boolean;
}

/** Newest first. */
export interface HistoryAnswer {
  readonly changes: readonly HistoryChange[];
  readonly cursor: string | null;
}
