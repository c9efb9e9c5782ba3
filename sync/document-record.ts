/**
 * @module
 * Owns the two stored values of a document. The *view* serves GET, lists and scans without touching Yjs, and keeps the updates
 * since the *base*, a Yjs state: so a small write to a large document stores little more than what readers see. The base is
 * absent while it can be made from the view, which it can until the second write.
 *
 * Of a large document that is being edited the view has no JSON (late-views.ts): it follows from the base and the updates.
 *
 * View: u8 format | u8 flags | 32 B digest element | varUint modified stamp | varUint conflicts | document vector | varBytes JSON, or
 * of a late view varUint bytes | varUint n, n × varBytes: updates that follow the base. Base: u8 format | Yjs v1 state. Document vector: varUint n, n × (varUint
 * origin, varUint seq), sorted.
 */
import * as decoding from 'lib0/decoding';
import {
  assert,
  ByteWriter,
  checkFirstState,
  CrdtDocument,
  CrdtError,
  isCanonicalObject,
  restoreFirstState,
  stampMs,
} from '../crdt/index.ts';
import type { FirstState } from '../crdt/index.ts';
import { textOf, writeBase64Url } from './base64url.ts';
import { ELEMENT_BYTES } from './digest.ts';
import { StorageError } from './errors.ts';

const FORMAT = 1;
const FLAG_EXISTS = 1;
const FLAG_FIRST = 2;
/** The digest counts it. */
const FLAG_COUNTED = 4;
/** The JSON is left out. */
const FLAG_LATE = 8;
const FLAGS_FIRST_VIEW = FLAG_EXISTS | FLAG_FIRST | FLAG_COUNTED;
const utf8 = new TextDecoder();
const utf8Encoder = new TextEncoder();
const writer = new ByteWriter();

/** A Yjs v1 state, and updates that follow it. */
export type StateParts = readonly [Uint8Array, ...Uint8Array[]];

/** What a document is made from; a first state in the form that is stored and sent. */
export type DocumentContent = StateParts | FirstContent;

/** A change of a document: an update, or what that of a first write follows from. */
export type DocumentChange = Uint8Array | FirstContent;

/** What the state of a first write follows from. */
export interface FirstContent {
  /** Canonical JSON, UTF-8. */
  readonly json: Uint8Array;
  readonly stamp: number;
  /** The one origin in the document's vector. */
  readonly client: number;
}

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
  /** Canonical JSON, UTF-8; `null` = left out: it is what the base and the updates show. */
  readonly json: Uint8Array | null;
  /** What the statistics count for it: bytes of JSON, of a late view as they were when there was JSON. */
  readonly bytes: number;
  /** There is no base: it is the state of a first write, made from this view. */
  readonly isFirst: boolean;
  /** Updates that follow the base. */
  readonly updates: readonly Uint8Array[];
}

export function encodeDocumentVector(vector: DocumentVector): Uint8Array {
  writer.varUint(vector.size);
  for (const origin of vector.size === 1 ? vector.keys() : [...vector.keys()].sort((a, b) => a - b)) {
    writer.varUint(origin);
    writer.varUint(vector.get(origin)!);
  }
  return writer.take();
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
  writer.uint8(FORMAT);
  const first = record.isFirst ? FLAG_FIRST : 0;
  const late = record.json === null ? FLAG_LATE : 0;
  writer.uint8((record.exists ? FLAG_EXISTS : 0) | first | late | (isCounted(record) ? FLAG_COUNTED : 0));
  writer.raw(record.element);
  writer.varUint(record.modified);
  writer.varUint(record.conflicts);
  writer.raw(encodedVector);
  if (record.json === null) writer.varUint(record.bytes);
  else writeBytes(record.json);
  writer.varUint(record.updates.length);
  for (const update of record.updates) writeBytes(update);
  return writer.take();
}

function writeBytes(bytes: Uint8Array): void {
  writer.varUint(bytes.length);
  writer.raw(bytes);
}

