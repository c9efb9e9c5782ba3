/**
 * @module
 * Owns snapshots on their way in. Chunks are *staged*: kept as they are until the whole snapshot is durable here. Then the
 * intention to merge is made durable, and from there on the merge is finished whatever happens, also after a crash; its last
 * commit adopts the vector. So a donor that is lost half-way leaves no document that runs ahead of the vector, and the next
 * one goes on where it ended.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { AtollError } from '../crdt/index.ts';
import type { Database } from './database.ts';
import type { SnapshotSink } from './engine.ts';
import { StorageError } from './errors.ts';
import type { Holding } from './horizon.ts';
import { closureOf } from './lineage.ts';
import type { OriginRegistry } from './ingest.ts';
import { chunkKey, compareBytes, intentionKey, rangeOf, stageKey, stageOf } from './key.ts';
import type { StoreEntry } from './port.ts';
import { takeBackAll } from './operation.ts';
import { SnapshotMerge } from './snapshot-merge.ts';
import { decodeStagedChunk, stageChunk } from './staged-chunk.ts';
import { NO_CHAIN, Stage, chainOf, decodeStageRecord, encodeStageRecord, reachOf } from './snapshot-stage.ts';
import type { Chain, StageRecord } from './snapshot-stage.ts';
import { dominates, readVector, writeVector } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

const INTENTION_FORMAT = 1;
const INDEX_MAX = 2 ** 32 - 1;

/** What is recorded before a snapshot is merged. */
export interface Intention {
  /** Oldest first. */
  readonly stages: readonly number[];
  readonly vector: VersionVector;
}

/** More documents than that are not merged in one commit. */
const ATOMIC_MERGE_DOCUMENTS_MAX = 2048;
/** A transfer that broke off more often begins anew. */
const STAGES_MAX = 8;

/** The snapshots of one database. */
export class SnapshotIntake {
  readonly #database: Database;
  readonly #atomicBytesMax: () => number;
  readonly #onAdopted: () => void;
  /** Of stages that are kept. */
  readonly #records = new Map<number, StageRecord>();
  /** Being filled. */
  readonly #active = new Set<Stage>();
  #nextStage = 1;
  /** Being merged. */
  #intended: readonly number[] = [];
  #merging: Promise<void> | null = null;
  readonly #rows: SnapshotMerge;

  /**
   * @param atomicBytesMax - A snapshot of at most so much is merged in one commit, so that no group of writes shows half.
   * @param onAdopted - The vector moved without batches.
   */
  constructor(database: Database, registry: OriginRegistry, atomicBytesMax: () => number, onAdopted: () => void) {
    this.#database = database;
    this.#rows = new SnapshotMerge(database, registry);
    this.#atomicBytesMax = atomicBytesMax;
    this.#onAdopted = onAdopted;
  }

