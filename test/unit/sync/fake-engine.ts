/**
 * @module
 * Owns the engine that tests of links run on: logs in memory, commits that take virtual time, snapshots without content.
 */
import { decodeBatchHeader, encodeBatch, lastSeqOf, verifyChain } from '../../../sync/batch.ts';
import type { BatchHeader } from '../../../sync/batch.ts';
import type {
  DurableBatch,
  Engine,
  IngestResult,
  OriginId,
  SequenceRange,
  SnapshotSink,
  SnapshotSource,
} from '../../../sync/engine.ts';
import type { Timers } from '../../../sync/port.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { GENESIS_CHAIN, sequenceOf } from '../../../sync/version-vector.ts';
import type { VectorEntry, VersionVector } from '../../../sync/version-vector.ts';

interface FakeDatabase {
  readonly logs: Map<OriginId, { header: BatchHeader; bytes: Uint8Array }[]>;
  vector: Map<OriginId, VectorEntry>;
  pending: Map<OriginId, VectorEntry>;
  /** Origins whose log starts after this sequence. */
  readonly floors: Map<OriginId, number>;
}

/** Keeps batches in memory; a commit takes `commitMs` of virtual time. */
export class FakeEngine implements Engine {
  readonly nodeId: string;
  readonly origin: OriginId;
  commitMs = 2;
  /** Payload bytes received, per database key: copies show here. */
  receivedBatches = 0;
  ingestCalls = 0;
  snapshotsGiven = 0;
  snapshotsClosed = 0;
  snapshotsEnded = 0;
  chunksIngested = 0;
  estimates = 0;
  isCoalescing = false;
  readonly merging: Set<string> = new Set<string>();
  /** Database → when its batches go on. */
  readonly heldUp: Map<string, Promise<void>> = new Map<string, Promise<void>>();
  readonly dropped: Set<string> = new Set<string>();
  readonly owners: Map<OriginId, string>;
  readonly #time: Timers;
  readonly #databases = new Map<string, FakeDatabase>();
  #lastCommit: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<(database: string, batches: readonly DurableBatch[]) => void>();

  constructor(nodeId: string, origin: OriginId, time: Timers, owners: Map<OriginId, string>) {
    this.nodeId = nodeId;
    this.origin = origin;
    this.#time = time;
    this.owners = owners;
    owners.set(origin, nodeId);
  }

  unwanted(): readonly string[] {
    return [];
  }

