/**
 * @module
 * Owns the chunks of a snapshot: whole documents for a replica whose gap no log can fill. Opaque to links.
 *
 * Bytes: u8 format | u8 0, or 1 | u8 continues | varUint documents | vector | document vector: forgotten in the first chunk | varBytes
 * until | u8 0, or 1 | varBytes after | varBytes upTo | varUint n, n × (varString collection, varString id) | varUint n, n × (varUint origin,
 * varString node id) | varUint n, n × row. Row: varString collection, varString id, document vector, varUint n, n × varBytes: a Yjs v1 state
 * and the updates that follow it; n = 0: varUint stamp, varBytes JSON: what the state of a first write follows from.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { ByteWriter } from '../crdt/index.ts';
import { encodeDocumentVector, isFirstContent, readDocumentVector } from './document-record.ts';
import type { DocumentContent, DocumentVector, FirstView } from './document-record.ts';
import type { OriginId } from './engine.ts';
import { SyncError } from './errors.ts';
import type { ForgottenVector } from './forgotten.ts';
import { readVector, writeVector } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

const FORMAT = 1;

export interface SnapshotRow {
  readonly collection: string;
  readonly id: string;
  readonly vector: DocumentVector;
  /** Sent as it is stored: to make one state of it would cost more than all the rest. */
  readonly content: DocumentContent;
}

/** What the first chunk says of the whole. */
export interface SnapshotBegin {
  readonly vector: VersionVector;
  /** What the receiver said it holds of an earlier transfer is not sent again. */
  readonly continues: boolean;
  /** Documents to come, estimated. */
  readonly documents: number;
  /** What left no trace at the donor. */
  readonly forgotten: ForgottenVector;
}

/** Of documents that are not in the rows, those that the donor has: what is missing here and there is to go. */
export interface Presence {
  /** `collection NUL id`; it speaks of documents after the first one up to the second. Empty = from the beginning, to the end. */
  readonly after: Uint8Array;
  readonly upTo: Uint8Array;
  readonly names: readonly { readonly collection: string; readonly id: string }[];
}

export interface SnapshotChunk {
  readonly begin: SnapshotBegin | null;
  /**
   * `collection NUL id`: of all documents up to this one, what was asked for is in the chunks so far. Empty when the documents are
   * not in the order of their names.
   */
  readonly until: Uint8Array;
  /** For a receiver that has not seen all that the donor has forgotten. */
  readonly presence: Presence | null;
  /** Who owns the origins named in the rows and in the snapshot's vector. */
  readonly origins: ReadonlyMap<OriginId, string>;
  readonly rows: readonly SnapshotRow[];
}

/** What a chunk says besides its rows. */
export interface SnapshotOutline extends Omit<SnapshotChunk, 'rows'> {
  readonly documents: number;
}

/** Rows on their way into a chunk: encoded as they are found. */
export class SnapshotRows {
  readonly #writer = new ByteWriter();
  /** Named in them. */
  readonly origins: Set<OriginId> = new Set<OriginId>();
  count = 0;
  /** About so many. */
  bytes = 0;

  add({ collection, id, vector, content }: SnapshotRow): void {
    this.#writer.string(collection);
    this.#writer.string(id);
    this.#writer.raw(encodeDocumentVector(vector));
    for (const origin of vector.keys()) this.origins.add(origin);
    this.#note(collection.length + id.length);
    if (isFirstContent(content)) return this.#addFirst(content.stamp, content.json);
    this.#writer.varUint(content.length);
    for (const part of content) this.#addBytes(part);
  }

  /**
   * The row of a document that was written once.
   *
   * @param name - `collection NUL id`
   */
  addView(name: Uint8Array, { origin, seq, stamp, json }: FirstView): void {
    const end = name.indexOf(0);
    this.#writer.bytes(name.subarray(0, end));
    this.#writer.bytes(name.subarray(end + 1));
    this.#writer.varUint(1);
    this.#writer.varUint(origin);
    this.#writer.varUint(seq);
    this.origins.add(origin);
    this.#note(name.length);
    this.#addFirst(stamp, json);
  }

  #addFirst(stamp: number, json: Uint8Array): void {
    this.#writer.varUint(0);
    this.#writer.varUint(stamp);
    this.#addBytes(json);
  }

  #addBytes(bytes: Uint8Array): void {
    this.#writer.bytes(bytes);
    this.bytes += bytes.length;
  }

  #note(nameLength: number): void {
    this.count++;
    this.bytes += nameLength;
  }

  /** They are handed out once. */
  encode(): Uint8Array {
    return this.#writer.take();
  }
}

