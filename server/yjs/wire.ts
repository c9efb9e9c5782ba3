/**
 * @module
 * Owns the bytes that both protocols share: y-protocols' sync and awareness messages. A frame of y-websocket is such a message; one of
 * Hocuspocus has the name of the document in front.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { PresenceEntry } from '../../sync/index.ts';
import { Refusal } from './close-code.ts';

export const MESSAGE = {
  sync: 0,
  awareness: 1,
  auth: 2,
  queryAwareness: 3,
  stateless: 5,
  close: 7,
  syncStatus: 8,
  ping: 9,
  pong: 10,
} as const;

export const SYNC = { step1: 0, step2: 1, update: 2 } as const;

/** Clients that one message may speak of: as many as can look at one document, within reason. */
const ENTRIES_MAX = 10_000;
const CLIENT_MAX = 2 ** 32 - 1;

export function encodeSync(kind: number, bytes: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, MESSAGE.sync);
  encoding.writeVarUint(encoder, kind);
  encoding.writeVarUint8Array(encoder, bytes);
  return encoding.toUint8Array(encoder);
}

export function encodeAwareness(entries: readonly PresenceEntry[]): Uint8Array {
  const payload = encoding.createEncoder();
  encoding.writeVarUint(payload, entries.length);
  for (const { client, clock, state } of entries) {
    encoding.writeVarUint(payload, client);
    encoding.writeVarUint(payload, clock);
    encoding.writeVarString(payload, state);
  }
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, MESSAGE.awareness);
  encoding.writeVarUint8Array(encoder, encoding.toUint8Array(payload));
  return encoding.toUint8Array(encoder);
}

/** A message without entries: clients give up a connection on which nothing comes for 30 s. */
export const KEEP_ALIVE: Uint8Array = encodeAwareness([]);

/** Reads the rest of an awareness message; states are not parsed yet. @throws Refusal */
export function readAwareness(from: decoding.Decoder): readonly PresenceEntry[] {
  return guard(() => {
    const payload = decoding.createDecoder(decoding.readVarUint8Array(from));
    const count = decoding.readVarUint(payload);
    if (count > ENTRIES_MAX) throw new Refusal('malformed', 'too many clients in one awareness message');
    const entries: PresenceEntry[] = [];
    for (let index = 0; index < count; index++) {
      const client = decoding.readVarUint(payload);
      const clock = decoding.readVarUint(payload);
      if (client > CLIENT_MAX) throw new Refusal('malformed', 'not a client id');
      entries.push({ client, clock, state: decoding.readVarString(payload) });
    }
    return entries;
  });
}

/** Tells whether other clients will be able to read a state. */
export function isState(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Runs a reader of bytes from a client. @throws Refusal */
export function guard<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('malformed', 'a message could not be read');
  }
}

/** Puts a document's name in front of a message. */
export function withPrefix(prefix: Uint8Array, message: Uint8Array): Uint8Array {
  if (prefix.length === 0) return message;
  const frame = new Uint8Array(prefix.length + message.length);
  frame.set(prefix);
  frame.set(message, prefix.length);
  return frame;
}
