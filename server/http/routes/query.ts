/**
 * @module
 * Owns the route of queries: a filter in MongoDB's form, a sort, a page. Documents are sent as they are stored, unless `fields` asks
 * for parts. SPEC.md section QU.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { canonicalJson, type JsonObject, type JsonValue } from '../../../crdt/index.ts';
import {
  peekPrepared,
  PreparedQuery,
  runPrepared,
  type Database,
  type PageOptions,
  type QueryLimits,
  type QueryPage,
} from '../../../sync/index.ts';
import type { Limits } from '../../api/index.ts';
import * as body from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import { writePage } from '../document-page.ts';
import { parseFields } from '../projection.ts';
import { sendTogether } from '../raw-answer.ts';
import { RecentBodies } from '../recent-bodies.ts';
import { sessionTokenOf } from '../session-token.ts';

type CollectionRequest = FastifyRequest<{ Params: { db: string; collection: string } }>;

const ITEMS_DEFAULT = 100;
const MEMBERS: readonly string[] = ['filter', 'sort', 'fields', 'limit', 'cursor', 'explain'];

interface Parsed {
  readonly query: PreparedQuery;
  readonly page: PageOptions;
  readonly fields: ReturnType<typeof parseFields> | null;
  readonly explain: boolean;
}

/** Of what is asked again and again, what was understood is kept, if it is not longer than that. */
const RECENT_BYTES = 1024;

export function queryRoutes(app: FastifyInstance, { replica, limits, documentLimits }: HttpContext): void {
  const queryLimits = queryLimitsOf(limits);
  const recent = new RecentBodies<Parsed>();

  const parse = (request: CollectionRequest): Parsed => {
    const collection = requireCollectionName(request.params.collection);
    const given = request.body === undefined ? {} : body.objectBody(request, [body.JSON_TYPE], documentLimits);
    return parseQuery(collection, given, limits);
  };

  const understand = (request: CollectionRequest): Parsed => {
    const { body: bytes, headers } = request;
    const isShort = Buffer.isBuffer(bytes) && bytes.length <= RECENT_BYTES;
    if (!isShort || headers['content-type'] !== body.JSON_TYPE) return parse(request);
    // Byte by byte: other bytes are another text.
    const name = `${request.params.collection} ${bytes.toString('latin1')}`;
    const known = recent.get(name);
    if (known !== undefined) return known;
    const parsed = parse(request);
    if (parsed.page.cursor === undefined) recent.offer(name, parsed);
    return parsed;
  };

  const read = async (database: Database, { query, page }: Parsed): Promise<QueryPage> => {
    const found = await runPrepared(database, query, page, queryLimits);
    await database.landed();
    return found;
  };

  app.post('/v1/:db/:collection/query', { config: { access: 'read' } }, (request: CollectionRequest, reply) => {
    const database = replica.database(request.params.db);
    const parsed = understand(request);
    const held = peekPrepared(database, parsed.query, parsed.page, queryLimits);
    if (held !== null) return sendPage(reply, database, held, parsed);
    read(database, parsed)
      .then((page) => sendPage(reply, database, page, parsed))
      .catch((error: unknown) => reply.send(error));
  });
}

function sendPage(reply: FastifyReply, database: Database, page: QueryPage, parsed: Parsed): void {
  sendTogether(reply, 200, ['session-token', sessionTokenOf(reply, database)], render(page, parsed));
}

export function queryLimitsOf({ queryExamined, querySortDocuments, listBytes }: Limits): QueryLimits {
  return {
    examinedMax: queryExamined,
    sortMax: querySortDocuments,
    bytesMax: listBytes,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

function parseQuery(collection: string, given: JsonObject, limits: Limits): Parsed {
  const unknown = Object.keys(given).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined)
    throw invalid(`/${unknown}`, `a query has no member "${unknown.slice(0, 80)}"; known are ${MEMBERS.join(', ')}`);
  const { filter = {}, sort, fields, limit = ITEMS_DEFAULT, cursor, explain = false } = given;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > limits.listItems) {
    const message = `limit is a whole number from 1 to ${limits.listItems}`;
    throw new HttpError('HTTP_BODY_INVALID', message, {
      details: { pointer: '/limit', limit: 'listItems', max: limits.listItems },
    });
  }
  if (cursor !== undefined && cursor !== null && typeof cursor !== 'string')
    throw invalid('/cursor', 'cursor is a string');
  if (typeof explain !== 'boolean') throw invalid('/explain', 'explain is true or false');
  return {
    query: new PreparedQuery(collection, filter, sort ?? {}),
    page: { limit, ...(typeof cursor === 'string' && { cursor }) },
    fields: fields === undefined || fields === null ? null : fieldsOf(fields),
    explain,
  };
}

/** An array of names, or what a list takes in its URL. */
function fieldsOf(fields: JsonValue): ReturnType<typeof parseFields> {
  if (typeof fields === 'string') return parseFields(fields, '/fields');
  const isNames = Array.isArray(fields) && fields.every((field) => typeof field === 'string' && field !== '');
  if (!isNames) throw invalid('/fields', 'fields is an array of member names or JSON Pointers');
  return (fields as readonly string[]).length === 0 ? [] : parseFields(fields as readonly string[], '/fields');
}

function render(page: QueryPage, { fields, explain }: Parsed): Buffer {
  const explanation = explain ? `,"explain":${canonicalJson(page.explain as unknown as JsonValue)}` : '';
  return writePage(page.items, fields, `,"cursor":${JSON.stringify(page.cursor)}${explanation}`);
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
}
