/**
 * @module
 * Owns the bytes of the messages between leaves and nodes: u8 type | body, in the notation of PROTOCOL.md.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { SyncError } from '../errors.ts';
import { malformed, readList, readText, writeList } from '../protocol/field.ts';
import { SELECTION_LENGTH_MAX, TOKEN_BYTES_MAX } from './limit.ts';
import { LEAF_MESSAGE_TYPES } from './message.ts';
import type { LeafContent, LeafEdit, LeafEntry, LeafMessage, LeafOutcome } from './message.ts';
import { LEAF_SECRET_BYTES, WRITER_NONCE_BYTES } from './writer-id.ts';

const NAME_BYTES_MAX = 256;
const CURSOR_BYTES_MAX = 32_768;
const TEXT_BYTES_MAX = 1024;
const CONFIG_BYTES_MAX = 1_048_576;

const { writeUint8: u8, writeVarUint: uint, writeVarString: str, writeVarUint8Array: bytes } = encoding;

export function encodeLeafMessage(message: LeafMessage): Uint8Array {
  const to = encoding.createEncoder();
  u8(to, LEAF_MESSAGE_TYPES[message.type]);
  writeBody(to, message);
  return encoding.toUint8Array(to);
}

function writeBody(to: encoding.Encoder, message: LeafMessage): void {
  switch (message.type) {
    case 'hello':
      uint(to, message.versionMin);
      uint(to, message.versionMax);
      str(to, message.token);
      return encoding.writeUint8Array(to, message.secret);
    case 'welcome':
      uint(to, message.version);
      str(to, message.node);
      return u8(to, Number(message.mayWrite));
    case 'subscribe':
      uint(to, message.subscription);
      str(to, message.database);
      str(to, message.collection);
      u8(to, Number(message.isEmpty));
      str(to, message.cursor);
      return str(to, message.selection);
    case 'config':
      uint(to, message.subscription);
      return str(to, message.config);
    case 'changes': {
      const { scan } = message;
      uint(to, message.subscription);
      uint(to, message.page);
      str(to, message.cursor);
      u8(to, flags(message.isBehind, message.isCurrent, scan !== null));
      if (scan !== null) {
        str(to, scan.after);
        str(to, scan.until);
      }
      return writeList(to, message.entries, writeEntry);
    }
    case 'acknowledge':
      return uint(to, message.page);
    case 'fetch':
      uint(to, message.subscription);
      return writeList(to, message.documents, (_, { id, stateVector }) => {
        str(to, id);
        bytes(to, stateVector);
      });
    case 'contents':
      u8(to, flags(message.isLast, message.isBehind));
      return writeList(to, message.entries, writeEntry);
    case 'push':
      uint(to, message.number);
      writeList(to, message.nonces, encoding.writeUint8Array);
      return writeList(to, message.edits, writeEdit);
    case 'pushed':
      uint(to, message.number);
      return writeList(to, message.outcomes, writeOutcome);
    case 'ended':
      uint(to, message.subscription);
      str(to, message.code);
      return str(to, message.message);
    case 'ping':
    case 'pong':
  }
}

/** @throws SyncError `SYNC_FRAME_MALFORMED` */
export function decodeLeafMessage(message: Uint8Array): LeafMessage {
  try {
    const from = decoding.createDecoder(message);
    const decoded = readBody(from, decoding.readUint8(from));
    if (from.pos !== message.length) throw malformed('bytes follow its end');
    return decoded;
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw malformed('shorter than its fields');
  }
}

const TYPES = new Map(Object.entries(LEAF_MESSAGE_TYPES).map(([type, code]) => [code, type as LeafMessage['type']]));
const readUint = decoding.readVarUint;
/** A copy: what is kept of a message must not keep all of it. */
const readBytes = (from: decoding.Decoder): Uint8Array => decoding.readVarUint8Array(from).slice();

function readBody(from: decoding.Decoder, code: number): LeafMessage {
  const type = TYPES.get(code);
  switch (type) {
    case 'hello':
      return {
        type,
        versionMin: readUint(from),
        versionMax: readUint(from),
        token: readText(from, TOKEN_BYTES_MAX),
        secret: decoding.readUint8Array(from, LEAF_SECRET_BYTES).slice(),
      };
    case 'welcome':
      return {
        type,
        version: readUint(from),
        node: readText(from, NAME_BYTES_MAX),
        mayWrite: readFlags(from, 1)[0]!,
      };
    case 'subscribe':
      return {
        type,
        subscription: readUint(from),
        database: readText(from, NAME_BYTES_MAX),
        collection: readText(from, NAME_BYTES_MAX),
        isEmpty: readFlags(from, 1)[0]!,
        cursor: readText(from, CURSOR_BYTES_MAX),
        selection: readText(from, SELECTION_LENGTH_MAX * 3),
      };
    case 'config':
      return { type, subscription: readUint(from), config: readText(from, CONFIG_BYTES_MAX) };
    case 'changes':
      return readChanges(from);
    case 'acknowledge':
      return { type, page: readUint(from) };
    case 'fetch': {
      const subscription = readUint(from);
      const documents = readList(from, () => ({ id: readText(from, NAME_BYTES_MAX), stateVector: readBytes(from) }));
      return { type, subscription, documents };
    }
    case 'contents': {
      const [isLast, isBehind] = readFlags(from, 2) as [boolean, boolean];
      return { type, isLast, isBehind, entries: readList(from, readAnswer) };
    }
    case 'push': {
      const number = readUint(from);
      const nonces = readList(from, () => decoding.readUint8Array(from, WRITER_NONCE_BYTES).slice());
      return { type, number, nonces, edits: readList(from, readEdit) };
    }
    case 'pushed':
      return { type, number: readUint(from), outcomes: readList(from, readOutcome) };
    case 'ended': {
      const subscription = readUint(from);
      return { type, subscription, code: readText(from, NAME_BYTES_MAX), message: readText(from, TEXT_BYTES_MAX) };
    }
    case 'ping':
    case 'pong':
      return { type };
    case undefined:
      throw malformed(`type ${code} is not known`);
  }
}

