/**
 * @module
 * Owns snapshots on their way in. Chunks are *staged*: kept as they are until the whole snapshot is durable here. Then the
 * intention to merge is made durable, and from there on the merge is finished whatever happens, also after a crash; its last
 * commit adopts the vector. So a donor that is lost half-way leaves no document that runs ahead of the vector.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { AtollError } from '../crdt/index.ts';
import { indexDocument } from './change-index.ts';
import type { Database } from './database.ts';
import { ready } from './database.ts';
import type { SnapshotSink } from './engine.ts';
import { StorageError } from './errors.ts';
import { learnOrigin, mergeRow } from './ingest.ts';
import type { OriginRegistry } from './ingest.ts';
import { chunkKey, intentionKey, rangeOf } from './key.ts';
import type { StoreEntry } from './port.ts';
import { decodeSnapshotChunk } from './snapshot.ts';
import { dominates, readVector, writeVector } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

const INTENTION_FORMAT = 1;
const INDEX_MAX = 2 ** 32 - 1;

/** What is recorded before a snapshot is merged. */
export interface Intention {
  readonly stage: number;
  readonly vector: VersionVector;
}

/** The snapshots of one database. */
export class SnapshotIntake {
  readonly #database: Database;
  readonly #registry: OriginRegistry;
  readonly #onAdopted: () => void;
  #nextStage = 1;
  #merging: Promise<void> | null = null;

  /** @param onAdopted - The vector moved without batches. */
  constructor(database: Database, registry: OriginRegistry, onAdopted: () => void) {
    this.#database = database;
    this.#registry = registry;
    this.#onAdopted = onAdopted;
  }

