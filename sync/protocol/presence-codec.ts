/**
 * @module
 * Owns the bytes of presence messages. PROTOCOL.md is normative; test/golden pins them.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { PresenceEntry, PresenceRoom } from '../presence.ts';
import { readDatabase, readList, writeList } from './field.ts';

export function writePresenceRoom(to: encoding.Encoder, { database, collection, id, entries }: PresenceRoom): void {
  for (const text of [database, collection, id]) encoding.writeVarString(to, text);
  writeList(to, entries, writeEntry);
}

export function readPresenceRoom(from: decoding.Decoder): PresenceRoom {
  return {
    database: readDatabase(from),
    collection: decoding.readVarString(from),
    id: decoding.readVarString(from),
    entries: readList(from, readEntry),
  };
}

function writeEntry(to: encoding.Encoder, { client, clock, state }: PresenceEntry): void {
  encoding.writeVarUint(to, client);
  encoding.writeVarUint(to, clock);
  encoding.writeVarString(to, state);
}

function readEntry(from: decoding.Decoder): PresenceEntry {
  return {
    client: decoding.readVarUint(from),
    clock: decoding.readVarUint(from),
    state: decoding.readVarString(from),
  };
}
