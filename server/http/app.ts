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
import { acceptBodies } from './body.ts';
import { answerClientError, refuseOddRequests } from './client-error.ts';
import type { HttpContext } from './context.ts';
import { problemOf, sendProblem } from './error-reply.ts';
import { addGate } from './gate.ts';
import { createRequestIds } from './request-id.ts';
import { MethodTable } from './method.ts';
import { batchRoutes } from './routes/batch.ts';
import { bulkRoutes } from './routes/bulk.ts';
import { changeRoutes } from './routes/changes.ts';
import { collectionRoutes } from './routes/collection.ts';
import { conflictRoutes } from './routes/conflict.ts';
import { databaseRoutes } from './routes/database.ts';
import { documentRoutes } from './routes/document.ts';
import { indexRoutes } from './routes/indexes.ts';
import { historyRoutes } from './routes/history.ts';
import { listRoutes } from './routes/list.ts';
import { doctorRoutes } from './routes/doctor.ts';
import { violationRoutes } from './routes/violation.ts';
import { queryRoutes } from './routes/query.ts';
import { adminRoutes } from './routes/admin.ts';
import { openApiRoutes } from './routes/openapi.ts';
import { tokenRoutes } from './routes/token.ts';
import { memberRoutes } from './routes/member.ts';
import { nodeRoutes } from './routes/node.ts';

export interface AppOptions {
  readonly context: HttpContext;
  readonly log: Logger;
  /** Certificate and key; absent serves plain HTTP. */
  readonly tls?: AppTls;
}

export type AppTls = Pick<HttpsOptions, 'cert' | 'key' | 'ca' | 'requestCert' | 'rejectUnauthorized'>;

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
  context.feeds.onUnexpected = (error) => log.error({ err: error }, 'a change feed failed');
  app.setErrorHandler((error, request, reply) => answerError(log, error, request, reply));
  for (const routes of [
    databaseRoutes,
    collectionRoutes,
    documentRoutes,
    listRoutes,
    queryRoutes,
    indexRoutes,
    violationRoutes,
    conflictRoutes,
    historyRoutes,
    bulkRoutes,
    changeRoutes,
    batchRoutes,
    memberRoutes,
    doctorRoutes,
    tokenRoutes,
    adminRoutes,
    openApiRoutes,
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
    genReqId: createRequestIds(),
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

function answerError(log: Logger, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error);
  if (problem.status === 500)
    log.error(
      { requestId: request.id, err: error, method: request.method, route: request.routeOptions.url },
      'request failed',
    );
  sendProblem(reply, problem, error);
}
