/**
 * @module
 * Owns the list of documents that the schema of their collection does not allow. SPEC.md SV4.
 */
import { Type } from 'typebox';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { listViolations } from '../../../sync/index.ts';
import type { ViolationList } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { requireCollectionName } from '../document-id.ts';
import { sendSessionToken } from '../session-token.ts';

const ITEMS_DEFAULT = 100;
/** Documents checked for a page. */
const EXAMINED_MAX = 20_000;

export function violationRoutes(app: FastifyInstance, { replica, limits }: HttpContext): void {
  const querystring = Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: limits.listItems, description: 'Documents at most; default 100.' }),
      ),
      cursor: Type.Optional(Type.String({ maxLength: 2000, description: 'The cursor of the page before.' })),
    },
    { additionalProperties: false },
  );
  const params = Type.Object({ db: Type.String(), collection: Type.String() });
  app
    .withTypeProvider<TypeBoxTypeProvider>()
    .get(
      '/v1/:db/:collection/violations',
      { config: { access: 'read' }, schema: { querystring, params } },
      async (request, reply): Promise<ViolationList> => {
        const { limit = ITEMS_DEFAULT, cursor } = request.query;
        const database = replica.database(request.params.db);
        const { items, next } = await listViolations(database, requireCollectionName(request.params.collection), {
          limit,
          examinedMax: EXAMINED_MAX,
          pause: () => new Promise((resolve) => setImmediate(resolve)),
          ...(cursor !== undefined && { after: decodeCursor(cursor) }),
        });
        await database.landed();
        sendSessionToken(reply, database);
        const answers = items.map(({ id, etag, faults }) => ({ id, etag, errors: faults }));
        return { items: answers, cursor: next === null ? null : encodeCursor(next) };
      },
    );
}
