/**
 * @module
 * Owns what the calls of the API share: paths of documents, headers from options, and reading answers.
 */
import type { Answer, StreamAnswer } from './call.ts';
import { ClientError } from './error.ts';
import { decodeNdjson } from './ndjson.ts';
import type { ReadCallOptions, ReplicaCount, WriteCallOptions } from './type.ts';

export const JSON_TYPE = 'application/json';
export const NDJSON_TYPE = 'application/x-ndjson';

/** `/v1/db/collection/docs/id`. */
export function documentPath(collectionPath: string, id: string): string {
  // URL parsers swallow the segments `.` and `..`, also percent-encoded.
  if (id === '.' || id === '..')
    throw new ClientError('SYNC_DOCUMENT_ID_INVALID', `the document id ${JSON.stringify(id)} cannot be said in a URL`, {
      status: 400,
    });
  try {
    return `${collectionPath}/docs/${encodeURIComponent(id)}`;
  } catch (error) {
    throw new ClientError('SYNC_DOCUMENT_ID_INVALID', 'the document id is not well-formed Unicode', {
      status: 400,
      cause: error,
    });
  }
}

/** Query parameters that are given, `?` included. */
export function search(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** Preconditions and preferences of a write. */
export function writeHeaders(options: WriteCallOptions): Record<string, string> {
  return {
    ...(options.ifMatch === undefined ? {} : { 'if-match': options.ifMatch }),
    ...(options.ifNoneMatch === undefined ? {} : { 'if-none-match': options.ifNoneMatch }),
    ...preferHeader(options),
  };
}

/** RFC 7240. */
export function preferHeader({
  replicas,
  waitSeconds,
}: Pick<WriteCallOptions, 'replicas'> & ReadCallOptions): Record<string, string> {
  const preferences = [
    ...(replicas === undefined ? [] : [`replicas=${replicas}`]),
    ...(waitSeconds === undefined ? [] : [`wait=${waitSeconds}`]),
  ];
  return preferences.length === 0 ? {} : { prefer: preferences.join(', ') };
}

/** `Atoll-Replicas: 2/3`; 202 says that more were asked for. */
export function replicasOf({ status, headers }: Answer): ReplicaCount | null {
  const match = /^(\d+)\/(\d+)$/.exec(headers.get('atoll-replicas') ?? '');
  return match === null ? null : { durable: Number(match[1]), members: Number(match[2]), isReached: status !== 202 };
}

/** Reads a JSON answer. */
export function parseBody<T>(answer: Answer): T {
  try {
    return JSON.parse(answer.text) as T;
  } catch (error) {
    throw new ClientError(
      'CLIENT_RESPONSE_INVALID',
      `${answer.endpoint} answered ${answer.status} with something that is not JSON: is this an Atoll node?`,
      { status: answer.status, endpoint: answer.endpoint, cause: error },
    );
  }
}

/** The lines of a streamed answer. */
export async function* readLines<T>(answer: StreamAnswer, onBytes?: () => void): AsyncGenerator<T, void, undefined> {
  try {
    yield* decodeNdjson<T>(answer.body, onBytes);
  } finally {
    answer.end();
  }
}

/** The document does not exist; a missing database is something else. */
export function isMissingDocument(error: unknown): boolean {
  return error instanceof ClientError && error.status === 404 && error.code === 'SYNC_DOCUMENT_NOT_FOUND';
}
