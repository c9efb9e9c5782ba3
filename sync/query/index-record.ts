/**
 * @module
 * Owns what is stored of an index besides its entries: which it is, how far it is built, and what is known of its entries. Format: u8
 * format | JSON.
 */
import { StorageError } from '../errors.ts';

const FORMAT = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface IndexRecord {
  readonly collection: string;
  readonly name: string;
  /** As in the system database. */
  readonly definition: string;
  /** `dropped`: its entries are being removed. */
  readonly state: 'building' | 'ready' | 'dropped';
  /** Documents up to this id are in it; null = none yet. Only while it is being built. */
  readonly until: string | null;
  /** Documents looked at by the build. */
  readonly documents: number;
  /** Bit i: some document has, or had, several values at path i. */
  readonly multiple: number;
  readonly hasOverflow: boolean;
}

export function encodeIndexRecord(record: IndexRecord): Uint8Array {
  const json = encoder.encode(JSON.stringify(record));
  const bytes = new Uint8Array(json.length + 1);
  bytes[0] = FORMAT;
  bytes.set(json, 1);
  return bytes;
}

/** @throws StorageError `STORAGE_FORMAT_UNSUPPORTED` */
export function decodeIndexRecord(bytes: Uint8Array): IndexRecord {
  if (bytes[0] !== FORMAT) {
    throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', `Format ${bytes[0]} of an index is not known.`, {
      details: { format: bytes[0] ?? null },
    });
  }
  return JSON.parse(decoder.decode(bytes.subarray(1))) as IndexRecord;
}
