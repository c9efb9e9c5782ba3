/**
 * @module
 * Owns the coded errors of the replication layer and of the stores beneath it.
 */
import { AtollError } from '../crdt/index.ts';

export type SyncErrorCode =
  | 'SYNC_DATABASE_NOT_FOUND'
  | 'SYNC_DATABASE_NAME_INVALID'
  | 'SYNC_DATABASE_ELSEWHERE'
  | 'SYNC_COLLECTION_NAME_INVALID'
  | 'SYNC_DOCUMENT_ID_INVALID'
  | 'SYNC_DOCUMENT_NOT_FOUND'
  | 'SYNC_PRECONDITION_FAILED'
  | 'SYNC_CONFIG_INVALID'
  | 'SYNC_TOKEN_INVALID'
  | 'SYNC_TOKEN_FOREIGN'
  | 'SYNC_TOKEN_EXPIRED'
  | 'SYNC_REPLICA_BEHIND'
  | 'SYNC_CURSOR_INVALID'
  | 'SYNC_CURSOR_FOREIGN'
  | 'SYNC_CLOSED'
  | 'SYNC_MEMBER_NOT_FOUND'
  | 'SYNC_MEMBER_CONFLICT'
  | 'SYNC_ACCESS_TOKEN_NOT_FOUND'
  | 'SYNC_ACCESS_TOKEN_CONFLICT'
  | 'SYNC_NODE_REMOVED'
  | 'SYNC_BATCH_MALFORMED'
  | 'SYNC_CHAIN_FORKED'
  | 'SYNC_FRAME_MALFORMED'
  | 'SYNC_FRAME_TOO_LARGE'
  | 'SYNC_VERSION_UNSUPPORTED'
  | 'SYNC_AUTH_FAILED';

export class SyncError extends AtollError<SyncErrorCode> {}

export type StorageErrorCode =
  | 'STORAGE_IN_USE'
  | 'STORAGE_OPEN_FAILED'
  | 'STORAGE_FULL'
  | 'STORAGE_IO'
  | 'STORAGE_CORRUPT'
  | 'STORAGE_FAILED'
  | 'STORAGE_CLOSED'
  | 'STORAGE_FORMAT_UNSUPPORTED';

export class StorageError extends AtollError<StorageErrorCode> {}
