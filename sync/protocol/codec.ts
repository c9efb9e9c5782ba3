/**
 * @module
 * Owns the bytes of message bodies (lib0 varints, little end first). PROTOCOL.md is normative; test/golden pins every message.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { HeldPart, SequenceRange } from '../engine.ts';
import { SyncError } from '../errors.ts';
import { readVector, writeVector } from '../version-vector.ts';
import {
  BOOT_NONCE_BYTES,
  CHAIN_PREFIX_BYTES,
  FINGERPRINT_BYTES,
  MAC_BYTES,
  NAME_BYTES_MAX,
  NODE_FINGERPRINT_BYTES,
  NODE_ID_BYTES_MAX,
  NONCE_BYTES,
  REASON_BYTES_MAX,
  SALT_BYTES,
  TOKEN_ID_BYTES_MAX,
  URL_BYTES_MAX,
} from './limit.ts';
import { malformed, readDatabase, readList, readText, writeList } from './field.ts';
import { MESSAGE_TYPES } from './message.ts';
import { readPresenceRoom, writePresenceRoom } from './presence-codec.ts';
import type { DatabaseFingerprint, DocumentContent, RepairMessage, SketchMessage } from './repair-message.ts';
import type {
  DatabasePositions,
  HelloMessage,
  HoldingsEntry,
  Message,
  MessageType,
  Payload,
  Position,
  VectorMessage,
} from './message.ts';

type Reader<T extends MessageType> = (from: decoding.Decoder) => Extract<Message, { type: T }>;

const POSITION_KINDS = ['full', 'changed', 'declined'] as const;
const CODECS = ['none', 'deflate'] as const;
const FLAG_COMPLETE = 1;
const FLAG_LINKS = 2;

/** Writes the body of a message. */
export function writeMessage(to: encoding.Encoder, message: Message): void {
  switch (message.type) {
    case 'hello':
      return writeHello(to, message);
    case 'auth':
      return encoding.writeUint8Array(to, message.mac);
    case 'vector':
      return writeVectorMessage(to, message);
    case 'data':
      encoding.writeVarString(to, message.database);
      encoding.writeVarUint(to, message.offset);
      encoding.writeVarUint(to, message.weight);
      return writePayload(to, message.payload);
    case 'ack':
      encoding.writeVarUint(to, message.offset);
      return writeList(to, message.databases, writeDatabasePositions);
    case 'pull':
      encoding.writeVarString(to, message.database);
      writeList(to, message.positions, writePosition);
      return writeList(to, message.ranges, writeRange);
    case 'offer':
      encoding.writeVarString(to, message.database);
      return encoding.writeVarUint(to, message.records);
    case 'snapshot-request':
      encoding.writeVarString(to, message.database);
      encoding.writeVarUint(to, message.transfer);
      writeVector(to, message.since);
      return writeList(to, message.held, writeHeldPart);
    case 'snapshot-chunk':
      for (const field of [message.transfer, message.index, message.offset, message.weight]) {
        encoding.writeVarUint(to, field);
      }
      return writePayload(to, message.payload);
    case 'snapshot-end':
      encoding.writeVarUint(to, message.transfer);
      encoding.writeVarUint(to, message.chunks);
      return writeVector(to, message.vector);
    case 'ping':
      encoding.writeVarUint(to, message.id);
      return encoding.writeUint8(to, message.probe ? 1 : 0);
    case 'pong':
      encoding.writeVarUint(to, message.id);
      encoding.writeVarUint(to, message.wallMs);
      return encoding.writeVarUint(to, message.pendingBytes);
    case 'part':
      for (const field of [message.id, message.index, message.count]) encoding.writeVarUint(to, field);
      return encoding.writeUint8Array(to, message.bytes);
    case 'bye':
      encoding.writeVarUint(to, message.code);
      return encoding.writeVarString(to, message.reason);
    case 'admission':
      return encoding.writeUint8Array(to, message.sealed);
    case 'holdings':
      return writeList(to, message.entries, writeHoldings);
    case 'prune':
      encoding.writeVarString(to, message.database);
      return writeList(to, message.origins, encoding.writeVarUint);
    case 'presence':
      return writeList(to, message.rooms, writePresenceRoom);
    default:
      return writeRepairMessage(to, message);
  }
}

