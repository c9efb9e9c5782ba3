/**
 * @module
 * Owns one write to a document by HTTP: from the headers that say how to the answer that says what was done. SPEC.md HT7 to HT10, SE6.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Change } from '../../crdt/index.ts';
import type { WriteOptions, WriteOutcome } from '../../sync/index.ts';
import type { HttpContext } from './context.ts';
import { requireCollectionName, requireDocumentId } from './document-id.ts';
import { operationOf, REPLAYED } from './idempotency.ts';
import { preconditionsOf } from './precondition.ts';
import { preferencesOf } from './prefer.ts';
import { sendRaw } from './raw-answer.ts';
import { sessionTokenOf } from './session-token.ts';
import { awaitCopies } from './write-concern.ts';

type DocumentRequest = FastifyRequest<{ Params: { db: string; collection: string; id: string } }>;

/** @param location - Of a document whose id was made here. */
export async function writeDocument(
  context: HttpContext,
  request: DocumentRequest,
  reply: FastifyReply,
  change: Change,
  location?: string,
): Promise<void> {
  const { db, collection, id } = request.params;
  const database = context.replica.database(db);
  const preferences = preferencesOf(request.headers['prefer']);
  const { returns, replicas } = preferences;
  const options: WriteOptions = {
    ...preconditionsOf(request.headers),
    ...(returns === 'representation' && { returnDocument: true }),
    ...(replicas !== null && { returnVersion: true }),
    ...(request.headers['idempotency-key'] !== undefined && { operation: operationOf(request)! }),
  };
  const outcome = await database.write(requireCollectionName(collection), requireDocumentId(id), change, options);
  const headers: string[] = [];
  let code: number = CODES[outcome.status];
  const applied: string[] = [];
  // Of a document that was deleted there is nothing to represent.
  if (returns === 'minimal' || outcome.json !== undefined) applied.push(`return=${returns}`);
  if (replicas !== null) {
    const concern = await awaitCopies(context, database, outcome.version ?? new Map(), { ...preferences, replicas });
    if (concern.isMissed) code = 202;
    headers.push(...concern.headers);
    applied.push(...concern.applied);
  }
  if (outcome.isReplay) headers.push(REPLAYED, 'true');
  if (location !== undefined) headers.push('location', location);
  if (applied.length > 0) headers.push('preference-applied', applied.join(', '));
  headers.push('session-token', sessionTokenOf(reply, database));
  sendWritten(reply, code, id, outcome, headers);
}

const CODES = { created: 201, updated: 200, unchanged: 200, deleted: 204 } as const satisfies Record<
  WriteOutcome['status'],
  number
>;

function sendWritten(
  reply: FastifyReply,
  code: number,
  id: string,
  { status, etag, json }: WriteOutcome,
  headers: string[],
): void {
  if (status === 'deleted') {
    sendEmpty(reply, code, headers);
    return;
  }
  headers.push('etag', etag);
  sendRaw(reply, code, headers, json ?? Buffer.from(JSON.stringify({ id, etag })));
}

function sendEmpty(reply: FastifyReply, code: number, headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2) reply.header(headers[i]!, headers[i + 1]);
  reply.code(code).send();
}
