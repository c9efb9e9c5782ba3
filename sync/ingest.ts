/**
 * @module
 * Owns what comes from peers: batches in causal order, and documents of a snapshot. Both are merged into documents and leave,
 * with the vector they justify, in one atomic commit (I3, I6).
 */
import { CrdtError, CrdtDocument, standsAlone } from '../crdt/index.ts';
import type { Batch, FirstRecord, UpdateRecord } from './batch.ts';
import { decodeBatch, lastSeqOf } from './batch.ts';
import type { Database } from './database.ts';
import { checkFirstContent, isFirstContent, loadDocument, partsOf, toFirstState } from './document-record.ts';
import type { DocumentChange, FirstContent } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { IngestResult, OriginId } from './engine.ts';
import { isCounted } from './document-record.ts';
import { SyncError } from './errors.ts';
import { MergedDocuments } from './merged-documents.ts';
import { supersede } from './forgetting.ts';
import { isWithin } from './forgotten.ts';
import type { ForgottenVector } from './forgotten.ts';
import type { Holding } from './horizon.ts';
import { originKey } from './key.ts';
import { OPERATIONS, takeBack } from './operation.ts';
import type { SnapshotRow } from './snapshot.ts';
import { sequenceOf } from './version-vector.ts';
import { PORTION_DOCUMENTS } from './work-turns.ts';
import type { VersionVector } from './version-vector.ts';

/** Which node owns which origin: filled from origin records and snapshots. */
export interface OriginRegistry {
  readonly owners: Map<OriginId, string>;
  /** Somebody else wrote as the epoch of this process, which has to begin another one at once. */
  handleForeignEpoch(database: string, origin: OriginId, seq: number): void;
  /** It became known to which node an epoch belongs. */
  handleOwner(origin: OriginId, nodeId: string): void;
}

/** See `Engine.ingest`. */
export async function ingestBatches(
  database: Database,
  registry: OriginRegistry,
  batches: readonly Uint8Array[],
  onMerged: () => void,
): Promise<readonly IngestResult[]> {
  const decoded = batches.map((bytes) => ({ bytes, batch: decodeBatch(bytes) }));
  const { log, commit, turns } = database.parts;
  const records = decoded.reduce((sum, { batch }) => sum + batch.count, 0);
  await turns.next('batches', records);
  const documents = new MergedDocuments(database, records >= PORTION_DOCUMENTS / 2);
  try {
    for (const { batch } of decoded) {
      if (lastSeqOf(batch) > sequenceOf(log.durableVector, batch.origin)) documents.add(batch);
    }
    do await documents.ready();
    while (documents.openTaken());
    database.assertOpen();
    const results: IngestResult[] = [];
    try {
      for (const { bytes, batch } of decoded) results.push(ingestBatch(database, registry, batch, bytes, documents));
    } finally {
      // Also duplicates wait: what they duplicate may be in an open group, and the sender will take our word as durable.
      const isOpen = results.some(({ outcome }) => outcome === 'applied' || outcome === 'duplicate');
      const durable = isOpen ? commit.join(database) : null;
      onMerged();
      await durable;
    }
    return results;
  } finally {
    documents.release();
  }
}

function ingestBatch(
  database: Database,
  registry: OriginRegistry,
  batch: Batch,
  bytes: Uint8Array,
  documents: MergedDocuments,
): IngestResult {
  const { log, clock } = database.parts;
  if (log.isForeign(batch)) registry.handleForeignEpoch(database.key, batch.origin, lastSeqOf(batch));
  log.followEpoch(clock.last);
  const verdict = log.classify(batch, bytes);
  if (verdict === 'duplicate') return { outcome: 'duplicate' };
  if (verdict !== null) return { outcome: 'blocked', missing: verdict };
  log.separate(clock.last);
  if (!applyRecords(database, registry, batch, documents)) return { outcome: 'forgotten' };
  log.accept(batch, bytes);
  clock.observe(batch.stamp);
  takeBackRepetitions(database, batch, documents.slots);
  return { outcome: 'applied' };
}

/** What is remembered of an operation is in one batch with what it changed. */
function takeBackRepetitions(database: Database, { records }: Batch, slots: MergedDocuments['slots']): void {
  for (const record of records) {
    if (record.kind !== 'update' || record.collection !== OPERATIONS) continue;
    const known = slots.get(`${OPERATIONS}\0${record.id}`)!;
    takeBack(database, known, ({ collection, id }) => slots.get(`${collection}\0${id}`));
  }
}

