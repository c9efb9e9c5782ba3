/**
 * @module
 * Owns what the errors of IndexedDB mean to callers of a store.
 */
import { StorageError } from '../errors.ts';

/** Of whatever IndexedDB threw or told. */
export function storageFault(cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  const { name, message } = describe(cause);
  if (name === 'QuotaExceededError') {
    const advice = 'Storage of this site is full; remove data, or ask for more with navigator.storage.persist().';
    return new StorageError('STORAGE_FULL', advice, { cause, details: { cause: name } });
  }
  return new StorageError('STORAGE_IO', `IndexedDB failed: ${name}: ${message}`, { cause, details: { cause: name } });
}

function describe(cause: unknown): { name: string; message: string } {
  // An aborted transaction may come without a reason. A DOMException is not always an Error.
  if (typeof cause !== 'object' || cause === null) return { name: 'AbortError', message: String(cause) };
  const { name, message } = cause as { name?: unknown; message?: unknown };
  return { name: String(name), message: String(message) };
}
