/**
 * @module
 * Owns the recent history of a document by HTTP. SPEC.md section HI.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { readHistory, type HistoryPosition } from '../../../sync/index.ts';
import type { HistoryAnswer } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName, requireDocumentId } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import { sendSessionToken } from '../session-token.ts';
import { notFound } from './document.ts';

const ENTRIES_DEFAULT = 20;
const ENTRIES_MAX = 200;
const CURSOR = /^h1\.(\d{1,16})\.(\d{1,16})\.(\d{1,16})$/;

export function historyRoutes(app: FastifyInstance, { replica }: HttpContext): void {
  const querystring = Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: ENTRIES_MAX, description: `Changes at most; default ${ENTRIES_DEFAULT}.` }),
      ),
      cursor: Type.Optional(Type.String({ maxLength: 100, description: 'The cursor of the page before.' })),
    },
    { additionalProperties: false },
  );
  const params = Type.Object({ db: Type.String(), collection: Type.String(), id: Type.String() });
  const typed = app.withTypeProvider<TypeBoxTypeProvider>();
  typed.get(
    '/v1/:db/:collection/docs/:id/history',
    { schema: { querystring, params }, config: { access: 'read' } },
    async (request, reply): Promise<HistoryAnswer> => {
      const { db, collection, id } = request.params;
      const { limit = ENTRIES_DEFAULT, cursor } = request.query;
      const database = replica.database(db);
      const page = await readHistory(database, requireCollectionName(collection), requireDocumentId(id), {
        limit,
        ...(cursor !== undefined && { before: decodeCursor(cursor) }),
      });
      if (page === null) throw notFound(request.params);
      sendSessionToken(reply, database);
      return { changes: page.entries, cursor: page.next === null ? null : encodeCursor(page.next) };
    },
  );
}

function encodeCursor(position: HistoryPosition): string {
  return Buffer.from(`h1.${position.join('.')}`).toString('base64url');
}

/** @throws HttpError `HTTP_CURSOR_INVALID` */
function decodeCursor(cursor: string): HistoryPosition {
  const [, stamp, origin, clock] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (stamp !== undefined && encodeCursor([Number(stamp), Number(origin), Number(clock)]) === cursor)
    return [Number(stamp), Number(origin), Number(clock)];
  const details = { parameter: 'cursor' };
  throw new HttpError('HTTP_CURSOR_INVALID', 'the cursor is not one of a history', { details });
}
