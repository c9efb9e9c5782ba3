/**
 * @module
 * Owns the routes of databases: list, create, describe, drop, digest. SPEC.md HT2.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { DatabaseAnswer, DatabaseList, DigestAnswer } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';
import { requireDatabaseName } from '../document-id.ts';
import { sendSessionToken } from '../session-token.ts';

type DatabaseRequest = FastifyRequest<{ Params: { db: string } }>;

export function databaseRoutes(app: FastifyInstance, { replica }: HttpContext): void {
  app.get('/v1', async (): Promise<DatabaseList> => ({ databases: replica.databases().map((name) => ({ name })) }));

  app.put('/v1/:db', async (request: DatabaseRequest, reply) => {
    const { created } = await replica.createDatabase(requireDatabaseName(request.params.db));
    const database = replica.database(request.params.db);
    sendSessionToken(reply, database);
    return reply.code(created ? 201 : 200).send(database.info());
  });

  app.get('/v1/:db', async (request: DatabaseRequest, reply): Promise<DatabaseAnswer> => {
    const database = replica.database(requireDatabaseName(request.params.db));
    sendSessionToken(reply, database);
    return database.info();
  });

  app.delete('/v1/:db', async (request: DatabaseRequest, reply) => {
    await replica.dropDatabase(requireDatabaseName(request.params.db));
    return reply.code(204).send();
  });

  app.get('/v1/:db/_digest', async (request: DatabaseRequest, reply): Promise<DigestAnswer> => {
    const database = replica.database(requireDatabaseName(request.params.db));
    sendSessionToken(reply, database);
    return database.digest();
  });
}
