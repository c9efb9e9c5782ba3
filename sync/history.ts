/**
 * @module
 * Owns the recent history of a document: who wrote which paths, when. Nothing is kept for it, so writes pay nothing: it is read from
 * the log, backwards from the last change by every origin, and where that was cut, from what the document itself still tells of
 * the writes whose values are in place. Log and document are the same on every node, up to where each has cut its log.
 */
import { AtollError, describeWrites, inspectUpdate, isCompaction, stampMs } from '../crdt/index.ts';
import type { WriteDescription } from '../crdt/index.ts';
import { decodeBatch } from './batch.ts';
import { isCorrupt } from './damage-scan.ts';
import type { Database } from './database.ts';
import { ready } from './document-slot.ts';
import type { OriginId } from './engine.ts';
import { logKey } from './key.ts';

/** Bytes of log looked through for one origin, and batches read at a time. */
const ORIGIN_BYTES_MAX = 1024 * 1024;
const BATCHES_AT_A_TIME = 4;
/** Origins whose log is looked through; of others the document tells. */
const ORIGINS_MAX = 32;
/** Records of one origin. */
const RECORDS_MAX = 1000;

/** One write. */
export interface HistoryEntry {
  /** ISO 8601. */
  readonly at: string;
  /** Hybrid logical clock: orders writes. */
  readonly stamp: number;
  /** Name of the node that accepted the write. */
  readonly replica: string;
  /** Process start of that node. */
  readonly origin: OriginId;
  /** JSON Pointers that were set or edited; `-` is an element of an array. */
  readonly paths: readonly string[];
  /** JSON Pointers that were taken away, as far as the log tells. */
  readonly removed: readonly string[];
  /** The document was created, or deleted. */
  readonly created: boolean;
  readonly deleted: boolean;
  /** The log does not hold the write any more: `paths` are those that are still in place. */
  readonly partial: boolean;
}

/** Where an entry stands among the others, for pages. */
export type HistoryPosition = readonly [stamp: number, origin: OriginId, clock: number];

export interface HistoryPage {
  /** Newest first. */
  readonly entries: readonly HistoryEntry[];
  /** Pass as `before` for the next page; `null` = there is none. */
  readonly next: HistoryPosition | null;
}

interface Found {
  readonly origin: OriginId;
  /** Of the record. */
  readonly seq: number;
  /** Of the batch: a write of an editor has none of its own. */
  readonly stamp: number;
  readonly update: Uint8Array;
}

interface Placed {
  readonly position: HistoryPosition;
  readonly entry: HistoryEntry;
}

/** `null` when there is, and was, no such document as far as this node knows. */
export async function readHistory(
  database: Database,
  collection: string,
  id: string,
  { before, limit }: { readonly before?: HistoryPosition; readonly limit: number },
): Promise<HistoryPage | null> {
  const document = await readParts(database, collection, id);
  if (document === null) return null;
  const { parts, vector } = document;
  const name = `${collection}\0${id}`;
  const found: Found[] = [];
  const logged = [...vector].filter(([origin, last]) => database.parts.log.floorOf(origin).seq < last);
  for (const [origin, last] of logged.slice(-ORIGINS_MAX)) {
    found.push(...(await findRecords(database, name, origin, last)));
  }
  // The latest writes are stored with the document, too, and stay there when the log is cut.
  const kept = parts.slice(1);
  const { updates, surviving } = describeWrites(parts, [...found.map(({ update }) => update), ...kept]);
  const placed = new Map<string, Placed>();
  updates.forEach((write, i) => {
    if (write === null) return;
    const record = found[i];
    if (record !== undefined) place(database, placed, write, record, false);
    else if (write.stamp > 0) place(database, placed, write, { origin: write.client, stamp: write.stamp }, false);
  });
  for (const write of surviving) place(database, placed, write, { origin: write.client, stamp: write.stamp }, true);
  const sorted = [...placed.values()].sort((a, b) => comparePositions(b.position, a.position));
  const rest = before === undefined ? sorted : sorted.filter(({ position }) => comparePositions(position, before) < 0);
  const page = rest.slice(0, limit);
  return { entries: page.map(({ entry }) => entry), next: rest.length > limit ? page.at(-1)!.position : null };
}

/** As of now, and told when it is durable. */
async function readParts(
  database: Database,
  collection: string,
  id: string,
): Promise<{ parts: readonly Uint8Array[]; vector: ReadonlyMap<OriginId, number> } | null> {
  const { table, commit } = database.parts;
  const slot = table.acquire(collection, id);
  try {
    await ready([slot]);
    if (slot.vector.size === 0) return null;
    const document = { parts: slot.document.encodeParts(), vector: new Map(slot.vector) };
    if (slot.hasOpenChanges) await commit.join(database);
    return document;
  } finally {
    table.release(slot);
  }
}

/** Records of a document by one origin, newest first, back to its first one or as far as the log or the bound goes. */
async function findRecords(
  { parts: { store, db } }: Database,
  name: string,
  origin: OriginId,
  last: number,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  let bytes = 0;
  let end = last + 1;
  try {
    while (bytes < ORIGIN_BYTES_MAX && found.length < RECORDS_MAX) {
      const bounds = { gte: logKey(db, origin, 0), lt: logKey(db, origin, end), reverse: true };
      let count = 0;
      for await (const entries of store.range({ ...bounds, limit: BATCHES_AT_A_TIME })) {
        for (const [, batch] of entries) {
          count++;
          bytes += batch.length;
          const { firstSeq, stamp, records } = decodeBatch(batch);
          end = firstSeq;
          for (const [index, record] of [...records.entries()].toReversed()) {
            if (record.kind !== 'update' || `${record.collection}\0${record.id}` !== name) continue;
            // It says nothing that was not said before.
            if (isCompaction(record.update)) continue;
            found.push({ origin, seq: firstSeq + index, stamp, update: record.update });
            // Nothing of this writer can come before its clock 0.
            if (inspectUpdate(record.update).clients.get(origin)?.from === 0) return found;
          }
        }
      }
      if (count < BATCHES_AT_A_TIME) break;
    }
  } catch (error) {
    // What of the log cannot be read counts as cut.
    if (!isCorrupt(error) && !(error instanceof AtollError && error.code === 'SYNC_BATCH_MALFORMED')) throw error;
  }
  return found;
}

/** The first to tell of a write tells more than those that follow. */
function place(
  database: Database,
  placed: Map<string, Placed>,
  write: WriteDescription,
  from: { readonly origin: OriginId; readonly stamp: number; readonly seq?: number },
  partial: boolean,
): void {
  // One of an editor is known by its record: it may be nothing but deletes.
  const isOfEditor = write.stamp === 0;
  const key = isOfEditor ? `#${from.origin}.${from.seq}` : `${write.client}.${write.clock}`;
  if (placed.has(key)) return;
  const stamp = isOfEditor ? from.stamp : write.stamp;
  const { paths, removed, creates: created, deletes: deleted } = write;
  placed.set(key, {
    position: [stamp, from.origin, isOfEditor ? (from.seq ?? 0) : write.clock],
    entry: {
      at: new Date(stampMs(stamp)).toISOString(),
      stamp,
      replica: database.parts.nameOf(from.origin),
      origin: from.origin,
      paths,
      removed,
      created,
      deleted,
      partial,
    },
  });
}

function comparePositions(a: HistoryPosition, b: HistoryPosition): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
