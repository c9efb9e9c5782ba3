/**
 * @module
 * Owns the route of batches: several writes, all or none, that no node ever shows half. SPEC.md SE8, SE9.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { BatchAnswer } from '../../api/index.ts';
import { applyBatch, readBatch } from '../batch.ts';
import type { HttpContext } from '../context.ts';
import { requireDatabaseName } from '../document-id.ts';

type BatchRequest = FastifyRequest<{ Params: { db: string } }>;

export function batchRoutes(app: FastifyInstance, context: HttpContext): void {
  app.post('/v1/:db/_batch', { config: { access: 'write' } }, async (request: BatchRequest, reply) => {
    const database = context.replica.database(requireDatabaseName(request.params.db));
    const results = await applyBatch(context, database, { request, reply }, readBatch(request, context), '/writes');
    return results === null ? reply : ({ results } satisfies BatchAnswer);
  });
}