function readChanges(from: decoding.Decoder): LeafMessage {
  const subscription = readUint(from);
  const page = readUint(from);
  const cursor = readText(from, CURSOR_BYTES_MAX);
  const [isBehind, isCurrent, isScan] = readFlags(from, 3) as [boolean, boolean, boolean];
  const scan = isScan ? { after: readText(from, NAME_BYTES_MAX), until: readText(from, NAME_BYTES_MAX) } : null;
  return { type: 'changes', subscription, page, cursor, isBehind, isCurrent, scan, entries: readList(from, readEntry) };
}

const ENTRY_KINDS = ['deleted', 'unmatched', 'announced', 'content'] as const;

function writeEntry(to: encoding.Encoder, entry: LeafEntry): void {
  u8(to, ENTRY_KINDS.indexOf(entry.kind));
  str(to, entry.id);
  if (entry.kind === 'announced') str(to, entry.etag);
  if (entry.kind !== 'content') return;
  str(to, entry.etag);
  u8(to, flags(entry.isMatching, entry.isWhole));
  writeList(to, entry.parts, bytes);
}

function readEntry(from: decoding.Decoder): LeafEntry {
  const kind = ENTRY_KINDS[decoding.readUint8(from)];
  if (kind === undefined) throw malformed('an entry of no known kind');
  const id = readText(from, NAME_BYTES_MAX);
  if (kind === 'deleted' || kind === 'unmatched') return { kind, id };
  const etag = readText(from, NAME_BYTES_MAX);
  if (kind === 'announced') return { kind, id, etag };
  const [isMatching, isWhole] = readFlags(from, 2) as [boolean, boolean];
  return { kind, id, etag, isMatching, isWhole, parts: readList(from, readBytes) };
}

function readAnswer(from: decoding.Decoder): LeafContent | Extract<LeafEntry, { kind: 'deleted' }> {
  const entry = readEntry(from);
  if (entry.kind === 'content' || entry.kind === 'deleted') return entry;
  throw malformed('an entry that answers nothing');
}

function writeEdit(to: encoding.Encoder, edit: LeafEdit): void {
  const { subscription, id, isBeginning, isAfterDelete, generation, update } = edit;
  uint(to, subscription);
  str(to, id);
  u8(to, flags(isBeginning, isAfterDelete));
  uint(to, generation);
  bytes(to, update);
}

function readEdit(from: decoding.Decoder): LeafEdit {
  const subscription = readUint(from);
  const id = readText(from, NAME_BYTES_MAX);
  const [isBeginning, isAfterDelete] = readFlags(from, 2) as [boolean, boolean];
  const generation = readUint(from);
  return { subscription, id, isBeginning, isAfterDelete, generation, update: readBytes(from) };
}

const OUTCOME_KINDS = ['taken', 'later', 'gone', 'refused'] as const;

function writeOutcome(to: encoding.Encoder, outcome: LeafOutcome): void {
  u8(to, OUTCOME_KINDS.indexOf(outcome.kind));
  if (outcome.kind !== 'refused') return;
  str(to, outcome.code);
  str(to, outcome.message);
}

function readOutcome(from: decoding.Decoder): LeafOutcome {
  const kind = OUTCOME_KINDS[decoding.readUint8(from)];
  if (kind === undefined) throw malformed('an outcome of no known kind');
  if (kind !== 'refused') return { kind };
  return { kind, code: readText(from, NAME_BYTES_MAX), message: readText(from, TEXT_BYTES_MAX) };
}

function flags(...given: readonly boolean[]): number {
  return given.reduce((bits, flag, i) => bits | (Number(flag) << i), 0);
}

function readFlags(from: decoding.Decoder, count: number): readonly boolean[] {
  const bits = decoding.readUint8(from);
  if (bits >= 1 << count) throw malformed('a flag of no known meaning');
  return Array.from({ length: count }, (_, i) => (bits & (1 << i)) !== 0);
}
