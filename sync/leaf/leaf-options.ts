/**
 * @module
 * Owns what is wrong with the addresses and the token that a program gives to a leaf.
 */
import { invalidArgument } from '../program-argument.ts';
import { TOKEN_BYTES_MAX } from './limit.ts';

const utf8 = new TextEncoder();

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateUrls(urls: readonly string[]): void {
  const isMeant = Array.isArray(urls) && urls.length > 0 && urls.every((url) => typeof url === 'string' && url !== '');
  if (isMeant) return;
  const message = 'A leaf needs the address of a node, or several, as in "https://node-1.example:7400".';
  throw invalidArgument('urls', message);
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateToken(token: string): void {
  const isMeant = typeof token === 'string' && utf8.encode(token).length <= TOKEN_BYTES_MAX;
  if (isMeant) return;
  const message = `An access token is a string of at most ${TOKEN_BYTES_MAX} bytes, as "atoll token create" prints it.`;
  throw invalidArgument('token', message, TOKEN_BYTES_MAX);
}