function writeRepairMessage(to: encoding.Encoder, message: RepairMessage): void {
  switch (message.type) {
    case 'digest':
      return writeList(to, message.databases, writeFingerprint);
    case 'sketch':
      return writeSketch(to, message);
    case 'sketch-request':
      for (const field of [message.session, message.firstCell, message.cells]) encoding.writeVarUint(to, field);
      return;
    case 'differences':
    case 'document-request':
      encoding.writeVarUint(to, message.session);
      return encoding.writeVarUint8Array(to, message.symbols);
    case 'document-fetch':
      encoding.writeVarUint(to, message.session);
      encoding.writeVarString(to, message.database);
      writeVector(to, message.since);
      return writeList(to, message.documents, writeDocumentName);
    case 'documents':
      encoding.writeVarUint(to, message.session);
      encoding.writeVarUint(to, message.done);
      return writePayload(to, message.payload);
    case 'repair-end':
      encoding.writeVarUint(to, message.session);
      return encoding.writeVarUint(to, message.repaired);
    case 'content':
      encoding.writeVarString(to, message.database);
      encoding.writeUint8(to, message.isAnswer ? 1 : 0);
      return writeList(to, message.documents, writeContent);
  }
}

const READERS: { readonly [T in MessageType]: Reader<T> } = {
  hello: readHello,
  auth: (from) => ({ type: 'auth', mac: readBytes(from, MAC_BYTES) }),
  vector: readVectorMessage,
  data: (from) => ({
    type: 'data',
    database: readDatabase(from),
    offset: decoding.readVarUint(from),
    weight: decoding.readVarUint(from),
    payload: readPayload(from),
  }),
  ack: (from) => ({
    type: 'ack',
    offset: decoding.readVarUint(from),
    databases: readList(from, readDatabasePositions),
  }),
  pull: (from) => ({
    type: 'pull',
    database: readDatabase(from),
    positions: readList(from, readPosition),
    ranges: readList(from, readRange),
  }),
  offer: (from) => ({ type: 'offer', database: readDatabase(from), records: decoding.readVarUint(from) }),
  'snapshot-request': (from) => ({
    type: 'snapshot-request',
    database: readDatabase(from),
    transfer: decoding.readVarUint(from),
    since: readVector(from),
    held: readList(from, readHeldPart),
  }),
  'snapshot-chunk': (from) => ({
    type: 'snapshot-chunk',
    transfer: decoding.readVarUint(from),
    index: decoding.readVarUint(from),
    offset: decoding.readVarUint(from),
    weight: decoding.readVarUint(from),
    payload: readPayload(from),
  }),
  'snapshot-end': (from) => ({
    type: 'snapshot-end',
    transfer: decoding.readVarUint(from),
    chunks: decoding.readVarUint(from),
    vector: readVector(from),
  }),
  ping: (from) => ({ type: 'ping', id: decoding.readVarUint(from), probe: readFlag(from) }),
  pong: (from) => ({
    type: 'pong',
    id: decoding.readVarUint(from),
    wallMs: decoding.readVarUint(from),
    pendingBytes: decoding.readVarUint(from),
  }),
  part: (from) => ({
    type: 'part',
    id: decoding.readVarUint(from),
    index: decoding.readVarUint(from),
    count: decoding.readVarUint(from),
    bytes: readRest(from),
  }),
  bye: (from) => ({ type: 'bye', code: decoding.readVarUint(from), reason: readText(from, REASON_BYTES_MAX) }),
  admission: (from) => ({ type: 'admission', sealed: readRest(from) }),
  prune: (from) => ({
    type: 'prune',
    database: readDatabase(from),
    origins: readList(from, decoding.readVarUint),
  }),
  holdings: (from) => ({ type: 'holdings', entries: readList(from, readHoldings) }),
  presence: (from) => ({ type: 'presence', rooms: readList(from, readPresenceRoom) }),
  digest: (from) => ({ type: 'digest', databases: readList(from, readFingerprint) }),
  sketch: readSketch,
  'sketch-request': (from) => ({
    type: 'sketch-request',
    session: decoding.readVarUint(from),
    firstCell: decoding.readVarUint(from),
    cells: decoding.readVarUint(from),
  }),
  differences: (from) => ({ type: 'differences', session: decoding.readVarUint(from), symbols: readLong(from) }),
  'document-request': (from) => ({
    type: 'document-request',
    session: decoding.readVarUint(from),
    symbols: readLong(from),
  }),
  'document-fetch': (from) => ({
    type: 'document-fetch',
    session: decoding.readVarUint(from),
    database: readDatabase(from),
    since: readVector(from),
    documents: readList(from, readDocumentName),
  }),
  documents: (from) => ({
    type: 'documents',
    session: decoding.readVarUint(from),
    done: decoding.readVarUint(from),
    payload: readPayload(from),
  }),
  'repair-end': (from) => ({
    type: 'repair-end',
    session: decoding.readVarUint(from),
    repaired: decoding.readVarUint(from),
  }),
  content: (from) => ({
    type: 'content',
    database: readDatabase(from),
    isAnswer: readFlag(from),
    documents: readList(from, readContent),
  }),
};

