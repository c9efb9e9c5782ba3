/**
 * @module
 * Owns list cursors: opaque to clients, the last id of a page within. Lists run in the order of ids, so a cursor means the same
 * on every node. SPEC.md HT12.
 */
import { HttpError } from './errors.ts';
import { requireDocumentId } from './document-id.ts';

const VERSION = 'l1';

export function encodeCursor(lastId: string): string {
  return Buffer.from(`${VERSION}${lastId}`).toString('base64url');
}

/** @throws HttpError `HTTP_CURSOR_INVALID`. */
export function decodeCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  const text = bytes.toString();
  const isOurs = bytes.toString('base64url') === cursor && text.startsWith(VERSION) && Buffer.from(text).equals(bytes);
  if (!isOurs) throw invalid();
  try {
    return requireDocumentId(text.slice(VERSION.length));
  } catch {
    throw invalid();
  }
}

function invalid(): HttpError {
  return new HttpError('HTTP_CURSOR_INVALID', 'the cursor is not one of a list', { details: { parameter: 'cursor' } });
}
