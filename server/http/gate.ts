/**
 * @module
 * Owns what every request passes before its route: one Host, a well-formed URL, a node that takes requests, and the policy of the
 * route. What a route needs of it is settled when it is registered, so that a request pays for nothing else. SPEC.md AC1.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { requirePlainBody } from './body.ts';
import { requireHost } from './client-error.ts';
import type { HttpContext } from './context.ts';
import { requireWellFormedUrl } from './document-id.ts';
import { HttpError } from './errors.ts';
import { refusedMethod, type MethodTable } from './method.ts';
import type { ObservedRoute } from './observer.ts';
import type { OriginPolicy } from './origin.ts';
import { requireRight } from './principal.ts';
import { REQUEST_ID_HEADER } from './request-id.ts';
import { keepRecord, recordOf, RequestRecord } from './request-record.ts';
import { noteRoute, requirePolicy, type RouteAccess } from './route-policy.ts';
import { awaitSession } from './session-token.ts';

type Done = (error?: Error) => void;

/** Watches over every route registered on `app` from now on. */
export function addGate(app: FastifyInstance, context: HttpContext, methods: MethodTable): void {
  addEntrance(app, context, methods);
  app.addHook('onRoute', (route) => {
    const access = requirePolicy(route);
    if (access === 'protocol') throw new Error(`${route.url}: the policy protocol is for upgrades only`);
    noteRoute(app, route, access);
    const guard = guardOf(route, access, context, methods);
    route.onRequest = [guard, ...[route.onRequest ?? []].flat()];
  });
}

/** What holds for requests that lead nowhere, too. */
function addEntrance(app: FastifyInstance, context: HttpContext, methods: MethodTable): void {
  const { health, access, origins, insecure, observability } = context;
  const { observer } = observability;
  const leave = function (this: ServerResponse): void {
    health.leave();
    observer.finish(this);
  };
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    health.enter();
    reply.raw.on('close', leave);
    keepRecord(raw, new RequestRecord(request.id, performance.now()));
    reply.header(REQUEST_ID_HEADER, request.id);
    try {
      requireHost(raw);
      if (!access.isGuarded && !insecure) origins.requireKnownHost(raw);
      requireWellFormedUrl(raw.url!);
      if (raw.headers.origin !== undefined && !passOrigin(methods, origins, request, reply)) return;
      if (!request.is404) return done();
      // Here and not in a handler: whatever the body is, what is wrong is the path or the method.
      requireOpen(context);
      access.authenticate(raw);
      requirePlainBody(raw);
      answerNotFound(methods, request, reply);
    } catch (error) {
      done(error as Error);
    }
  });
}

/** Returns whether the request goes on: the questions of browsers are answered here. @throws HttpError `HTTP_FORBIDDEN` */
function passOrigin(
  methods: MethodTable,
  origins: OriginPolicy,
  { raw }: FastifyRequest,
  reply: FastifyReply,
): boolean {
  origins.requireOrigin(raw);
  origins.expose(raw, reply.raw);
  if (!origins.isPreflight(raw)) return true;
  reply.hijack();
  origins.answerPreflight(reply.raw, methods.allowed(raw.url!));
  return false;
}

function guardOf(
  route: RouteOptions,
  policy: RouteAccess,
  context: HttpContext,
  methods: MethodTable,
): (request: FastifyRequest, reply: FastifyReply, done: Done) => void {
  const observed = observe(route, policy, context);
  // Probes always get an answer, and add parameters of their own.
  if (policy === 'open') {
    return ({ raw }, _reply, done) => {
      recordOf(raw).route = observed;
      done();
    };
  }
  const { access, overload, watch, observability } = context;
  const { url, schema } = route;
  const takesQuery = schema?.querystring !== undefined;
  const numbers = numbersOf(schema?.querystring);
  const hasDatabase = url.includes('/:db');
  const isShed = hasDatabase && policy !== 'admin';
  return (request, reply, done) => {
    const { raw, params, query } = request;
    try {
      requireOpen(context);
      const record = recordOf(raw);
      record.route = observed;
      if (observed.isLasting) overload.lasting++;
      const principal = access.authenticate(raw);
      record.principal = principal;
      // Whoever administers must get in above all when others send too much.
      if (policy !== 'admin') principal.rate?.take(record.startMs);
      if (isShed) overload.requireRoom();
      if (hasDatabase) requireNames(methods, params as NamedParams, raw.url!);
      requireRight(principal, policy, hasDatabase ? (params as { db: string }).db : undefined);
      if (observed.isLasting) record.release = watch.add(principal, () => reply.raw.destroy());
      requirePlainBody(raw);
      if (raw.url!.includes('?')) {
        if (takesQuery) requireDecimals(query as object, numbers);
        else requireNoQuery(query as object);
      }
    } catch (error) {
      if ((error as { code?: unknown }).code === 'HTTP_OVERLOADED') observability.requests.refused.overload++;
      done(error as Error);
      return;
    }
    const token = hasDatabase ? raw.headers['session-token'] : undefined;
    if (token === undefined) done();
    else awaitSession(context, request, String(token), done);
  };
}

