/**
 * @module
 * Owns the routes of databases: list, create, describe, drop, digest. SPEC.md HT2.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { JsonObject } from '../../../crdt/index.ts';
import type { DatabaseAnswer, DatabaseList, DigestAnswer } from '../../api/index.ts';
import * as body from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireDatabaseName } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import { isVisible } from '../principal.ts';
import { recordOf } from '../request-record.ts';
import { sendSessionToken, sendSystemToken } from '../session-token.ts';

type DatabaseRequest = FastifyRequest<{ Params: { db: string } }>;

export function databaseRoutes(app: FastifyInstance, { replica, documentLimits }: HttpContext): void {
  app.get('/v1', { config: { access: 'token' } }, async ({ raw }): Promise<DatabaseList> => {
    const { principal } = recordOf(raw);
    const names = replica.databases().filter((name) => isVisible(principal, name));
    return { databases: names.map((name) => ({ name })) };
  });

  app.put('/v1/:db', { config: { access: 'admin' } }, async (request: DatabaseRequest, reply) => {
    requireDatabaseName(request.params.db);
    if (request.body !== undefined) requireNoSettings(body.objectBody(request, [body.JSON_TYPE], documentLimits));
    const { created } = await replica.createDatabase(request.params.db);
    const database = replica.database(request.params.db);
    sendSystemToken(reply, database);
    return reply.code(created ? 201 : 200).send(database.info());
  });

  app.get(
    '/v1/:db',
    { config: { access: 'read' } },
    async (request: DatabaseRequest, reply): Promise<DatabaseAnswer> => {
      const database = replica.database(requireDatabaseName(request.params.db));
      sendSessionToken(reply, database);
      return database.info();
    },
  );

  app.delete('/v1/:db', { config: { access: 'admin' } }, async (request: DatabaseRequest, reply) => {
    await replica.dropDatabase(requireDatabaseName(request.params.db));
    return reply.code(204).send();
  });

  app.get(
    '/v1/:db/_digest',
    { config: { access: 'read' } },
    async (request: DatabaseRequest, reply): Promise<DigestAnswer> => {
      const database = replica.database(requireDatabaseName(request.params.db));
      sendSessionToken(reply, database);
      return database.digest();
    },
  );
}

function requireNoSettings(settings: JsonObject): void {
  const [name] = Object.keys(settings);
  if (name === undefined) return;
  const details = { pointer: `/${name.slice(0, 80).replaceAll('~', '~0').replaceAll('/', '~1')}` };
  throw new HttpError('HTTP_BODY_INVALID', 'a database has no settings; collections have', { details });
}
