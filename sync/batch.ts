/**
 * @module
 * Owns batches: the unit of log, wire, hash chain and flow control. A batch is immutable; every replica stores and forwards
 * the very bytes its origin made (I4). PROTOCOL.md section "Batch" is the normative grammar.
 *
 * Bytes: u8 format | 16 B chain | body. Body: varUint origin, firstSeq, count, stamp | varUint n, n × (varUint origin,
 * varUint seq; and where firstSeq is 1: 4 B of the chain there, or zeros) deps | varUint n, n × varString collection | count × record. Record: u8 kind | kind-specific fields.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { assert } from '../crdt/index.ts';
import { partsOf } from './document-record.ts';
import type { FirstContent } from './document-record.ts';
import type { OriginId } from './engine.ts';
import { SyncError } from './errors.ts';
import type { Sha256 } from './port.ts';
import { CHAIN_PREFIX_BYTES } from './protocol/limit.ts';
import { CHAIN_BYTES } from './version-vector.ts';

/** Format 1 had no chains in dependencies. */
const BATCH_FORMAT = 2;
const BATCH_FORMAT_MIN = 1;
const KIND_UPDATE = 0;
const KIND_ORIGIN = 1;
const KIND_ANEW = 2;
const KIND_FIRST = 3;
const BODY_OFFSET = 1 + CHAIN_BYTES;
const NO_CHAIN = new Uint8Array(CHAIN_PREFIX_BYTES);

/** A change of one document: a Yjs v1 update, opaque to this layer. */
export interface UpdateRecord {
  readonly kind: 'update';
  readonly collection: string;
  readonly id: string;
  readonly update: Uint8Array;
  /** What the update follows from, where it is the first write of a document by the origin of its batch: so it is stored and sent. */
  readonly first?: FirstContent;
  /** Begins a document of which its author held nothing: `deps` is exactly all its author had seen. */
  readonly isAnew?: true;
}

/** The first record of every origin: which node it is an epoch of. */
export interface OriginRecord {
  readonly kind: 'origin';
  readonly nodeId: string;
}

export type LogRecord = UpdateRecord | OriginRecord;

/** Its update is made when somebody asks for it, which most replicas never do. */
export class FirstRecord implements UpdateRecord {
  readonly kind = 'update';
  readonly collection: string;
  readonly id: string;
  readonly first: FirstContent;
  readonly isAnew = true;

  constructor(collection: string, id: string, first: FirstContent) {
    this.collection = collection;
    this.id = id;
    this.first = first;
  }

  get update(): Uint8Array {
    return partsOf(this.first)[0];
  }
}

export interface BatchHeader {
  readonly origin: OriginId;
  readonly firstSeq: number;
  /** Records; the batch covers sequences firstSeq … firstSeq + count − 1. */
  readonly count: number;
  /** Hash chain after this batch. */
  readonly chain: Uint8Array;
  /** HLC stamp at which the origin sealed the batch. */
  readonly stamp: number;
  /** What must be covered before this batch may be applied (I6). */
  readonly deps: readonly Dependency[];
}

/** The first batch of an origin says which history it began with: the first bytes of the chain there, unless its author did not hold it. */
export type Dependency = readonly [origin: OriginId, seq: number, chainPrefix?: Uint8Array];

export interface Batch extends BatchHeader {
  readonly records: readonly LogRecord[];
}

export function lastSeqOf(header: BatchHeader): number {
  return header.firstSeq + header.count - 1;
}