interface NamedParams {
  readonly db: string;
  readonly collection?: string;
}

/** `/v1/_admin/nothing` is nothing of the API, and not a collection of a database with a bad name. */
function requireNames(methods: MethodTable, { db, collection = '' }: NamedParams, url: string): void {
  if (methods.isOwn(db) || methods.isOwn(collection)) throw notFound(url);
}

/** What is noted about the requests of a route; methods that a path does not take are one. */
function observe(
  { method, url, config }: RouteOptions,
  policy: RouteAccess,
  { observability: { requests } }: HttpContext,
): ObservedRoute {
  const isOne = typeof method === 'string';
  return {
    metrics: isOne ? requests.add(method, url) : requests.unrouted,
    isAudited: policy === 'admin' && isOne && method !== 'GET' && method !== 'HEAD',
    isLasting: config?.lasting === true,
  };
}

function requireOpen({ health }: HttpContext): void {
  if (health.isRefusing) throw new HttpError('HTTP_DRAINING', 'this node is shutting down', { retryable: true });
}

/** Names of the parameters that are numbers, and whether they must be whole. */
function numbersOf(querystring: unknown): ReadonlyMap<string, boolean> {
  const { properties = {} } = (querystring ?? {}) as { properties?: Record<string, { type?: string }> };
  const numeric = Object.entries(properties).filter(([, { type }]) => type === 'integer' || type === 'number');
  return new Map(numeric.map(([name, { type }]) => [name, type === 'integer']));
}

/** The schema would take what JavaScript takes for a number: `0x10`, `1e2`, nothing at all. */
function requireDecimals(query: object, numbers: ReadonlyMap<string, boolean>): void {
  for (const [name, isWhole] of numbers) {
    const value = (query as Record<string, unknown>)[name];
    if (typeof value !== 'string' || (isWhole ? /^-?\d{1,15}$/ : /^-?\d{1,15}(?:\.\d{1,15})?$/).test(value)) continue;
    throw new HttpError('HTTP_QUERY_INVALID', `${name} must be a ${isWhole ? 'whole ' : ''}number in decimal digits`, {
      details: { parameter: name },
    });
  }
}

/** Routes that take parameters have a schema that checks them; the others take none. A parameter that is ignored misleads. */
function requireNoQuery(query: object): void {
  const [parameter] = Object.keys(query);
  if (parameter === undefined) return;
  throw new HttpError('HTTP_QUERY_INVALID', `this request takes no parameter ${parameter.slice(0, 80)}`, {
    details: { parameter: parameter.slice(0, 80) },
  });
}

/** Doors for clients, which are no routes. */
const WEBSOCKETS = /^\/(?:leaf|hocuspocus|yjs\/[^/?]+\/[^/?]+\/[^?]+)(?:\?|$)/;

function notFound(url: string): HttpError {
  return new HttpError('HTTP_ROUTE_NOT_FOUND', `there is nothing at ${url.slice(0, 200)}`);
}

function answerNotFound(methods: MethodTable, request: FastifyRequest, reply: FastifyReply): void {
  const allowed = methods.allowed(request.raw.url!);
  if (allowed.length === 0) {
    if (!WEBSOCKETS.test(request.raw.url!)) throw notFound(request.raw.url!);
    reply.header('upgrade', 'websocket').header('connection', 'upgrade');
    throw new HttpError('HTTP_UPGRADE_REQUIRED', 'this is a websocket, and the request asks for none');
  }
  if (request.method !== 'OPTIONS') throw refusedMethod(allowed);
  reply.code(204).header('allow', allowed.join(', ')).send();
}
