/**
 * @module
 * Owns turning requests away while the node has more to do than it can: answering 503 at once costs next to nothing, and what is
 * already under way gets done. Probes and administration are served all the time. SPEC.md OB3.
 */
import type { EventLoop } from '../metrics/event-loop.ts';
import { HttpError } from './errors.ts';
import type { Health } from './health.ts';
import type { RequestRecord } from './request-record.ts';

export interface OverloadSettings {
  /** Requests in flight, streams that last not counted. */
  readonly inflight: number;
  /** How late the event loop may be, ms. */
  readonly lagMs: number;
  /** Bytes of request bodies held at a time. */
  readonly inflightBytes: number;
}

export class Overload {
  readonly #settings: OverloadSettings;
  readonly #health: Health;
  readonly #loop: Pick<EventLoop, 'lagMs'>;
  /** Requests in flight that wait rather than work, as feeds do. */
  lasting = 0;
  #bodyBytes = 0;

  constructor(settings: OverloadSettings, health: Health, loop: Pick<EventLoop, 'lagMs'>) {
    this.#settings = settings;
    this.#health = health;
    this.#loop = loop;
  }

  /** Takes note of a part of a body; null when there is room for it. */
  holdBody(record: RequestRecord, bytes: number): HttpError | null {
    record.bodyBytes += bytes;
    this.#bodyBytes += bytes;
    const { inflightBytes } = this.#settings;
    if (this.#bodyBytes <= inflightBytes) return null;
    return overloaded(`the node holds ${inflightBytes} bytes of request bodies`, 'inflightBytes', inflightBytes);
  }

  releaseBody({ bodyBytes }: RequestRecord): void {
    this.#bodyBytes -= bodyBytes;
  }

  /** @throws HttpError `HTTP_OVERLOADED` */
  requireRoom(): void {
    const { inflight, lagMs } = this.#settings;
    // The request that asks is in flight itself.
    if (this.#health.inflight - this.lasting > inflight) {
      throw overloaded(`the node has ${inflight} requests in flight`, 'inflight', inflight);
    }
    if (this.#loop.lagMs > lagMs) throw overloaded(`the node is more than ${lagMs} ms late`, 'lagMs', lagMs);
  }
}

function overloaded(message: string, limit: string, max: number): HttpError {
  return new HttpError('HTTP_OVERLOADED', `${message}: try again later, or another node`, {
    retryable: true,
    details: { limit, max, retryAfter: 1 },
  });
}
