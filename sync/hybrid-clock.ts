/**
 * @module
 * Owns the hybrid logical clock (Kulkarni et al. 2014) of a node. Stamps order *concurrent* values only; correctness never
 * depends on them (replication.md "Clocks").
 */
import { encodeStamp } from '../crdt/index.ts';
import type { Clock } from './port.ts';

/** A node does not advance its clock further than this beyond its wall clock because of a peer. */
export const CLOCK_ADVANCE_MS_MAX = 60_000;

export class HybridClock {
  readonly #clock: Clock;
  #last: number;

  /** @param last - The largest stamp this node is known to have used; 0 if none. */
  constructor(clock: Clock, last: number) {
    this.#clock = clock;
    this.#last = last;
  }

  /** The largest stamp issued or adopted so far. */
  get last(): number {
    return this.#last;
  }

  /** A new stamp, greater than all before it on this node. */
  tick(): number {
    this.#last = Math.max(this.#last + 1, encodeStamp(this.#clock.now(), 0));
    return this.#last;
  }

  /** Adopts a peer's stamp unless it lies too far in the future; the record that carried it is accepted either way. */
  observe(stamp: number): void {
    if (stamp > this.#last && stamp <= encodeStamp(this.#clock.now() + CLOCK_ADVANCE_MS_MAX, 0)) this.#last = stamp;
  }
}
