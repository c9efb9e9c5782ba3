/**
 * @module
 * Owns what a node says about itself: limits, the state of the cluster as it sees it, liveness and readiness. Liveness depends on
 * nothing; readiness on storage and draining, never on peers. SPEC.md HT14, HT15.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { HealthAnswer, Limits } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';
import { problemOf, sendProblem } from '../error-reply.ts';
import { HttpError } from '../errors.ts';

type ReadinessRequest = FastifyRequest<{ Querystring: { drain?: unknown } }>;

export function nodeRoutes(app: FastifyInstance, context: HttpContext): void {
  const { replica, limits, health } = context;

  app.get('/v1/_limits', { config: { access: 'token' } }, async (): Promise<Limits> => limits);

  app.get('/v1/_cluster', { config: { access: 'read' } }, async () => ({
    ...replica.status(),
    insecure: context.insecure,
    feeds: context.feeds.status(),
    leaves: context.leaves.status(),
  }));

  app.get('/sync', { config: { access: 'token' } }, async (_request, reply) => {
    reply.header('upgrade', 'websocket').header('connection', 'upgrade');
    throw new HttpError('HTTP_UPGRADE_REQUIRED', 'this is the websocket of other nodes');
  });

  app.get('/livez', { config: { access: 'open' } }, async (): Promise<HealthAnswer> => ({ status: 'live' }));

  // Probes add parameters of their own: what is not understood here is no error.
  app.get(
    '/readyz',
    { config: { access: 'open' } },
    async (request: ReadinessRequest, reply): Promise<HealthAnswer | void> => {
      const failure = health.failure ?? replica.failure ?? replica.removal;
      if (failure !== null) throw failure;
      if (!health.isDraining && replica.memberState !== 'draining') return { status: 'ready' };
      const problem = problemOf(new HttpError('HTTP_DRAINING', 'this node is shutting down', { retryable: true }));
      // HAProxy's `disable-on-404` takes a 404 as: finish what you have, start nothing new here.
      sendProblem(reply, request.query.drain === '404' ? { ...problem, status: 404 } : problem);
    },
  );
}
