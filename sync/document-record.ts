/**
 * @module
 * Owns the two stored values of a document. The *view* serves GET, lists and scans without touching Yjs, and keeps the updates
 * since the *base*, a Yjs state: so a small write to a large document stores little more than what readers see. The base is
 * absent while it can be made from the view, which it can until the second write.
 *
 * View: u8 format | u8 flags | 32 B digest element | varUint modified stamp | varUint conflicts | document vector | varBytes JSON |
 * varUint n, n × varBytes: updates that follow the base. Base: u8 format | Yjs v1 state. Document vector: varUint n, n × (varUint
 * origin, varUint seq), sorted.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { restoreFirstState, stampMs } from '../crdt/index.ts';
import { ELEMENT_BYTES } from './digest.ts';
import { StorageError } from './errors.ts';

const FORMAT = 1;
const FLAG_EXISTS = 1;
const FLAG_FIRST = 2;

/** A Yjs v1 state, and updates that follow it. */
export type StateParts = readonly [Uint8Array, ...Uint8Array[]];

/** Origin → last sequence that touched the document: its version. */
export type DocumentVector = ReadonlyMap<number, number>;

/** A document as readers see it. */
export interface StoredDocument {
  /** Canonical JSON, UTF-8. Do not modify. */
  readonly json: Uint8Array;
  /** Quoted strong entity tag; equal on replicas that hold the same writes. */
  readonly etag: string;
  /** Wall-clock milliseconds of the newest write. */
  readonly modifiedMs: number;
  /** Paths with losing values. */
  readonly conflicts: number;
}

export interface ViewRecord {
  readonly exists: boolean;
  readonly element: Uint8Array;
  readonly modified: number;
  readonly conflicts: number;
  readonly vector: DocumentVector;
  readonly json: Uint8Array;
  /** There is no base: it is the state of a first write, made from this view. */
  readonly isFirst: boolean;
  /** Updates that follow the base. */
  readonly updates: readonly Uint8Array[];
}

export function encodeDocumentVector(vector: DocumentVector): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, vector.size);
  for (const origin of vector.size === 1 ? vector.keys() : [...vector.keys()].sort((a, b) => a - b)) {
    encoding.writeVarUint(encoder, origin);
    encoding.writeVarUint(encoder, vector.get(origin)!);
  }
  return encoding.toUint8Array(encoder);
}

export function readDocumentVector(decoder: decoding.Decoder): Map<number, number> {
  const vector = new Map<number, number>();
  const size = decoding.readVarUint(decoder);
  for (let i = 0; i < size; i++) {
    const origin = decoding.readVarUint(decoder);
    vector.set(origin, decoding.readVarUint(decoder));
  }
  return vector;
}

export function encodeView(record: Omit<ViewRecord, 'vector'>, encodedVector: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FORMAT);
  encoding.writeUint8(encoder, (record.exists ? FLAG_EXISTS : 0) | (record.isFirst ? FLAG_FIRST : 0));
  encoding.writeUint8Array(encoder, record.element);
  encoding.writeVarUint(encoder, record.modified);
  encoding.writeVarUint(encoder, record.conflicts);
  encoding.writeUint8Array(encoder, encodedVector);
  encoding.writeVarUint(encoder, record.json.length);
  const tail = encoding.createEncoder();
  encoding.writeVarUint(tail, record.updates.length);
  for (const update of record.updates) encoding.writeVarUint8Array(tail, update);
  return concat(encoding.toUint8Array(encoder), record.json, encoding.toUint8Array(tail));
}

/** @throws StorageError `STORAGE_CORRUPT`, `STORAGE_FORMAT_UNSUPPORTED` */
export function decodeView(bytes: Uint8Array): ViewRecord {
  return guard(bytes, (decoder) => {
    const flags = decoding.readUint8(decoder);
    const element = decoding.readUint8Array(decoder, ELEMENT_BYTES);
    const modified = decoding.readVarUint(decoder);
    const conflicts = decoding.readVarUint(decoder);
    const vector = readDocumentVector(decoder);
    const json = decoding.readVarUint8Array(decoder);
    const updates = Array.from({ length: decoding.readVarUint(decoder) }, () => decoding.readVarUint8Array(decoder));
    const exists = (flags & FLAG_EXISTS) !== 0;
    return { exists, element, modified, conflicts, vector, json, isFirst: (flags & FLAG_FIRST) !== 0, updates };
  });
}

/** The digest element of a view, without reading the rest of it; null when it cannot be there. */
export function elementOfView(bytes: Uint8Array): Uint8Array | null {
  return bytes[0] === FORMAT && bytes.length > 2 + ELEMENT_BYTES ? bytes.subarray(2, 2 + ELEMENT_BYTES) : null;
}

export function encodeBase(state: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(FORMAT), state);
}

/**
 * The state of a document, from its two stored values.
 *
 * @param base - Undefined when it is not stored.
 * @throws StorageError `STORAGE_CORRUPT`, `STORAGE_FORMAT_UNSUPPORTED`
 */
export function statePartsOf(view: ViewRecord, base: Uint8Array | undefined): StateParts {
  if (!view.isFirst) {
    if (base === undefined) throw new StorageError('STORAGE_CORRUPT', 'The base of a stored document is missing.');
    return [guard(base, () => base.subarray(1)), ...view.updates];
  }
  const [client] = view.vector.keys();
  return [restoreFirstState(new TextDecoder().decode(view.json), { client: client!, stamp: view.modified })];
}

/** One copy: an encoder would copy what is large twice. */
function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export function toStoredDocument(record: Omit<ViewRecord, 'vector'>): StoredDocument {
  return {
    json: record.json,
    etag: etagOf(record.element),
    modifiedMs: stampMs(record.modified),
    conflicts: record.conflicts,
  };
}

/** 96 bits of the digest element, base64url in quotes. */
export function etagOf(element: Uint8Array): string {
  let text = '"';
  for (let i = 0; i < 12; i += 3) {
    const bits = (element[i]! << 16) | (element[i + 1]! << 8) | element[i + 2]!;
    text += DIGITS[bits >> 18]! + DIGITS[(bits >> 12) & 63]! + DIGITS[(bits >> 6) & 63]! + DIGITS[bits & 63]!;
  }
  return `${text}"`;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function guard<T>(bytes: Uint8Array, decode: (decoder: decoding.Decoder) => T): T {
  try {
    const decoder = decoding.createDecoder(bytes);
    const format = decoding.readUint8(decoder);
    if (format !== FORMAT) {
      throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', `Document record format ${format} is not known.`, {
        details: { format },
      });
    }
    return decode(decoder);
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    throw new StorageError('STORAGE_CORRUPT', 'A stored document record could not be decoded.', { cause });
  }
}
