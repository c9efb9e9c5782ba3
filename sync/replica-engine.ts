/**
 * @module
 * Owns the replica as its links see it: the Engine over the set of databases.
 */
import type { Catalog } from './catalog.ts';
import type { Database } from './database.ts';
import type { DatabaseSet } from './database-set.ts';
import type { DurableBatch, Engine, IngestResult, OriginId, SnapshotSource } from './engine.ts';
import { SyncError } from './errors.ts';
import { adoptVector, ingestBatches, ingestSnapshotChunk, snapshotOf } from './ingest.ts';
import { isDatabaseKey } from './names.ts';
import type { VersionVector } from './version-vector.ts';

type DurableListener = (database: string, batches: readonly DurableBatch[]) => void;

const EMPTY_VECTOR: VersionVector = new Map();

export class ReplicaEngine implements Engine {
  readonly #set: DatabaseSet;
  readonly #catalog: Catalog;
  readonly owners: Map<OriginId, string>;
  readonly #listeners = new Set<DurableListener>();

  constructor(set: DatabaseSet, catalog: Catalog, owners: Map<OriginId, string>) {
    this.#set = set;
    this.#catalog = catalog;
    this.owners = owners;
  }

  databases(): readonly string[] {
    return this.#set.keys();
  }

  vector(database: string): VersionVector {
    return this.#set.get(database)?.parts.log.durableVector ?? EMPTY_VECTOR;
  }

  async readLog(
    database: string,
    origin: OriginId,
    afterSeq: number,
    bytesMax: number,
  ): Promise<readonly Uint8Array[] | 'floor'> {
    return (await this.#set.get(database)?.parts.log.read(origin, afterSeq, bytesMax)) ?? [];
  }

  ingest(database: string, batches: readonly Uint8Array[]): Promise<readonly IngestResult[]> {
    const noted = batches.map(() => ({ outcome: 'duplicate' }) as const);
    return this.#unlessDropped(database, (held) => ingestBatches(held, this, batches), noted);
  }

  snapshot(database: string, since: VersionVector): SnapshotSource {
    const held = this.#set.get(database);
    if (held) return snapshotOf(held, this, since);
    return { vector: EMPTY_VECTOR, chunks: async function* () {} };
  }

  ingestSnapshot(database: string, chunk: Uint8Array): Promise<void> {
    return this.#unlessDropped(database, (held) => ingestSnapshotChunk(held, this, chunk), undefined);
  }

  adoptVector(database: string, vector: VersionVector): Promise<void> {
    return this.#unlessDropped(database, (held) => adoptVector(held, vector), undefined);
  }

  /** What a peer still sends of a dropped database is taken note of and not kept: it is about to learn of the drop. */
  async #unlessDropped<T>(database: string, take: (held: Database) => Promise<T>, noted: T): Promise<T> {
    if (this.#isRefused(database)) return noted;
    try {
      return await take(await this.#set.ensure(database));
    } catch (error) {
      // Dropped in the meantime.
      if (this.#catalog.isDropped(database)) return noted;
      throw error;
    }
  }

  #isRefused(database: string): boolean {
    if (!isDatabaseKey(database)) {
      throw new SyncError('SYNC_BATCH_MALFORMED', 'A peer named an impossible database.', {
        details: { database: database.slice(0, 80) },
      });
    }
    return this.#catalog.isDropped(database);
  }

  onDurable(listener: DurableListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells links what has become durable. */
  publish(database: string, batches: readonly DurableBatch[]): void {
    if (batches.length > 0) for (const listener of this.#listeners) listener(database, batches);
  }

  nodeOf(origin: OriginId): string | undefined {
    return this.owners.get(origin);
  }
}
