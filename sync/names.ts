/**
 * @module
 * Owns what databases, collections and documents may be called.
 */
import { SyncError } from './errors.ts';

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const DATABASE_KEY = /^(_system|[a-z][a-z0-9_-]{0,62})\.\d{1,9}$/;
const CONTROL_CHARACTER = /\p{Cc}/u;
export const DOCUMENT_ID_BYTES_MAX = 256;
const NAME_RULE = 'a lower-case letter, then up to 62 lower-case letters, digits, "_" or "-"';

const utf8 = new TextEncoder();

/** Of the system itself: no name that clients can use, and nothing that they are shown. */
export function isInternalCollection(name: string): boolean {
  return name.startsWith('_');
}

export function validateDatabaseName(name: string): void {
  if (isName(name)) return;
  throw new SyncError('SYNC_DATABASE_NAME_INVALID', `A database name is ${NAME_RULE}.`, {
    details: { field: 'db', actual: String(name).slice(0, 80) },
  });
}

export function validateCollectionName(name: string): void {
  if (isName(name)) return;
  throw new SyncError('SYNC_COLLECTION_NAME_INVALID', `A collection name is ${NAME_RULE}.`, {
    details: { field: 'collection', actual: String(name).slice(0, 80) },
  });
}

/** Programs that embed this need not be checked by a compiler. */
function isName(name: unknown): boolean {
  return typeof name === 'string' && NAME.test(name);
}

/** 1–256 bytes of well-formed UTF-8 without control characters. */
export function validateDocumentId(id: string): void {
  if (typeof id !== 'string') throw invalidId('A document id is a string.', { actual: typeof id });
  const bytes = id.length > DOCUMENT_ID_BYTES_MAX ? id.length : utf8.encode(id).length;
  if (bytes === 0) throw invalidId('A document id is not empty.', { actual: 0 });
  if (bytes > DOCUMENT_ID_BYTES_MAX) {
    const message = `A document id is at most ${DOCUMENT_ID_BYTES_MAX} bytes of UTF-8; this one has ${bytes} or more.`;
    throw invalidId(message, { name: 'idBytes', limit: DOCUMENT_ID_BYTES_MAX, actual: bytes });
  }
  if (CONTROL_CHARACTER.test(id)) throw invalidId('A document id has no control characters.', {});
  if (!id.isWellFormed()) throw invalidId('A document id is well-formed Unicode: this one has a lone surrogate.', {});
}

function invalidId(message: string, details: Record<string, number | string>): SyncError {
  return new SyncError('SYNC_DOCUMENT_ID_INVALID', message, { details: { field: 'id', ...details } });
}

/** A database key is `name.generation`; a database dropped and created again is another generation. */
export function isDatabaseKey(key: string): boolean {
  return DATABASE_KEY.test(key);
}
