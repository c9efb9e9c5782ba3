/**
 * @module
 * Owns the ids by which a request is found in logs: the client's `X-Request-Id`, if it is short and harmless, else one of ours.
 * SPEC.md OB4.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

/** One process's ids share a beginning and count up. */
export function createRequestIds(): (request: IncomingMessage) => string {
  const prefix = `${randomBytes(4).toString('hex')}-`;
  let count = 0;
  return ({ headers }) => {
    const given = headers[REQUEST_ID_HEADER];
    if (typeof given === 'string' && /^[\w.:/+=-]{1,128}$/.test(given)) return given;
    return prefix + (++count).toString(36);
  };
}
