/**
 * @module
 * Owns the receiving side of one snapshot: which chunks are durable, and when the donor's vector may be adopted.
 */
import type { VersionVector } from '../version-vector.ts';

export class SnapshotFetch {
  readonly database: string;
  readonly transfer: number;
  /** Ticks without anything received. */
  stallTicks = 0;
  readonly #durable = new Set<number>();
  #chunks = -1;
  #vector: VersionVector | null = null;

  constructor(database: string, transfer: number) {
    this.database = database;
    this.transfer = transfer;
  }

  /** Chunk `index` is durable. Order does not matter, repetition neither. */
  noteChunk(index: number): void {
    this.#durable.add(index);
  }

  noteEnd(chunks: number, vector: VersionVector): void {
    this.#chunks = chunks;
    this.#vector = vector;
  }

  /** The donor's vector, once, when everything is durable. */
  takeVector(): VersionVector | null {
    if (this.#durable.size !== this.#chunks) return null;
    const vector = this.#vector;
    this.#vector = null;
    return vector;
  }
}