/** @returns False when a record may build on what was forgotten here; then nothing was applied. */
function applyRecords(database: Database, registry: OriginRegistry, batch: Batch, documents: MergedDocuments): boolean {
  const { table, forgotten } = database.parts;
  const { slots } = documents;
  if (isBehind(database, batch, slots)) return false;
  const applied: { slot: DocumentSlot; change: DocumentChange; seq: number }[] = [];
  const begun: { record: FirstRecord; seq: number }[] = [];
  const undos: (() => void)[] = [];
  const touched = new Set<DocumentSlot>();
  try {
    batch.records.forEach((record, i) => {
      if (record.kind === 'origin') return;
      if (record.first !== undefined) checkFirstContent(record.first);
      const seq = batch.firstSeq + i;
      const slot = slots.get(`${record.collection}\0${record.id}`);
      if (slot === undefined) return void begun.push({ record: record as FirstRecord, seq });
      touched.add(slot);
      if (isAnew(database, slot, batch, record)) undos.push(supersede(database, slot));
      applied.push({ slot, change: applyRecord(slot, record), seq });
    });
  } catch (cause) {
    for (const undo of undos.reverse()) undo();
    for (const slot of touched) slot.restore();
    if (cause instanceof CrdtError && cause.code === 'CRDT_UPDATE_GAP' && forgotten.vector.size > 0) return false;
    throw new SyncError('SYNC_BATCH_MALFORMED', `A record of origin ${batch.origin} could not be merged.`, {
      cause,
      details: { origin: batch.origin, firstSeq: batch.firstSeq },
    });
  }
  for (const { slot, change, seq } of applied) {
    slot.touch(batch.origin, seq);
    table.touch(slot, change);
  }
  for (const { record, seq } of begun) documents.place(record, batch.origin, seq);
  for (const record of batch.records) {
    if (record.kind === 'origin') learnOrigin(database, registry, batch.origin, record.nodeId);
  }
  return true;
}

/** @returns What became of the document, for those who look at it. */
function applyRecord(slot: DocumentSlot, record: UpdateRecord): DocumentChange {
  // Most documents are nobody's before their first write comes, and then nothing has to be merged.
  if (record.first !== undefined && slot.document.isEmpty)
    slot.document = CrdtDocument.restore(toFirstState(record.first));
  else {
    const update = slot.document.apply(record.update);
    if (record.first === undefined) return update;
  }
  return copyOf(record.first);
}

/** What is kept must not keep the whole batch in memory. */
function copyOf({ json, stamp, client }: FirstContent): FirstContent {
  return { json: json.slice(), stamp, client };
}

/**
 * Was a record written by somebody who had not seen all that was forgotten here? His version of the document may have a part that has
 * gone without a trace. One who begins a document says what he had seen, and one who changes it had it. Yjs need not see a gap:
 * a new field, by a writer who is new to the document, refers to nothing in it.
 */
function isBehind({ parts: { log, forgotten } }: Database, batch: Batch, slots: MergedDocuments['slots']): boolean {
  if (forgotten.vector.size === 0) return false;
  const updates = batch.records.filter((record) => record.kind === 'update');
  const begun = new Set(updates.filter(({ isAnew }) => isAnew).map(({ collection, id }) => `${collection}\0${id}`));
  if (begun.size > 0 && !isWithin(forgotten.vector, log.seenBy(batch))) return true;
  return updates.some(({ collection, id }) => {
    const name = `${collection}\0${id}`;
    return !begun.has(name) && slots.get(name)!.vector.size === 0;
  });
}

/**
 * Does an update begin a document anew of which only a tombstone is left here, although its author had seen that? Then it was
 * forgotten there, and has to be here: the version of a document does not depend on who forgot it when.
 */
function isAnew({ parts: { log } }: Database, slot: DocumentSlot, batch: Batch, record: UpdateRecord): boolean {
  if (record.isAnew !== true || slot.vector.size === 0 || !standsAlone(record.update)) return false;
  // Nobody forgets what he wrote under his present epoch.
  if (slot.vector.has(batch.origin) || !isWithin(slot.vector, log.seenBy(batch))) return false;
  return !isCounted(slot.document.view());
}

export function learnOrigin(database: Database, registry: OriginRegistry, origin: OriginId, nodeId: string): void {
  if (registry.owners.has(origin)) return;
  registry.owners.set(origin, nodeId);
  registry.handleOwner(origin, nodeId);
  database.extraOperations.push({ type: 'put', key: originKey(origin), value: new TextEncoder().encode(nodeId) });
}

/**
 * Merges one document of a snapshot. Synchronous; it leaves with the next commit.
 *
 * @param donor - The vector of the donor at that moment.
 */
export function mergeRow(database: Database, slot: DocumentSlot, row: SnapshotRow, donor: Holding): void {
  const { table, log } = database.parts;
  if (slot.vector.size === 0 && isHeld(row.vector, log.durableVector)) return;
  // The donor had seen all of ours and it left no trace there.
  const isSuperseded = slot.vector.size > 0 && isWithin(slot.vector, donor) && !isWithin(slot.vector, row.vector);
  const undo = isSuperseded ? supersede(database, slot) : null;
  try {
    const isNew = slot.vector.size === 0;
    if (isNew && isFirstContent(row.content)) slot.document = loadDocument(row.content);
    else {
      if (isNew) slot.document = CrdtDocument.create();
      for (const part of partsOf(row.content)) slot.document.apply(part);
    }
    // Read now: a state that cannot be must not be found out by the commit.
    slot.document.view();
  } catch (cause) {
    undo?.();
    slot.restore();
    throw new SyncError('SYNC_BATCH_MALFORMED', 'A document of a snapshot could not be merged.', {
      cause,
      details: { collection: row.collection, id: row.id },
    });
  }
  for (const [origin, seq] of row.vector) slot.touch(origin, seq);
  table.touch(slot, isFirstContent(row.content) ? copyOf(row.content) : row.content);
}

/** We held that and it is gone: it was forgotten here. */
export function isHeld(vector: ForgottenVector, held: VersionVector): boolean {
  for (const [origin, seq] of vector) if (seq > sequenceOf(held, origin)) return false;
  return true;
}
