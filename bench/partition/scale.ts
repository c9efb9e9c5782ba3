/**
 * @module
 * Owns how large a proof is: everything at once for the demonstration, a tenth of the changes for the test.
 */

export interface ProofScale {
  readonly seed: number;
  /** Cities imported before the partition. */
  readonly cities: number;
  /** Cities changed on each side. */
  readonly changes: number;
  /** Of those, the same cities on both sides, in different fields. */
  readonly sharedDifferent: number;
  /** Of those, the same cities on both sides, in the same field. */
  readonly sharedSame: number;
  /** Cities deleted on one side. */
  readonly deletes: number;
  /** Of those, edited on the other side. */
  readonly deletedEdited: number;
  /** Increments of one counter, on each side. */
  readonly increments: number;
  /** Increments of a counter on the node that is killed. */
  readonly killedIncrements: number;
  /** Requests in flight per node and kind of work. */
  readonly connections: number;
}

export const WHOLE_SCALE: ProofScale = {
  seed: 1,
  cities: Number.POSITIVE_INFINITY,
  changes: 5_000,
  sharedDifferent: 1_000,
  sharedSame: 500,
  deletes: 300,
  deletedEdited: 100,
  increments: 10_000,
  killedIncrements: 2_000,
  connections: 16,
};

export const SMALL_SCALE: ProofScale = {
  ...WHOLE_SCALE,
  cities: 3_000,
  changes: 500,
  sharedDifferent: 100,
  sharedSame: 50,
  deletes: 30,
  deletedEdited: 10,
  increments: 1_000,
  killedIncrements: 200,
};
