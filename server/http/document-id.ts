/**
 * @module
 * Owns what arrives in the path: names and document ids. The router has decoded each segment once and strictly, an encoded slash
 * included; ids are data and never become paths. The rules themselves are the engine's. SPEC.md HT3, HT4.
 */
import { validateCollectionName, validateDatabaseName, validateDocumentId } from '../../sync/index.ts';
import { HttpError } from './errors.ts';

/** Checks a decoded id. @throws SyncError `SYNC_DOCUMENT_ID_INVALID`. */
export function requireDocumentId(id: string): string {
  if (!/^[!-~]{1,256}$/.test(id)) validateDocumentId(id);
  return id;
}

/** @throws SyncError `SYNC_COLLECTION_NAME_INVALID`. */
export function requireCollectionName(name: string): string {
  validateCollectionName(name);
  return name;
}

/** @throws SyncError `SYNC_DATABASE_NAME_INVALID`. */
export function requireDatabaseName(name: string): string {
  validateDatabaseName(name);
  return name;
}

/**
 * Checks what the router does not: Node hands raw bytes over as Latin-1, and taking them for text would store another id than
 * the client meant; a query that is not UTF-8 would be taken literally.
 *
 * @throws HttpError `HTTP_URL_INVALID`
 */
export function requireWellFormedUrl(url: string): void {
  // A fragment is the client's own; the router would cut it off, and with it the end of an id that was not encoded.
  if (/[^!-~]|#/.test(url)) {
    throw new HttpError('HTTP_URL_INVALID', 'the URL has a fragment or bytes that are not percent-encoded ASCII');
  }
  const query = url.indexOf('?');
  if (query === -1 || !url.includes('%', query)) return;
  try {
    decodeURIComponent(url.slice(query));
  } catch (cause) {
    throw new HttpError('HTTP_URL_INVALID', 'the query is not valid percent-encoded UTF-8', { cause });
  }
}