  databases(): readonly string[] {
    return [...this.#databases.keys()].sort();
  }

  vector(database: string): VersionVector {
    return new Map(this.#databases.get(database)?.vector);
  }

  /** Creates an empty database. */
  create(database: string): void {
    this.#get(database);
  }

  /** Writes one batch of `count` records locally; durable after `commitMs`. */
  write(database: string, count = 1, updateBytes = 24): void {
    const held = this.#get(database);
    const entry = held.pending.get(this.origin);
    const firstSeq = (entry?.seq ?? 0) + 1;
    const deps = [...held.pending]
      .filter(([origin]) => origin !== this.origin)
      .map(([origin, { seq }]) => [origin, seq] as const);
    const records = Array.from({ length: count }, (_, i) => ({
      kind: 'update' as const,
      collection: 'c',
      id: `d${firstSeq + i}`,
      update: new Uint8Array(updateBytes).fill((firstSeq + i) % 251),
    }));
    const bytes = encodeBatch(
      { origin: this.origin, firstSeq, stamp: firstSeq, deps, records },
      entry?.chain ?? GENESIS_CHAIN,
      portableSha256,
    );
    this.#accept(held, decodeBatchHeader(bytes));
    void this.#commit(database, [bytes]);
  }

  async readLog(
    database: string,
    origin: OriginId,
    afterSeq: number,
    bytesMax: number,
  ): Promise<readonly Uint8Array[] | 'floor'> {
    const held = this.#get(database);
    if (afterSeq < (held.floors.get(origin) ?? 0)) return 'floor';
    const result: Uint8Array[] = [];
    let bytes = 0;
    for (const batch of held.logs.get(origin) ?? []) {
      if (batch.header.firstSeq <= afterSeq || lastSeqOf(batch.header) > sequenceOf(held.vector, origin)) continue;
      if (result.length > 0 && bytes + batch.bytes.length > bytesMax) break;
      result.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return result;
  }

  async ingest(database: string, batches: readonly Uint8Array[]): Promise<readonly IngestResult[]> {
    this.ingestCalls++;
    this.receivedBatches += batches.length;
    await this.heldUp.get(database);
    if (this.dropped.has(database)) return batches.map(() => ({ outcome: 'duplicate' }));
    const held = this.#get(database);
    const applied: Uint8Array[] = [];
    const results = batches.map((bytes): IngestResult => {
      const header = decodeBatchHeader(bytes);
      const ours = held.pending.get(header.origin);
      if (lastSeqOf(header) <= (ours?.seq ?? 0)) return { outcome: 'duplicate' };
      const missing: SequenceRange[] = [];
      if (header.firstSeq > (ours?.seq ?? 0) + 1) {
        missing.push({ origin: header.origin, from: (ours?.seq ?? 0) + 1, to: header.firstSeq - 1 });
      }
      for (const [origin, seq] of header.deps) {
        const have = sequenceOf(held.pending, origin);
        if (have < seq) missing.push({ origin, from: have + 1, to: seq });
      }
      if (missing.length > 0) return { outcome: 'blocked', missing };
      if (!verifyChain(bytes, ours?.chain ?? GENESIS_CHAIN, portableSha256)) throw new Error('chain forked');
      this.#accept(held, header);
      applied.push(bytes);
      return { outcome: 'applied' };
    });
    await this.#commit(database, applied);
    return results;
  }

  onDurable(listener: (database: string, batches: readonly DurableBatch[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Chunks without a meaning: the vector is what counts. */
  async snapshot(database: string): Promise<SnapshotSource> {
    this.snapshotsGiven++;
    return {
      vector: new Map(this.#get(database).vector),
      async *chunks() {
        for (let i = 0; i < 20; i++) yield new Uint8Array(50_000).fill(i);
      },
      close: async () => void this.snapshotsClosed++,
    };
  }

  isHeldUp(database: string): boolean {
    return this.heldUp.has(database);
  }

  forgotten(): ReadonlyMap<OriginId, number> {
    return new Map();
  }

  receiveSnapshot(database: string): SnapshotSink {
    return {
      add: async () => {
        this.chunksIngested++;
        await this.#delay();
      },
      complete: async (vector) => {
        this.merging.add(database);
        await this.#delay();
        this.merging.delete(database);
        this.#adopt(this.#get(database), vector);
        for (const listener of this.#listeners) listener(database, []);
      },
      held: [],
      close: async () => void this.snapshotsEnded++,
    };
  }

  async prefersDocuments(): Promise<boolean> {
    this.estimates++;
    return this.isCoalescing;
  }

  isMerging(database: string): boolean {
    return this.merging.has(database);
  }

  #adopt(held: FakeDatabase, vector: VersionVector): void {
    for (const [origin, entry] of vector) {
      if (sequenceOf(held.vector, origin) >= entry.seq) continue;
      held.vector.set(origin, entry);
      if (sequenceOf(held.pending, origin) < entry.seq) held.pending.set(origin, entry);
      held.floors.set(origin, entry.seq);
    }
  }

  nodeOf(origin: OriginId): string | undefined {
    return this.owners.get(origin);
  }

  /** Forgets the log up to the present. */
  truncate(database: string): void {
    const held = this.#get(database);
    for (const [origin, { seq }] of held.vector) {
      held.floors.set(origin, seq);
      held.logs.set(origin, []);
    }
  }

  /** Every encoded batch held of an origin, in order. */
  logOf(database: string, origin: OriginId): readonly Uint8Array[] {
    return (this.#get(database).logs.get(origin) ?? []).map((batch) => batch.bytes);
  }

  #get(database: string): FakeDatabase {
    let held = this.#databases.get(database);
    if (held === undefined) {
      held = { logs: new Map(), vector: new Map(), pending: new Map(), floors: new Map() };
      this.#databases.set(database, held);
    }
    return held;
  }

  #accept(held: FakeDatabase, header: BatchHeader): void {
    held.pending.set(header.origin, { seq: lastSeqOf(header), chain: header.chain });
  }

  async #commit(database: string, all: readonly Uint8Array[]): Promise<void> {
    await this.#delay();
    const held = this.#get(database);
    const durable = all.map((bytes) => {
      const header = decodeBatchHeader(bytes);
      const log = held.logs.get(header.origin) ?? [];
      held.logs.set(header.origin, log);
      log.push({ header, bytes });
      // A snapshot may have been adopted meanwhile.
      if (sequenceOf(held.vector, header.origin) < lastSeqOf(header)) {
        held.vector.set(header.origin, { seq: lastSeqOf(header), chain: header.chain });
      }
      return { origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes };
    });
    if (durable.length > 0) for (const listener of this.#listeners) listener(database, durable);
  }

  /** Resolves after `commitMs`, and never before an earlier commit. */
  #delay(): Promise<void> {
    const elapsed = new Promise<void>((resolve) => void this.#time.after(this.commitMs, resolve));
    this.#lastCommit = Promise.all([this.#lastCommit, elapsed]).then(() => undefined);
    return this.#lastCommit;
  }
}
