/**
 * @module
 * Owns GET of a document's conflicts: the values that lost, where, when and from which node. SPEC.md HT13.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ConflictList } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName, requireDocumentId } from '../document-id.ts';
import { sendSessionToken } from '../session-token.ts';
import { notFound } from './document.ts';

type ConflictRequest = FastifyRequest<{ Params: { db: string; collection: string; id: string } }>;

export function conflictRoutes(app: FastifyInstance, { replica }: HttpContext): void {
  app.get(
    '/v1/:db/:collection/docs/:id/conflicts',
    { config: { access: 'read' } },
    async (request: ConflictRequest, reply): Promise<ConflictList> => {
      const { db, collection, id } = request.params;
      const database = replica.database(db);
      const conflicts = await database.conflicts(requireCollectionName(collection), requireDocumentId(id));
      if (conflicts === null) throw notFound(request.params);
      sendSessionToken(reply, database);
      return { conflicts: conflicts.map(({ shown, ...rest }) => ({ ...rest, ...(shown !== undefined && { shown }) })) };
    },
  );
}
