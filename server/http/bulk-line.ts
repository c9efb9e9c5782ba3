/**
 * @module
 * Owns one line of a bulk request: reading it, doing it, and describing the outcome. A bad line is a result, never the end of the
 * stream. SPEC.md HT18.
 */
import type { JsonObject, JsonValue, Limits as JsonLimits } from '../../crdt/index.ts';
import type { Database } from '../../sync/index.ts';
import type { BulkAnswerLine, Limits } from '../api/index.ts';
import { parseAround, requireObject } from './body.ts';
import { problemOf } from './error-reply.ts';
import { HttpError } from './errors.ts';
import { isKey, operationOfLine } from './idempotency.ts';
import type { Line } from './line-splitter.ts';
import { CHANGE_POINTERS, changeOf, requireId, resultOf } from './write-envelope.ts';

/** A line may nest deeper than a document: the line itself, the list of operations, and one of them. */
const LINE_LEVELS = 3;

export interface BulkTarget {
  readonly database: Database;
  readonly collection: string;
  readonly limits: Limits;
  /** Limits of the document in a line. */
  readonly jsonLimits: JsonLimits;
  /** Where the lines were sent, and the key of the request; null = it has none. */
  readonly request: { readonly url: string; readonly key: string | null };
}

/** Does one line. Never rejects. */
export async function runBulkLine(target: BulkTarget, line: Line, number: number): Promise<BulkAnswerLine> {
  let id: string | null = null;
  let base = '';
  try {
    const envelope = parseEnvelope(target, line);
    id = requireId(envelope['id'], '');
    const change = changeOf(envelope, ['id', 'key'], '');
    base = CHANGE_POINTERS[change.kind];
    const key = keyOf(envelope['key']);
    const operation = operationOfLine(target.request, { bytes: line!, number, key });
    const outcome = await target.database.write(target.collection, id, change, operation && { operation });
    const result = resultOf(id, outcome);
    return outcome.isReplay ? { ...result, replayed: true } : result;
  } catch (error) {
    const problem = problemOf(error, base);
    return { id, status: problem.status, line: number, error: problem };
  }
}

function keyOf(value: JsonValue | undefined): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && isKey(value)) return value;
  const message = 'the key of a line is 1 to 255 printable ASCII characters';
  throw new HttpError('HTTP_BODY_INVALID', message, { details: { pointer: '/key' } });
}

export function parseEnvelope(
  { limits, jsonLimits }: Pick<BulkTarget, 'limits' | 'jsonLimits'>,
  line: Line,
): JsonObject {
  if (line !== null) return requireObject(parseAround(line, jsonLimits, LINE_LEVELS), '');
  const details = { pointer: '', limit: 'bulkLineBytes', max: limits.bulkLineBytes };
  throw new HttpError('HTTP_LINE_TOO_LARGE', `the line is longer than ${limits.bulkLineBytes} bytes`, { details });
}
