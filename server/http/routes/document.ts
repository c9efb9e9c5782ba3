/**
 * @module
 * Owns the routes of one document: GET, HEAD, PUT, PATCH, DELETE, and POST with an id made here. GET is the hot path: no schema,
 * no hook of its own, the stored bytes as they are. SPEC.md HT1, HT7 to HT11.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Change, JsonPatchOperation, IntentOperation } from '../../../crdt/index.ts';
import { SyncError, type Database, type StoredDocument } from '../../../sync/index.ts';
import * as body from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName, requireDocumentId } from '../document-id.ts';
import { writeDocument } from '../document-write.ts';
import { idempotencyKeyOf, keyedId } from '../idempotency.ts';
import { decideRead } from '../precondition.ts';
import { sendRaw } from '../raw-answer.ts';
import { sendSessionToken, sessionTokenOf } from '../session-token.ts';
import { SortableIds } from '../sortable-id.ts';

interface DocumentParams {
  db: string;
  collection: string;
  id: string;
}
type DocumentRequest = FastifyRequest<{ Params: DocumentParams }>;

const PATCH_TYPES = [body.MERGE_PATCH_TYPE, body.JSON_PATCH_TYPE, body.OPERATIONS_TYPE];

export function documentRoutes(app: FastifyInstance, context: HttpContext): void {
  const { replica, documentLimits } = context;
  const ids = new SortableIds(context.clock, context.random);
  const path = '/v1/:db/:collection/docs/:id';

  app.get(path, { config: { access: 'read' } }, (request: DocumentRequest, reply) => {
    const { db, collection, id } = request.params;
    const database = replica.database(db);
    const held = database.peek(requireCollectionName(collection), requireDocumentId(id));
    if (held !== undefined) return sendDocument(request, reply, database, held);
    database
      .get(collection, id)
      .then((stored) => sendDocument(request, reply, database, stored))
      .catch((error: unknown) => reply.send(error));
  });

  app.put(path, { config: { access: 'write' } }, async (request: DocumentRequest, reply) => {
    const value = body.objectBody(request, [body.JSON_TYPE], documentLimits);
    return writeDocument(context, request, reply, { kind: 'replace', value });
  });

  app.patch(path, { config: { access: 'write' } }, async (request: DocumentRequest, reply) => {
    return writeDocument(context, request, reply, patchOf(request, context));
  });

  app.delete(path, { config: { access: 'write' } }, async (request: DocumentRequest, reply) => {
    return writeDocument(context, request, reply, { kind: 'delete' });
  });

  app.post('/v1/:db/:collection/docs', { config: { access: 'write' } }, async (request: DocumentRequest, reply) => {
    const value = body.objectBody(request, [body.JSON_TYPE], documentLimits);
    const { db, collection } = request.params;
    const key = idempotencyKeyOf(request);
    const id = key === null ? ids.next() : keyedId(db, collection, key);
    request.params.id = id;
    return writeDocument(context, request, reply, { kind: 'replace', value }, `/v1/${db}/${collection}/docs/${id}`);
  });
}

/** The change a PATCH body asks for, by its media type. */
function patchOf(request: DocumentRequest, { documentLimits }: HttpContext): Change {
  const value = body.jsonBody(request, PATCH_TYPES, documentLimits);
  switch (body.mediaTypeOf(request)) {
    case body.MERGE_PATCH_TYPE:
      return { kind: 'merge-patch', patch: body.requireObject(value, '') };
    case body.JSON_PATCH_TYPE:
      return {
        kind: 'json-patch',
        operations: body.requireArray(value, '') as unknown as readonly JsonPatchOperation[],
      };
    default:
      return { kind: 'operations', operations: body.requireArray(value, '') as unknown as readonly IntentOperation[] };
  }
}

function sendDocument(
  request: DocumentRequest,
  reply: FastifyReply,
  database: Database,
  stored: StoredDocument | null,
): void {
  if (stored === null) {
    sendSessionToken(reply, database);
    reply.send(notFound(request.params));
    return;
  }
  const decision = decideRead(request.headers, stored.etag);
  if (decision === 'send') {
    sendStored(reply, database, stored);
    return;
  }
  sendSessionToken(reply, database);
  if (decision === 'failed') {
    const details = { parameter: 'If-Match', etag: stored.etag };
    reply.send(new SyncError('SYNC_PRECONDITION_FAILED', 'the document has another version', { details }));
    return;
  }
  reply.header('etag', stored.etag).header('last-modified', new Date(stored.modifiedMs).toUTCString());
  reply.code(304).send();
}

function sendStored(
  reply: FastifyReply,
  database: Database,
  { json, etag, modifiedMs, conflicts }: StoredDocument,
): void {
  const headers = ['etag', etag, 'last-modified', new Date(modifiedMs).toUTCString()];
  headers.push('session-token', sessionTokenOf(reply, database));
  if (conflicts > 0) headers.push('atoll-conflicts', String(conflicts));
  sendRaw(reply, 200, headers, json);
}

export function notFound({ collection, id }: { collection: string; id: string }): SyncError {
  return new SyncError('SYNC_DOCUMENT_NOT_FOUND', `there is no document ${JSON.stringify(id)} in ${collection}`);
}
