/**
 * @module
 * Owns the HTTP application: limits of the server, access, routes, and one form for every error. Requests are not logged.
 * SPEC.md section HT.
 */
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import type { Logger } from 'pino';
import type { ServerOptions } from 'node:http';
import type { ServerOptions as HttpsOptions } from 'node:https';
import { requireAccess } from './auth.ts';
import { acceptBodies, requirePlainBody } from './body.ts';
import { answerClientError, refuseOddRequests, requireHost } from './client-error.ts';
import type { HttpContext } from './context.ts';
import { requireWellFormedUrl } from './document-id.ts';
import { problemOf, sendProblem } from './error-reply.ts';
import { HttpError } from './errors.ts';
import { MethodTable, refusedMethod } from './method.ts';
import { bulkRoutes } from './routes/bulk.ts';
import { collectionRoutes } from './routes/collection.ts';
import { conflictRoutes } from './routes/conflict.ts';
import { databaseRoutes } from './routes/database.ts';
import { documentRoutes } from './routes/document.ts';
import { listRoutes } from './routes/list.ts';
import { doctorRoutes } from './routes/doctor.ts';
import { memberRoutes } from './routes/member.ts';
import { nodeRoutes } from './routes/node.ts';

export interface AppOptions {
  readonly context: HttpContext;
  readonly log: Logger;
  /** Certificate and key; absent serves plain HTTP. */
  readonly tls?: Pick<HttpsOptions, 'cert' | 'key'>;
}

/** Paths served without a token and while draining, so that probes always get an answer. */
const OPEN_PATHS = /^\/(?:livez|readyz)(?:\?|$)/;
/** A socket on which nothing moves for this long is closed. */
const IDLE_SOCKET_MS = 60_000;
const KEEP_ALIVE_MS = 72_000;

/** Builds the application; it does not listen yet. */
export function createApp({ context, log, tls }: AppOptions): FastifyInstance {
  const app = fastify({
    ...serverOptions(context, log),
    ...(tls && { https: { ...httpOptions(context), ...tls } }),
  } as FastifyServerOptions);
  const methods = new MethodTable();
  methods.watch(app);
  acceptBodies(app, context);
  addGate(app, context, methods);
  app.setErrorHandler((error, request, reply) => answerError(log, error, request, reply));
  for (const routes of [
    databaseRoutes,
    collectionRoutes,
    documentRoutes,
    listRoutes,
    conflictRoutes,
    bulkRoutes,
    memberRoutes,
    doctorRoutes,
    nodeRoutes,
  ]) {
    routes(app, context);
  }
  methods.refuseOthers(app);
  refuseOddRequests(app.server);
  app.server.maxConnections = context.limits.connections;
  return app;
}

function serverOptions(context: HttpContext, log: Logger): FastifyServerOptions {
  return {
    // Fastify's logging watches every answer, which costs more than finding the document; errors are logged here.
    logger: false,
    // Bodies have their own deadline (body.ts), bulk streams have none; heads have Node's.
    requestTimeout: 0,
    connectionTimeout: IDLE_SOCKET_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // The gate below does it, in the form of all other errors.
    return503OnClosing: false,
    http: httpOptions(context),
    routerOptions: { maxParamLength: 16_384 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: true } },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => answerError(log, error, request, reply),
  } as FastifyServerOptions;
}

function httpOptions({ limits }: HttpContext): ServerOptions {
  return {
    headersTimeout: limits.requestMs,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5000, limits.requestMs),
    // Node would answer a bare 400; the gate below says why.
    requireHostHeader: false,
  };
}

/** What every request passes before its route: one Host, a well-formed URL, a node that takes requests, access. */
function addGate(app: FastifyInstance, context: HttpContext, methods: MethodTable): void {
  const { health } = context;
  const leave = (): void => health.leave();
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    health.enter();
    reply.raw.on('close', leave);
    try {
      requireHost(raw);
      requireWellFormedUrl(raw.url!);
      if (!OPEN_PATHS.test(raw.url!)) {
        if (health.isRefusing) throw new HttpError('HTTP_DRAINING', 'this node is shutting down', { retryable: true });
        requireAccess(raw, context);
        requirePlainBody(raw);
        if (raw.url!.includes('?')) requireKnownQuery(request);
      }
      // Here and not in a handler: whatever the body is, what is wrong is the path or the method.
      if (request.is404) return answerNotFound(methods, request, reply);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  });
}

/** Routes that take parameters have a schema that checks them; the others take none. A parameter that is ignored misleads. */
function requireKnownQuery({ query, routeOptions }: FastifyRequest): void {
  const [parameter] = Object.keys(query as object);
  if (parameter === undefined || routeOptions.url === undefined || routeOptions.schema?.querystring !== undefined)
    return;
  throw new HttpError('HTTP_QUERY_INVALID', `this request takes no parameter ${parameter.slice(0, 80)}`, {
    details: { parameter: parameter.slice(0, 80) },
  });
}

function answerError(log: Logger, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error);
  if (problem.status === 500)
    log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'request failed');
  sendProblem(reply, problem, error);
}

function answerNotFound(methods: MethodTable, request: FastifyRequest, reply: FastifyReply): void {
  const allowed = methods.allowed(request.raw.url!);
  if (allowed.length === 0) {
    throw new HttpError('HTTP_ROUTE_NOT_FOUND', `there is nothing at ${request.raw.url!.slice(0, 200)}`);
  }
  if (request.method !== 'OPTIONS') throw refusedMethod(allowed);
  reply.code(204).header('allow', allowed.join(', ')).send();
}
