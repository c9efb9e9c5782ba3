/**
 * @module
 * Owns putting the OpenAPI 3.1 description of the API together: routes and their parameters and policies as they are registered,
 * what they take and answer from the tables beside this file. SPEC.md OA1.
 */
import type { RouteOptions } from 'fastify';
import type { TSchema } from 'typebox';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { RegisteredRoute, RouteAccess } from '../http/route-policy.ts';
import { ATOLL_VERSION } from '../version.ts';
import { CLUSTER_SCHEMAS } from './cluster-schemas.ts';
import { DOCUMENT_DOCS } from './document-docs.ts';
import { NODE_DOCS } from './node-docs.ts';
import { HEADERS, type AnswerDoc, type HeaderName, type RouteDoc, type RouteDocs } from './route-doc.ts';
import { SCHEMAS } from './schemas.ts';

export const ROUTE_DOCS: RouteDocs = { ...NODE_DOCS, ...DOCUMENT_DOCS };

const PARAMETERS: Readonly<Record<string, string>> = {
  db: 'Name of a database: `[a-z][a-z0-9_-]{0,62}`.',
  collection: 'Name of a collection: `[a-z][a-z0-9_-]{0,62}`.',
  id: 'Id of a document: 1 to 256 bytes of UTF-8, percent-encoded.',
  node: 'Id of a member.',
  token: 'Id of a token.',
  name: 'Name of an index.',
};
const UNSAFE: ReadonlySet<string> = new Set(['PUT', 'POST', 'PATCH', 'DELETE']);

export function describeApi(routes: readonly RegisteredRoute[]): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:([a-z]+)/gi, '{$1}');
    const methods = [route.method].flat();
    // HEAD is what GET answers, without a body.
    for (const method of methods.filter((each) => each !== 'HEAD')) {
      paths[path] = { ...paths[path], [method.toLowerCase()]: describeRoute(method, route) };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Atoll',
      version: ATOLL_VERSION,
      description: 'A document database in which every node is a primary. Every node serves all of this.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: plain({ ...SCHEMAS, ...CLUSTER_SCHEMAS }),
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function describeRoute(method: string, { url, schema, access }: RegisteredRoute): JsonObject {
  const doc: RouteDoc | undefined = ROUTE_DOCS[`${method} ${url}`];
  const takesSession = url.includes('/:db') && (method !== 'PUT' || url !== '/v1/:db');
  const headers = [...(takesSession ? (['Session-Token'] as const) : []), ...(doc?.headers ?? [])];
  const described: Record<string, JsonValue> = {
    operationId: operationId(method, url),
    summary: doc?.summary ?? `${method} ${url}`,
    description: [doc?.description, rightsOf(access, url)].filter((each) => each !== undefined).join(' '),
    tags: [doc?.tag ?? 'Node'],
    parameters: [...pathParameters(url), ...queryParameters(schema), ...headers.map(describeHeader)],
    responses: describeAnswers(doc, access),
    // Without tokens none is asked for.
    security: access === 'open' ? [] : [{ token: [] }, {}],
  };
  if (doc?.body !== undefined && UNSAFE.has(method)) {
    described['requestBody'] = { required: doc.isBodyOptional !== true, content: content(doc.body) };
  }
  return described;
}

function rightsOf(access: RouteAccess, url: string): string | undefined {
  if (access === 'open') return undefined;
  if (access === 'token') return 'Takes any token.';
  return `Takes the role \`${access}\`${url.includes('/:db') ? ' for the database' : ' for all databases'}.`;
}

/** `GET /v1/:db/:collection/docs/:id` → `get_v1_db_collection_docs_id` */
function operationId(method: string, url: string): string {
  return `${method.toLowerCase()}${url.replaceAll(/[^a-z0-9]+/gi, '_').replace(/_$/, '')}`;
}

function pathParameters(url: string): JsonObject[] {
  return [...url.matchAll(/:([a-z]+)/gi)].map(([, name]) => ({
    name: name!,
    in: 'path',
    required: true,
    description: PARAMETERS[name!] ?? name!,
    schema: { type: 'string' },
  }));
}

function queryParameters(schema: RouteOptions['schema']): JsonObject[] {
  const query = plain(schema?.querystring ?? {}) as { properties?: Record<string, JsonObject>; required?: string[] };
  return Object.entries(query.properties ?? {}).map(([name, { description = '', ...rest }]) => ({
    name,
    in: 'query',
    required: query.required?.includes(name) ?? false,
    description,
    schema: rest,
  }));
}

function describeHeader(name: HeaderName): JsonObject {
  return { name, in: 'header', required: false, description: HEADERS[name], schema: { type: 'string' } };
}

function describeAnswers(doc: RouteDoc | undefined, access: RouteAccess): JsonObject {
  const answers: Record<string, JsonObject> = {};
  for (const [status, answer] of Object.entries(doc?.answers ?? {})) answers[status] = describeAnswer(answer);
  const problems: Record<string, string> = { ...doc?.problems };
  if (access !== 'open') {
    problems['401'] = 'No valid token.';
    problems['403'] = 'The token may not do this, or the request may not come from there.';
    problems['429'] = 'The token sends more requests than it may.';
    problems['503'] = 'The node shuts down, has too much to do, or is behind the session: try another.';
  }
  for (const [status, description] of Object.entries(problems)) answers[status] = problem(description);
  answers['default'] = problem('What is wrong, as a problem.');
  return answers;
}

function describeAnswer({ description, content: bodies, headers = [] }: AnswerDoc): JsonObject {
  const described = headers.map((name) => [name, { description: HEADERS[name], schema: { type: 'string' } }] as const);
  return {
    description,
    ...(headers.length > 0 && { headers: Object.fromEntries(described) }),
    ...(bodies !== undefined && { content: content(bodies) }),
  };
}

function problem(description: string): JsonObject {
  return {
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

function content(bodies: Readonly<Record<string, TSchema>>): JsonObject {
  return Object.fromEntries(Object.entries(bodies).map(([type, schema]) => [type, { schema: plain(schema) }]));
}

/** Schemas carry more than JSON says. */
function plain(schema: unknown): JsonObject {
  return JSON.parse(JSON.stringify(schema)) as JsonObject;
}
