/**
 * @module
 * Owns the fields that message bodies are made of: lists, names and texts of bounded length.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { SyncError } from '../errors.ts';
import { DATABASE_KEY_BYTES_MAX } from './limit.ts';

export function malformed(reason: string): SyncError {
  return new SyncError('SYNC_FRAME_MALFORMED', `Malformed frame: ${reason}.`, { details: { reason } });
}

export function writeList<T>(
  to: encoding.Encoder,
  items: readonly T[],
  write: (to: encoding.Encoder, item: T) => void,
): void {
  encoding.writeVarUint(to, items.length);
  for (const item of items) write(to, item);
}

export function readList<T>(from: decoding.Decoder, read: (from: decoding.Decoder) => T): T[] {
  const count = decoding.readVarUint(from);
  // Every item takes a byte at least, so a hostile count cannot make us allocate more than the frame.
  if (count > from.arr.length - from.pos) throw malformed('a list is longer than its frame');
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(from));
  return items;
}

export function readDatabase(from: decoding.Decoder): string {
  return readText(from, DATABASE_KEY_BYTES_MAX);
}

export function readText(from: decoding.Decoder, bytesMax: number): string {
  const start = from.pos;
  const text = decoding.readVarString(from);
  if (from.pos - start > bytesMax + 2) throw malformed('a string is too long');
  return text;
}
