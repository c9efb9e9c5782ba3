/**
 * @module
 * Owns batches by HTTP: reading several writes that are to be applied as one, doing that, and saying which one was refused.
 * SPEC.md SE8, SE9.
 */
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AtollError, type JsonObject } from '../../crdt/index.ts';
import { RefusedWrite, SyncError, type Database, type GroupWrite, type Positions } from '../../sync/index.ts';
import type { BatchResult, Limits, Problem } from '../api/index.ts';
import * as body from './body.ts';
import { parseEnvelope, type BulkTarget } from './bulk-line.ts';
import type { HttpContext } from './context.ts';
import { requireCollectionName } from './document-id.ts';
import { problemOf, sendProblem } from './error-reply.ts';
import { HttpError } from './errors.ts';
import { operationOf, REPLAYED } from './idempotency.ts';
import { splitLines } from './line-splitter.ts';
import { parseEntityTags } from './precondition.ts';
import { preferencesOf } from './prefer.ts';
import { sendSessionToken } from './session-token.ts';
import { awaitCopies } from './write-concern.ts';
import { CHANGE_POINTERS, changeOf, requireId, resultOf } from './write-envelope.ts';

/** A body nests deeper than a document: the body, the list, the write, its operations, and one of them. */
const BODY_LEVELS = 5;

/** The writes of a `_batch` request. */
export function readBatch(request: FastifyRequest, { limits, documentLimits }: HttpContext): readonly GroupWrite[] {
  const jsonLimits = { ...documentLimits, documentBytesMax: limits.bodyBytes };
  const value = body.jsonBody(request, [body.JSON_TYPE], jsonLimits, BODY_LEVELS);
  const { writes, ...rest } = body.requireObject(value, '');
  const [stray] = Object.keys(rest);
  if (stray !== undefined) throw invalid(`/${stray.slice(0, 80)}`, 'a batch has writes and nothing else');
  const list = body.requireArray(writes, '/writes');
  requireCount(list.length, limits, '/writes');
  return list.map((write, i) => readWrite(body.requireObject(write, `/writes/${i}`), `/writes/${i}`));
}

function readWrite(write: JsonObject, base: string): GroupWrite {
  const { collection, ifMatch, ifNoneMatch } = write;
  return {
    collection: requireCollection(collection, `${base}/collection`),
    id: requireId(write['id'], base),
    change: changeOf(write, ['collection', 'id', 'ifMatch', 'ifNoneMatch'], base),
    ...(ifMatch !== undefined && { ifMatch: requireTags(ifMatch, 'If-Match', `${base}/ifMatch`) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: requireTags(ifNoneMatch, 'If-None-Match', `${base}/ifNoneMatch`) }),
  };
}

function requireCollection(value: unknown, pointer: string): string {
  if (typeof value !== 'string') throw invalid(pointer, 'a write names its collection, a string');
  try {
    return requireCollectionName(value);
  } catch (cause) {
    if (!(cause instanceof SyncError)) throw cause;
    throw new SyncError(cause.code, cause.message, { cause, details: { ...cause.details, pointer } });
  }
}

function requireTags(value: unknown, name: 'If-Match' | 'If-None-Match', pointer: string): readonly string[] | '*' {
  if (typeof value !== 'string') throw invalid(pointer, 'an entity tag with its quotes, several with commas, or *');
  try {
    return parseEntityTags(value, name);
  } catch {
    throw invalid(pointer, 'an entity tag with its quotes, several with commas, or *');
  }
}

