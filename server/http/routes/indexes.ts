/**
 * @module
 * Owns the routes of indexes: define, describe, list, drop. What they say of state and progress is this node's. SPEC.md section QU.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { defineIndex, describeIndex, describeIndexes, dropIndex, type Database } from '../../../sync/index.ts';
import type { IndexAnswer, IndexList } from '../../api/index.ts';
import * as body from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName } from '../document-id.ts';
import { sendSessionToken, sendSystemToken } from '../session-token.ts';

interface Params {
  db: string;
  collection: string;
  name: string;
}
type IndexCall = FastifyRequest<{ Params: Params }>;

const LIST_PATH = '/v1/:db/:collection/indexes';
const PATH = `${LIST_PATH}/:name`;

export function indexRoutes(app: FastifyInstance, { replica, documentLimits }: HttpContext): void {
  const databaseOf = ({ db, collection }: Params): Database => {
    requireCollectionName(collection);
    return replica.database(db);
  };

  app.get(LIST_PATH, { config: { access: 'read' } }, async (request: IndexCall, reply): Promise<IndexList> => {
    const database = databaseOf(request.params);
    sendSessionToken(reply, database);
    return { indexes: describeIndexes(database, request.params.collection) };
  });

  app.get(PATH, { config: { access: 'read' } }, async (request: IndexCall, reply): Promise<IndexAnswer> => {
    const database = databaseOf(request.params);
    sendSessionToken(reply, database);
    return describeIndex(database, request.params.collection, request.params.name);
  });

  app.put(PATH, { config: { access: 'admin' } }, async (request: IndexCall, reply) => {
    const { collection, name } = request.params;
    const database = databaseOf(request.params);
    const definition = body.objectBody(request, [body.JSON_TYPE], documentLimits);
    const { created } = await defineIndex(database, collection, name, definition);
    sendSystemToken(reply, database);
    const answer: IndexAnswer = describeIndex(database, collection, name);
    return reply.code(created ? 201 : 200).send(answer);
  });

  app.delete(PATH, { config: { access: 'admin' } }, async (request: IndexCall, reply) => {
    const database = databaseOf(request.params);
    await dropIndex(database, request.params.collection, request.params.name);
    sendSystemToken(reply, database);
    return reply.code(204).send();
  });
}
