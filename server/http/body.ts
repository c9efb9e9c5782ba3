/**
 * @module
 * Owns how request bodies arrive: as bytes, bounded in size and time, parsed only by the strict parser of crdt (fatal UTF-8,
 * no duplicate keys, finite numbers, bounded depth). Fastify's JSON parser is not used: it accepts what would merge differently
 * on another node. SPEC.md HT5, HT6.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  CrdtError,
  parseJson,
  type JsonObject,
  type JsonValue,
  type Limits as DocumentLimits,
} from '../../crdt/index.ts';
import type { HttpContext } from './context.ts';
import { HttpError } from './errors.ts';
import { recordOf } from './request-record.ts';

export const JSON_TYPE = 'application/json';
export const MERGE_PATCH_TYPE = 'application/merge-patch+json';
export const JSON_PATCH_TYPE = 'application/json-patch+json';
export const OPERATIONS_TYPE = 'application/vnd.atoll.ops+json';
export const NDJSON_TYPE = 'application/x-ndjson';

/** While the node shuts down, a body may take this long to arrive, or a stream of lines stand still. */
export const DRAIN_GRACE_MS = 2000;

type BodyContext = Pick<HttpContext, 'limits' | 'health' | 'overload'>;

/** Registers the media types of the API. Any other body stays unread, and the route that is asked to read it says what it takes. */
export function acceptBodies(app: FastifyInstance, context: BodyContext): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [JSON_TYPE, MERGE_PATCH_TYPE, JSON_PATCH_TYPE, OPERATIONS_TYPE],
    (request: FastifyRequest, payload: Readable, done: BodyDone) => readBody(request, payload, context, done),
  );
  app.addContentTypeParser([NDJSON_TYPE, '*'], passStream);
}

/** The media type of a request without its parameters, lower case; '' without a body. A charset must be UTF-8. */
export function mediaTypeOf(request: FastifyRequest): string {
  const header = request.headers['content-type'];
  if (header === undefined || header === JSON_TYPE) return header ?? '';
  const [type = '', ...parameters] = header.split(';');
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim().toLowerCase() !== 'charset') continue;
    if (!/^"?utf-?8"?$/i.test(value.trim())) throw unsupported(`charset ${value.trim().slice(0, 40)}`, [type.trim()]);
  }
  return type.trim().toLowerCase();
}

/** Levels of nesting around the values in a body, by its type: an array of operations. */
const LEVELS_AROUND: Readonly<Record<string, number>> = { [JSON_PATCH_TYPE]: 2, [OPERATIONS_TYPE]: 2 };

/**
 * Parses the body of a request whose media type must be one of `types`.
 *
 * @param levels - Of nesting around the documents in it; by the media type when left out.
 */
export function jsonBody(
  request: FastifyRequest,
  types: readonly string[],
  limits: DocumentLimits,
  levels?: number,
): JsonValue {
  const type = mediaTypeOf(request);
  const bytes = request.body;
  if (!types.includes(type)) {
    if (type === '' && bytes === undefined) throw bodyRequired(types);
    throw unsupported(type, types);
  }
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) throw bodyRequired(types);
  return parseAround(bytes, limits, levels ?? LEVELS_AROUND[type] ?? 0);
}

/** Parses JSON that holds documents or parts of them below `levels` of its own. The limit it tells is that of documents. */
export function parseAround(bytes: Uint8Array, limits: DocumentLimits, levels: number): JsonValue {
  if (levels === 0) return parseJson(bytes, limits);
  try {
    return parseJson(bytes, { ...limits, depthMax: limits.depthMax + levels });
  } catch (error) {
    if (!(error instanceof CrdtError) || error.details['name'] !== 'depth') throw error;
    const details = { ...error.details, limit: limits.depthMax };
    throw new CrdtError(error.code, `nested deeper than ${limits.depthMax} levels`, { cause: error, details });
  }
}

/** The same, and the value must be an object. */
export function objectBody(request: FastifyRequest, types: readonly string[], limits: DocumentLimits): JsonObject {
  return requireObject(jsonBody(request, types, limits), '');
}

