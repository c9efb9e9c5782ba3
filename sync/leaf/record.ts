/**
 * @module
 * Owns what a leaf keeps in its store. All keys begin with `L`; names are `database NUL collection NUL id`.
 *
 * | key | value |
 * |---|---|
 * | `Lm` | u8 format, the secret of the leaf, the largest stamp that it has used or seen |
 * | `Ls` name of a collection | how far it has been told, with which selection, how the collection is configured |
 * | `Lj` name | what a document shows |
 * | `Ly` name | its Yjs state, and updates that follow |
 * | `Lu` number | a change that no node has acknowledged |
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { StorageError } from '../errors.ts';
import { LEAF_SECRET_BYTES, WRITER_NONCE_BYTES } from './writer-id.ts';

const FORMAT = 2;
const utf8 = new TextEncoder();
const text = new TextDecoder();

export interface IdentityRecord {
  readonly secret: Uint8Array;
  readonly stamp: number;
}

export interface CollectionRecord {
  /** '' = nothing was told, or all is to be told again. */
  readonly cursor: string;
  /** The database that told what is held, which has a successor once it was dropped and created again; '' = nothing was told. */
  readonly source: string;
  readonly selection: string;
  /** JSON. */
  readonly config: string;
  /** Documents are held that a node which was behind did not name. */
  readonly mustCompare: boolean;
}

/** Why a document is to go once nothing of it is unsent. */
export type Leaving = 'deleted' | 'unmatched';

export interface ViewRecord {
  /** Nothing is held: it was deleted, which the next write of it must know. */
  readonly isBuried: boolean;
  readonly leaving: Leaving | null;
  readonly etag: string;
  readonly conflicts: number;
  /** Canonical; null when the document does not exist. */
  readonly json: string | null;
}

export interface EditRecord {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
  readonly nonce: Uint8Array;
  readonly isBeginning: boolean;
  readonly isAfterDelete: boolean;
  /** It was sent once, and what became of it is not known. */
  readonly isSent: boolean;
  /** What the document showed before its first unsent change; null = nothing, or this is not the first. */
  readonly base: string | null;
  readonly update: Uint8Array;
}

export const IDENTITY_KEY: Uint8Array = utf8.encode('Lm');
export const COLLECTION_KEYS: Bounds = boundsOf('Ls');
export const VIEW_KEYS: Bounds = boundsOf('Lj');
export const EDIT_KEYS: Bounds = boundsOf('Lu');

interface Bounds {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

function boundsOf(prefix: string): Bounds {
  const lt = utf8.encode(prefix);
  lt[lt.length - 1]!++;
  return { gte: utf8.encode(prefix), lt };
}

export const collectionKey = (name: string): Uint8Array => utf8.encode(`Ls${name}`);
export const viewKey = (name: string): Uint8Array => utf8.encode(`Lj${name}`);
export const stateKey = (name: string): Uint8Array => utf8.encode(`Ly${name}`);

/** Of an `Ls` or `Lj` key. */
export function nameOf(key: Uint8Array): string {
  return text.decode(key.subarray(2));
}

export function editKey(number: number): Uint8Array {
  const key = new Uint8Array(10);
  key.set(utf8.encode('Lu'));
  new DataView(key.buffer).setFloat64(2, number);
  return key;
}

/** Numbers are positive, so their bytes are in their order. */
export function editNumberOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getFloat64(2);
}

export function encodeIdentity({ secret, stamp }: IdentityRecord): Uint8Array {
  return encode((to) => {
    encoding.writeUint8Array(to, secret);
    encoding.writeVarUint(to, stamp);
  });
}

export function decodeIdentity(value: Uint8Array): IdentityRecord {
  return decode(value, (from) => ({
    secret: decoding.readUint8Array(from, LEAF_SECRET_BYTES).slice(),
    stamp: decoding.readVarUint(from),
  }));
}

export function encodeCollection({ cursor, source, selection, config, mustCompare }: CollectionRecord): Uint8Array {
  return encode((to) => {
    encoding.writeVarString(to, cursor);
    encoding.writeVarString(to, source);
    encoding.writeVarString(to, selection);
    encoding.writeVarString(to, config);
    encoding.writeUint8(to, Number(mustCompare));
  });
}

export function decodeCollection(value: Uint8Array): CollectionRecord {
  return decode(value, (from) => ({
    cursor: decoding.readVarString(from),
    source: decoding.readVarString(from),
    selection: decoding.readVarString(from),
    config: decoding.readVarString(from),
    mustCompare: decoding.readUint8(from) === 1,
  }));
}

