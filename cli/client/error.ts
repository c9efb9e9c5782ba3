/**
 * @module
 * Owns the errors a caller of the client can see: either the problem a node answered with (its `code`, `status` and
 * `retryable` are passed on unchanged) or one of the `CLIENT_…` codes for what happened before there was an answer.
 */
import { AtollError, type AtollErrorOptions } from '../../crdt/errors.ts';
import type { JsonValue } from '../../crdt/json-value.ts';

/** What can go wrong without an answer from a node. A node's own codes (`HTTP_…`, `SYNC_…`, `CRDT_…`) come on top. */
export type ClientErrorCode =
  /** An endpoint is not an http or https URL, or none was given. */
  | 'CLIENT_ENDPOINT_INVALID'
  /** No endpoint accepted the connection, or it broke before the answer. */
  | 'CLIENT_UNREACHABLE'
  /** No answer within `timeoutMs`. */
  | 'CLIENT_TIMEOUT'
  /** The answer is not what the API promises: another service listens there, or a proxy answered. */
  | 'CLIENT_RESPONSE_INVALID';

export interface ClientErrorOptions extends AtollErrorOptions {
  readonly status?: number;
  readonly endpoint?: string;
}

/**
 * A request that failed.
 *
 * @public Test `code`. `status` is the HTTP status, or 0 when no node answered.
 */
export class ClientError extends AtollError<string> {
  readonly status: number;
  /** The endpoint that answered or was tried last; empty when none was. */
  readonly endpoint: string;

  constructor(code: string, message: string, options: ClientErrorOptions = {}) {
    super(code, message, options);
    this.status = options.status ?? 0;
    this.endpoint = options.endpoint ?? '';
  }
}

/** An RFC 9457 problem, as nodes answer it. Unknown members are ignored. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title?: string;
  readonly detail?: string;
  readonly retryable: boolean;
  readonly errors?: readonly { readonly pointer?: string; readonly detail?: string }[];
}

/** Builds the error of a problem document; tolerates anything, because a proxy may have written the body. */
export function problemError(status: number, body: string, endpoint: string): ClientError {
  const problem = parseProblem(body);
  if (problem === null) {
    const shown = body.trim().slice(0, 200);
    return new ClientError('CLIENT_RESPONSE_INVALID', `${endpoint} answered ${status} without a problem document${shown ? `: ${shown}` : ''}`, {
      status,
      endpoint,
      retryable: status === 502 || status === 503 || status === 504,
    });
  }
  const fields = (problem.errors ?? []).map((field) => `${field.pointer ?? ''} ${field.detail ?? ''}`.trim());
  const message = [problem.detail ?? problem.title ?? problem.code, ...fields].join('; ');
  return new ClientError(problem.code, message, {
    status,
    endpoint,
    retryable: problem.retryable,
    details: problemDetails(problem),
  });
}

function problemDetails(problem: Problem): Record<string, JsonValue> {
  if (problem.errors === undefined) return {};
  return { errors: problem.errors.slice(0, 20).map((field) => ({ pointer: field.pointer ?? '', detail: field.detail ?? '' })) };
}

function parseProblem(body: string): Problem | null {
  try {
    const value = JSON.parse(body) as Partial<Problem> | null;
    if (value === null || typeof value !== 'object' || typeof value.code !== 'string') return null;
    const errors = Array.isArray(value.errors) ? { errors: value.errors } : {};
    return { ...value, ...errors, status: Number(value.status ?? 0), code: value.code, retryable: value.retryable === true };
  } catch {
    return null;
  }
}
