/**
 * @module
 * Owns the translation of what RocksDB and the operating system say into storage errors. The binding reports text only, so this
 * is the one place that reads messages.
 */
import { StorageError, type StorageErrorCode } from '../../sync/index.ts';

/** A read, write or clear of an open store failed. */
export function storageFault(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const reason = messageOf(error);
  const code = codeOf(reason);
  const advice = code === 'STORAGE_FULL' ? '; free space on the volume and restart' : '';
  return new StorageError(code, `storage failed: ${reason}${advice}`, { cause: error, details: { reason } });
}

/** A directory could not be opened. */
export function openFault(directory: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const reason = messageOf(error);
  const details = { directory, reason };
  if (/lock (file|hold)/i.test(reason)) {
    const message = `the data directory ${directory} is in use, by this process or another one; close it there or choose another directory`;
    return new StorageError('STORAGE_IN_USE', message, { cause: error, details, retryable: true });
  }
  const code = codeOf(reason);
  return new StorageError(
    code === 'STORAGE_IO' ? 'STORAGE_OPEN_FAILED' : code,
    `cannot open the data directory ${directory}: ${reason}`,
    { cause: error, details },
  );
}

/** The native addon of npm `rocksdb` is missing or does not fit this machine. */
export function bindingFault(error: unknown): StorageError {
  const platform = `${process.platform}-${process.arch}`;
  const message =
    `the RocksDB addon cannot be loaded on ${platform} (Node ${process.version}). Prebuilt for linux-x64, darwin-x64, ` +
    'darwin-arm64 and win32-x64; elsewhere install a C++ compiler and Python 3, then run "npm rebuild rocksdb"';
  return new StorageError('STORAGE_OPEN_FAILED', message, { cause: error, details: { platform } });
}

/** What every write is told after the first failed one. */
export function failedStore(cause: StorageError): StorageError {
  return new StorageError(
    'STORAGE_FAILED',
    'an earlier write failed, so the store takes no more; restart the process',
    {
      cause,
      details: { cause: cause.code },
    },
  );
}

function codeOf(reason: string): StorageErrorCode {
  if (/no space left|ENOSPC|disk quota exceeded|EDQUOT/i.test(reason)) return 'STORAGE_FULL';
  if (/corruption/i.test(reason)) return 'STORAGE_CORRUPT';
  return 'STORAGE_IO';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
