/**
 * @module
 * Owns when a request that failed is sent again, and after which wait. SPEC.md CL19, CC1, CC2.
 */
import type { Call } from './call.ts';
import type { ClientError } from './error.ts';
import type { ClientPorts } from './port.ts';

/** Wait before the second round over the nodes, doubled with every further one. Of it a random part is waited. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;
/** Refused before anything was done, so that even what must not be applied twice can be sent again. */
const UNTOUCHED_STATUSES: readonly number[] = [421, 429];
const UNTOUCHED_CODES: readonly string[] = ['HTTP_DRAINING'];

/** What went wrong with one attempt. */
export interface Failure {
  /**
   * - `refused`: there was no connection, so the request never left.
   * - `broken`: the connection broke, or the node fell silent; the request may have been applied.
   * - `answered`: a node said no.
   */
  readonly kind: 'refused' | 'broken' | 'answered';
  readonly error: ClientError;
  /** What the node asked to wait. */
  readonly retryAfterMs: number;
}

/** Whether sending the request twice has the effect of sending it once: it changes nothing, or has a key. */
export function isRepeatable(call: Call): boolean {
  return call.method === 'GET' || call.isSafe === true || call.headers?.['idempotency-key'] !== undefined;
}

/** May the request be sent again after this failure? */
export function mayRetry(call: Call, { kind, error }: Failure): boolean {
  // A stream has been read, at least in part.
  if (typeof call.body === 'object') return false;
  switch (kind) {
    case 'refused':
      return true;
    case 'broken':
      return isRepeatable(call);
    case 'answered':
      if (UNTOUCHED_STATUSES.includes(error.status) || UNTOUCHED_CODES.includes(error.code)) return true;
      return error.retryable && isRepeatable(call);
  }
}

/** Full jitter: clients that failed together do not come back together. */
export function backoffMs(round: number, retryAfterMs: number, ports: ClientPorts): number {
  const most = Math.min(BACKOFF_MS_MIN * 2 ** round, BACKOFF_MS_MAX);
  return retryAfterMs + ports.random() * most;
}

/** `Retry-After` in seconds; a date is taken as no wish. */
export function retryAfterOf(headers: Headers): number {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,4}$/.test(text) ? Number(text) * 1000 : 0;
}
