/**
 * @module
 * Owns the text form of a version vector: the session token, opaque to clients. A chain is not part of it: the token says what
 * was seen, it proves nothing.
 */
import * as buffer from 'lib0/buffer';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { SyncError } from './errors.ts';
import type { VersionVector } from './version-vector.ts';

const FORMAT = 1;
/** Longest token accepted, in characters. */
const TOKEN_LENGTH_MAX = 16_384;

export function encodeToken(vector: VersionVector): string {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FORMAT);
  for (const origin of [...vector.keys()].sort((a, b) => a - b)) {
    encoding.writeVarUint(encoder, origin);
    encoding.writeVarUint(encoder, vector.get(origin)!.seq);
  }
  return buffer.toBase64UrlEncoded(encoding.toUint8Array(encoder));
}

/**
 * Origin → sequence.
 *
 * @throws SyncError `SYNC_TOKEN_INVALID`
 */
export function decodeToken(token: string): ReadonlyMap<number, number> {
  try {
    if (token.length > TOKEN_LENGTH_MAX) throw new Error('too long');
    const decoder = decoding.createDecoder(buffer.fromBase64UrlEncoded(token));
    if (decoding.readUint8(decoder) !== FORMAT) throw new Error('unknown format');
    const vector = new Map<number, number>();
    while (decoding.hasContent(decoder)) {
      const origin = decoding.readVarUint(decoder);
      vector.set(origin, decoding.readVarUint(decoder));
    }
    return vector;
  } catch (cause) {
    throw new SyncError('SYNC_TOKEN_INVALID', 'This is not a session token of this cluster.', { cause });
  }
}
