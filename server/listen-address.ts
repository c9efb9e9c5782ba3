/**
 * @module
 * Owns addresses in the configuration: where a node listens, the URLs of members, and which addresses stay on this machine.
 */
import { ConfigError } from './errors.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** Reads `host:port`, `[::1]:port`, `:port` (loopback) or a port alone. */
export function parseListen(text: string, origin: string): ListenAddress {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]*)):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw invalid('listen', `${origin} must be HOST:PORT, e.g. 127.0.0.1:7400 or [::1]:7400; port 0 picks a free one`);
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

/** Reads a member's base URL, perhaps with a path that a proxy gave it, and drops a trailing slash. */
export function parseUrl(text: string, key: string, origin: string): string {
  const wanted = `${origin} must be a URL such as http://10.0.0.2:7400`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid(key, wanted);
  }
  const isBase = url.search === '' && url.hash === '' && url.username === '';
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) || !isBase) throw invalid(key, wanted);
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}

/** Reads the origin of web pages: scheme, host and perhaps a port, as browsers send it. */
export function parseOrigin(text: string, key: string, from: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  // Anything more than an origin would never match, and `*` would be everybody.
  if (origin !== 'null' && [origin, `${origin}/`].includes(text.toLowerCase())) return origin;
  throw invalid(key, `${from} must be an origin such as https://app.example`);
}

/** Reads a host name without a port. */
export function parseHostName(text: string, key: string, from: string): string {
  if (/^[a-z0-9_]([a-z0-9_.-]{0,252})$/i.test(text)) return text.toLowerCase();
  throw invalid(key, `${from} must be a host name such as db.example, without a port`);
}

/** Does the address stay on this machine? */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** The address as `parseListen` reads it, and as part of a URL. */
export function formatListen({ host, port }: ListenAddress): string {
  return `${formatHost(host)}:${port}`;
}

/** The host as part of a URL. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function invalid(field: string, message: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', message, { details: { field } });
}
