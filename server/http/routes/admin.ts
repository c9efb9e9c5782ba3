/**
 * @module
 * Owns what operators look at: metrics, the trail of administration, and diagnostics of the process. SPEC.md OB1, OB4, AC9.
 */
import type { FastifyInstance } from 'fastify';
import type { AuditList, DiagnosticsAnswer } from '../../api/index.ts';
import { ATOLL_VERSION } from '../../version.ts';
import type { HttpContext } from '../context.ts';

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function adminRoutes(app: FastifyInstance, { replica, observability, health, overload }: HttpContext): void {
  const { metrics, audit, loop } = observability;

  app.get('/metrics', { config: { access: 'read' } }, async (_request, reply) =>
    reply.header('content-type', METRICS_TYPE).send(await metrics.expose()),
  );

  app.get('/v1/_admin/audit', { config: { access: 'admin' } }, async (): Promise<AuditList> => ({
    entries: audit.list(),
  }));

  app.get('/v1/_admin/diagnostics', { config: { access: 'admin' } }, async (): Promise<DiagnosticsAnswer> => {
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return {
      node: replica.nodeId,
      name: replica.name,
      version: ATOLL_VERSION,
      runtime: { node: process.version, platform: process.platform, arch: process.arch, pid: process.pid },
      uptimeSeconds: process.uptime(),
      memory: { rss, heapUsed, heapTotal, external, arrayBuffers },
      cpuSeconds: { user: user / 1e6, system: system / 1e6 },
      eventLoopLagMs: loop.lagMs,
      requests: { inFlight: health.inflight, lasting: overload.lasting },
      handles: countBy(process.getActiveResourcesInfo()),
    };
  });
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
