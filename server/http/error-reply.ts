/**
 * @module
 * Owns the mapping from error codes to HTTP statuses, the only one, and the form of every error answer: RFC 9457 problem
 * details. Nothing of an unexpected error is shown to the client. SPEC.md section HT.
 */
import type { FastifyReply } from 'fastify';
import { AtollError, type CrdtErrorCode, type JsonValue } from '../../crdt/index.ts';
import type { StorageErrorCode, SyncErrorCode } from '../../sync/index.ts';
import type { Problem, ProblemField } from '../api/index.ts';
import { HttpError, type HttpErrorCode } from './errors.ts';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

type KnownCode = HttpErrorCode | CrdtErrorCode | SyncErrorCode | StorageErrorCode;

/** Status and title of every code. A code that describes the wire or the disk, not a request, is a 500. */
const REPLIES: Readonly<Record<KnownCode, readonly [status: number, title: string]>> = {
  HTTP_REQUEST_MALFORMED: [400, 'Malformed HTTP request'],
  HTTP_REQUEST_TIMEOUT: [408, 'Request took too long to arrive'],
  HTTP_URL_INVALID: [400, 'Invalid URL'],
  HTTP_URL_TOO_LONG: [414, 'URL too long'],
  HTTP_QUERY_INVALID: [400, 'Invalid query parameter'],
  HTTP_CURSOR_INVALID: [400, 'Invalid cursor'],
  HTTP_HEADER_INVALID: [400, 'Invalid header'],
  HTTP_HEADERS_TOO_LARGE: [431, 'Headers too large'],
  HTTP_EXPECTATION_FAILED: [417, 'Expectation failed'],
  HTTP_BODY_REQUIRED: [400, 'Body required'],
  HTTP_BODY_INVALID: [400, 'Invalid body'],
  HTTP_BODY_TOO_LARGE: [413, 'Body too large'],
  HTTP_LINE_TOO_LARGE: [413, 'Line too large'],
  HTTP_MEDIA_TYPE_UNSUPPORTED: [415, 'Unsupported media type'],
  HTTP_ROUTE_NOT_FOUND: [404, 'No such resource'],
  HTTP_COLLECTION_NOT_FOUND: [404, 'No such collection'],
  HTTP_METHOD_NOT_ALLOWED: [405, 'Method not allowed'],
  HTTP_UPGRADE_REQUIRED: [426, 'Websocket upgrade required'],
  HTTP_UNAUTHORIZED: [401, 'Authentication required'],
  HTTP_FORBIDDEN: [403, 'Forbidden'],
  HTTP_FEEDS_EXHAUSTED: [503, 'Too many change feeds'],
  HTTP_DRAINING: [503, 'Node is draining'],
  HTTP_OVERLOADED: [503, 'Node is overloaded'],
  HTTP_RATE_LIMITED: [429, 'Too many requests'],
  HTTP_INTERNAL: [500, 'Internal error'],
  CRDT_VALUE_INVALID: [400, 'Invalid value'],
  CRDT_LIMIT_EXCEEDED: [400, 'Limit exceeded'],
  CRDT_POINTER_INVALID: [400, 'Invalid JSON Pointer'],
  CRDT_PATCH_INVALID: [400, 'Invalid patch'],
  CRDT_PATCH_TEST_FAILED: [409, 'Patch test failed'],
  CRDT_PATCH_TARGET_MISSING: [409, 'Patch target missing'],
  CRDT_CONFLICT_MISSING: [409, 'No such conflict'],
  CRDT_TYPE_MISMATCH: [409, 'Type mismatch'],
  CRDT_UPDATE_MALFORMED: [500, 'Malformed update'],
  CRDT_UPDATE_GAP: [500, 'Update with a gap'],
  CRDT_UPDATE_FORBIDDEN: [500, 'Forbidden update'],
  CRDT_UPDATE_FENCED: [500, 'Update of another generation'],
  SYNC_DATABASE_NOT_FOUND: [404, 'No such database'],
  SYNC_DATABASE_ELSEWHERE: [421, 'Database is elsewhere'],
  SYNC_DATABASE_NAME_INVALID: [400, 'Invalid database name'],
  SYNC_COLLECTION_NAME_INVALID: [400, 'Invalid collection name'],
  SYNC_DOCUMENT_ID_INVALID: [400, 'Invalid document id'],
  SYNC_DOCUMENT_NOT_FOUND: [404, 'No such document'],
  SYNC_PRECONDITION_FAILED: [412, 'Precondition failed'],
  SYNC_CONFIG_INVALID: [400, 'Invalid configuration'],
  SYNC_INDEX_INVALID: [400, 'Invalid index'],
  SYNC_INDEX_NOT_FOUND: [404, 'No such index'],
  SYNC_INDEX_LIMIT: [409, 'Too many indexes'],
  SYNC_QUERY_INVALID: [400, 'Invalid query'],
  SYNC_QUERY_CURSOR_INVALID: [400, 'Invalid cursor'],
  SYNC_QUERY_SORT_LIMIT: [400, 'Too much to sort without an index'],
  SYNC_SCHEMA_VIOLATION: [422, 'Document violates the schema'],
  SYNC_TOKEN_INVALID: [400, 'Invalid session token'],
  SYNC_TOKEN_FOREIGN: [409, 'Session token of another cluster'],
  SYNC_TOKEN_EXPIRED: [410, 'Session token of what is gone'],
  SYNC_REPLICA_BEHIND: [503, 'replica-behind'],
  SYNC_KEY_REUSED: [422, 'Idempotency key was used before'],
  SYNC_CURSOR_INVALID: [400, 'Invalid cursor'],
  SYNC_CURSOR_FOREIGN: [410, 'Cursor of another database'],
  SYNC_CURSOR_EXPIRED: [410, 'Cursor too old'],
  SYNC_CLOSED: [503, 'Node is closed'],
  SYNC_MEMBER_NOT_FOUND: [404, 'No such member'],
  SYNC_MEMBER_CONFLICT: [409, 'Not possible for this member'],
  SYNC_ACCESS_TOKEN_NOT_FOUND: [404, 'No such token'],
  SYNC_ACCESS_TOKEN_CONFLICT: [409, 'Not possible for this token'],
  SYNC_NODE_REMOVED: [503, 'Node was removed from the cluster'],
  SYNC_BATCH_MALFORMED: [500, 'Malformed batch'],
  SYNC_CHAIN_FORKED: [500, 'Forked log'],
  SYNC_FRAME_MALFORMED: [500, 'Malformed frame'],
  SYNC_FRAME_TOO_LARGE: [500, 'Frame too large'],
  SYNC_VERSION_UNSUPPORTED: [500, 'Unsupported protocol version'],
  SYNC_LEAF_FORBIDDEN: [403, 'Not allowed for this leaf'],
  SYNC_LEAF_NOT_SUBSCRIBED: [409, 'Not subscribed'],
  SYNC_LEAF_GONE: [409, 'The document is gone'],
  SYNC_AUTH_FAILED: [500, 'Peer authentication failed'],
  STORAGE_IN_USE: [503, 'Storage in use'],
  STORAGE_OPEN_FAILED: [503, 'Storage cannot be opened'],
  STORAGE_FULL: [503, 'Storage full'],
  STORAGE_IO: [503, 'Storage failed'],
  STORAGE_CORRUPT: [503, 'Storage corrupt'],
  STORAGE_FAILED: [503, 'Storage failed'],
  STORAGE_CLOSED: [503, 'Storage closed'],
  STORAGE_FORMAT_UNSUPPORTED: [503, 'Unsupported storage format'],
};

