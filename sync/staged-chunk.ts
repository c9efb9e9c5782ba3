/**
 * @module
 * Owns the form in which chunks of a snapshot are kept aside. Documents that were written once are kept as the views that will be stored:
 * to check them and to make those is most of the work of merging, and while chunks come in there is time for it.
 *
 * Bytes: u8 format | varBytes chunk, without these documents | varUint n, n × (varBytes key, varBytes view). A chunk without such documents
 * is kept as it came.
 */
import * as decoding from 'lib0/decoding';
import { ByteWriter } from '../crdt/index.ts';
import { SYSTEM_KEY } from './catalog.ts';
import type { Database } from './database.ts';
import {
  bytesOfFirstView,
  checkFirstContent,
  isFirstContent,
  readFirstView,
  writeFirstView,
} from './document-record.ts';
import { documentOf } from './key.ts';
import { OPERATIONS } from './operation.ts';
import type { PlaceableRow, PlaceableView } from './placed-documents.ts';
import { decodeSnapshotChunk, encodeSnapshotChunk } from './snapshot.ts';
import type { SnapshotChunk, SnapshotOutline, SnapshotRow } from './snapshot.ts';

/** The number after that of the chunks themselves. */
const FORMAT = 2;
const writer = new ByteWriter();

export interface StagedChunk extends SnapshotChunk {
  /** Documents that are not in the rows. */
  readonly views: readonly PlaceableView[];
}

/**
 * The outline of a chunk, and what is kept of it.
 *
 * @throws SyncError `SYNC_BATCH_MALFORMED`, CrdtError `CRDT_UPDATE_MALFORMED`
 */
export function stageChunk(database: Database, bytes: Uint8Array): { outline: SnapshotOutline; staged: Uint8Array } {
  const { rows, ...head } = decodeSnapshotChunk(bytes);
  const outline = { ...head, documents: rows.length };
  const opened = rows.filter((row) => !isPlaceable(database, row));
  if (opened.length === rows.length) return { outline, staged: bytes };
  writer.reset();
  writer.uint8(FORMAT);
  writer.bytes(encodeSnapshotChunk({ ...head, rows: opened }));
  writer.varUint(rows.length - opened.length);
  for (const row of rows) if (isPlaceable(database, row)) writeView(database, row);
  return { outline, staged: writer.take() };
}

function writeView({ parts }: Database, row: PlaceableRow): void {
  const { json, stamp } = row.content;
  checkFirstContent(row.content);
  const { key, version, element } = parts.table.placed.identify(row);
  const view = { element, stamp, version, json };
  writer.bytes(key);
  // In its place: a copy of its own would cost more than to make it.
  writer.varUint(bytesOfFirstView(view));
  writeFirstView(writer, view);
}

/** Was it written once, and is nothing made of such documents but themselves? */
function isPlaceable({ key }: Database, row: SnapshotRow): row is SnapshotRow & PlaceableRow {
  return isFirstContent(row.content) && row.collection !== OPERATIONS && key !== SYSTEM_KEY;
}

/** @throws SyncError `SYNC_BATCH_MALFORMED` */
export function decodeStagedChunk(staged: Uint8Array): StagedChunk {
  if (staged[0] !== FORMAT) return { ...decodeSnapshotChunk(staged), views: [] };
  const decoder = decoding.createDecoder(staged);
  decoder.pos = 1;
  const chunk = decodeSnapshotChunk(decoding.readVarUint8Array(decoder));
  const views: PlaceableView[] = [];
  for (let left = decoding.readVarUint(decoder); left > 0; left--) {
    const key = decoding.readVarUint8Array(decoder);
    views.push({ key, value: decoding.readVarUint8Array(decoder) });
  }
  return { ...chunk, views };
}

/** The row that a view was made of. */
export function rowOfView({ key, value }: PlaceableView): SnapshotRow {
  const { origin, seq, stamp, json } = readFirstView(value)!;
  return { ...documentOf(key), vector: new Map([[origin, seq]]), content: { json, stamp, client: origin } };
}
