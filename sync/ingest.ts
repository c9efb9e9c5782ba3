/**
 * @module
 * Owns what comes from peers: batches in causal order, and documents of a snapshot. Both are merged into documents and leave,
 * with the vector they justify, in one atomic commit (I3, I6).
 */
import { CrdtDocument } from '../crdt/index.ts';
import type { Batch } from './batch.ts';
import { decodeBatch, lastSeqOf } from './batch.ts';
import type { Database } from './database.ts';
import { ready } from './database.ts';
import { decodeState } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { IngestResult, OriginId, SnapshotSource } from './engine.ts';
import { SyncError } from './errors.ts';
import { documentOf, originKey, rangeOf } from './key.ts';
import { SNAPSHOT_CHUNK_BYTES_TARGET, decodeSnapshotChunk, encodeSnapshotChunk } from './snapshot.ts';
import type { SnapshotRow } from './snapshot.ts';
import type { VersionVector } from './version-vector.ts';
import { dominates, sequenceOf } from './version-vector.ts';

/** Which node owns which origin: filled from origin records and snapshots. */
export interface OriginRegistry {
  readonly owners: Map<OriginId, string>;
}

type Slots = ReadonlyMap<string, DocumentSlot>;

/** See `Engine.ingest`. */
export async function ingestBatches(
  database: Database,
  registry: OriginRegistry,
  batches: readonly Uint8Array[],
): Promise<readonly IngestResult[]> {
  const decoded = batches.map((bytes) => ({ bytes, batch: decodeBatch(bytes) }));
  const slots = new Map<string, DocumentSlot>();
  const { table, log, commit } = database.parts;
  try {
    for (const { batch } of decoded) {
      if (lastSeqOf(batch) > sequenceOf(log.durableVector, batch.origin)) acquireAll(database, batch, slots);
    }
    await ready([...slots.values()]);
    database.assertOpen();
    const results: IngestResult[] = [];
    try {
      for (const { bytes, batch } of decoded) results.push(ingestBatch(database, registry, batch, bytes, slots));
    } finally {
      // Also duplicates wait: what they duplicate may be in an open group, and the sender will take our word as durable.
      if (results.some(({ outcome }) => outcome !== 'blocked')) await commit.join(database);
    }
    return results;
  } finally {
    for (const slot of slots.values()) table.release(slot);
  }
}

function acquireAll(database: Database, batch: Batch, slots: Map<string, DocumentSlot>): void {
  for (const record of batch.records) {
    if (record.kind !== 'update') continue;
    const name = `${record.collection}\0${record.id}`;
    if (!slots.has(name)) slots.set(name, database.parts.table.acquire(record.collection, record.id));
  }
}

function ingestBatch(
  database: Database,
  registry: OriginRegistry,
  batch: Batch,
  bytes: Uint8Array,
  slots: Slots,
): IngestResult {
  const { log, clock } = database.parts;
  const verdict = log.classify(batch, bytes);
  if (verdict === 'duplicate') return { outcome: 'duplicate' };
  if (verdict !== null) return { outcome: 'blocked', missing: verdict };
  applyRecords(database, registry, batch, slots);
  log.accept(batch, bytes);
  clock.observe(batch.stamp);
  return { outcome: 'applied' };
}

function applyRecords(database: Database, registry: OriginRegistry, batch: Batch, slots: Slots): void {
  const { table } = database.parts;
  const applied: { slot: DocumentSlot; update: Uint8Array; seq: number }[] = [];
  try {
    batch.records.forEach((record, i) => {
      if (record.kind === 'origin') return;
      const slot = slots.get(`${record.collection}\0${record.id}`)!;
      applied.push({ slot, update: record.update, seq: batch.firstSeq + i });
      slot.document.apply(record.update);
    });
  } catch (cause) {
    for (const slot of new Set(applied.map((entry) => entry.slot))) slot.restore();
    throw new SyncError('SYNC_BATCH_MALFORMED', `A record of origin ${batch.origin} could not be merged.`, {
      cause,
      details: { origin: batch.origin, firstSeq: batch.firstSeq },
    });
  }
  for (const { slot, update, seq } of applied) {
    slot.touch(batch.origin, seq);
    table.touch(slot, update);
  }
  for (const record of batch.records) {
    if (record.kind === 'origin') learnOrigin(database, registry, batch.origin, record.nodeId);
  }
}