/** The lines of an atomic bulk request. They are held until the last has come, so that they are bounded as a body is. */
export async function readLines(
  source: Readable,
  target: Pick<BulkTarget, 'collection' | 'jsonLimits' | 'limits'>,
  health: HttpContext['health'],
): Promise<readonly GroupWrite[]> {
  const { collection, limits } = target;
  const writes: GroupWrite[] = [];
  let bytes = 0;
  let deadline = setTimeout(() => source.destroy(body.tooSlow(limits.requestMs)), limits.requestMs);
  const stopWatching = health.onRefuse(() => {
    clearTimeout(deadline);
    deadline = setTimeout(() => source.destroy(body.unfinished()), body.DRAIN_GRACE_MS);
  });
  try {
    for await (const lines of splitLines(source, limits.bulkLineBytes)) {
      for (const line of lines) {
        bytes += line?.length ?? 0;
        if (bytes > limits.bodyBytes) throw body.tooLarge(limits.bodyBytes);
        requireCount(writes.length + 1, limits, `/${writes.length}`);
        writes.push(readLine(target, line, collection, writes.length));
      }
    }
  } finally {
    clearTimeout(deadline);
    stopWatching();
  }
  requireCount(writes.length, limits, '');
  return writes;
}

function readLine(
  target: Pick<BulkTarget, 'jsonLimits' | 'limits'>,
  line: Buffer | null,
  collection: string,
  index: number,
): GroupWrite {
  const base = `/${index}`;
  try {
    const envelope = parseEnvelope(target, line);
    return { collection, id: requireId(envelope['id'], base), change: changeOf(envelope, ['id'], base) };
  } catch (error) {
    throw error instanceof AtollError ? new RefusedWrite(index, error) : error;
  }
}

function requireCount(count: number, { batchWrites }: Limits, pointer: string): void {
  if (count === 0) throw invalid(pointer, 'a batch has at least one write');
  if (count <= batchWrites) return;
  const details = { pointer, limit: 'batchWrites', max: batchWrites };
  throw new HttpError('HTTP_BODY_TOO_LARGE', `a batch has at most ${batchWrites} writes`, { details });
}

/**
 * Applies writes as one and sets the headers of the answer; `null` when one was refused, which is answered then.
 *
 * @param base - JSON Pointer to the list of writes.
 */
export async function applyBatch(
  context: HttpContext,
  database: Database,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  source: Promise<readonly GroupWrite[]> | readonly GroupWrite[],
  base: string,
): Promise<readonly BatchResult[] | null> {
  const preferences = preferencesOf(request.headers['prefer']);
  const { replicas } = preferences;
  let writes: readonly GroupWrite[] = [];
  try {
    writes = await source;
    const operation = operationOf(request, JSON.stringify(writes));
    const outcomes = await database.writeAll(writes, {
      returnVersion: replicas !== null,
      ...(operation && { operation }),
    });
    if (outcomes[0]?.isReplay) reply.header(REPLAYED, 'true');
    if (replicas !== null) {
      const version = joinVersions(outcomes.map((outcome) => outcome.version ?? new Map()));
      const concern = await awaitCopies(context, database, version, { ...preferences, replicas });
      if (concern.isMissed) reply.code(202);
      if (concern.applied.length > 0) reply.header('preference-applied', concern.applied.join(', '));
      reply.header(concern.headers[0]!, concern.headers[1]);
    }
    sendSessionToken(reply, database);
    return outcomes.map((outcome, i) => resultOf(writes[i]!.id, outcome));
  } catch (error) {
    if (!(error instanceof RefusedWrite)) throw error;
    const at = `${base}/${error.index}`;
    const change = writes[error.index]?.change;
    const pointer = change === undefined ? at : at + CHANGE_POINTERS[change.kind];
    sendProblem(reply, pointTo(at, problemOf(error.cause, pointer)), error.cause);
    return null;
  }
}

/** What is wrong with one of many says at least which one it is. */
function pointTo(pointer: string, problem: Problem): Problem {
  const errors = problem.errors?.filter((field) => field.pointer?.startsWith(pointer)) ?? [];
  return { ...problem, errors: errors.length > 0 ? errors : [{ pointer, detail: problem.detail }] };
}

function joinVersions(versions: readonly Positions[]): Positions {
  const joined = new Map<number, number>();
  for (const version of versions) {
    for (const [origin, seq] of version) joined.set(origin, Math.max(seq, joined.get(origin) ?? 0));
  }
  return joined;
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
}
