/**
 * @module
 * Owns what is noted when a request is over: its duration in the metrics, a line in the log when it was slow, an entry in the audit
 * trail when it administered something. One function for all of it, called by the listener that counts requests in flight anyway.
 */
import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { RequestMetrics, RouteMetrics } from '../metrics/request-metrics.ts';
import { TARGET_LENGTH_MAX, type AuditTrail } from './audit.ts';
import type { Overload } from './overload.ts';
import { recordOf, type RequestRecord } from './request-record.ts';

/** What is settled about a route when it is registered. */
export interface ObservedRoute {
  readonly metrics: RouteMetrics;
  /** It changes how the node or the cluster is set up. */
  readonly isAudited: boolean;
  /** It is meant to take long. */
  readonly isLasting: boolean;
}

export interface ObserverParts {
  readonly metrics: RequestMetrics;
  readonly audit: AuditTrail;
  readonly overload: Overload;
  readonly log: Logger;
  /** Requests that take longer are logged; 0 = none. */
  readonly slowMs: number;
}

export class Observer {
  readonly #parts: ObserverParts;
  readonly #isVerbose: boolean;

  constructor(parts: ObserverParts) {
    this.#parts = parts;
    this.#isVerbose = parts.log.isLevelEnabled('debug');
  }

  finish(response: ServerResponse): void {
    const record = recordOf(response.req);
    const { route } = record;
    const ms = performance.now() - record.startMs;
    const status = response.writableEnded ? response.statusCode : 0;
    const { metrics, overload, slowMs } = this.#parts;
    (route?.metrics ?? metrics.unrouted).observe(status, ms / 1000);
    if (status === 401) metrics.refused.unauthorized++;
    else if (status === 403) metrics.refused.forbidden++;
    else if (status === 429) metrics.refused.rate++;
    if (record.bodyBytes > 0) overload.releaseBody(record);
    if (route === null) return;
    if (route.isLasting) {
      overload.lasting--;
      record.release?.();
    }
    if (!route.isLasting && slowMs > 0 && ms > slowMs) this.#log('warn', record, response, ms, 'slow request');
    if (this.#isVerbose) this.#log('debug', record, response, ms, 'request');
    // Without a valid token anybody could fill the trail.
    if (route.isAudited && status !== 401) this.#audit(record, response, status);
  }

  /** The route and not the path: ids of documents are data. */
  #log(
    level: 'warn' | 'debug',
    { id, route, principal }: RequestRecord,
    { statusCode, writableEnded }: ServerResponse,
    ms: number,
    message: string,
  ): void {
    const { method, route: pattern } = route!.metrics;
    const fields = { requestId: id, method, route: pattern, status: statusCode, ms: Math.round(ms), by: principal.id };
    this.#parts.log[level](writableEnded ? fields : { ...fields, aborted: true }, message);
  }

  #audit({ id, principal, route }: RequestRecord, { req }: ServerResponse, status: number): void {
    this.#parts.audit.note({
      at: new Date().toISOString(),
      requestId: id,
      by: principal.id,
      from: req.socket.remoteAddress ?? null,
      method: route!.metrics.method,
      target: maskTokens(req.url!.split('?', 1)[0]!).slice(0, TARGET_LENGTH_MAX),
      status,
    });
  }
}

/** Somebody may take a token for its id. */
function maskTokens(path: string): string {
  return path.replace(/(atoll(?:join)?_[0-9a-f]{16}_)[0-9a-f]+/g, '$1…');
}
