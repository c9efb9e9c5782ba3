/**
 * @module
 * Owns the coded errors of the HTTP layer: what a client may have got wrong about a request, and why a node may decline one.
 * Their statuses are in error-reply.ts.
 */
import { AtollError } from '../../crdt/index.ts';

export type HttpErrorCode =
  | 'HTTP_REQUEST_MALFORMED'
  | 'HTTP_REQUEST_TIMEOUT'
  | 'HTTP_URL_INVALID'
  | 'HTTP_URL_TOO_LONG'
  | 'HTTP_QUERY_INVALID'
  | 'HTTP_CURSOR_INVALID'
  | 'HTTP_HEADER_INVALID'
  | 'HTTP_HEADERS_TOO_LARGE'
  | 'HTTP_EXPECTATION_FAILED'
  | 'HTTP_BODY_REQUIRED'
  | 'HTTP_BODY_INVALID'
  | 'HTTP_BODY_TOO_LARGE'
  | 'HTTP_LINE_TOO_LARGE'
  | 'HTTP_MEDIA_TYPE_UNSUPPORTED'
  | 'HTTP_ROUTE_NOT_FOUND'
  | 'HTTP_COLLECTION_NOT_FOUND'
  | 'HTTP_METHOD_NOT_ALLOWED'
  | 'HTTP_UPGRADE_REQUIRED'
  | 'HTTP_UNAUTHORIZED'
  | 'HTTP_FORBIDDEN'
  | 'HTTP_FEEDS_EXHAUSTED'
  | 'HTTP_DRAINING'
  | 'HTTP_OVERLOADED'
  | 'HTTP_RATE_LIMITED'
  | 'HTTP_INTERNAL';

export class HttpError extends AtollError<HttpErrorCode> {}
