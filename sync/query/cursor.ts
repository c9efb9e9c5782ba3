/**
 * @module
 * Owns where a page of a query ended: a place in an order, not in an index, so that any node goes on from it.
 *
 * u8 format | u32 hash of the query | u8 reverse | varUint n, n × (varString path, u8 descending) | varBytes position. Position: the
 * components of the order, the id, u16 length of the id.
 */
import * as buffer from 'lib0/buffer';
import * as decoding from 'lib0/decoding';
import { ByteWriter, canonicalJson } from '../../crdt/index.ts';
import type { JsonValue } from '../../crdt/index.ts';
import { toBase64Url } from '../base64url.ts';
import { SyncError } from '../errors.ts';
import { INDEX_PATHS_MAX } from './index-definition.ts';
import type { IndexPath } from './index-definition.ts';
import { splitPosition } from './index-key.ts';
import { pathFault } from './path.ts';
import type { Order } from './plan.ts';

const FORMAT = 1;
const LENGTH_MAX = 32_768;

const writer = new ByteWriter();

export interface Cursor {
  readonly order: Order;
  /** Of the last document given or looked at. */
  readonly position: Uint8Array;
}

export function encodeCursor(query: number, { paths, isReverse }: Order, position: Uint8Array): string {
  writer.uint8(FORMAT);
  for (let shift = 0; shift < 32; shift += 8) writer.uint8((query >>> shift) & 0xff);
  writer.uint8(isReverse ? 1 : 0);
  writer.varUint(paths.length);
  for (const { path, order } of paths) {
    writer.string(path);
    writer.uint8(order === 'desc' ? 1 : 0);
  }
  writer.varUint(position.length);
  writer.raw(position);
  return toBase64Url(writer.take());
}

/** @throws SyncError `SYNC_QUERY_CURSOR_INVALID` */
export function decodeCursor(query: number, text: string): Cursor {
  const cursor = read(query, text);
  if (cursor !== null && splitPosition(cursor.position) !== null) return cursor;
  throw new SyncError(
    'SYNC_QUERY_CURSOR_INVALID',
    'The cursor is not one of this query: filter and sort must be the same.',
    {
      details: { path: '/cursor' },
    },
  );
}

function read(query: number, text: string): Cursor | null {
  if (text.length > LENGTH_MAX) return null;
  try {
    const decoder = decoding.createDecoder(buffer.fromBase64UrlEncoded(text));
    if (decoding.readUint8(decoder) !== FORMAT || decoding.readUint32(decoder) !== query) return null;
    const isReverse = decoding.readUint8(decoder) === 1;
    const count = decoding.readVarUint(decoder);
    if (count > INDEX_PATHS_MAX) return null;
    const paths: IndexPath[] = Array.from({ length: count }, () => ({
      path: decoding.readVarString(decoder),
      order: decoding.readUint8(decoder) === 1 ? 'desc' : 'asc',
    }));
    if (paths.some(({ path }) => pathFault(path) !== null)) return null;
    const position = decoding.readVarUint8Array(decoder);
    return { order: { paths, segments: paths.map(({ path }) => path.split('.')), isReverse }, position };
  } catch {
    // Whatever it was, it is not a cursor.
    return null;
  }
}

/** FNV-1a of what a cursor belongs to. */
export function hashQuery(collection: string, filter: JsonValue, sort: readonly IndexPath[]): number {
  const text = canonicalJson([collection, filter, sort.map(({ path, order }) => [path, order])]);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
