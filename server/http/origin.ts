/**
 * @module
 * Owns from which web pages a node may be used. A page of another origin is refused, unless the operator has named its origin; and
 * while there are no tokens, a Host that could be somebody else's name for this machine is refused too, since that is how a page
 * makes itself one of this origin (DNS rebinding). SPEC.md AC7.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { HttpError } from './errors.ts';

export interface OriginSettings {
  /** Origins of pages that may use this node, e.g. `https://app.example`. */
  readonly allowedOrigins: readonly string[];
  /** Names by which this node is reached, besides addresses and localhost. */
  readonly allowedHosts: readonly string[];
}

const EXPOSED_HEADERS =
  'ETag, Last-Modified, Location, Session-Token, Atoll-Conflicts, Atoll-Cursor, Atoll-Replicas, Idempotency-Replayed, Preference-Applied, Retry-After, X-Request-Id';
const ALLOWED_HEADERS =
  'Authorization, Content-Type, If-Match, If-None-Match, Prefer, Session-Token, Idempotency-Key, Last-Event-ID, X-Request-Id';
const PREFLIGHT_SECONDS = '600';

export class OriginPolicy {
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  /** The last one that was found to be known: nearly always the next one, too. */
  #knownHost = '';

  constructor({ allowedOrigins, allowedHosts }: OriginSettings) {
    this.#origins = new Set(allowedOrigins);
    this.#hosts = new Set(allowedHosts.map((host) => host.toLowerCase()));
  }

  /** @throws HttpError `HTTP_FORBIDDEN` for a page of another origin that is not allowed. */
  requireOrigin({ headers: { origin, host } }: IncomingMessage): void {
    if (origin === undefined || this.#origins.has(origin) || isSame(origin, host)) return;
    throw new HttpError(
      'HTTP_FORBIDDEN',
      `pages of ${origin.slice(0, 100)} may not use this node: see --allow-origin`,
      { details: { parameter: 'Origin' } },
    );
  }

  /** An address cannot be rebound, and localhost is this machine. @throws HttpError `HTTP_FORBIDDEN` */
  requireKnownHost({ headers: { host } }: IncomingMessage): void {
    if (host === undefined || host === this.#knownHost) return;
    this.#requireKnownHost(host);
    this.#knownHost = host;
  }

  #requireKnownHost(host: string): void {
    const name = host.replace(/:\d*$/, '').toLowerCase();
    if (name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[(.*)\]$/, '$1')) > 0) return;
    if (this.#hosts.has(name)) return;
    throw new HttpError(
      'HTTP_FORBIDDEN',
      `this node has no tokens, and ${name.slice(0, 100)} is none of its names: see --allow-host, or make a token`,
      { details: { parameter: 'Host' } },
    );
  }

  /** Lets a page of an allowed origin read the answer. */
  expose({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
    if (origin === undefined || !this.#origins.has(origin)) return;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
    response.setHeader('vary', 'Origin');
  }

  /** Is this the question of a browser whether a page may send a request? It comes without a token. */
  isPreflight({ method, headers }: IncomingMessage): boolean {
    const { origin } = headers;
    return (
      method === 'OPTIONS' &&
      headers['access-control-request-method'] !== undefined &&
      origin !== undefined &&
      this.#origins.has(origin)
    );
  }

  answerPreflight(response: ServerResponse, methods: readonly string[]): void {
    response.writeHead(204, {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': ALLOWED_HEADERS,
      'access-control-max-age': PREFLIGHT_SECONDS,
    });
    response.end();
  }
}

/** A page that this very address served. `null`, the origin of sandboxes and files, is nobody's. */
function isSame(origin: string, host: string | undefined): boolean {
  const at = origin.indexOf('://');
  return at !== -1 && host !== undefined && origin.slice(at + 3).toLowerCase() === host.toLowerCase();
}
