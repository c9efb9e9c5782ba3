/**
 * @module
 * Owns an HTTP application over a replica in memory, for tests of HTTP semantics without sockets or disks.
 */
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { ApiCheck } from './api-check.ts';
import { createApp } from '../../server/http/app.ts';
import { createObservability, type ObservabilityParts } from '../../server/http/observability.ts';
import { Overload } from '../../server/http/overload.ts';
import { EventLoop } from '../../server/metrics/event-loop.ts';
import { Histogram } from '../../server/metrics/histogram.ts';
import { OriginPolicy } from '../../server/http/origin.ts';
import { AccessWatch } from '../../server/http/access-watch.ts';
import { AccessControl, type AccessSettings } from '../../server/http/auth.ts';
import type { HttpContext } from '../../server/http/context.ts';
import { FeedRegistry } from '../../server/http/feed-registry.ts';
import { Health } from '../../server/http/health.ts';
import { documentLimitsOf, limitsOf } from '../../server/limits.ts';
import { completeOptions } from '../../server/config.ts';
import { createLog } from '../../server/log.ts';
import { compileSchema } from '../../server/schema/compile-schema.ts';
import { cryptoRandom, systemClock, systemTimers } from '../../server/system-ports.ts';
import { LeafHost, MemoryStore, Replica } from '../../sync/index.ts';

export interface TestApp {
  readonly app: FastifyInstance;
  readonly context: HttpContext;
  /** Sends a request; a string or Buffer body goes as it is, anything else as JSON. */
  send(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
  close(): Promise<void>;
}

export interface TestAppChanges extends Omit<Partial<HttpContext>, 'access'> {
  readonly access?: Partial<AccessSettings>;
  /** Where it logs, and what counts as slow. */
  readonly logging?: Partial<Pick<ObservabilityParts, 'log' | 'auditLog' | 'slowMs'>>;
}

export async function openTestApp({ access = {}, logging = {}, ...changes }: TestAppChanges = {}): Promise<TestApp> {
  const ports = { clock: systemClock, timers: systemTimers, random: cryptoRandom };
  const replica =
    changes.replica ?? (await Replica.open({ store: new MemoryStore(), ...ports, compileSchema, name: 'test' }));
  const settings = { adminTokenHash: null, insecure: false, isExposed: false, requestsPerSecond: 0 };
  const limits = limitsOf(completeOptions({ data: 'unused' }));
  const health = changes.health ?? new Health();
  const loop = new EventLoop();
  const overload = changes.overload ?? new Overload(limits, health, loop);
  const log = createLog('silent');
  const control = new AccessControl({ ...settings, ...access }, replica.accessTokens);
  const context: HttpContext = {
    replica,
    health,
    feeds: new FeedRegistry(),
    leaves: new LeafHost(replica, { clock: systemClock, timers: systemTimers }),
    limits,
    documentLimits: documentLimitsOf(limits),
    clock: systemClock,
    random: cryptoRandom,
    access: control,
    watch: new AccessWatch(control),
    origins: new OriginPolicy({ allowedOrigins: [], allowedHosts: [] }),
    insecure: access.insecure ?? false,
    overload,
    observability: createObservability({
      replica,
      health,
      overload,
      loop,
      log: logging.log ?? log,
      auditLog: logging.auditLog ?? log,
      slowMs: logging.slowMs ?? 0,
      syncs: new Histogram(),
      connections: () => 0,
      leaves: () => 0,
      directory: null,
      statistics: () => null,
    }),
    ...changes,
  };
  const app = createApp({ context, log: logging.log ?? log });
  await app.ready();
  const send: TestApp['send'] = async (method, url, body, headers = {}) => {
    const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
    const payload = isRaw ? body : JSON.stringify(body);
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await app.inject({
      method,
      url,
      headers: { ...type, ...headers },
      ...(payload !== undefined && { payload }),
    } as InjectOptions);
    requireDescribed(app, method, url, answer);
    return answer;
  };
  return {
    app,
    context,
    send,
    close: async () => {
      await app.close();
      if (changes.replica === undefined) await replica.close();
    },
  };
}

let check: ApiCheck | null = null;

/** Every answer that a test gets is one that the description of the API allows. All applications have the same routes. */
function requireDescribed(
  app: FastifyInstance,
  method: string,
  url: string,
  { statusCode: status, headers, body }: LightMyRequestResponse,
): void {
  check ??= new ApiCheck(app);
  const contentType = String(headers['content-type'] ?? '');
  const fault = check.faultOf({ method, url, status, contentType, body });
  if (fault !== null) throw new Error(`the description of the API does not hold: ${fault}`);
}
