/**
 * @module
 * Owns the route of queries: a filter in MongoDB's form, a sort, a page. Documents are sent as they are stored, unless `fields` asks
 * for parts. SPEC.md section QU.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { canonicalJson, type JsonObject, type JsonValue } from '../../../crdt/index.ts';
import { runQuery, type QueryLimits, type QueryPage, type QueryRequest } from '../../../sync/index.ts';
import type { Limits } from '../../api/index.ts';
import * as body from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import { writePage } from '../document-page.ts';
import { parseFields } from '../projection.ts';
import { sendRaw } from '../raw-answer.ts';
import { sessionTokenOf } from '../session-token.ts';

type CollectionRequest = FastifyRequest<{ Params: { db: string; collection: string } }>;

const ITEMS_DEFAULT = 100;
const MEMBERS: readonly string[] = ['filter', 'sort', 'fields', 'limit', 'cursor', 'explain'];

interface Parsed {
  readonly request: QueryRequest;
  readonly fields: ReturnType<typeof parseFields> | null;
  readonly explain: boolean;
}

export function queryRoutes(app: FastifyInstance, { replica, limits, documentLimits }: HttpContext): void {
  const queryLimits = queryLimitsOf(limits);
  app.post('/v1/:db/:collection/query', { config: { access: 'read' } }, async (request: CollectionRequest, reply) => {
    const { db, collection } = request.params;
    const database = replica.database(db);
    const isAll = request.body === undefined;
    const given = isAll ? {} : body.objectBody(request, [body.JSON_TYPE], documentLimits);
    const parsed = parseQuery(given, limits);
    const page = await runQuery(database, requireCollectionName(collection), parsed.request, queryLimits);
    await database.landed();
    sendRaw(reply, 200, ['session-token', sessionTokenOf(reply, database)], render(page, parsed));
  });
}

export function queryLimitsOf({ queryExamined, querySortDocuments, listBytes }: Limits): QueryLimits {
  return {
    examinedMax: queryExamined,
    sortMax: querySortDocuments,
    bytesMax: listBytes,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

function parseQuery(given: JsonObject, limits: Limits): Parsed {
  const unknown = Object.keys(given).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined)
    throw invalid(`/${unknown}`, `a query has no member "${unknown.slice(0, 80)}"; known are ${MEMBERS.join(', ')}`);
  const { filter, sort, fields, limit = ITEMS_DEFAULT, cursor, explain = false } = given;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > limits.listItems) {
    const message = `limit is a whole number from 1 to ${limits.listItems}`;
    throw new HttpError('HTTP_BODY_INVALID', message, {
      details: { pointer: '/limit', limit: 'listItems', max: limits.listItems },
    });
  }
  if (cursor !== undefined && cursor !== null && typeof cursor !== 'string')
    throw invalid('/cursor', 'cursor is a string');
  if (typeof explain !== 'boolean') throw invalid('/explain', 'explain is true or false');
  const request: QueryRequest = {
    limit,
    ...(filter !== undefined && { filter }),
    ...(sort !== undefined && sort !== null && { sort }),
    ...(typeof cursor === 'string' && { cursor }),
  };
  return { request, fields: fields === undefined || fields === null ? null : fieldsOf(fields), explain };
}

/** An array of names, or what a list takes in its URL. */
function fieldsOf(fields: JsonValue): ReturnType<typeof parseFields> {
  if (typeof fields === 'string') return parseFields(fields, '/fields');
  const isNames = Array.isArray(fields) && fields.every((field) => typeof field === 'string' && field !== '');
  if (!isNames) throw invalid('/fields', 'fields is an array of member names or JSON Pointers');
  return (fields as readonly string[]).length === 0 ? [] : parseFields(fields as readonly string[], '/fields');
}

function render({ items, cursor, explain }: QueryPage, parsed: Parsed): Buffer {
  const explanation = parsed.explain ? `,"explain":${canonicalJson(explain as unknown as JsonValue)}` : '';
  return writePage(items, parsed.fields, `,"cursor":${JSON.stringify(cursor)}${explanation}`);
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
}
