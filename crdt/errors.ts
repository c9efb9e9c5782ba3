/**
 * @module
 * Owns the base of every error that crosses a boundary in Atoll. Each layer derives one class with its own closed table of
 * codes; programmer mistakes are assertions (assert.ts), never one of these. SPEC.md section "Errors".
 */
import type { JsonValue } from './json-value.ts';

export interface AtollErrorOptions {
  /** May the very same call succeed later, unchanged? Default false. */
  readonly retryable?: boolean;
  /** Bounded facts for programs: field, limit, actual value. Never document content. */
  readonly details?: Readonly<Record<string, JsonValue>>;
  readonly cause?: unknown;
}

/**
 * An expected failure with a stable code.
 *
 * @public Test `code`, not the class or the message: messages may change, codes may not within a major version.
 */
export class AtollError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, JsonValue>>;

  constructor(code: Code, message: string, options: AtollErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** Codes of the `crdt` layer: what a caller may have got wrong about a document, a value or an update. */
export type CrdtErrorCode =
  | 'CRDT_VALUE_INVALID'
  | 'CRDT_LIMIT_EXCEEDED'
  | 'CRDT_POINTER_INVALID'
  | 'CRDT_PATCH_INVALID'
  | 'CRDT_PATCH_TEST_FAILED'
  | 'CRDT_PATCH_TARGET_MISSING'
  | 'CRDT_CONFLICT_MISSING'
  | 'CRDT_TYPE_MISMATCH'
  | 'CRDT_UPDATE_MALFORMED'
  | 'CRDT_UPDATE_GAP'
  | 'CRDT_UPDATE_FORBIDDEN'
  | 'CRDT_UPDATE_FENCED';

export class CrdtError extends AtollError<CrdtErrorCode> {}