/** @throws StorageError `STORAGE_CORRUPT`, `STORAGE_FORMAT_UNSUPPORTED` */
export function decodeView(bytes: Uint8Array): ViewRecord {
  return guard(bytes, (decoder) => {
    const flags = decoding.readUint8(decoder);
    const element = decoding.readUint8Array(decoder, ELEMENT_BYTES);
    const modified = decoding.readVarUint(decoder);
    const conflicts = decoding.readVarUint(decoder);
    const vector = readDocumentVector(decoder);
    const isLate = (flags & FLAG_LATE) !== 0;
    const json = isLate ? null : decoding.readVarUint8Array(decoder);
    const bytes = json?.length ?? decoding.readVarUint(decoder);
    const updates = Array.from({ length: decoding.readVarUint(decoder) }, () => decoding.readVarUint8Array(decoder));
    const exists = (flags & FLAG_EXISTS) !== 0;
    const isFirst = (flags & FLAG_FIRST) !== 0;
    return { exists, element, modified, conflicts, vector, json, bytes, isFirst, updates };
  });
}

/** The view of a document that was written once, as far as it has to be read to move it elsewhere. */
export interface FirstView {
  readonly stamp: number;
  readonly origin: number;
  readonly seq: number;
  /** A part of the view. */
  readonly json: Uint8Array;
}

/** What such a view is made of. */
export interface FirstViewParts {
  readonly element: Uint8Array;
  readonly stamp: number;
  /** Encoded document vector. */
  readonly version: Uint8Array;
  readonly json: Uint8Array;
}

export function writeFirstView(into: ByteWriter, { element, stamp, version, json }: FirstViewParts): void {
  into.uint8(FORMAT);
  into.uint8(FLAGS_FIRST_VIEW);
  into.raw(element);
  into.varUint(stamp);
  into.varUint(0);
  into.raw(version);
  into.bytes(json);
  into.varUint(0);
}

/** Bytes that this writes. */
export function bytesOfFirstView({ stamp, version, json }: FirstViewParts): number {
  const { length } = json;
  return 4 + ELEMENT_BYTES + bytesOfVarUint(stamp) + version.length + bytesOfVarUint(length) + length;
}

export function encodeFirstView(parts: FirstViewParts): Uint8Array {
  writeFirstView(writer, parts);
  return writer.take();
}

