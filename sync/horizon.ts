/**
 * @module
 * Owns the stability horizon of a database: what every member that counts is known to hold durably. Below it, and only there,
 * anything may be forgotten (I8). No clock is involved: a member that says nothing keeps its last word.
 */
import type { OriginId } from './engine.ts';
import { wholeOf } from './lineage.ts';
import type { VersionVector } from './version-vector.ts';

/** Origin → sequence. */
export type Holding = Pick<ReadonlyMap<OriginId, number>, 'get'>;

export const HOLDS_NOTHING: Holding = new Map<OriginId, number>();

/** What a member is known to hold of one database; an empty holding blocks everything. */
export interface MemberHolding {
  readonly node: string;
  readonly holding: Holding;
}

export interface Blocker {
  readonly node: string;
  /** Records held here that it is not known to hold. */
  readonly entries: number;
}

export interface Horizon {
  /** The position of every origin up to which all members hold it; an origin that somebody lacks altogether is not listed. */
  readonly vector: ReadonlyMap<OriginId, number>;
  /** Records held here above it. */
  readonly entries: number;
  /** Members it waits for, the worst first. */
  readonly blockers: readonly Blocker[];
}

/**
 * @param own - The durable vector of this node, which the horizon never passes.
 * @param members - Every other member that is neither removed nor stale.
 */
export function computeHorizon(own: VersionVector, members: readonly MemberHolding[]): Horizon {
  const vector = new Map<OriginId, number>();
  let entries = 0;
  for (const [origin, { seq }] of wholeOf(own)) {
    const stable = Math.min(seq, ...members.map(({ holding }) => holding.get(origin) ?? 0));
    if (stable > 0) vector.set(origin, stable);
    entries += seq - stable;
  }
  const blockers = members
    .map(({ node, holding }) => ({ node, entries: countMissing(own, holding) }))
    .filter((blocker) => blocker.entries > 0)
    .sort((a, b) => b.entries - a.entries);
  return { vector, entries, blockers };
}

/** Records of `own` that are not in `holding`. */
export function countMissing(own: VersionVector, holding: Holding): number {
  let entries = 0;
  for (const [origin, { seq }] of wholeOf(own)) entries += Math.max(0, seq - (holding.get(origin) ?? 0));
  return entries;
}