const TYPES_BY_BYTE = new Map(
  Object.entries(MESSAGE_TYPES).map(([type, byte]) => [byte as number, type as MessageType]),
);

/**
 * Reads a body. Byte fields are views of `body`.
 *
 * @throws SyncError `SYNC_FRAME_MALFORMED` on an unknown type, truncation or trailing bytes (HELLO may have some).
 */
export function readMessage(typeByte: number, body: Uint8Array): Message {
  const type = TYPES_BY_BYTE.get(typeByte);
  if (type === undefined) throw malformed(`unknown message type ${typeByte}`);
  try {
    const decoder = decoding.createDecoder(body);
    const message = READERS[type](decoder);
    if (type !== 'hello' && decoding.hasContent(decoder)) throw malformed(`trailing bytes in ${type}`);
    return message;
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw new SyncError('SYNC_FRAME_MALFORMED', `A ${type} message could not be decoded.`, {
      cause,
      details: { type },
    });
  }
}

function writeHello(to: encoding.Encoder, hello: HelloMessage): void {
  encoding.writeVarUint(to, hello.versionMin);
  encoding.writeVarUint(to, hello.versionMax);
  for (const text of [hello.nodeId, hello.name, hello.url]) encoding.writeVarString(to, text);
  encoding.writeVarUint(to, hello.origin);
  encoding.writeUint8Array(to, hello.bootNonce);
  encoding.writeUint8Array(to, hello.nonce);
  for (const field of [hello.supports, hello.requires, hello.windowBytes]) encoding.writeVarUint(to, field);
  encoding.writeVarString(to, hello.token);
}

function readHello(from: decoding.Decoder): HelloMessage {
  return {
    type: 'hello',
    versionMin: decoding.readVarUint(from),
    versionMax: decoding.readVarUint(from),
    nodeId: readText(from, NODE_ID_BYTES_MAX),
    name: readText(from, NAME_BYTES_MAX),
    url: readText(from, URL_BYTES_MAX),
    origin: decoding.readVarUint(from),
    bootNonce: readBytes(from, BOOT_NONCE_BYTES),
    nonce: readBytes(from, NONCE_BYTES),
    supports: decoding.readVarUint(from),
    requires: decoding.readVarUint(from),
    windowBytes: decoding.readVarUint(from),
    token: readText(from, TOKEN_ID_BYTES_MAX),
  };
}

function writeVectorMessage(to: encoding.Encoder, message: VectorMessage): void {
  encoding.writeVarUint(to, message.offset);
  encoding.writeUint8(to, (message.complete ? FLAG_COMPLETE : 0) | (message.links === null ? 0 : FLAG_LINKS));
  if (message.links !== null) writeList(to, message.links, encoding.writeUint8Array);
  writeList(to, message.databases, writeDatabasePositions);
}

function readVectorMessage(from: decoding.Decoder): VectorMessage {
  const offset = decoding.readVarUint(from);
  const flags = decoding.readUint8(from);
  if (flags > (FLAG_COMPLETE | FLAG_LINKS)) throw malformed(`unknown vector flags ${flags}`);
  const links = (flags & FLAG_LINKS) === 0 ? null : readList(from, (each) => readBytes(each, NODE_FINGERPRINT_BYTES));
  const databases = readList(from, readDatabasePositions);
  return { type: 'vector', offset, complete: (flags & FLAG_COMPLETE) !== 0, links, databases };
}

function writeDatabasePositions(to: encoding.Encoder, entry: DatabasePositions): void {
  encoding.writeVarString(to, entry.database);
  encoding.writeUint8(to, POSITION_KINDS.indexOf(entry.kind));
  writeList(to, entry.positions, writePosition);
}

function readDatabasePositions(from: decoding.Decoder): DatabasePositions {
  const database = readDatabase(from);
  const kind = POSITION_KINDS[decoding.readUint8(from)];
  if (kind === undefined) throw malformed('unknown kind of positions');
  return { database, kind, positions: readList(from, readPosition) };
}

function writePosition(to: encoding.Encoder, position: Position): void {
  encoding.writeVarUint(to, position.origin);
  encoding.writeVarUint(to, position.seq);
  encoding.writeUint8Array(to, position.chainPrefix);
}

function readPosition(from: decoding.Decoder): Position {
  const origin = decoding.readVarUint(from);
  const seq = decoding.readVarUint(from);
  return { origin, seq, chainPrefix: readBytes(from, CHAIN_PREFIX_BYTES) };
}