const FLAG = { exists: 1, isBuried: 2, deleted: 4, unmatched: 8 } as const;

export function encodeView({ isBuried, leaving, etag, conflicts, json }: ViewRecord): Uint8Array {
  return encode((to) => {
    const exists = json === null ? 0 : FLAG.exists;
    encoding.writeUint8(to, exists | (isBuried ? FLAG.isBuried : 0) | (leaving === null ? 0 : FLAG[leaving]));
    encoding.writeVarString(to, etag);
    encoding.writeVarUint(to, conflicts);
    encoding.writeVarString(to, json ?? '');
  });
}

export function decodeView(value: Uint8Array): ViewRecord {
  return decode(value, (from) => {
    const flags = decoding.readUint8(from);
    const leaving = (flags & FLAG.deleted) !== 0 ? 'deleted' : (flags & FLAG.unmatched) !== 0 ? 'unmatched' : null;
    const etag = decoding.readVarString(from);
    const conflicts = decoding.readVarUint(from);
    const json = decoding.readVarString(from);
    const exists = (flags & FLAG.exists) !== 0;
    return { isBuried: (flags & FLAG.isBuried) !== 0, leaving, etag, conflicts, json: exists ? json : null };
  });
}

export function encodeParts(parts: readonly Uint8Array[]): Uint8Array {
  return encode((to) => {
    encoding.writeVarUint(to, parts.length);
    for (const part of parts) encoding.writeVarUint8Array(to, part);
  });
}

/** At least one. */
export function decodeParts(value: Uint8Array): readonly [Uint8Array, ...Uint8Array[]] {
  return decode(value, (from) => {
    const count = decoding.readVarUint(from);
    const [state, ...updates] = Array.from({ length: count }, () => decoding.readVarUint8Array(from));
    if (state === undefined) throw new Error('no parts');
    return [state, ...updates];
  });
}

const EDIT_FLAG = { isBeginning: 1, isAfterDelete: 2, isSent: 4, hasBase: 8 } as const;

export function encodeEdit(edit: EditRecord): Uint8Array {
  return encode((to) => {
    const { isBeginning, isAfterDelete, isSent, base } = edit;
    const bits = [isBeginning, isAfterDelete, isSent, base !== null].reduce(
      (all, bit, i) => all | (Number(bit) << i),
      0,
    );
    encoding.writeUint8(to, bits);
    encoding.writeUint8Array(to, edit.nonce);
    encoding.writeVarString(to, edit.database);
    encoding.writeVarString(to, edit.collection);
    encoding.writeVarString(to, edit.id);
    if (base !== null) encoding.writeVarString(to, base);
    encoding.writeVarUint8Array(to, edit.update);
  });
}

export function decodeEdit(value: Uint8Array): EditRecord {
  return decode(value, (from) => {
    const bits = decoding.readUint8(from);
    return {
      isBeginning: (bits & EDIT_FLAG.isBeginning) !== 0,
      isAfterDelete: (bits & EDIT_FLAG.isAfterDelete) !== 0,
      isSent: (bits & EDIT_FLAG.isSent) !== 0,
      nonce: decoding.readUint8Array(from, WRITER_NONCE_BYTES).slice(),
      database: decoding.readVarString(from),
      collection: decoding.readVarString(from),
      id: decoding.readVarString(from),
      base: (bits & EDIT_FLAG.hasBase) === 0 ? null : decoding.readVarString(from),
      update: decoding.readVarUint8Array(from),
    };
  });
}

function encode(write: (to: encoding.Encoder) => void): Uint8Array {
  const to = encoding.createEncoder();
  encoding.writeUint8(to, FORMAT);
  write(to);
  return encoding.toUint8Array(to);
}

/** @throws StorageError `STORAGE_CORRUPT`, `STORAGE_FORMAT_UNSUPPORTED` */
function decode<T>(value: Uint8Array, read: (from: decoding.Decoder) => T): T {
  try {
    const from = decoding.createDecoder(value);
    const format = decoding.readUint8(from);
    if (format !== FORMAT) {
      const message = `The store is of a leaf of another version: format ${format}.`;
      throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', message, { details: { format } });
    }
    return read(from);
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    throw new StorageError('STORAGE_CORRUPT', 'A record of the leaf cannot be decoded.', { cause });
  }
}
