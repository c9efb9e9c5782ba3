/**
 * @module
 * Owns the replica as its links see it: the Engine over the set of databases.
 */
import type { Catalog } from './catalog.ts';
import { prefersDocuments } from './coalescing.ts';
import type { Database } from './database.ts';
import type { DatabaseSet } from './database-set.ts';
import type { DurableBatch, Engine, HeldPart, IngestResult, OriginId, SnapshotSink, SnapshotSource } from './engine.ts';
import { isCorrupt } from './damage-scan.ts';
import type { Equality } from './equality.ts';
import { SyncError } from './errors.ts';
import { ingestBatches } from './ingest.ts';
import { isDatabaseKey } from './names.ts';
import type { Presence } from './presence.ts';
import { SnapshotIntake } from './snapshot-intake.ts';
import { DEFAULT_SNAPSHOT_OPTIONS } from './snapshot-options.ts';
import type { SnapshotOptions } from './snapshot-options.ts';
import { snapshotOf } from './snapshot-source.ts';
import type { VersionVector } from './version-vector.ts';

type DurableListener = (database: string, batches: readonly DurableBatch[]) => void;

const EMPTY_VECTOR: VersionVector = new Map();
const NOTHING_FORGOTTEN: ReadonlyMap<OriginId, number> = new Map();
/** Of a database that is not held here. */
const NO_SNAPSHOT: SnapshotSource = {
  vector: EMPTY_VECTOR,
  chunks: async function* () {},
  close: () => Promise.resolve(),
};

/** Who wants to know that others wrote in the name of this node. */
export interface OriginWatch {
  /** Before it returns, the epoch is another one. */
  handleForeignEpoch(database: string, origin: OriginId, seq: number): void;
  handleFork(database: string, origin: OriginId, seq: number): void;
  handleOwner(origin: OriginId, nodeId: string): void;
}

export class ReplicaEngine implements Engine {
  readonly #set: DatabaseSet;
  readonly #catalog: Catalog;
  readonly owners: Map<OriginId, string>;
  equality?: Equality;
  /** Set by who serves clients that look at documents together. */
  presence?: Presence;
  snapshotOptions: SnapshotOptions = DEFAULT_SNAPSHOT_OPTIONS;
  readonly #listeners = new Set<DurableListener>();
  readonly #intakes = new WeakMap<Database, SnapshotIntake>();
  readonly #watch: OriginWatch;
  readonly #isPlaced: (database: string) => boolean;

  /** @param isPlaced - Is this node to hold the database? */
  constructor(
    set: DatabaseSet,
    catalog: Catalog,
    owners: Map<OriginId, string>,
    watch: OriginWatch,
    isPlaced: (database: string) => boolean,
  ) {
    this.#set = set;
    this.#catalog = catalog;
    this.owners = owners;
    this.#watch = watch;
    this.#isPlaced = isPlaced;
  }

  handleForeignEpoch(database: string, origin: OriginId, seq: number): void {
    this.#watch.handleForeignEpoch(database, origin, seq);
  }

  handleOwner(origin: OriginId, nodeId: string): void {
    this.#watch.handleOwner(origin, nodeId);
  }

  databases(): readonly string[] {
    return this.#set.keys();
  }

  unwanted(): readonly string[] {
    return this.#catalog.liveKeys().filter((key) => this.#isElsewhere(key));
  }

  /** Tells links that a database has left, or is back. */
  noteMoved(database: string): void {
    this.#notify(database, []);
  }

  #isElsewhere(database: string): boolean {
    return !this.#isPlaced(database) && this.#set.get(database) === undefined;
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
    try {
      return (await this.#set.get(database)?.parts.log.read(origin, afterSeq, bytesMax)) ?? [];
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      // What cannot be read might as well have been cut: the peer gets the documents.
      this.equality?.noteLogDamage(database, origin);
      return 'floor';
    }
  }

  ingest(
    database: string,
    batches: readonly Uint8Array[],
    onMerged: () => void = () => {},
  ): Promise<readonly IngestResult[]> {
    const noted = batches.map(() => ({ outcome: 'duplicate' }) as const);
    return this.#unlessDropped(database, (held) => this.#ingest(held, batches, onMerged), noted);
  }

