/**
 * @module
 * Owns snapshots on their way out: the documents of one moment that a peer lacks, and the vector of that very moment, so that no
 * document is newer than the vector says (I3).
 */
import { CrdtDocument } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { decodeState } from './document-record.ts';
import type { OriginId, SnapshotSource } from './engine.ts';
import type { OriginRegistry } from './ingest.ts';
import { documentOf, rangeOf } from './key.ts';
import type { StoreSnapshot } from './port.ts';
import { SNAPSHOT_CHUNK_BYTES_TARGET, encodeSnapshotChunk } from './snapshot.ts';
import type { SnapshotRow } from './snapshot.ts';
import type { VersionVector } from './version-vector.ts';
import { sequenceOf } from './version-vector.ts';

/** See `Engine.snapshot`. To be called while no commit is in flight: then the store holds what the vector says, and no more. */
export function snapshotOf(database: Database, registry: OriginRegistry, since: VersionVector): SnapshotSource {
  const { log, store } = database.parts;
  const vector = log.durableVector;
  const view = store.snapshot();
  return {
    vector,
    chunks: () => snapshotChunks(database, registry, view, vector, since),
    close: () => view.close(),
  };
}

async function* snapshotChunks(
  database: Database,
  registry: OriginRegistry,
  view: StoreSnapshot,
  vector: VersionVector,
  since: VersionVector,
): AsyncGenerator<Uint8Array> {
  yield encodeSnapshotChunk({ origins: ownersOf(vector.keys(), registry), rows: [] });
  let rows: SnapshotRow[] = [];
  let bytes = 0;
  for await (const entries of view.range(rangeOf('y', database.parts.db))) {
    for (const [key, value] of entries) {
      const { vector: version, parts } = decodeState(value);
      if (isCovered(version, since)) continue;
      const state = parts.length === 1 ? parts[0] : CrdtDocument.load(...parts).encode();
      rows.push({ ...documentOf(key), vector: version, state });
      bytes += value.length + key.length;
      if (bytes < SNAPSHOT_CHUNK_BYTES_TARGET) continue;
      yield chunkOf(rows, registry);
      rows = [];
      bytes = 0;
    }
  }
  if (rows.length > 0) yield chunkOf(rows, registry);
}

function isCovered(document: ReadonlyMap<OriginId, number>, since: VersionVector): boolean {
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
