/**
 * @module
 * Owns keeping vectors short where nobody is started anew: an epoch covers what it began with (lineage.ts), so when many others are
 * listed, as after many nodes that wrote before they had met anybody, this node begins one. No agreement is needed for that.
 */
import type { Database } from './database.ts';
import type { Epoch } from './identity.ts';
import type { Clock, Timers } from './port.ts';

/** Between two looks. */
const LOOK_MS = 60_000;
/** Between two epochs that begin for this. */
const EPOCH_MS = 3_600_000;
/** Origins listed besides the present ones of the members. */
export const LISTED_MAX = 64;

export interface EpochRenewalParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  /** Members that may write. */
  readonly members: () => number;
  readonly epoch: Epoch;
  readonly renewEpoch: () => void;
}

export class EpochRenewal {
  readonly #parts: EpochRenewalParts;
  #renewedMs: number | null = null;
  #cancel: () => void = () => {};

  constructor(parts: EpochRenewalParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.timers.after(LOOK_MS, () => {
      this.look();
      this.start();
    });
  }

  close(): void {
    this.#cancel();
  }

  /** Begins an epoch if that shortens a vector: where this node has written, so that it may be expected to write again. */
  look(): void {
    const { clock, databases, members, epoch, renewEpoch } = this.#parts;
    const now = clock.now();
    if (this.#renewedMs !== null && Math.abs(now - this.#renewedMs) < EPOCH_MS) return;
    const isLong = databases().some(({ parts: { log } }) => {
      const { durableVector } = log;
      return durableVector.size > LISTED_MAX + members() && durableVector.get(epoch.origin) !== undefined;
    });
    if (!isLong) return;
    this.#renewedMs = now;
    renewEpoch();
  }
}
