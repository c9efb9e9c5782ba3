/**
 * @module
 * Owns how a value lies on disk: `[format byte][CRC-32 of key and payload, 4 B little-endian][payload]`. The checksum covers the
 * key, so a value found under the wrong key is seen as well. RocksDB checks blocks on point reads, but not in iterators.
 */
import { crc32 } from 'node:zlib';
import { StorageError } from '../../sync/index.ts';

const FORMAT_CRC32 = 1;
const HEADER_BYTES = 5;

export function encodeFrame(key: Uint8Array, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame[0] = FORMAT_CRC32;
  frame.writeUInt32LE(checksum(key, payload), 1);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Returns the payload, as a view of `frame`. Throws `STORAGE_CORRUPT` with the key in hexadecimal. */
export function decodeFrame(key: Uint8Array, frame: Buffer): Uint8Array {
  if (frame[0] !== FORMAT_CRC32 || frame.length < HEADER_BYTES)
    throw corruptEntry(key, 'its frame is not of a known format');
  const payload = new Uint8Array(frame.buffer, frame.byteOffset + HEADER_BYTES, frame.length - HEADER_BYTES);
  if (frame.readUInt32LE(1) !== checksum(key, payload)) throw corruptEntry(key, 'its checksum does not match');
  return payload;
}

export function corruptEntry(key: Uint8Array, reason: string, cause?: unknown): StorageError {
  const hex = Buffer.from(key).toString('hex');
  return new StorageError('STORAGE_CORRUPT', `the entry ${hex} cannot be read: ${reason}`, {
    details: { key: hex },
    cause,
  });
}

function checksum(key: Uint8Array, payload: Uint8Array): number {
  // zlib starts again from 0 when it is handed no bytes at a null address, which an empty array may have.
  return payload.length === 0 ? crc32(key) : crc32(payload, crc32(key));
}