  /** Resolves when no documents run ahead of the vector. Does not reject. */
  async settled(): Promise<void> {
    while (this.#merging !== null) await this.#merging.catch(() => undefined);
  }

  /** At the start: goes on with the merge that was under way, in the background, or keeps what the next transfer can go on from. */
  async recover(): Promise<void> {
    const { store, db } = this.#database.parts;
    for await (const entries of store.range(rangeOf('t', db))) {
      for (const [key, value] of entries) this.#records.set(stageOf(key), decodeStageRecord(value));
    }
    const value = await store.get(intentionKey(db));
    const intention = value === undefined ? null : decodeIntention(value);
    this.#nextStage = Math.max(0, ...this.#records.keys(), ...(intention?.stages ?? [])) + 1;
    await this.#keepOnly(intention?.stages ?? this.#best().stages);
    // Who waits are those who ask for `settled`; storage that fails is reported by the commit.
    if (intention !== null) this.#merge(intention).catch(() => undefined);
  }

  /** A place for one more snapshot. */
  open(): SnapshotSink {
    const stage = new Stage(this.#nextStage++, this.#best());
    const writes = new Set<Promise<void>>();
    let isClosed = false;
    this.#active.add(stage);
    return {
      held: stage.base.parts,
      add: (index, chunk) => {
        if (isClosed) return Promise.resolve();
        const write = this.#stage(stage, index, chunk);
        writes.add(write);
        return write.finally(() => writes.delete(write));
      },
      complete: async (vector) => {
        if (isClosed) return;
        isClosed = true;
        await this.settled();
        this.#active.delete(stage);
        await this.#adopt({ stages: stage.stages, vector });
      },
      close: async () => {
        if (isClosed) return;
        isClosed = true;
        await Promise.allSettled(writes);
        this.#active.delete(stage);
        this.#database.snapshot = null;
        await this.#keepOnly(this.#best().stages);
      },
    };
  }

  /** What reaches furthest, of what is not known by other ways meanwhile. */
  #best(): Chain {
    const { durableVector } = this.#database.parts.log;
    let best = NO_CHAIN;
    for (const [number, { vector }] of this.#records) {
      const chain = chainOf(number, this.#records);
      if (dominates(durableVector, vector) || chain.stages.length >= STAGES_MAX) continue;
      if ([...this.#active].some((stage) => stage.number === number)) continue;
      if (compareBytes(reachOf(chain), reachOf(best)) > 0) best = chain;
    }
    return best;
  }

  async #stage(stage: Stage, index: number, bytes: Uint8Array): Promise<void> {
    const { db, commit } = this.#database.parts;
    this.#database.assertOpen();
    const { outline, staged } = stageChunk(this.#database, bytes);
    stage.note(index, outline, bytes.length);
    const { documents, documentsTotal, record } = stage;
    this.#database.snapshot = { phase: 'receiving', documents, documentsTotal, bytes: stage.bytes };
    this.#database.extraOperations.push({ type: 'put', key: chunkKey(db, stage.number, index), value: staged });
    if (record !== null) {
      this.#database.extraOperations.push({
        type: 'put',
        key: stageKey(db, stage.number),
        value: encodeStageRecord(record),
      });
    }
    await commit.join(this.#database);
    if (record !== null) this.#records.set(stage.number, record);
  }

  async #adopt(intention: Intention): Promise<void> {
    const { db, log, commit } = this.#database.parts;
    this.#database.assertOpen();
    if (dominates(log.durableVector, intention.vector)) {
      this.#database.snapshot = null;
      return this.#keepOnly([]);
    }
    this.#database.extraOperations.push({ type: 'put', key: intentionKey(db), value: encodeIntention(intention) });
    const recorded = commit.join(this.#database);
    await this.#merge(intention, recorded);
  }

  #merge(intention: Intention, recorded: Promise<void> = Promise.resolve()): Promise<void> {
    this.#database.beginMerge(intention.vector);
    this.#intended = intention.stages;
    const merging = recorded
      .then(() => this.#mergeAll(intention))
      .catch((error: unknown) => this.#abandon(error))
      .finally(() => {
        this.#merging = null;
      });
    this.#merging = merging;
    return merging;
  }

  async #mergeAll({ stages, vector }: Intention): Promise<void> {
    const { commit } = this.#database.parts;
    const { documents: received = 0, bytes = 0 } = this.#database.snapshot ?? {};
    const small = await this.#readSmall(stages);
    if (small !== null) {
      await this.#rows.mergeAtOnce(small, this.#donorOf(stages[0]!, vector), () => this.#adoptVector(vector));
      return this.#finish();
    }
    let documents = 0;
    for await (const merged of this.#mergeStages({ stages, vector })) {
      documents += merged;
      // After a start it is not known how many were received.
      const documentsTotal = Math.max(received, documents);
      this.#database.snapshot = { phase: 'merging', documents, documentsTotal, bytes };
    }
    this.#database.assertOpen();
    this.#adoptVector(vector);
    await commit.join(this.#database);
    await this.#finish();
  }

  /** All chunks, when they are few enough to be merged in one commit, and of one moment; else `null`. */
  async #readSmall(stages: readonly number[]): Promise<readonly StoreEntry[] | null> {
    if (stages.length !== 1) return null;
    const entries: StoreEntry[] = [];
    let bytes = 0;
    for (const stage of stages) {
      for (let entry = await this.#firstChunk(stage, 0); entry !== null;) {
        bytes += entry[1].length;
        if (bytes > this.#atomicBytesMax()) return null;
        entries.push(entry);
        entry = await this.#firstChunk(stage, indexOf(entry[0]) + 1);
      }
    }
    const documents = entries.reduce((sum, [, chunk]) => sum + documentsIn(chunk), 0);
    return documents > ATOMIC_MERGE_DOCUMENTS_MAX ? null : entries;
  }

  #adoptVector(vector: VersionVector): void {
    const { db, log, clock } = this.#database.parts;
    log.separate(clock.last);
    log.adopt(vector);
    this.#database.extraOperations.push({ type: 'del', key: intentionKey(db) });
  }

  async #finish(): Promise<void> {
    this.#intended = [];
    this.#database.endMerge();
    this.#database.snapshot = null;
    this.#onAdopted();
    await takeBackAll(this.#database, this.#rows.takeRepeated());
    await this.#keepOnly([]);
  }

  /** Two chunks at a time: while one is being written the next is merged. Yields the documents of each. */
  async *#mergeStages({ stages, vector }: Intention): AsyncGenerator<number> {
    let running = Promise.resolve(0);
    for (const stage of stages) {
      for (let index = 0; ;) {
        const entry = await this.#firstChunk(stage, index);
        if (entry === null) break;
        index = indexOf(entry[0]) + 1;
        const next = this.#rows.merge(entry, this.#donorOf(stage, vector));
        // Whatever becomes of the one before, this one comes to its end before the merge does.
        const ended = next.catch(() => undefined);
        try {
          yield await running;
        } catch (error) {
          await ended;
          throw error;
        }
        running = next;
      }
    }
    yield await running;
  }

  /** One at a time: chunks may be as large as a message. */
  async #firstChunk(stage: number, index: number): Promise<StoreEntry | null> {
    const { store, db } = this.#database.parts;
    this.#database.assertOpen();
    const key = chunkKey(db, stage, index);
    // It is there but for the last one and what got lost: a look for what follows would be dear beside all that was deleted before.
    const chunk = await store.get(key);
    if (chunk !== undefined) return [key, chunk];
    const bounds = { gte: key, lt: chunkKey(db, stage, INDEX_MAX) };
    for await (const [entry] of store.range({ ...bounds, limit: 1 })) if (entry !== undefined) return entry;
    return null;
  }

  /** What a stage is of, unless it is the only one. */
  #donorOf(stage: number, vector: VersionVector): Holding {
    const { durableVector } = this.#database.parts.log;
    const donor = this.#records.get(stage)?.vector ?? vector;
    // The vector lists all that is not known here, also what follows from that of an earlier moment.
    const listed = new Map([...donor].map(([origin, { seq }]) => [origin, seq]));
    return closureOf(listed, (origin) => vector.get(origin)?.base ?? durableVector.get(origin)?.base);
  }

