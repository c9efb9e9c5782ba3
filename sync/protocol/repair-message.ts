/**
 * @module
 * Owns the messages in which two replicas compare a database and exchange the documents that differ. PROTOCOL.md section
 * "Comparison".
 */
import type { VersionVector } from '../version-vector.ts';
import type { Payload } from './message.ts';

export interface DatabaseFingerprint {
  readonly database: string;
  /** First 8 B of SHA-256 of the version vector. */
  readonly vector: Uint8Array;
  /** First 8 B of the digest at that vector. */
  readonly digest: Uint8Array;
}

/** Where the sender stands, of databases that have been quiet. Who has the same vector must have the same digest. */
export interface DigestMessage {
  readonly type: 'digest';
  readonly databases: readonly DatabaseFingerprint[];
}

/** Cells of the sender's sketch. The first one of a session opens it. */
export interface SketchMessage {
  readonly type: 'sketch';
  readonly session: number;
  readonly database: string;
  /** 8 B: the same in all messages of a session. */
  readonly salt: Uint8Array;
  readonly firstBucket: number;
  readonly buckets: number;
  /** Documents of the sender in these buckets. */
  readonly documents: number;
  readonly firstCell: number;
  readonly cells: Uint8Array;
}

/** The cells so far are too few. */
export interface SketchRequestMessage {
  readonly type: 'sketch-request';
  readonly session: number;
  readonly firstCell: number;
  readonly cells: number;
}

/** The sender decoded the difference: these are the symbols of what only it has. */
export interface DifferencesMessage {
  readonly type: 'differences';
  readonly session: number;
  readonly symbols: Uint8Array;
}

export interface DocumentRequestMessage {
  readonly type: 'document-request';
  readonly session: number;
  readonly symbols: Uint8Array;
}

/** Documents by name, for a sender that cannot read its own; `since` is what it holds otherwise. */
export interface DocumentFetchMessage {
  readonly type: 'document-fetch';
  readonly session: number;
  readonly database: string;
  readonly since: VersionVector;
  readonly documents: readonly { readonly collection: string; readonly id: string }[];
}

/** The answer to DOCUMENT_REQUEST and DOCUMENT_FETCH. */
export interface DocumentsMessage {
  readonly type: 'documents';
  readonly session: number;
  /** How many of the documents asked for it answers, from the first. */
  readonly done: number;
  readonly payload: Payload;
}

/** The sender has taken what it lacked. */
export interface RepairEndMessage {
  readonly type: 'repair-end';
  readonly session: number;
  /** Documents it had to take. */
  readonly repaired: number;
}

export interface DocumentContent {
  readonly collection: string;
  readonly id: string;
  /** First 8 B of the digest element: the version. */
  readonly element: Uint8Array;
  /** First 8 B of SHA-256 of the normalised state. */
  readonly content: Uint8Array;
}

/** Documents that the sender has checked. Who has the same version must have the same content. */
export interface ContentMessage {
  readonly type: 'content';
  readonly database: string;
  /** The answer to one: the sender's own, of those that differ. */
  readonly isAnswer: boolean;
  readonly documents: readonly DocumentContent[];
}

export type RepairMessage =
  | ContentMessage
  | DigestMessage
  | SketchMessage
  | SketchRequestMessage
  | DifferencesMessage
  | DocumentRequestMessage
  | DocumentFetchMessage
  | DocumentsMessage
  | RepairEndMessage;

const TYPES: ReadonlySet<string> = new Set<RepairMessage['type']>([
  'digest',
  'sketch',
  'sketch-request',
  'differences',
  'document-request',
  'document-fetch',
  'documents',
  'repair-end',
  'content',
]);

export function isRepairMessage(message: { readonly type: string }): message is RepairMessage {
  return TYPES.has(message.type);
}
