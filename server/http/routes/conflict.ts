/**
 * @module
 * Owns conflicts by HTTP: the values that lost in a document, choosing one, and the documents of a collection that have some.
 * SPEC.md HT13, CF1 to CF3.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { JsonObject, JsonValue } from '../../../crdt/index.ts';
import { listConflicted, resolutionsOf, type ConflictChoice, type ConflictReport } from '../../../sync/index.ts';
import type { ConflictAnswer, ConflictedList, ConflictList } from '../../api/index.ts';
import { JSON_TYPE, jsonBody, requireObject } from '../body.ts';
import type { HttpContext } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { requireCollectionName, requireDocumentId } from '../document-id.ts';
import { writeDocument } from '../document-write.ts';
import { HttpError } from '../errors.ts';
import { sendSessionToken } from '../session-token.ts';
import { notFound } from './document.ts';

type ConflictRequest = FastifyRequest<{ Params: { db: string; collection: string; id: string } }>;

const LIST_ITEMS_DEFAULT = 100;
const CHOICES_MAX = 1000;

export function conflictRoutes(app: FastifyInstance, context: HttpContext): void {
  const { replica, documentLimits } = context;
  const path = '/v1/:db/:collection/docs/:id/conflicts';

  app.get(path, { config: { access: 'read' } }, async (request: ConflictRequest, reply): Promise<ConflictList> => {
    const { db, collection, id } = request.params;
    const database = replica.database(db);
    const conflicts = await database.conflicts(requireCollectionName(collection), requireDocumentId(id));
    if (conflicts === null) throw notFound(request.params);
    sendSessionToken(reply, database);
    return { conflicts: conflicts.map(toAnswer) };
  });

  app.post(path, { config: { access: 'write' } }, async (request: ConflictRequest, reply) => {
    const { db, collection, id } = request.params;
    const choices = choicesOf(jsonBody(request, [JSON_TYPE], documentLimits));
    const database = replica.database(db);
    const conflicts = await database.conflicts(requireCollectionName(collection), requireDocumentId(id));
    if (conflicts === null) throw notFound(request.params);
    const resolutions = await resolutionsOf(database, collection, id, choices);
    return writeDocument(context, request, reply, { kind: 'resolve', resolutions });
  });

  listRoute(app, context);
}

function listRoute(app: FastifyInstance, { replica, limits }: HttpContext): void {
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
  const typed = app.withTypeProvider<TypeBoxTypeProvider>();
  typed.get(
    '/v1/:db/:collection/conflicts',
    { schema: { querystring, params }, config: { access: 'read' } },
    async (request, reply): Promise<ConflictedList> => {
      const { limit = LIST_ITEMS_DEFAULT, cursor } = request.query;
      const database = replica.database(request.params.db);
      const { items, next } = await listConflicted(database, requireCollectionName(request.params.collection), {
        limit,
        ...(cursor !== undefined && { after: decodeCursor(cursor) }),
      });
      sendSessionToken(reply, database);
      return {
        items: items.map(({ conflicts, ...document }) => ({ ...document, conflicts: conflicts.map(toAnswer) })),
        cursor: next === null ? null : encodeCursor(next),
      };
    },
  );
}

function toAnswer({ shown, ...rest }: ConflictReport): ConflictAnswer {
  return { ...rest, ...(shown !== undefined && { shown }) };
}

/** One choice, or a list of them. */
function choicesOf(body: JsonValue): readonly ConflictChoice[] {
  if (!Array.isArray(body)) return [choiceOf(requireObject(body, ''), '')];
  if (body.length === 0 || body.length > CHOICES_MAX)
    throw invalid('', `the body is one choice, or a list of 1 to ${CHOICES_MAX}`);
  return body.map((choice: JsonValue, i) => choiceOf(requireObject(choice, `/${i}`), `/${i}`));
}

function choiceOf(choice: JsonObject, pointer: string): ConflictChoice {
  const { path, ...rest } = choice;
  if (typeof path !== 'string') throw invalid(`${pointer}/path`, 'path is the path of a conflict');
  const [how, ...more] = Object.keys(rest);
  if (more.length > 0 || how === undefined)
    throw invalid(pointer, 'besides path there is one of keep, restore and value');
  if (how === 'value') return { path, value: rest['value']! };
  if (how === 'keep' && rest['keep'] === 'shown') return { path, keep: 'shown' };
  if (how === 'restore') return { path, restore: loserOf(rest['restore']!, `${pointer}/restore`) };
  throw invalid(`${pointer}/${how}`, 'there is "keep": "shown", "restore": one of the losing values, and "value"');
}

/** An entry of `others`, as it was answered. */
function loserOf(
  body: JsonValue,
  pointer: string,
): { readonly at: string; readonly replica: string; readonly value?: JsonValue } {
  const { at, replica, value, ...rest } = requireObject(body, pointer);
  if (typeof at !== 'string' || typeof replica !== 'string' || Object.keys(rest).length > 0) {
    throw invalid(pointer, 'restore takes at and replica of a losing value, and may take its value');
  }
  return { at, replica, ...(value !== undefined && { value }) };
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
}