export function requireObject(value: JsonValue | undefined, pointer: string): JsonObject {
  if (isObject(value)) return value;
  throw new HttpError('HTTP_BODY_INVALID', `must be a JSON object, not ${kindOf(value)}`, { details: { pointer } });
}

export function requireArray(value: JsonValue | undefined, pointer: string): readonly JsonValue[] {
  if (Array.isArray(value)) return value as readonly JsonValue[];
  throw new HttpError('HTTP_BODY_INVALID', `must be a JSON array, not ${kindOf(value)}`, { details: { pointer } });
}

/** @param given - '' when nothing says what the body is. */
export function unsupported(given: string, types: readonly string[]): HttpError {
  const wanted = types.join(' or ');
  const message =
    given === ''
      ? `the body has no Content-Type; send ${wanted}`
      : `${given.slice(0, 100)} is not supported here; send ${wanted}`;
  return new HttpError('HTTP_MEDIA_TYPE_UNSUPPORTED', message, {
    details: { parameter: 'Content-Type', accept: types.join(', ') },
  });
}

/** The node shuts down, and the body has not arrived. */
export function unfinished(): HttpError {
  return new HttpError('HTTP_DRAINING', 'this node is shutting down, and the body had not arrived', {
    retryable: true,
  });
}

type BodyDone = (error: Error | null, body?: Buffer) => void;

/** Bodies are taken as they are: decoding would have to be bounded as well. */
export function requirePlainBody({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw new HttpError('HTTP_MEDIA_TYPE_UNSUPPORTED', `the Content-Encoding ${encoding.slice(0, 40)} is not supported`, {
    details: { parameter: 'Content-Encoding', acceptEncoding: 'identity' },
  });
}

function passStream(_request: FastifyRequest, payload: Readable, done: (error: null, body: Readable) => void): void {
  done(null, payload);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'absent';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function bodyRequired(types: readonly string[]): HttpError {
  return new HttpError('HTTP_BODY_REQUIRED', `a body of type ${types.join(' or ')} is required`, {
    details: { pointer: '' },
  });
}

/** Collects a body. A refused one keeps flowing into the void, so that the client gets to read the answer. */
function readBody(
  request: FastifyRequest,
  payload: Readable,
  { limits: { bodyBytes, requestMs }, health, overload }: BodyContext,
  done: BodyDone,
): void {
  if (Number(request.headers['content-length']) > bodyBytes) {
    done(tooLarge(bodyBytes));
    return;
  }
  const chunks: Buffer[] = [];
  const record = recordOf(request.raw);
  let length = 0;
  let deadline = setTimeout(() => finish(tooSlow(requestMs)), requestMs);
  const stopWatching = health.onRefuse(() => {
    clearTimeout(deadline);
    deadline = setTimeout(() => finish(unfinished()), Math.min(requestMs, DRAIN_GRACE_MS));
  });
  const finish = (error: Error | null): void => {
    clearTimeout(deadline);
    stopWatching();
    payload.removeListener('data', onData).removeListener('end', onEnd).removeListener('error', finish);
    if (error !== null) payload.on('error', () => {});
    done(error, error === null ? joined(chunks, length) : undefined);
  };
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
    const refusal = length > bodyBytes ? tooLarge(bodyBytes) : overload.holdBody(record, chunk.length);
    if (refusal !== null) finish(refusal);
    else chunks.push(chunk);
  };
  const onEnd = (): void => finish(null);
  payload.on('data', onData).on('end', onEnd).on('error', finish);
}

function joined(chunks: readonly Buffer[], length: number): Buffer {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length);
}

export function tooSlow(requestMs: number): HttpError {
  const details = { pointer: '', limit: 'requestMs', max: requestMs };
  return new HttpError('HTTP_REQUEST_TIMEOUT', `the body did not arrive within ${requestMs} ms`, { details });
}

export function tooLarge(bodyBytes: number): HttpError {
  const details = { pointer: '', limit: 'bodyBytes', max: bodyBytes };
  return new HttpError('HTTP_BODY_TOO_LARGE', `the body is larger than ${bodyBytes} bytes`, { details });
}