  /** Resolves when no documents run ahead of the vector. Does not reject. */
  async settled(): Promise<void> {
    while (this.#merging !== null) await this.#merging.catch(() => undefined);
  }

  /** At the start: goes on with the merge that was under way, in the background, and forgets every other stage. */
  async recover(): Promise<void> {
    const { store, db } = this.#database.parts;
    const value = await store.get(intentionKey(db));
    const intention = value === undefined ? null : decodeIntention(value);
    const all = rangeOf('c', db);
    if (intention === null) return this.#clear(all);
    this.#nextStage = intention.stage + 1;
    await this.#clear({ gte: all.gte, lt: chunkKey(db, intention.stage, 0) });
    await this.#clear({ gte: chunkKey(db, intention.stage + 1, 0), lt: all.lt });
    // Who waits are those who ask for `settled`; storage that fails is reported by the commit.
    this.#merge(intention).catch(() => undefined);
  }

  /** A place for one more snapshot. */
  open(): SnapshotSink {
    const stage = this.#nextStage++;
    const writes = new Set<Promise<void>>();
    let isClosed = false;
    return {
      add: (index, chunk) => {
        if (isClosed) return Promise.resolve();
        const write = this.#stage(stage, index, chunk);
        writes.add(write);
        return write.finally(() => writes.delete(write));
      },
      complete: async (vector) => {
        if (isClosed) return;
        isClosed = true;
        await this.#adopt({ stage, vector });
      },
      discard: async () => {
        if (isClosed) return;
        isClosed = true;
        await Promise.allSettled(writes);
        await this.#clearStage(stage);
      },
    };
  }

  async #stage(stage: number, index: number, chunk: Uint8Array): Promise<void> {
    const { db, commit } = this.#database.parts;
    this.#database.assertOpen();
    decodeSnapshotChunk(chunk);
    this.#database.extraOperations.push({ type: 'put', key: chunkKey(db, stage, index), value: chunk });
    await commit.join(this.#database);
  }

  async #adopt(intention: Intention): Promise<void> {
    await this.settled();
    const { db, log, commit } = this.#database.parts;
    this.#database.assertOpen();
    if (dominates(log.durableVector, intention.vector)) return this.#clearStage(intention.stage);
    this.#database.extraOperations.push({ type: 'put', key: intentionKey(db), value: encodeIntention(intention) });
    const recorded = commit.join(this.#database);
    await this.#merge(intention, recorded);
  }

  #merge(intention: Intention, recorded: Promise<void> = Promise.resolve()): Promise<void> {
    this.#database.isMerging = true;
    const merging = recorded
      .then(() => this.#mergeAll(intention))
      .catch((error: unknown) => this.#abandon(intention, error))
      .finally(() => {
        this.#merging = null;
      });
    this.#merging = merging;
    return merging;
  }

  async #mergeAll({ stage, vector }: Intention): Promise<void> {
    const { db, log, commit } = this.#database.parts;
    for (let index = 0; ;) {
      const entry = await this.#firstChunk(stage, index);
      if (entry === null) break;
      index = indexOf(entry[0]) + 1;
      await this.#mergeChunk(entry);
    }
    this.#database.assertOpen();
    log.adopt(vector);
    this.#database.extraOperations.push({ type: 'del', key: intentionKey(db) });
    await commit.join(this.#database);
    this.#database.isMerging = false;
    this.#onAdopted();
  }

  /** One at a time: chunks may be as large as a message. */
  async #firstChunk(stage: number, index: number): Promise<StoreEntry | null> {
    const { store, db } = this.#database.parts;
    this.#database.assertOpen();
    const bounds = { gte: chunkKey(db, stage, index), lt: chunkKey(db, stage, INDEX_MAX) };
    for await (const [entry] of store.range({ ...bounds, limit: 1 })) if (entry !== undefined) return entry;
    return null;
  }

  /** The chunk leaves the stage with the commit that carries what was in it, and what no log here will say of it (I7). */
  async #mergeChunk([key, chunk]: StoreEntry): Promise<void> {
    const database = this.#database;
    const { table, commit } = database.parts;
    const { origins, rows } = decodeSnapshotChunk(chunk);
    const slots = rows.map((row) => table.acquire(row.collection, row.id));
    try {
      await ready(slots);
      database.assertOpen();
      for (const [origin, nodeId] of origins) learnOrigin(database, this.#registry, origin, nodeId);
      rows.forEach((row, i) => mergeRow(database, slots[i]!, row));
      for (const { collection, id, vector } of rows) {
        database.extraOperations.push(...indexDocument(database.parts.db, collection, id, vector));
      }
      database.extraOperations.push({ type: 'del', key });
      await commit.join(database);
    } finally {
      for (const slot of slots) table.release(slot);
    }
  }

  /**
   * What cannot be merged will not be merged the next time either, so it is forgotten, and another snapshot covers the documents
   * that were merged already. Everything else (a closing node, a failed disk) leaves the intention for the next start.
   */
  async #abandon({ stage }: Intention, error: unknown): Promise<never> {
    if (isHopeless(error)) {
      this.#database.extraOperations.push({ type: 'del', key: intentionKey(this.#database.parts.db) });
      await this.#database.parts.commit.join(this.#database);
      this.#database.isMerging = false;
      await this.#clearStage(stage);
    }
    throw error;
  }

  #clearStage(stage: number): Promise<void> {
    const { db } = this.#database.parts;
    return this.#clear({ gte: chunkKey(db, stage, 0), lt: chunkKey(db, stage + 1, 0) });
  }

  /** Written outside the commit groups; a failure ends those too. */
  async #clear(bounds: { gte: Uint8Array; lt: Uint8Array }): Promise<void> {
    const { store, commit } = this.#database.parts;
    try {
      await store.clear(bounds);
    } catch (cause) {
      throw commit.fail(cause);
    }
  }
}

function isHopeless(error: unknown): boolean {
  return error instanceof AtollError && (error.code === 'SYNC_BATCH_MALFORMED' || error.code === 'STORAGE_CORRUPT');
}

function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(9);
}

/** Bytes: u8 format | varUint stage | vector. */
function encodeIntention({ stage, vector }: Intention): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, INTENTION_FORMAT);
  encoding.writeVarUint(encoder, stage);
  writeVector(encoder, vector);
  return encoding.toUint8Array(encoder);
}

export function decodeIntention(bytes: Uint8Array): Intention {
  const decoder = decoding.createDecoder(bytes);
  const format = decoding.readUint8(decoder);
  if (format !== INTENTION_FORMAT) {
    throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', `Format ${format} of a staged snapshot is not known.`, {
      details: { format },
    });
  }
  return { stage: decoding.readVarUint(decoder), vector: readVector(decoder) };
}
