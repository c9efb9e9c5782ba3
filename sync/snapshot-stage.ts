/**
 * @module
 * Owns what is known of one stage: chunks of a snapshot that are kept aside, in the order of documents or not, and how far they
 * reach without a gap. A stage may go on where others ended, which are its *bases*.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { HeldPart } from './engine.ts';
import { StorageError, SyncError } from './errors.ts';
import { compareBytes } from './key.ts';
import type { SnapshotOutline } from './snapshot.ts';
import { readVector, writeVector } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

const FORMAT = 1;
const NOWHERE = new Uint8Array(0);

/** What is durable of a stage besides its chunks. */
export interface StageRecord {
  /** Stages that hold what this one leaves out, oldest first. */
  readonly bases: readonly number[];
  readonly vector: VersionVector;
  /** All documents up to this one are here; empty = none. */
  readonly until: Uint8Array;
}

/** Stages that belong together, and what they hold. */
export interface Chain {
  readonly stages: readonly number[];
  /** The furthest first; each newer than those after it. */
  readonly parts: readonly HeldPart[];
}

export const NO_CHAIN: Chain = { stages: [], parts: [] };

/** A stage that is being filled. */
export class Stage {
  readonly number: number;
  /** What it may go on from. */
  readonly base: Chain;
  /** Rows received. */
  documents = 0;
  bytes = 0;
  documentsTotal = 0;
  #vector: VersionVector | null = null;
  #continues = false;
  #until: Uint8Array = NOWHERE;
  #next = 0;
  /** Chunks after a gap → how far they reach. */
  readonly #later = new Map<number, Uint8Array>();

  constructor(number: number, base: Chain) {
    this.number = number;
    this.base = base;
  }

  /** Takes note of a chunk that is about to be written. */
  note(index: number, { begin, until, documents }: SnapshotOutline, bytes: number): void {
    if (begin !== null) {
      if (begin.continues && this.base.parts.length === 0)
        throw new SyncError('SYNC_BATCH_MALFORMED', 'A snapshot goes on from nothing.');
      this.#vector = begin.vector;
      this.#continues = begin.continues;
      this.documentsTotal = begin.documents;
    }
    this.documents += documents;
    this.bytes += bytes;
    this.#later.set(index, until);
    for (let reach = this.#later.get(this.#next); reach !== undefined; reach = this.#later.get(++this.#next)) {
      this.#later.delete(this.#next);
      if (reach.length > 0) this.#until = reach;
    }
  }

  /** The stages that make a whole with this one. */
  get stages(): readonly number[] {
    return [...(this.#continues ? this.base.stages : []), this.number];
  }

  /** Null before the first chunk. */
  get record(): StageRecord | null {
    if (this.#vector === null) return null;
    return { bases: this.#continues ? this.base.stages : [], vector: this.#vector, until: this.#until };
  }
}

/** What stages hold together. */
export function chainOf(number: number, records: ReadonlyMap<number, StageRecord>): Chain {
  const { bases } = records.get(number)!;
  const stages = [...bases, number];
  let parts: HeldPart[] = [];
  for (const stage of stages) {
    const record = records.get(stage);
    if (record === undefined) return NO_CHAIN;
    const { until, vector } = record;
    if (until.length === 0) continue;
    // The newer stage went through everything up to where it got.
    parts = [...parts.filter((part) => compareBytes(part.until, until) > 0), { until, vector }];
  }
  return { stages, parts };
}

/** How far a chain reaches. */
export function reachOf({ parts }: Chain): Uint8Array {
  return parts[0]?.until ?? NOWHERE;
}

export function encodeStageRecord({ bases, vector, until }: StageRecord): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FORMAT);
  encoding.writeVarUint(encoder, bases.length);
  for (const stage of bases) encoding.writeVarUint(encoder, stage);
  writeVector(encoder, vector);
  encoding.writeVarUint8Array(encoder, until);
  return encoding.toUint8Array(encoder);
}

export function decodeStageRecord(bytes: Uint8Array): StageRecord {
  const decoder = decoding.createDecoder(bytes);
  const format = decoding.readUint8(decoder);
  if (format !== FORMAT) {
    throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', `Format ${format} of a staged snapshot is not known.`, {
      details: { format },
    });
  }
  const bases = Array.from({ length: decoding.readVarUint(decoder) }, () => decoding.readVarUint(decoder));
  return { bases, vector: readVector(decoder), until: decoding.readVarUint8Array(decoder).slice() };
}
