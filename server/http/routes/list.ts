/**
 * @module
 * Owns listing documents of a collection, in the byte order of their ids, page by page. A page is bounded in documents and in
 * bytes, and is put together from stored bytes without parsing them, unless `fields` asks for parts. SPEC.md HT12.
 */
import { Type } from 'typebox';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import type { Database } from '../../../sync/index.ts';
import type { Limits } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { requireCollectionName } from '../document-id.ts';
import { writePage } from '../document-page.ts';
import { parseFields } from '../projection.ts';
import { sendSessionToken } from '../session-token.ts';
import { JSON_CONTENT } from '../raw-answer.ts';

const LIST_ITEMS_DEFAULT = 100;

interface ListQuery {
  limit?: number;
  cursor?: string;
  prefix?: string;
  fields?: string;
}

export function listRoutes(app: FastifyInstance, { replica, limits }: HttpContext): void {
  const querystring = Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: limits.listItems, description: 'Documents at most; default 100.' }),
      ),
      cursor: Type.Optional(Type.String({ maxLength: 2000, description: 'The cursor of the page before.' })),
      prefix: Type.Optional(Type.String({ maxLength: limits.idBytes, description: 'Only ids that start with this.' })),
      fields: Type.Optional(
        Type.String({ maxLength: 8000, description: 'Comma-separated member names or JSON Pointers.' }),
      ),
    },
    { additionalProperties: false },
  );
  const params = Type.Object({ db: Type.String(), collection: Type.String() });
  const typed = app.withTypeProvider<TypeBoxTypeProvider>();
  typed.get(
    '/v1/:db/:collection/docs',
    { config: { access: 'read' }, schema: { querystring, params } },
    async (request, reply) => {
      const { db, collection } = request.params;
      const database = replica.database(db);
      const page = await readPage(database, requireCollectionName(collection), request.query, limits);
      await database.landed();
      sendSessionToken(reply, database);
      return reply.header('content-type', JSON_CONTENT).send(page);
    },
  );
}

async function readPage(database: Database, collection: string, query: ListQuery, limits: Limits): Promise<Buffer> {
  const { limit = LIST_ITEMS_DEFAULT, prefix = '' } = query;
  const fields = query.fields === undefined ? null : parseFields(query.fields);
  const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
  const { items, next } = await database.list(collection, {
    limit,
    prefix,
    bytesMax: limits.listBytes,
    ...(after !== undefined && { after }),
  });
  const cursor = next === null ? 'null' : JSON.stringify(encodeCursor(next));
  return writePage(items, fields, `,"cursor":${cursor}`);
}