/** Limits whose excess is a matter of size (413); the others are a matter of form (400). */
const SIZE_LIMITS: ReadonlySet<string> = new Set(['documentBytes', 'bodyBytes', 'bulkLineBytes']);
/** Statuses by code, for the table in SPEC.md and for tests. */
export function statusOf(code: string): number {
  return REPLIES[code as KnownCode]?.[0] ?? 500;
}

/**
 * Describes any thrown value to a client. Unknown errors become HTTP_INTERNAL without their message.
 *
 * @param base - JSON Pointer to what a document error speaks of, within the body or line.
 */
export function problemOf(thrown: unknown, base: string = ''): Problem {
  const error = thrown instanceof AtollError && thrown.code in REPLIES ? thrown : translate(thrown);
  const [tableStatus, title] = REPLIES[error.code as KnownCode];
  const status =
    error.code === 'CRDT_LIMIT_EXCEEDED' && SIZE_LIMITS.has(text(error.details['name']) ?? '') ? 413 : tableStatus;
  const fields = problemFields(error, base);
  const retryable = error.retryable || status === 503;
  const type = `urn:atoll:problem:${error.code}`;
  return { type, title, status, detail: error.message, code: error.code, retryable, ...(fields && { errors: fields }) };
}

/** Answers with a problem. The connection survives: what is left of a refused body is read and dropped, unless it is late. */
export function sendProblem(reply: FastifyReply, problem: Problem, thrown?: unknown): void {
  const { status } = problem;
  if (problem.code === 'HTTP_DRAINING') reply.header('connection', 'close');
  else if (status !== 408) reply.removeHeader('connection');
  if (status === 503) reply.header('retry-after', '1');
  if (thrown instanceof HttpError) {
    const { accept, acceptEncoding, allow, challenge, retryAfter } = thrown.details;
    if (typeof challenge === 'string') reply.header('www-authenticate', challenge);
    if (typeof retryAfter === 'number') reply.header('retry-after', String(retryAfter));
    if (typeof acceptEncoding === 'string') reply.header('accept-encoding', acceptEncoding);
    if (typeof accept === 'string') reply.header(reply.request.method === 'PATCH' ? 'accept-patch' : 'accept', accept);
    if (typeof allow === 'string') reply.header('allow', allow);
  }
  reply
    .code(status)
    .header('content-type', PROBLEM_MEDIA_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
}

/** An error of Fastify, Node or ours that has no code of its own here. */
function translate(thrown: unknown): AtollError {
  const { code, message, validation, validationContext, statusCode } = (thrown ?? {}) as FastifyLikeError;
  if (validation !== undefined) return validationError(validation, validationContext);
  switch (code) {
    case 'FST_ERR_BAD_URL':
      return new HttpError('HTTP_URL_INVALID', 'the path is not valid percent-encoded UTF-8');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new HttpError('HTTP_URL_TOO_LONG', 'a segment of the path is too long');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new HttpError('HTTP_MEDIA_TYPE_UNSUPPORTED', 'the Content-Type is not a media type', {
        details: { parameter: 'Content-Type' },
      });
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new HttpError('HTTP_BODY_TOO_LARGE', 'the body is too large', { details: { limit: 'bodyBytes' } });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new HttpError('HTTP_REQUEST_MALFORMED', 'the body is not as long as Content-Length says');
    case 'ECONNRESET':
      return new HttpError('HTTP_REQUEST_MALFORMED', 'the connection broke before the request had arrived');
    default:
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new HttpError('HTTP_REQUEST_MALFORMED', message ?? 'malformed request');
  }
  return new HttpError('HTTP_INTERNAL', 'an unexpected error; the log of the node has more', { cause: thrown });
}

interface FastifyLikeError {
  readonly code?: string;
  readonly message?: string;
  readonly statusCode?: number;
  readonly validation?: readonly {
    readonly instancePath?: string;
    readonly message?: string;
    readonly params?: Record<string, unknown>;
  }[];
  readonly validationContext?: string;
}

function validationError(validation: NonNullable<FastifyLikeError['validation']>, context = 'request'): HttpError {
  const code =
    context === 'headers' ? 'HTTP_HEADER_INVALID' : context === 'body' ? 'HTTP_BODY_INVALID' : 'HTTP_QUERY_INVALID';
  const errors = validation.map(({ instancePath = '', message = 'is invalid', params = {} }) => {
    const unknown = params['additionalProperty'];
    const name = typeof unknown === 'string' ? unknown : instancePath.slice(1);
    return { parameter: name, detail: typeof unknown === 'string' ? 'is not a parameter of this request' : message };
  });
  const first = errors[0];
  return new HttpError(code, `${context}: ${first?.parameter ?? ''} ${first?.detail ?? ''}`, { details: { errors } });
}

/** Picks what clients may rely on out of an error's details: where, which limit, how much. */
function problemFields(error: AtollError, base: string): readonly ProblemField[] | null {
  const { details } = error;
  if (Array.isArray(details['errors'])) return details['errors'] as unknown as readonly ProblemField[];
  const { limit } = details;
  const pointer = pointerOf(details, base);
  const parameter = text(details['parameter']) ?? text(details['field']);
  if (pointer === undefined && parameter === undefined && limit === undefined) return null;
  // The document layer names a limit in `name` and gives its value in `limit`.
  const name = text(limit) ?? text(details['name']);
  const max = typeof limit === 'number' ? limit : details['max'];
  return [
    {
      ...(pointer === undefined && parameter !== undefined ? { parameter } : { pointer: pointer ?? '' }),
      detail: error.message,
      ...(name !== undefined && { limit: name }),
      ...(typeof max === 'number' && { max }),
    },
  ];
}

/** A patch is wrong at one of its operations; where in the document that leads is in the message. */
function pointerOf(details: Readonly<Record<string, JsonValue>>, base: string): string | undefined {
  const { index, pointer } = details;
  if (typeof index === 'number') return `${base}/${index}`;
  const path = text(details['path']);
  return text(pointer) ?? (path === undefined ? undefined : base + path);
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