  /**
   * What cannot be merged will not be merged the next time either, so it is forgotten, and another snapshot covers the documents
   * that were merged already. Everything else (a closing node, a failed disk) leaves the intention for the next start.
   */
  async #abandon(error: unknown): Promise<never> {
    if (isHopeless(error)) {
      this.#database.extraOperations.push({ type: 'del', key: intentionKey(this.#database.parts.db) });
      await this.#database.parts.commit.join(this.#database);
      this.#intended = [];
      this.#database.endMerge();
      this.#database.snapshot = null;
      await this.#keepOnly([]);
    }
    throw error;
  }

  /** Removes every stage but these and those in use, also what a crash left of one. The record of a stage goes first. */
  async #keepOnly(wanted: readonly number[]): Promise<void> {
    const { db } = this.#database.parts;
    const inUse = [...this.#active].flatMap(({ number, base }) => [number, ...base.stages]);
    const stages = [...new Set([...wanted, ...inUse, ...this.#intended])].sort((a, b) => a - b);
    for (const stage of this.#records.keys()) {
      if (stages.includes(stage)) continue;
      this.#records.delete(stage);
      await this.#clear({ gte: stageKey(db, stage), lt: stageKey(db, stage + 1) });
    }
    const { lt } = rangeOf('c', db);
    let { gte } = rangeOf('c', db);
    for (const stage of stages) {
      await this.#clear({ gte, lt: chunkKey(db, stage, 0) });
      gte = chunkKey(db, stage + 1, 0);
    }
    await this.#clear({ gte, lt });
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

function documentsIn(staged: Uint8Array): number {
  const { rows, views } = decodeStagedChunk(staged);
  return rows.length + views.length;
}

function isHopeless(error: unknown): boolean {
  return error instanceof AtollError && (error.code === 'SYNC_BATCH_MALFORMED' || error.code === 'STORAGE_CORRUPT');
}

function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(9);
}

/** Bytes: u8 format | varUint n, n × varUint stage | vector. */
function encodeIntention({ stages, vector }: Intention): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, INTENTION_FORMAT);
  encoding.writeVarUint(encoder, stages.length);
  for (const stage of stages) encoding.writeVarUint(encoder, stage);
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
  const stages = Array.from({ length: decoding.readVarUint(decoder) }, () => decoding.readVarUint(decoder));
  return { stages, vector: readVector(decoder) };
}
