/**
 * @module
 * Owns one line of a bulk request: reading it, doing it, and describing the outcome. A bad line is a result, never the end of the
 * stream. SPEC.md HT18.
 */
import {
  type Change,
  type IntentOperation,
  type JsonObject,
  type JsonValue,
  type Limits as JsonLimits,
} from '../../crdt/index.ts';
import { SyncError, type Database } from '../../sync/index.ts';
import type { BulkAnswerLine, Limits } from '../api/index.ts';
import { parseAround, requireArray, requireObject } from './body.ts';
import { requireDocumentId } from './document-id.ts';
import { problemOf } from './error-reply.ts';
import { HttpError } from './errors.ts';
import type { Line } from './line-splitter.ts';

const ACTIONS = ['doc', 'merge', 'ops', 'delete'] as const;

/** Where a line holds what the document layer speaks of. */
const BASES: Readonly<Record<Change['kind'], string>> = {
  replace: '/doc',
  'merge-patch': '/merge',
  'json-patch': '',
  operations: '/ops',
  resolve: '',
  delete: '',
};
/** A line may nest deeper than a document: the line itself, the list of operations, and one of them. */
const LINE_LEVELS = 3;

export interface BulkTarget {
  readonly database: Database;
  readonly collection: string;
  readonly limits: Limits;
  /** Limits of the document in a line. */
  readonly jsonLimits: JsonLimits;
}

/** Does one line. Never rejects. */
export async function runBulkLine(target: BulkTarget, line: Line, number: number): Promise<BulkAnswerLine> {
  let id: string | null = null;
  let base = '';
  try {
    const envelope = parseEnvelope(target, line);
    id = requireId(envelope['id']);
    const change = changeOf(envelope);
    base = BASES[change.kind];
    const { status, etag } = await target.database.write(target.collection, id, change);
    if (status === 'deleted') return { id, status: 204 };
    return { id, status: status === 'created' ? 201 : 200, etag };
  } catch (error) {
    const problem = problemOf(error, base);
    return { id, status: problem.status, line: number, error: problem };
  }
}

function parseEnvelope({ limits, jsonLimits }: BulkTarget, line: Line): JsonObject {
  if (line !== null) return requireObject(parseAround(line, jsonLimits, LINE_LEVELS), '');
  const details = { pointer: '', limit: 'bulkLineBytes', max: limits.bulkLineBytes };
  throw new HttpError('HTTP_LINE_TOO_LARGE', `the line is longer than ${limits.bulkLineBytes} bytes`, { details });
}

function requireId(value: JsonValue | undefined): string {
  if (typeof value === 'string') return requireLineId(value);
  throw new HttpError('HTTP_BODY_INVALID', 'a line has the id of its document, a string', {
    details: { pointer: '/id' },
  });
}

/** The rule of ids, with the fault where a line has it. */
function requireLineId(value: string): string {
  try {
    return requireDocumentId(value);
  } catch (cause) {
    if (!(cause instanceof SyncError)) throw cause;
    throw new SyncError(cause.code, cause.message, { cause, details: { ...cause.details, pointer: '/id' } });
  }
}

function changeOf(envelope: JsonObject): Change {
  const actions = ACTIONS.filter((name) => Object.hasOwn(envelope, name));
  const [action] = actions;
  const stray = Object.keys(envelope).find((name) => name !== 'id' && !(ACTIONS as readonly string[]).includes(name));
  if (stray !== undefined) throw invalid(`/${stray.slice(0, 80)}`, `a line has id and one of ${ACTIONS.join(', ')}`);
  if (action === undefined || actions.length > 1) throw invalid('', `a line has exactly one of ${ACTIONS.join(', ')}`);
  const value = envelope[action];
  const pointer = `/${action}`;
  switch (action) {
    case 'doc':
      return { kind: 'replace', value: requireObject(value, pointer) };
    case 'merge':
      return { kind: 'merge-patch', patch: requireObject(value, pointer) };
    case 'ops':
      return { kind: 'operations', operations: requireArray(value, pointer) as unknown as readonly IntentOperation[] };
    case 'delete':
      if (value !== true) throw invalid(pointer, 'delete is true or absent');
      return { kind: 'delete' };
  }
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
}
