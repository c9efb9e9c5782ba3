/**
 * @module
 * Owns what is stable: held by every member, so that whatever a member writes from now on it writes having seen it, and without
 * anything on its way that does not know of it. For that it is not enough to know that somebody holds something: what he wrote
 * before he did must be here, too. So only words count that say everything somebody held at one moment, and only while all of it is here.
 */
import type { OriginId } from './engine.ts';
import type { Holding } from './horizon.ts';
import { Expansion } from './lineage.ts';
import { sequenceOf } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

/** All that a member held of a database at some moment, as a vector lists it: origin → sequence. */
export type Word = ReadonlyMap<OriginId, number>;

const NOTHING: Word = new Map();

export interface WaitingFor {
  readonly node: string;
  /** `silent`: it has not said what it holds since we hear of it. `ahead`: something that it holds is on its way here. */
  readonly reason: 'silent' | 'ahead';
}

export interface Stability {
  /** What is stable; `null` = not known. */
  readonly vector: Holding | null;
  readonly waitsFor: readonly WaitingFor[];
}

/** @param words - Of every other member that counts; null = it said nothing yet. */
export function computeStability(own: VersionVector, words: ReadonlyMap<string, Word | null>): Stability {
  const waitsFor: WaitingFor[] = [];
  for (const [node, word] of words) {
    if (word === null) waitsFor.push({ node, reason: 'silent' });
    else if ([...word].some(([origin, seq]) => seq > sequenceOf(own, origin))) waitsFor.push({ node, reason: 'ahead' });
  }
  if (waitsFor.length > 0) return { vector: null, waitsFor };
  // All that they list is here, and so is what that follows from: what they hold is known exactly.
  const held = [...words.values()].map((word) => new Expansion(own, word ?? NOTHING));
  const stableOf = (origin: OriginId): number =>
    Math.min(sequenceOf(own, origin), ...held.map((each) => each.get(origin)));
  return { vector: { get: stableOf }, waitsFor };
}