  async #ingest(
    held: Database,
    batches: readonly Uint8Array[],
    onMerged: () => void,
  ): Promise<readonly IngestResult[]> {
    try {
      return await pastDamage(held, () => ingestBatches(held, this, batches, onMerged));
    } catch (error) {
      if (error instanceof SyncError && error.code === 'SYNC_CHAIN_FORKED') {
        const { origin, seq } = error.details;
        if (typeof origin === 'number' && typeof seq === 'number') this.#watch.handleFork(held.key, origin, seq);
      }
      throw error;
    }
  }

  async prefersDocuments(database: string, since: (origin: OriginId) => number): Promise<boolean> {
    const held = this.#set.get(database);
    return held !== undefined && !held.isMerging && (await prefersDocuments(held, since));
  }

  async snapshot(database: string, since: VersionVector, held: readonly HeldPart[] = []): Promise<SnapshotSource> {
    for (;;) {
      const from = this.#set.get(database);
      if (from === undefined) return NO_SNAPSHOT;
      await this.#intakeOf(from).settled();
      from.assertOpen();
      const source = await from.parts.commit.between(() =>
        from.isMerging ? null : snapshotOf(from, this, since, held, this.snapshotOptions),
      );
      if (source !== null) return { ...source, chunks: () => this.#watchDamage(database, source.chunks()) };
    }
  }

  /** A damaged document ends a snapshot: the sooner it is found and replaced, the sooner the peer gets one. */
  async *#watchDamage(database: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
    } catch (error) {
      if (isCorrupt(error)) this.equality?.noteDamage(database);
      throw error;
    }
  }

  forgotten(database: string): ReadonlyMap<OriginId, number> {
    return this.#set.get(database)?.parts.forgotten.vector ?? NOTHING_FORGOTTEN;
  }

  receiveSnapshot(database: string): SnapshotSink {
    const known = this.#set.get(database);
    let sink = known === undefined ? null : this.#intakeOf(known).open();
    const take = (run: (open: SnapshotSink) => Promise<void>): Promise<void> =>
      this.#unlessDropped(database, (into) => run((sink ??= this.#intakeOf(into).open())), undefined);
    return {
      held: sink?.held ?? [],
      add: (index, chunk) => take((open) => open.add(index, chunk)),
      complete: (vector) => take((open) => open.complete(vector)),
      close: async () => sink?.close(),
    };
  }

  isMerging(database: string): boolean {
    return this.#set.get(database)?.isMerging ?? false;
  }

  isHeldUp(database: string): boolean {
    return this.isMerging(database) || (this.#set.get(database)?.quarantine.size ?? 0) > 0;
  }

  /** At the start: goes on with snapshots that were being merged. */
  async recover(): Promise<void> {
    for (const key of this.#set.keys()) await this.#intakeOf(this.#set.get(key)!).recover();
  }

  #intakeOf(database: Database): SnapshotIntake {
    let intake = this.#intakes.get(database);
    if (intake === undefined) {
      const atomicBytesMax = (): number => this.snapshotOptions.atomicBytesMax;
      intake = new SnapshotIntake(database, this, atomicBytesMax, () => this.#notify(database.key, []));
      this.#intakes.set(database, intake);
    }
    return intake;
  }

  /** What a peer still sends of a database that was dropped, or is placed elsewhere, is taken note of and not kept: it is about to learn of the drop. */
  async #unlessDropped<T>(database: string, take: (held: Database) => Promise<T>, noted: T): Promise<T> {
    if (this.#isRefused(database)) return noted;
    try {
      return await take(await this.#set.ensure(database));
    } catch (error) {
      // Dropped in the meantime, or gone to others.
      if (this.#isRefused(database)) return noted;
      throw error;
    }
  }

  #isRefused(database: string): boolean {
    if (!isDatabaseKey(database)) {
      throw new SyncError('SYNC_BATCH_MALFORMED', 'A peer named an impossible database.', {
        details: { database: database.slice(0, 80) },
      });
    }
    return this.#catalog.isDropped(database) || this.#isElsewhere(database);
  }

  onDurable(listener: DurableListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells links what has become durable. */
  publish(database: string, batches: readonly DurableBatch[]): void {
    if (batches.length > 0) this.#notify(database, batches);
  }

  #notify(database: string, batches: readonly DurableBatch[]): void {
    for (const listener of this.#listeners) listener(database, batches);
  }

  nodeOf(origin: OriginId): string | undefined {
    return this.owners.get(origin);
  }
}

/** Batches for a document that cannot be read wait until a peer gave it back. */
async function pastDamage<T>(database: Database, run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!isCorrupt(error) || database.quarantine.size === 0) throw error;
      await database.quarantine.released();
    }
  }
}
