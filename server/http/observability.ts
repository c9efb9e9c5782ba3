/**
 * @module
 * Owns what watches over the requests of a node, put together: metrics, slow-request log, audit trail.
 */
import type { Logger } from 'pino';
import type { Replica } from '../../sync/index.ts';
import type { EventLoop } from '../metrics/event-loop.ts';
import type { Histogram } from '../metrics/histogram.ts';
import { NodeMetrics } from '../metrics/node-metrics.ts';
import { RequestMetrics } from '../metrics/request-metrics.ts';
import type { StoreStatistics } from '../storage/store-statistics.ts';
import { AuditTrail } from './audit.ts';
import type { Health } from './health.ts';
import { Observer } from './observer.ts';
import type { Overload } from './overload.ts';

export interface Observability {
  readonly metrics: NodeMetrics;
  readonly requests: RequestMetrics;
  readonly observer: Observer;
  readonly audit: AuditTrail;
  readonly loop: EventLoop;
}

export interface ObservabilityParts {
  readonly replica: Replica;
  readonly health: Health;
  readonly overload: Overload;
  readonly loop: EventLoop;
  readonly log: Logger;
  readonly auditLog: Logger;
  readonly slowMs: number;
  readonly syncs: Histogram;
  readonly connections: () => number;
  readonly leaves: () => number;
  readonly directory: string | null;
  readonly statistics: () => StoreStatistics | null;
}

export function createObservability(parts: ObservabilityParts): Observability {
  const { overload, loop, log, auditLog, slowMs } = parts;
  const requests = new RequestMetrics();
  const audit = new AuditTrail(auditLog);
  const observer = new Observer({ metrics: requests, audit, overload, log, slowMs });
  return { metrics: new NodeMetrics({ ...parts, requests }), requests, observer, audit, loop };
}
