/**
 * @module
 * Owns where on a node its peers connect.
 */

/** The address of a node as that of its websocket for peers. */
export function toSocketUrl(url: string): string {
  const target = new URL(url);
  target.protocol = target.protocol === 'https:' || target.protocol === 'wss:' ? 'wss:' : 'ws:';
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/sync`;
  target.search = '';
  target.hash = '';
  return target.href;
}
