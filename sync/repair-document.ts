/**
 * @module
 * Owns single documents of a comparison: reading one for a peer, and taking one from a peer into what is here.
 */
import { AtollError, CrdtDocument } from '../crdt/index.ts';
import { indexDocument } from './change-index.ts';
import { isCorrupt } from './damage-scan.ts';
import type { Database } from './database.ts';
import { ready } from './document-slot.ts';
import { decodeView, statePartsOf } from './document-record.ts';
import type { DurableVersion } from './document-slot.ts';
import { durableVersionOf } from './durable-version.ts';
import type { DocumentName } from './equality.ts';
import type { OriginId } from './engine.ts';
import { SyncError } from './errors.ts';
import { isWithin } from './forgotten.ts';
import { stateKey, viewKey } from './key.ts';
import type { RepairRow } from './repair-row.ts';
import { Expansion } from './lineage.ts';
import { sequenceOf } from './version-vector.ts';

export async function readOrNull(read: () => Promise<Uint8Array | undefined>): Promise<Uint8Array | null | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** What the digest and the statistics count for a document; null when its view cannot be read. */
export async function readDurable(
  database: Database,
  { collection, id }: DocumentName,
): Promise<DurableVersion | null> {
  const { store, db } = database.parts;
  try {
    const view = await store.get(viewKey(db, collection, id));
    if (view === undefined) return null;
    const record = decodeView(view);
    return durableVersionOf(record);
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** What a peer needs of a document; null when there is none or it cannot be read. */
export async function readRow(database: Database, { collection, id }: DocumentName): Promise<RepairRow | null> {
  const { store, db } = database.parts;
  const snapshot = store.snapshot();
  try {
    const view = await snapshot.get(viewKey(db, collection, id));
    if (view === undefined) return null;
    const record = decodeView(view);
    const parts = statePartsOf(record, record.isFirst ? undefined : await snapshot.get(stateKey(db, collection, id)));
    const state = parts.length === 1 ? parts[0] : CrdtDocument.load(...parts).encode();
    return { collection, id, vector: record.vector, state };
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  } finally {
    await snapshot.close();
  }
}

/** What is durable of a database, as its vector lists it, before something of it is read. */
export function heldBy(database: Database): Map<OriginId, number> {
  return new Map([...database.parts.log.durableVector].map(([origin, { seq }]) => [origin, seq]));
}

/**
 * @param held - What the peer held: one that has not seen all that we have may have what was deleted and forgotten here.
 * @returns True when the document lacked something that our vector says we have: then it was wrong here, and is right now.
 */
export async function mergeRow(
  database: Database,
  row: RepairRow,
  held: ReadonlyMap<OriginId, number>,
): Promise<boolean> {
  const { table, commit, forgotten, log } = database.parts;
  const slot = table.acquire(row.collection, row.id);
  try {
    await ready([slot]);
    database.assertOpen();
    // What our vector does not cover is on its way by itself.
    if (!isCovered(database, row)) return false;
    const peer = new Expansion(log.durableVector, held);
    if (forgotten.vector.size > 0 && !isWithin(heldBy(database), peer)) return false;
    if ([...row.vector].every(([origin, seq]) => (slot.vector.get(origin) ?? 0) >= seq)) return false;
    checkState(row);
    let { state } = row;
    if (slot.vector.size === 0) slot.document = CrdtDocument.load(state);
    else state = slot.document.apply(state);
    for (const [origin, seq] of row.vector) slot.touch(origin, seq);
    table.touch(slot, state);
    // No log here may say that these writes changed the document (I7).
    database.extraOperations.push(...indexDocument(database.parts.db, slot.viewKey, row.vector));
    await commit.join(database);
    return true;
  } catch (error) {
    // Damaged here, or a history that does not fit: the other comparisons have to deal with it.
    if (isCorrupt(error) || (error instanceof AtollError && error.code.startsWith('CRDT_'))) return false;
    throw error;
  } finally {
    table.release(slot);
  }
}

/** Our vector says that we have everything in it. */
export function isCovered(database: Database, row: RepairRow): boolean {
  const { durableVector } = database.parts.log;
  return [...row.vector].every(([origin, seq]) => seq <= sequenceOf(durableVector, origin));
}

/** A state that cannot be read must not be found out by the commit. */
export function checkState(row: RepairRow): void {
  try {
    CrdtDocument.load(row.state).view();
  } catch (cause) {
    throw new SyncError('SYNC_BATCH_MALFORMED', 'A document of a comparison cannot be read.', {
      cause,
      details: { collection: row.collection, id: row.id },
    });
  }
}