function bytesOfVarUint(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Null when it is no such view, or cannot be read: to decode it says why. */
export function readFirstView(bytes: Uint8Array): FirstView | null {
  if (bytes[0] !== FORMAT || bytes[1] !== FLAGS_FIRST_VIEW) return null;
  try {
    const decoder = decoding.createDecoder(bytes);
    decoder.pos = 2 + ELEMENT_BYTES;
    const stamp = decoding.readVarUint(decoder);
    const conflicts = decoding.readVarUint(decoder);
    const origins = decoding.readVarUint(decoder);
    if (conflicts !== 0 || origins !== 1) return null;
    const origin = decoding.readVarUint(decoder);
    const seq = decoding.readVarUint(decoder);
    const json = decoding.readVarUint8Array(decoder);
    const updates = decoding.readVarUint(decoder);
    return updates === 0 && !decoding.hasContent(decoder) ? { stamp, origin, seq, json } : null;
  } catch {
    return null;
  }
}

/** What readers see of a view, without the rest of it; null when it cannot be read or there is no document, or no JSON in it. */
export function contentOfView(bytes: Uint8Array): { readonly json: Uint8Array; readonly element: Uint8Array } | null {
  const element = elementOfView(bytes);
  if (element === null || (bytes[1]! & (FLAG_EXISTS | FLAG_LATE)) !== FLAG_EXISTS) return null;
  try {
    const decoder = decoding.createDecoder(bytes);
    decoder.pos = 2 + ELEMENT_BYTES;
    // Stamp, conflicts, then the document vector.
    for (let i = 0; i < 2; i++) decoding.readVarUint(decoder);
    for (let left = 2 * decoding.readVarUint(decoder); left > 0; left--) decoding.readVarUint(decoder);
    return { json: decoding.readVarUint8Array(decoder), element };
  } catch {
    return null;
  }
}

/**
 * Does the digest count the document? Not one that was deleted and shows nothing any more: members forget such tombstones at
 * different moments, and are equal all the time.
 */
export function isCounted({ exists, conflicts }: Pick<ViewRecord, 'exists' | 'conflicts'>): boolean {
  return exists || conflicts > 0;
}

/** The same of an encoded view that has an element. */
export function isCountedView(bytes: Uint8Array): boolean {
  return (bytes[1]! & FLAG_COUNTED) !== 0;
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
  return partsOf(contentOf(view, base));
}

/** The same in the form that is sent. */
export function contentOf(view: ViewRecord, base: Uint8Array | undefined): DocumentContent {
  if (view.isFirst) {
    const [client] = view.vector.keys();
    return { json: jsonOf(view), stamp: view.modified, client: client! };
  }
  if (base === undefined) throw new StorageError('STORAGE_CORRUPT', 'The base of a stored document is missing.');
  return [guard(base, () => base.subarray(1)), ...view.updates];
}

/** Makes the state where it is not stored. */
export function partsOf(content: DocumentContent): StateParts {
  return isFirstContent(content) ? [restoreFirstState(utf8.decode(content.json), content)] : content;
}

export function loadDocument(content: DocumentContent): CrdtDocument {
  if (!isFirstContent(content)) return CrdtDocument.load(...content);
  return CrdtDocument.restore(toFirstState(content));
}

export function toFirstState({ json, stamp, client }: FirstContent): FirstState {
  return { json: utf8.decode(json), stamp, client };
}

/**
 * Checks what is said to be a first write, from elsewhere.
 *
 * @throws CrdtError `CRDT_UPDATE_MALFORMED` unless a first write could have left it.
 */
export function checkFirstContent(content: FirstContent): void {
  if (isCanonicalObject(content.json)) return;
  const first = toFirstState(content);
  checkFirstState(first);
  const { json } = toFirstContent(first);
  if (json.length === content.json.length && json.every((byte, i) => byte === content.json[i])) return;
  throw new CrdtError('CRDT_UPDATE_MALFORMED', 'not the first write of a document: its JSON is not UTF-8');
}

export function isFirstContent(content: DocumentContent): content is FirstContent {
  return 'json' in content;
}

export function toFirstContent({ json, stamp, client }: FirstState): FirstContent {
  return { json: utf8Encoder.encode(json), stamp, client };
}

/** Makes the update where only what it follows from is at hand. */
export function updateOf(change: DocumentChange): Uint8Array {
  return change instanceof Uint8Array ? change : partsOf(change)[0];
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

/** The JSON of a view that a reader may rely on to have it (late-views.ts). */
export function jsonOf({ json }: Pick<ViewRecord, 'json'>): Uint8Array {
  assert(json, 'a view that is shown has its JSON');
  return json;
}

export function toStoredDocument(record: Omit<ViewRecord, 'vector'>): StoredDocument {
  return {
    json: jsonOf(record),
    etag: etagOf(record.element),
    modifiedMs: stampMs(record.modified),
    conflicts: record.conflicts,
  };
}

/** Of the digest element, in a tag. */
export const ETAG_BYTES = 12;

/**
 * 96 bits of the digest element, base64url in quotes.
 *
 * @param at - Where in the bytes the element begins.
 */
export function etagOf(element: Uint8Array, at: number = 0): string {
  writeBase64Url(element, at, at + ETAG_BYTES, etagCodes, 1);
  return textOf(etagCodes);
}

const QUOTE = 0x22;
/** Between the quotes of the last tag. */
const etagCodes: number[] = Array.from({ length: (ETAG_BYTES / 3) * 4 + 2 }, () => QUOTE);

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