/** Encodes a batch that follows `previousChain`. */
export function encodeBatch(
  batch: Omit<Batch, 'chain' | 'count'>,
  previousChain: Uint8Array,
  sha256: Sha256,
): Uint8Array {
  assert(batch.records.length > 0, 'a batch has records');
  const body = encoding.createEncoder();
  // Room for everything, and for what precedes the body: the encoder then copies each update once.
  body.cbuf = new Uint8Array(estimateBytes(batch));
  body.cpos = BODY_OFFSET;
  encoding.writeVarUint(body, batch.origin);
  encoding.writeVarUint(body, batch.firstSeq);
  encoding.writeVarUint(body, batch.records.length);
  encoding.writeVarUint(body, batch.stamp);
  encoding.writeVarUint(body, batch.deps.length);
  for (const [origin, seq, chainPrefix] of batch.deps) {
    encoding.writeVarUint(body, origin);
    encoding.writeVarUint(body, seq);
    if (batch.firstSeq === 1) encoding.writeUint8Array(body, chainPrefix ?? NO_CHAIN);
  }
  writeRecords(body, batch.records);
  const bytes = encoding.toUint8Array(body);
  bytes[0] = BATCH_FORMAT;
  bytes.set(sha256(previousChain, bytes.subarray(BODY_OFFSET)).subarray(0, CHAIN_BYTES), 1);
  return bytes;
}

/** An upper bound for most batches; a longer one costs a copy. */
function estimateBytes({ deps, records }: Omit<Batch, 'chain' | 'count'>): number {
  let bytes = 128 + deps.length * 20;
  for (const record of records) {
    bytes += 32 + (record.kind === 'update' ? contentBytesOf(record) + record.id.length * 3 : record.nodeId.length * 3);
  }
  return bytes;
}

/** Bytes of what a record does to its document. */
export function contentBytesOf(record: UpdateRecord): number {
  return (record.first?.json ?? record.update).length;
}

function writeRecords(encoder: encoding.Encoder, records: readonly LogRecord[]): void {
  const collections = new Map<string, number>();
  for (const record of records) {
    if (record.kind === 'update' && !collections.has(record.collection)) {
      collections.set(record.collection, collections.size);
    }
  }
  encoding.writeVarUint(encoder, collections.size);
  for (const collection of collections.keys()) encoding.writeVarString(encoder, collection);
  for (const record of records) {
    if (record.kind === 'update') {
      encoding.writeUint8(encoder, kindOf(record));
      encoding.writeVarUint(encoder, collections.get(record.collection)!);
      encoding.writeVarString(encoder, record.id);
      if (record.first !== undefined) encoding.writeVarUint(encoder, record.first.stamp);
      encoding.writeVarUint8Array(encoder, record.first?.json ?? record.update);
    } else {
      encoding.writeUint8(encoder, KIND_ORIGIN);
      encoding.writeVarString(encoder, record.nodeId);
    }
  }
}

function kindOf({ isAnew, first }: UpdateRecord): number {
  assert(first === undefined || isAnew === true, 'a first write begins its document');
  if (first !== undefined) return KIND_FIRST;
  return isAnew === true ? KIND_ANEW : KIND_UPDATE;
}

/** True when `bytes` really follow `previousChain`: a mismatch proves a forked origin or damage. */
export function verifyChain(bytes: Uint8Array, previousChain: Uint8Array, sha256: Sha256): boolean {
  const chain = sha256(previousChain, bytes.subarray(BODY_OFFSET));
  for (let i = 0; i < CHAIN_BYTES; i++) if (chain[i] !== bytes[1 + i]) return false;
  return true;
}

/**
 * Decodes the header only.
 *
 * @throws SyncError `SYNC_BATCH_MALFORMED` on truncation or an unknown format.
 */
export function decodeBatchHeader(bytes: Uint8Array): BatchHeader {
  return guard(() => readHeader(bytes, decoderOf(bytes)));
}

/** @throws SyncError `SYNC_BATCH_MALFORMED` */
export function decodeBatch(bytes: Uint8Array): Batch {
  return guard(() => {
    const decoder = decoderOf(bytes);
    const header = readHeader(bytes, decoder);
    const records = readRecords(decoder, header);
    if (decoding.hasContent(decoder)) throw malformed('trailing bytes');
    return { ...header, records };
  });
}

/**
 * Which document each record of a batch is of, `collection NUL id`; null for a record that is of none. Copies no update.
 *
 * @throws SyncError `SYNC_BATCH_MALFORMED`
 */
