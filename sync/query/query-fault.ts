/**
 * @module
 * Owns what is wrong with a query.
 */
import { SyncError } from '../errors.ts';

/** @param path - The JSON Pointer within the query. */
export function invalid(path: string, message: string): SyncError {
  return new SyncError('SYNC_QUERY_INVALID', message, { details: { path } });
}