export function encodeSnapshotChunk({ rows, ...head }: SnapshotChunk): Uint8Array {
  const encoded = new SnapshotRows();
  for (const row of rows) encoded.add(row);
  return encodeChunkOf(head, encoded);
}

export function encodeChunkOf(
  { begin, until, presence, origins }: Omit<SnapshotChunk, 'rows'>,
  rows: SnapshotRows,
): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FORMAT);
  encoding.writeUint8(encoder, begin === null ? 0 : 1);
  if (begin !== null) {
    encoding.writeUint8(encoder, begin.continues ? 1 : 0);
    encoding.writeVarUint(encoder, begin.documents);
    writeVector(encoder, begin.vector);
    encoding.writeUint8Array(encoder, encodeDocumentVector(begin.forgotten));
  }
  encoding.writeVarUint8Array(encoder, until);
  writePresence(encoder, presence);
  encoding.writeVarUint(encoder, origins.size);
  for (const [origin, nodeId] of origins) {
    encoding.writeVarUint(encoder, origin);
    encoding.writeVarString(encoder, nodeId);
  }
  encoding.writeVarUint(encoder, rows.count);
  encoding.writeUint8Array(encoder, rows.encode());
  return encoding.toUint8Array(encoder);
}

/** @throws SyncError `SYNC_BATCH_MALFORMED` */
export function decodeSnapshotChunk(bytes: Uint8Array): SnapshotChunk {
  return guard(() => {
    const decoder = decoding.createDecoder(bytes);
    const { documents, ...outline } = readOutline(decoder);
    const rows: SnapshotRow[] = [];
    for (let i = 0; i < documents; i++) rows.push(readRow(decoder));
    return { ...outline, rows };
  });
}

function guard<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new SyncError('SYNC_BATCH_MALFORMED', 'A snapshot chunk could not be decoded.', { cause });
  }
}

function readOutline(decoder: decoding.Decoder): SnapshotOutline {
  if (decoding.readUint8(decoder) !== FORMAT) throw new Error('unknown format');
  const begin = decoding.readUint8(decoder) === 1 ? readBegin(decoder) : null;
  const until = decoding.readVarUint8Array(decoder).slice();
  const presence = readPresence(decoder);
  const origins = new Map<OriginId, string>();
  const originCount = decoding.readVarUint(decoder);
  for (let i = 0; i < originCount; i++) {
    const origin = decoding.readVarUint(decoder);
    origins.set(origin, decoding.readVarString(decoder));
  }
  return { begin, until, presence, origins, documents: decoding.readVarUint(decoder) };
}

function readBegin(decoder: decoding.Decoder): SnapshotBegin {
  const continues = decoding.readUint8(decoder) === 1;
  const documents = decoding.readVarUint(decoder);
  return { vector: readVector(decoder), continues, documents, forgotten: readDocumentVector(decoder) };
}

function writePresence(encoder: encoding.Encoder, presence: Presence | null): void {
  encoding.writeUint8(encoder, presence === null ? 0 : 1);
  if (presence === null) return;
  encoding.writeVarUint8Array(encoder, presence.after);
  encoding.writeVarUint8Array(encoder, presence.upTo);
  encoding.writeVarUint(encoder, presence.names.length);
  for (const { collection, id } of presence.names) {
    encoding.writeVarString(encoder, collection);
    encoding.writeVarString(encoder, id);
  }
}

function readPresence(decoder: decoding.Decoder): Presence | null {
  if (decoding.readUint8(decoder) === 0) return null;
  const after = decoding.readVarUint8Array(decoder).slice();
  const upTo = decoding.readVarUint8Array(decoder).slice();
  const names: { collection: string; id: string }[] = [];
  for (let count = decoding.readVarUint(decoder); count > 0; count--) {
    names.push({ collection: decoding.readVarString(decoder), id: decoding.readVarString(decoder) });
  }
  return { after, upTo, names };
}

function readRow(decoder: decoding.Decoder): SnapshotRow {
  const collection = decoding.readVarString(decoder);
  const id = decoding.readVarString(decoder);
  const vector = readDocumentVector(decoder);
  return { collection, id, vector, content: readContent(decoder, vector) };
}

function readContent(decoder: decoding.Decoder, vector: DocumentVector): DocumentContent {
  const [state, ...updates] = Array.from({ length: decoding.readVarUint(decoder) }, () =>
    decoding.readVarUint8Array(decoder).slice(),
  );
  if (state !== undefined) return [state, ...updates];
  const [client, ...others] = vector.keys();
  if (client === undefined || others.length > 0) throw new Error('a first state of more than one writer');
  const stamp = decoding.readVarUint(decoder);
  // Not copied: where it is put in place it is copied anyway.
  return { json: decoding.readVarUint8Array(decoder), stamp, client };
}
