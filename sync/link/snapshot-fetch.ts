/**
 * @module
 * Owns the receiving side of one snapshot: which chunks are durable, and when it is complete.
 */
import type { HeldPart, SnapshotSink } from '../engine.ts';
import type { VersionVector } from '../version-vector.ts';

export class SnapshotFetch {
  readonly database: string;
  readonly transfer: number;
  readonly #sink: SnapshotSink;
  /** Ticks without anything received. */
  stallTicks = 0;
  readonly #durable = new Set<number>();
  #chunks = -1;
  #vector: VersionVector | null = null;
  #isOver = false;

  constructor(database: string, transfer: number, sink: SnapshotSink) {
    this.database = database;
    this.transfer = transfer;
    this.#sink = sink;
  }

  /** It was completed or given up: what still comes of it is ignored. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** With the last of its chunks it is merged. */
  get hasEnd(): boolean {
    return this.#chunks >= 0;
  }

  /** Resolves when the chunk is durable. Order does not matter, repetition neither. */
  async addChunk(index: number, bytes: Uint8Array): Promise<void> {
    await this.#sink.add(index, bytes);
    this.#durable.add(index);
  }

  noteEnd(chunks: number, vector: VersionVector): void {
    this.#chunks = chunks;
    this.#vector = vector;
  }

  /** Merges everything, if everything is durable. Resolves to whether it did. */
  async finish(): Promise<boolean> {
    const vector = this.#vector;
    if (this.#isOver || vector === null || this.#durable.size !== this.#chunks) return false;
    this.#vector = null;
    await this.#sink.complete(vector);
    return true;
  }

  /** What need not be sent. */
  get held(): readonly HeldPart[] {
    return this.#sink.held;
  }

  /** Nothing more will be done for it. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // A failed disk is reported by those who write to it.
    this.#sink.close().catch(() => undefined);
  }
}