export function recordNames(bytes: Uint8Array): readonly (string | null)[] {
  return guard(() => {
    const decoder = decoderOf(bytes);
    const { origin, count } = readHeader(bytes, decoder);
    const collections = readCollections(decoder);
    const names: (string | null)[] = [];
    for (let i = 0; i < count; i++) {
      const record = readRecord(decoder, origin, collections, (content) => content);
      names.push(record.kind === 'update' ? `${record.collection}\0${record.id}` : null);
    }
    return names;
  });
}

function decoderOf(bytes: Uint8Array): decoding.Decoder {
  if (bytes.length <= BODY_OFFSET || bytes[0]! < BATCH_FORMAT_MIN || bytes[0]! > BATCH_FORMAT)
    throw malformed('unknown format or too short');
  const decoder = decoding.createDecoder(bytes);
  decoder.pos = BODY_OFFSET;
  return decoder;
}

function readHeader(bytes: Uint8Array, decoder: decoding.Decoder): BatchHeader {
  const origin = decoding.readVarUint(decoder);
  const firstSeq = decoding.readVarUint(decoder);
  const count = decoding.readVarUint(decoder);
  const stamp = decoding.readVarUint(decoder);
  if (firstSeq === 0 || count === 0) throw malformed('empty sequence range');
  const deps: Dependency[] = [];
  const depCount = decoding.readVarUint(decoder);
  const hasChains = firstSeq === 1 && bytes[0] === BATCH_FORMAT;
  for (let i = 0; i < depCount; i++) {
    const place = [decoding.readVarUint(decoder), decoding.readVarUint(decoder)] as const;
    const chainPrefix = hasChains ? decoding.readUint8Array(decoder, CHAIN_PREFIX_BYTES) : NO_CHAIN;
    deps.push(chainPrefix.every((byte) => byte === 0) ? place : [...place, chainPrefix.slice()]);
  }
  return { origin, firstSeq, count, stamp, deps, chain: bytes.slice(1, BODY_OFFSET) };
}

function readRecords(decoder: decoding.Decoder, { origin, count }: BatchHeader): LogRecord[] {
  const collections = readCollections(decoder);
  const records: LogRecord[] = [];
  // A copy: documents keep updates, and a view would keep the whole batch in memory with them.
  const copy = (content: Uint8Array): Uint8Array => content.slice();
  for (let i = 0; i < count; i++) records.push(readRecord(decoder, origin, collections, copy));
  return records;
}

function readCollections(decoder: decoding.Decoder): string[] {
  const collections: string[] = [];
  const count = decoding.readVarUint(decoder);
  for (let i = 0; i < count; i++) collections.push(decoding.readVarString(decoder));
  return collections;
}

function readRecord(
  decoder: decoding.Decoder,
  origin: OriginId,
  collections: readonly string[],
  keep: (content: Uint8Array) => Uint8Array,
): LogRecord {
  const kind = decoding.readUint8(decoder);
  if (kind === KIND_ORIGIN) return { kind: 'origin', nodeId: decoding.readVarString(decoder) };
  if (kind !== KIND_UPDATE && kind !== KIND_ANEW && kind !== KIND_FIRST) throw malformed(`unknown record kind ${kind}`);
  const collection = collections[decoding.readVarUint(decoder)];
  if (collection === undefined) throw malformed('unknown collection reference');
  const id = decoding.readVarString(decoder);
  const stamp = kind === KIND_FIRST ? decoding.readVarUint(decoder) : 0;
  const content = decoding.readVarUint8Array(decoder);
  // Not copied: where it is put in place it is copied anyway.
  if (kind === KIND_FIRST) return new FirstRecord(collection, id, { json: content, stamp, client: origin });
  const update = keep(content);
  return { kind: 'update', collection, id, update, ...(kind === KIND_ANEW && { isAnew: true }) };
}

function guard<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw new SyncError('SYNC_BATCH_MALFORMED', 'A batch could not be decoded.', { cause });
  }
}

function malformed(reason: string): SyncError {
  return new SyncError('SYNC_BATCH_MALFORMED', `A batch could not be decoded: ${reason}.`, { details: { reason } });
}
