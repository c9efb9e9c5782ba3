/**
 * @module
 * Owns the rows in which replicas exchange documents that differ. Opaque to links.
 *
 * Bytes: vector of the giver, encoded as document vectors are | varUint n, n × row. Row: varString collection, varString id, document vector, varBytes Yjs v1 state.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { encodeDocumentVector, readDocumentVector } from './document-record.ts';
import type { DocumentVector } from './document-record.ts';
import type { OriginId } from './engine.ts';
import type { DocumentName } from './equality.ts';
import { SyncError } from './errors.ts';

export interface RepairRow extends DocumentName {
  readonly vector: DocumentVector;
  readonly state: Uint8Array;
}

export interface RepairRows {
  /** What the giver held when it read them. */
  readonly held: ReadonlyMap<OriginId, number>;
  readonly rows: readonly RepairRow[];
}

export function encodeRepairRows({ held, rows }: RepairRows): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8Array(encoder, encodeDocumentVector(held));
  encoding.writeVarUint(encoder, rows.length);
  for (const { collection, id, vector, state } of rows) {
    encoding.writeVarString(encoder, collection);
    encoding.writeVarString(encoder, id);
    encoding.writeUint8Array(encoder, encodeDocumentVector(vector));
    encoding.writeVarUint8Array(encoder, state);
  }
  return encoding.toUint8Array(encoder);
}

/** @throws SyncError `SYNC_BATCH_MALFORMED` */
export function decodeRepairRows(bytes: Uint8Array): RepairRows {
  try {
    const decoder = decoding.createDecoder(bytes);
    const held = readDocumentVector(decoder);
    const rows: RepairRow[] = [];
    const count = decoding.readVarUint(decoder);
    for (let i = 0; i < count; i++) {
      const collection = decoding.readVarString(decoder);
      const id = decoding.readVarString(decoder);
      const vector = readDocumentVector(decoder);
      rows.push({ collection, id, vector, state: decoding.readVarUint8Array(decoder).slice() });
    }
    if (decoding.hasContent(decoder)) throw new Error('trailing bytes');
    return { held, rows };
  } catch (cause) {
    throw new SyncError('SYNC_BATCH_MALFORMED', 'Documents of a comparison could not be decoded.', { cause });
  }
}