function writeHoldings(to: encoding.Encoder, { node, stamp, databases }: HoldingsEntry): void {
  encoding.writeVarString(to, node);
  encoding.writeVarUint(to, stamp);
  writeList(to, databases, (into, { database, positions }) => {
    encoding.writeVarString(into, database);
    writeList(into, positions, (each, fields) => fields.forEach((field) => encoding.writeVarUint(each, field)));
  });
}

function readHoldings(from: decoding.Decoder): HoldingsEntry {
  return {
    node: readText(from, NODE_ID_BYTES_MAX),
    stamp: decoding.readVarUint(from),
    databases: readList(from, (each) => ({
      database: readDatabase(each),
      positions: readList(each, (field) => [decoding.readVarUint(field), decoding.readVarUint(field)] as const),
    })),
  };
}

function writeRange(to: encoding.Encoder, range: SequenceRange): void {
  for (const field of [range.origin, range.from, range.to]) encoding.writeVarUint(to, field);
}

function readRange(from: decoding.Decoder): SequenceRange {
  return { origin: decoding.readVarUint(from), from: decoding.readVarUint(from), to: decoding.readVarUint(from) };
}

function writeFingerprint(to: encoding.Encoder, entry: DatabaseFingerprint): void {
  encoding.writeVarString(to, entry.database);
  encoding.writeUint8Array(to, entry.vector);
  encoding.writeUint8Array(to, entry.digest);
}

function readFingerprint(from: decoding.Decoder): DatabaseFingerprint {
  const database = readDatabase(from);
  const vector = readBytes(from, FINGERPRINT_BYTES);
  return { database, vector, digest: readBytes(from, FINGERPRINT_BYTES) };
}

function writeSketch(to: encoding.Encoder, message: SketchMessage): void {
  encoding.writeVarUint(to, message.session);
  encoding.writeVarString(to, message.database);
  encoding.writeUint8Array(to, message.salt);
  for (const field of [message.firstBucket, message.buckets, message.documents, message.firstCell]) {
    encoding.writeVarUint(to, field);
  }
  encoding.writeVarUint8Array(to, message.cells);
}

function readSketch(from: decoding.Decoder): SketchMessage {
  return {
    type: 'sketch',
    session: decoding.readVarUint(from),
    database: readDatabase(from),
    salt: readBytes(from, SALT_BYTES),
    firstBucket: decoding.readVarUint(from),
    buckets: decoding.readVarUint(from),
    documents: decoding.readVarUint(from),
    firstCell: decoding.readVarUint(from),
    cells: readLong(from),
  };
}

function writeDocumentName(to: encoding.Encoder, name: { collection: string; id: string }): void {
  encoding.writeVarString(to, name.collection);
  encoding.writeVarString(to, name.id);
}

function readDocumentName(from: decoding.Decoder): { collection: string; id: string } {
  return { collection: decoding.readVarString(from), id: decoding.readVarString(from) };
}

function writeContent(to: encoding.Encoder, document: DocumentContent): void {
  writeDocumentName(to, document);
  encoding.writeUint8Array(to, document.element);
  encoding.writeUint8Array(to, document.content);
}

function readContent(from: decoding.Decoder): DocumentContent {
  const name = readDocumentName(from);
  const element = readBytes(from, FINGERPRINT_BYTES);
  return { ...name, element, content: readBytes(from, FINGERPRINT_BYTES) };
}

function writePayload(to: encoding.Encoder, payload: Payload): void {
  encoding.writeUint8(to, CODECS.indexOf(payload.codec));
  encoding.writeUint8Array(to, payload.bytes);
}

function readPayload(from: decoding.Decoder): Payload {
  const codec = CODECS[decoding.readUint8(from)];
  if (codec === undefined) throw malformed('unknown codec');
  return { codec, bytes: readRest(from) };
}

function writeHeldPart(to: encoding.Encoder, { until, vector }: HeldPart): void {
  encoding.writeVarUint8Array(to, until);
  writeVector(to, vector);
}

function readHeldPart(from: decoding.Decoder): HeldPart {
  return { until: decoding.readVarUint8Array(from).slice(), vector: readVector(from) };
}

function readFlag(from: decoding.Decoder): boolean {
  const byte = decoding.readUint8(from);
  if (byte > 1) throw malformed('a flag is 0 or 1');
  return byte === 1;
}

function readBytes(from: decoding.Decoder, length: number): Uint8Array {
  return decoding.readUint8Array(from, length).slice();
}

/** Bytes with their length; a copy, because what is kept of them must not pin the frame. */
function readLong(from: decoding.Decoder): Uint8Array {
  return decoding.readVarUint8Array(from).slice();
}

function readRest(from: decoding.Decoder): Uint8Array {
  return decoding.readUint8Array(from, from.arr.length - from.pos);
}
