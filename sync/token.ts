/**
 * @module
 * Owns the text form of a position: what was seen of one database of one cluster. It is the session token, and what cursors of
 * feeds are made of; opaque to clients, valid on every node. A chain is not part of it: a token says what was seen, it proves
 * nothing.
 *
 * Bytes, as base64url: u8 format | 8 B cluster | str database key | positions | positions of the system database | u32 CRC-32 of
 * all before. positions = varUint n, n × (varUint origin less the one before, varUint seq), origins ascending.
 */
import * as buffer from 'lib0/buffer';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { toBase64Url } from './base64url.ts';
import type { OriginId } from './engine.ts';
import { SyncError } from './errors.ts';
import { computeCrc32 } from './protocol/crc32.ts';

const FORMAT = 1;
export const CLUSTER_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** Longest token accepted, in characters. */
const TOKEN_LENGTH_MAX = 16_384;
/** Of a node that does not know its cluster yet. */
export const CLUSTER_UNKNOWN: string = '0'.repeat(CLUSTER_BYTES * 2);

/** Origin → sequence, at least 1. */
export type Positions = ReadonlyMap<OriginId, number>;

/** What a client has seen. */
export interface SeenPosition {
  /** 16 hex digits. */
  readonly cluster: string;
  /** `name.generation` */
  readonly database: string;
  readonly vector: Positions;
  /** Of the system database; empty unless the client has changed or seen what it holds, as a configuration. */
  readonly system: Positions;
}

export function encodeToken({ cluster, database, vector, system }: SeenPosition): string {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FORMAT);
  for (let i = 0; i < CLUSTER_BYTES; i++) {
    encoding.writeUint8(encoder, Number.parseInt(cluster.slice(i * 2, i * 2 + 2), 16));
  }
  encoding.writeVarString(encoder, database);
  writePositions(encoder, vector);
  writePositions(encoder, system);
  encoding.writeUint32(encoder, computeCrc32(encoding.toUint8Array(encoder)));
  return toBase64Url(encoding.toUint8Array(encoder));
}

/** @throws SyncError `SYNC_TOKEN_INVALID` for what no node has made. */
export function decodeToken(token: string): SeenPosition {
  try {
    if (token.length > TOKEN_LENGTH_MAX || !/^[\w-]+$/.test(token)) throw new Error('not base64url, or too long');
    const bytes = buffer.fromBase64UrlEncoded(token);
    // Two texts of the same bytes would be two tokens to whoever compares them.
    if (toBase64Url(bytes) !== token) throw new Error('not canonical');
    const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
    const decoder = decoding.createDecoder(bytes);
    if (decoding.readUint8(decoder) !== FORMAT) throw new Error('unknown format');
    const cluster = [...decoding.readUint8Array(decoder, CLUSTER_BYTES)].map((byte) =>
      byte.toString(16).padStart(2, '0'),
    );
    const database = decoding.readVarString(decoder);
    const vector = readPositions(decoder);
    const system = readPositions(decoder);
    if (decoder.pos !== body.length || decoding.readUint32(decoder) !== computeCrc32(body)) throw new Error('damaged');
    return { cluster: cluster.join(''), database, vector, system };
  } catch (cause) {
    throw new SyncError(
      'SYNC_TOKEN_INVALID',
      'This is not a session token: leave it out, or send one from an answer.',
      {
        cause,
      },
    );
  }
}

/** The key of the database that a token is of, without a look at the rest; null for what is no token. */
export function databaseOf(token: string): string | null {
  try {
    const decoder = decoding.createDecoder(buffer.fromBase64UrlEncoded(token));
    decoder.pos = 1 + CLUSTER_BYTES;
    return decoding.readVarString(decoder);
  } catch {
    return null;
  }
}

function writePositions(encoder: encoding.Encoder, positions: Positions): void {
  encoding.writeVarUint(encoder, positions.size);
  let previous = 0;
  for (const origin of [...positions.keys()].sort((a, b) => a - b)) {
    encoding.writeVarUint(encoder, origin - previous);
    encoding.writeVarUint(encoder, positions.get(origin)!);
    previous = origin;
  }
}

function readPositions(decoder: decoding.Decoder): Positions {
  const positions = new Map<OriginId, number>();
  let origin = 0;
  for (let left = decoding.readVarUint(decoder); left > 0; left--) {
    const step = decoding.readVarUint(decoder);
    origin += step;
    const seq = decoding.readVarUint(decoder);
    if (step === 0 || seq === 0 || !Number.isSafeInteger(origin)) throw new Error('positions are not canonical');
    positions.set(origin, seq);
  }
  return positions;
}
