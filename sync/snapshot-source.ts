/**
 * @module
 * Owns snapshots on their way out: the documents of one moment that a peer lacks, and the vector of that very moment, so that no
 * document is newer than the vector says (I3). What changed is found through the log and the change index, so that the cost
 * follows what was missed; only for a peer that lacks about everything all documents are read.
 */
import { CrdtDocument } from '../crdt/index.ts';
import { changesAfter } from './change-index.ts';
import type { Change } from './change-index.ts';
import { isCorrupt } from './damage-scan.ts';
import type { Database } from './database.ts';
import { decodeView, statePartsOf } from './document-record.ts';
import type { DocumentVector, ViewRecord } from './document-record.ts';
import type { OriginId, SnapshotSource } from './engine.ts';
import type { OriginRegistry } from './ingest.ts';
import { documentOf, stateKey, viewKey } from './key.ts';
import { removeEntries } from './log-cutter.ts';
import type { StoreSnapshot } from './port.ts';
import { readDocuments } from './stored-document.ts';
import { SNAPSHOT_CHUNK_BYTES_TARGET, encodeSnapshotChunk } from './snapshot.ts';
import type { SnapshotRow } from './snapshot.ts';
import type { VersionVector } from './version-vector.ts';
import { sequenceOf } from './version-vector.ts';

/** A change costs a read of its own, a scan reads documents in order: it is this many times cheaper per document. */
const SCAN_ADVANTAGE = 4;
/** So few changes are always looked up. */
const CHANGES_MIN = 500;
/** Documents whose version is remembered, because the log names them again and again. */
const VERSIONS_MAX = 4096;
/** Stale entries of the index are removed so many at a time. */
const STALE_MAX = 256;

/** One snapshot being given. */
interface Giving {
  readonly database: Database;
  readonly view: StoreSnapshot;
  readonly vector: VersionVector;
  readonly since: VersionVector;
}

/** See `Engine.snapshot`. To be called while no commit is in flight: then the store holds what the vector says, and no more. */
export function snapshotOf(database: Database, registry: OriginRegistry, since: VersionVector): SnapshotSource {
  const { log, store } = database.parts;
  const vector = log.durableVector;
  const view = store.snapshot();
  return {
    vector,
    chunks: () => snapshotChunks({ database, view, vector, since }, registry),
    close: () => view.close(),
  };
}

async function* snapshotChunks(giving: Giving, registry: OriginRegistry): AsyncGenerator<Uint8Array> {
  yield encodeSnapshotChunk({ origins: ownersOf(giving.vector.keys(), registry), rows: [] });
  let rows: SnapshotRow[] = [];
  let bytes = 0;
  for await (const row of (await isScanBetter(giving)) ? scanRows(giving) : changedRows(giving)) {
    rows.push(row);
    bytes += row.state.length + row.id.length + row.collection.length;
    if (bytes < SNAPSHOT_CHUNK_BYTES_TARGET) continue;
    yield chunkOf(rows, registry);
    rows = [];
    bytes = 0;
  }
  if (rows.length > 0) yield chunkOf(rows, registry);
}

/** Every document, in the order of keys. */
async function* scanRows({ database, view, since }: Giving): AsyncGenerator<SnapshotRow> {
  for await (const { key, record, base } of readDocuments(view, database.parts.db)) {
    if (!isCovered(record.vector, since))
      yield { ...documentOf(key), vector: record.vector, state: stateOf(record, base) };
  }
}

/**
 * The documents that changed, through log and index. A document that several origins changed is given with the first of them, and
 * one that an origin changed several times with the last change, so nothing has to be remembered.
 */
async function* changedRows(giving: Giving): AsyncGenerator<SnapshotRow> {
  const { database, view, vector, since } = giving;
  const { db } = database.parts;
  const versions = new Map<string, DocumentVector>();
  const stale: Uint8Array[] = [];
  for (const origin of vector.keys()) {
    const after = sequenceOf(since, origin);
    if (sequenceOf(vector, origin) <= after) continue;
    for await (const change of changesAfter(view, db, origin, after)) {
      const name = `${change.collection}\0${change.id}`;
      const known = versions.get(name);
      if (known !== undefined && !isTurn(known, since, origin, change.seq)) {
        await noteStale(database, change, known.get(origin) ?? 0, stale);
        continue;
      }
      const value = await view.get(viewKey(db, change.collection, change.id));
      if (value === undefined) continue;
      const record = decodeView(value);
      const { vector: version } = record;
      remember(versions, name, version);
      if (isTurn(version, since, origin, change.seq)) {
        const { collection, id } = change;
        const base = record.isFirst ? undefined : await view.get(stateKey(db, collection, id));
        yield { collection, id, vector: version, state: stateOf(record, base) };
      } else {
        await noteStale(database, change, version.get(origin) ?? 0, stale);
      }
    }
  }
  await removeEntries(database.parts, stale);
}

function remember(versions: Map<string, DocumentVector>, name: string, version: DocumentVector): void {
  if (versions.size >= VERSIONS_MAX) versions.delete(versions.keys().next().value!);
  versions.set(name, version);
}

/** Is `seq` the last change by the origin, and the origin the first of those the peer lacks something of? */
function isTurn(version: DocumentVector, since: VersionVector, origin: OriginId, seq: number): boolean {
  if (version.get(origin) !== seq) return false;
  for (const [other, last] of version) if (other < origin && last > sequenceOf(since, other)) return false;
  return true;
}

async function noteStale(
  database: Database,
  { key, seq }: Change,
  current: number,
  stale: Uint8Array[],
): Promise<void> {
  if (key === null || current <= seq) return;
  stale.push(key);
  if (stale.length >= STALE_MAX) await removeEntries(database.parts, stale.splice(0));
}

/** A damaged log does not tell what changed, so then there is no other way. */
async function isScanBetter(giving: Giving): Promise<boolean> {
  try {
    return await isScanCheaper(giving);
  } catch (error) {
    if (isCorrupt(error)) return true;
    throw error;
  }
}

/** Counts changes, but not further than it matters. */
async function isScanCheaper({ database, view, vector, since }: Giving): Promise<boolean> {
  const changesMax = Math.max(CHANGES_MIN, database.documents / SCAN_ADVANTAGE);
  let changes = 0;
  for (const [origin, { seq }] of vector) {
    const after = sequenceOf(since, origin);
    if (seq <= after) continue;
    for await (const _ of changesAfter(view, database.parts.db, origin, after)) if (++changes > changesMax) break;
    if (changes > changesMax) return true;
  }
  return false;
}

function stateOf(record: ViewRecord, base: Uint8Array | undefined): Uint8Array {
  const parts = statePartsOf(record, base);
  return parts.length === 1 ? parts[0] : CrdtDocument.load(...parts).encode();
}

function isCovered(document: DocumentVector, since: VersionVector): boolean {
  for (const [origin, seq] of document) if (seq > sequenceOf(since, origin)) return false;
  return true;
}

function chunkOf(rows: readonly SnapshotRow[], registry: OriginRegistry): Uint8Array {
  const origins = new Set(rows.flatMap((row) => [...row.vector.keys()]));
  return encodeSnapshotChunk({ origins: ownersOf(origins, registry), rows });
}

function ownersOf(origins: Iterable<OriginId>, registry: OriginRegistry): Map<OriginId, string> {
  const owners = new Map<OriginId, string>();
  for (const origin of origins) {
    const nodeId = registry.owners.get(origin);
    if (nodeId !== undefined) owners.set(origin, nodeId);
  }
  return owners;
}
