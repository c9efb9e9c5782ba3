/**
 * @module
 * Owns the errors a caller of the client can see: either the problem a node answered with (its `code`, `status` and
 * `retryable` are passed on unchanged) or one of the `CLIENT_…` codes for what happened before there was an answer.
 */
import { AtollError, type AtollErrorOptions } from '../../crdt/errors.ts';
import type { JsonValue } from '../../crdt/json-value.ts';
import type { Problem, ProblemField } from '../../server/api/index.ts';

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

/** Fields at fault that an error carries at most. */
const FIELDS_MAX = 20;

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

/** Builds the error of a problem document; tolerates anything, because a proxy may have written the body. */
export function problemError(status: number, body: string, endpoint: string): ClientError {
  const problem = parseProblem(body);
  if (problem === null) {
    const shown = body.trim().slice(0, 200);
    return new ClientError(
      'CLIENT_RESPONSE_INVALID',
      `${endpoint} answered ${status} without a problem document${shown ? `: ${shown}` : ''}`,
      {
        status,
        endpoint,
        retryable: status === 502 || status === 503 || status === 504,
      },
    );
  }
  return coded(status, problem, endpoint);
}

/** The error of a problem that came within an answer. */
export function innerError(problem: Problem, endpoint: string): ClientError {
  return coded(problem.status, problem, endpoint);
}

function coded(status: number, problem: ReceivedProblem, endpoint: string): ClientError {
  return new ClientError(problem.code, problem.detail ?? problem.title ?? problem.code, {
    status,
    endpoint,
    retryable: problem.retryable,
    details: problem.errors === undefined ? {} : { errors: problem.errors.slice(0, FIELDS_MAX).map(fieldDetails) },
  });
}

/** No answer from any of the endpoints tried. */
export function unreachableError(tried: readonly string[], isRefused: boolean, cause: unknown): ClientError {
  const { code, message } = (cause as { cause?: { code?: string; message?: string } } | null)?.cause ?? {};
  const what = isRefused ? 'no node answers at' : 'the connection broke to';
  return new ClientError(
    'CLIENT_UNREACHABLE',
    `${what} ${tried.join(', ')} (${code ?? message ?? (cause instanceof Error ? cause.message : String(cause))})`,
    { endpoint: tried.at(-1) ?? '', retryable: true, cause, details: { endpoints: [...tried] } },
  );
}

/** Nothing came in time. */
export function timeoutError(endpoint: string, timeoutMs: number, cause: unknown): ClientError {
  return new ClientError('CLIENT_TIMEOUT', `${endpoint} did not answer within ${timeoutMs} ms`, {
    endpoint,
    retryable: true,
    cause,
  });
}

/** What of a problem can be relied on when a proxy or a later version may have written it. */
type ReceivedProblem = Partial<Problem> & Pick<Problem, 'code' | 'retryable'>;

function fieldDetails(field: ProblemField): JsonValue {
  return { ...field };
}

function parseProblem(body: string): ReceivedProblem | null {
  let value: Partial<Problem> | null;
  try {
    value = JSON.parse(body) as Partial<Problem> | null;
  } catch {
    return null;
  }
  if (value === null || typeof value !== 'object' || typeof value.code !== 'string') return null;
  const { errors, ...rest } = value;
  return { ...rest, code: value.code, retryable: value.retryable === true, ...(Array.isArray(errors) && { errors }) };
}
