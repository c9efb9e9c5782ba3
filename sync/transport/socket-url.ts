/**
 * @module
 * Owns where on a node its peers and leaves connect.
 */

/** Who connects: other members, or leaves. */
export type SocketPath = 'sync' | 'leaf';

/** The address of a node as that of one of its websockets. */
export function toSocketUrl(url: string, path: SocketPath): string {
  const target = new URL(url);
  target.protocol = target.protocol === 'https:' || target.protocol === 'wss:' ? 'wss:' : 'ws:';
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/${path}`;
  target.search = '';
  target.hash = '';
  return target.href;
}
