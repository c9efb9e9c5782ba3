/**
 * @module
 * Owns the routes of collections: configure, describe, drop. A first write makes a collection too. SPEC.md HT2.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as body from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import { sendSessionToken, sendSystemToken } from '../session-token.ts';

type CollectionRequest = FastifyRequest<{ Params: { db: string; collection: string } }>;

export function collectionRoutes(app: FastifyInstance, { replica, documentLimits }: HttpContext): void {
  const path = '/v1/:db/:collection';

  app.put(path, { config: { access: 'admin' } }, async (request: CollectionRequest, reply) => {
    const { db, collection } = request.params;
    const database = replica.database(db);
    const hasBody = request.body !== undefined;
    const config = hasBody ? body.objectBody(request, [body.JSON_TYPE], documentLimits) : {};
    const { created } = await database.configureCollection(requireCollectionName(collection), config);
    sendSystemToken(reply, database);
    return reply.code(created ? 201 : 200).send(database.collection(collection));
  });

  app.get(path, { config: { access: 'read' } }, async (request: CollectionRequest, reply) => {
    const { db, collection } = request.params;
    const database = replica.database(db);
    const info = database.collection(requireCollectionName(collection));
    if (info === null) throw notFound(request.params);
    sendSessionToken(reply, database);
    return info;
  });

  app.delete(path, { config: { access: 'admin' } }, async (request: CollectionRequest, reply) => {
    const { db, collection } = request.params;
    const database = replica.database(db);
    if (database.collection(requireCollectionName(collection)) === null) throw notFound(request.params);
    await database.dropCollection(collection);
    sendSystemToken(reply, database);
    return reply.code(204).send();
  });
}

function notFound({ db, collection }: { db: string; collection: string }): HttpError {
  return new HttpError('HTTP_COLLECTION_NOT_FOUND', `there is no collection ${collection} in ${db}`);
}