function learnOrigin(database: Database, registry: OriginRegistry, origin: OriginId, nodeId: string): void {
  if (registry.owners.has(origin)) return;
  registry.owners.set(origin, nodeId);
  database.extraOperations.push({ type: 'put', key: originKey(origin), value: new TextEncoder().encode(nodeId) });
}

/** See `Engine.ingestSnapshot`. */
export async function ingestSnapshotChunk(
  database: Database,
  registry: OriginRegistry,
  chunk: Uint8Array,
): Promise<void> {
  const { origins, rows } = decodeSnapshotChunk(chunk);
  const { table, commit } = database.parts;
  const slots = rows.map((row) => table.acquire(row.collection, row.id));
  try {
    await ready(slots);
    database.assertOpen();
    for (const [origin, nodeId] of origins) learnOrigin(database, registry, origin, nodeId);
    rows.forEach((row, i) => mergeRow(database, slots[i]!, row));
    await commit.join(database);
  } finally {
    for (const slot of slots) table.release(slot);
  }
}

function mergeRow(database: Database, slot: DocumentSlot, row: SnapshotRow): void {
  try {
    if (slot.vector.size === 0) slot.document = CrdtDocument.load(row.state);
    else slot.document.apply(row.state);
    // Read now: a state that cannot be must not be found out by the commit.
    slot.document.view();
  } catch (cause) {
    slot.restore();
    throw new SyncError('SYNC_BATCH_MALFORMED', 'A document of a snapshot could not be merged.', {
      cause,
      details: { collection: row.collection, id: row.id },
    });
  }
  for (const [origin, seq] of row.vector) slot.touch(origin, seq);
  database.parts.table.touch(slot, row.state);
}

/** See `Engine.snapshot`. */
export function snapshotOf(database: Database, registry: OriginRegistry, since: VersionVector): SnapshotSource {
  const vector = database.parts.log.durableVector;
  return { vector, chunks: () => snapshotChunks(database, registry, vector, since) };
}

async function* snapshotChunks(
  database: Database,
  registry: OriginRegistry,
  vector: VersionVector,
  since: VersionVector,
): AsyncGenerator<Uint8Array> {
  yield encodeSnapshotChunk({ origins: ownersOf(vector, registry), rows: [] });
  let rows: SnapshotRow[] = [];
  let bytes = 0;
  const { store, db } = database.parts;
  for await (const entries of store.range(rangeOf('y', db))) {
    for (const [key, value] of entries) {
      const { vector: version, parts } = decodeState(value);
      if (isCovered(version, since)) continue;
      const state = parts.length === 1 ? parts[0] : CrdtDocument.load(...parts).encode();
      rows.push({ ...documentOf(key), vector: version, state });
      bytes += value.length + key.length;
      if (bytes < SNAPSHOT_CHUNK_BYTES_TARGET) continue;
      yield encodeSnapshotChunk({ origins: ownersOfRows(rows, registry), rows });
      rows = [];
      bytes = 0;
    }
  }
  if (rows.length > 0) yield encodeSnapshotChunk({ origins: ownersOfRows(rows, registry), rows });
}

function isCovered(document: ReadonlyMap<OriginId, number>, since: VersionVector): boolean {
  for (const [origin, seq] of document) if (seq > sequenceOf(since, origin)) return false;
  return true;
}

function ownersOf(vector: VersionVector, registry: OriginRegistry): Map<OriginId, string> {
  return pick([...vector.keys()], registry);
}

function ownersOfRows(rows: readonly SnapshotRow[], registry: OriginRegistry): Map<OriginId, string> {
  return pick([...new Set(rows.flatMap((row) => [...row.vector.keys()]))], registry);
}

function pick(origins: readonly OriginId[], registry: OriginRegistry): Map<OriginId, string> {
  const owners = new Map<OriginId, string>();
  for (const origin of origins) {
    const nodeId = registry.owners.get(origin);
    if (nodeId !== undefined) owners.set(origin, nodeId);
  }
  return owners;
}

/** See `Engine.adoptVector`. */
export async function adoptVector(database: Database, vector: VersionVector): Promise<void> {
  const { log, commit } = database.parts;
  database.assertOpen();
  if (dominates(log.durableVector, vector)) return;
  log.adopt(vector);
  await commit.join(database);
}
