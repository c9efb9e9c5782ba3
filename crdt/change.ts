/**
 * @module
 * Owns the shapes of writes and of what reads return. Plain JSON and numbers only.
 */
import type { JsonObject, JsonScalar, JsonValue } from './json-value.ts';
import type { Limits } from './limits.ts';

/** One atomic write to a document. */
export type Change =
  | { readonly kind: 'replace'; readonly value: JsonObject }
  | { readonly kind: 'merge-patch'; readonly patch: JsonObject }
  | { readonly kind: 'json-patch'; readonly operations: readonly JsonPatchOperation[] }
  | { readonly kind: 'operations'; readonly operations: readonly IntentOperation[] }
  | { readonly kind: 'resolve'; readonly resolutions: readonly Resolution[] }
  | { readonly kind: 'retract'; readonly duplicate: DuplicateWrite }
  | { readonly kind: 'late'; readonly late: LateWrite }
  | { readonly kind: 'delete' };

/** What is to stand where values are in conflict: the one shown, one that lost, or another one. `path` is that of the conflict. */
export type Resolution =
  | { readonly path: string; readonly keep: 'shown' }
  | { readonly path: string; readonly restore: WrittenBy }
  | { readonly path: string; readonly value: JsonValue };

/**
 * A write that is the same as another one, made by a writer that did not know of it, as when a client repeats a request on another
 * replica. What it added to is to count once.
 */
export interface DuplicateWrite {
  /** The Yjs client of the write, and where in the document it is. */
  readonly client: number;
  readonly places: readonly WritePlace[];
  /** Where the same was written before: whoever held one of these and this has taken this back. */
  readonly twins: readonly { readonly client: number; readonly places: readonly WritePlace[] }[];
  /** What it added to numbers (`Author.onIncrement`). */
  readonly increments: readonly Increment[];
  /**
   * Names the operation that was made twice: an integer from 2^43 to 2^49, which is no client. Whoever takes it back takes back the
   * same, so that several may.
   */
  readonly operation: number;
}

/**
 * Something that was written to a generation of a document that is gone (late-write.ts). The path is one of keys, and of elements that nobody
 * has any more.
 */
export type LateWrite = { readonly path: readonly (string | WrittenId)[] } & (
  | { readonly kind: 'object' | 'set' | 'list' }
  | { readonly kind: 'value'; readonly value: JsonScalar }
  | { readonly kind: 'json' | 'element'; readonly value: JsonValue }
  /** `value`: canonical JSON. */
  | { readonly kind: 'member'; readonly value: string }
  /** All that a writer had added; `operation` stands for the writer. */
  | { readonly kind: 'count'; readonly value: number; readonly operation: number }
  | { readonly kind: 'text'; readonly value: string }
);

/** What names something that was written. */
export interface WrittenId {
  readonly client: number;
  readonly clock: number;
}

/**
 * The first clock of a write, and the clock after its last, in a generation of a document; the first generation is 0 and has no id. That of
 * a successor has at least the number that is said.
 */
export type WritePlace = readonly [number: number, id: string, from: number, to: number];

/** Added to the number at a path, in the notation of the representation (`~e` names elements). */
export type Increment = readonly [path: string, amount: number];

/** Who wrote a value, and when. */
export interface WrittenBy {
  readonly stamp: number;
  readonly client: number;
}

/** RFC 6902. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string };

/** Intents that plain JSON cannot say. A missing target is created (number 0, empty array, set or text). */
export type IntentOperation =
  | { readonly op: 'increment'; readonly path: string; readonly value: number }
  | { readonly op: 'append'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'insert'; readonly path: string; readonly index: number; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string; readonly index: number }
  | { readonly op: 'move'; readonly path: string; readonly from: number; readonly to: number }
  | { readonly op: 'set-add' | 'set-remove'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'text-insert'; readonly path: string; readonly index: number; readonly value: string }
  | { readonly op: 'text-delete'; readonly path: string; readonly index: number; readonly length: number };

export type DeclaredType = 'text' | 'set' | 'array' | 'counter';
/** JSON Pointer to the type that a plain write creates there. */
export type TypeDeclarations = Readonly<Record<string, DeclaredType>>;
export type DeletePolicy = 'update-wins' | 'delete-wins';

/** Who writes, when, and under which settings of the collection. */
export interface Author {
  /** Yjs client id of this replica's incarnation: a positive integer below 2^53, never reused after losing data. */
  readonly client: number;
  /** Hybrid-logical-clock reading (stamp.ts). */
  readonly stamp: number;
  readonly types?: TypeDeclarations;
  /** Recorded by a `delete`. Default `update-wins`. */
  readonly deletePolicy?: DeletePolicy;
  readonly limits?: Limits;
  /** Is told what the change adds to numbers, except to those of elements that it inserts. */
  readonly onIncrement?: (increment: Increment) => void;
}

export interface DocumentView {
  readonly exists: boolean;
  /** Canonical JSON text: sorted keys, no spaces. Empty when the document does not exist. */
  readonly json: string;
  /** Largest stamp among the live writes; 0 if none. */
  readonly modified: number;
  /** Number of losing values that `conflicts()` lists. */
  readonly conflicts: number;
}

/** A view without its JSON. @public */
export type DocumentOutline = Omit<DocumentView, 'json'>;

/** Losing values of concurrent writes at one path, kept until someone writes that path again. */
export interface Conflict {
  /** JSON Pointer. A last segment `-` stands for array elements that were deleted while someone else edited them. */
  readonly path: string;
  readonly shown: JsonValue | undefined;
  /** Of a shown value. */
  readonly shownBy?: WrittenBy;
  readonly others: readonly ConflictingValue[];
}

export interface ConflictingValue extends WrittenBy {
  readonly value: JsonValue;
}
