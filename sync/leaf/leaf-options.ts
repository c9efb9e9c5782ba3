/**
 * @module
 * Owns what is wrong with what a program gives to a leaf, so that it is told at once and by name. Not every program is checked by a compiler.
 */
import { SyncError } from '../errors.ts';
import type { Dialer, Store } from '../port.ts';
import { TOKEN_BYTES_MAX } from './limit.ts';

const STORE_METHODS = [
  'get',
  'getMany',
  'batch',
  'range',
  'snapshot',
  'clear',
  'close',
] as const satisfies readonly (keyof Store)[];
const utf8 = new TextEncoder();

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateUrls(urls: readonly string[]): void {
  const isMeant = Array.isArray(urls) && urls.length > 0 && urls.every((url) => typeof url === 'string' && url !== '');
  if (!isMeant)
    throw invalid('urls', 'A leaf needs the address of a node, or several, as in "https://node-1.example:7400".');
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateToken(token: string): void {
  const isMeant = typeof token === 'string' && utf8.encode(token).length <= TOKEN_BYTES_MAX;
  if (isMeant) return;
  const message = `An access token is a string of at most ${TOKEN_BYTES_MAX} bytes, as "atoll token create" prints it.`;
  throw invalid('token', message, TOKEN_BYTES_MAX);
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateStore(store: Store): void {
  const missing = STORE_METHODS.find((name) => typeof (store as Partial<Store> | null)?.[name] !== 'function');
  if (missing !== undefined)
    throw invalid(
      'store',
      `A store has a method "${missing}": open one, as with IndexedDbStore.open or RocksDbStore.open.`,
    );
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateDialer(dialer: Dialer): void {
  if (typeof (dialer as Partial<Dialer> | null)?.dial !== 'function')
    throw invalid('transport', 'A transport has a method "dial", as that of createWebSocketDialer({ path: "leaf" }).');
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateListener(listener: unknown): void {
  if (typeof listener !== 'function') throw invalid('listener', 'A listener of events is a function.');
}

function invalid(field: string, message: string, limit?: number): SyncError {
  return new SyncError('SYNC_CONFIG_INVALID', message, { details: { field, ...(limit !== undefined && { limit }) } });
}
