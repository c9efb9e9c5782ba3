/**
 * @module
 * Owns what of earlier generations a generation includes: of every writer, up to which clock of which generation. It travels with the
 * generation, so whoever hears of it late can tell exactly which of its own writes it lacks; that a peer holds the records does not say
 * so, because what comes late has no effect on it. A writer is listed once: who wrote to a later generation knew it, and had made again by
 * then what the earlier ones lacked. Copies (client-id.ts) are listed only if their content was taken along: nobody adds to them.
 */
import { isCopyClient } from './client-id.ts';

export interface Covered {
  readonly generation: number;
  /** The first one that is not included. */
  readonly clock: number;
}

/** Yjs client → what is included of it. */
export type Coverage = ReadonlyMap<number, Covered>;

/** Nearly all documents. */
export const NO_COVERAGE: Coverage = new Map();

export function coverageOf(generation: number, clocks: Iterable<readonly [client: number, clock: number]>): Coverage {
  const own = [...clocks].filter(([client]) => !isCopyClient(client));
  return own.length === 0 ? NO_COVERAGE : new Map(own.map(([client, clock]) => [client, { generation, clock }]));
}

export function joinCoverage(a: Coverage, b: Coverage): Coverage {
  if (b.size === 0 || a === b) return a;
  if (a.size === 0) return b;
  const joined = new Map(a);
  for (const [client, covered] of b) {
    const known = joined.get(client);
    if (known === undefined || isAfter(covered, known)) joined.set(client, covered);
  }
  return joined;
}

function isAfter(a: Covered, b: Covered): boolean {
  return a.generation > b.generation || (a.generation === b.generation && a.clock > b.clock);
}

/** What of some clocks of a generation is not included: writers, and the first clock of each. */
export function uncoveredOf(
  coverage: Coverage,
  generation: number,
  clocks: Iterable<readonly [client: number, clock: number]>,
): Map<number, number> {
  const uncovered = new Map<number, number>();
  for (const [client, clock] of clocks) {
    if (isCopyClient(client)) continue;
    const known = coverage.get(client);
    const from = known === undefined || known.generation < generation ? 0 : known.clock;
    if (known !== undefined && known.generation > generation) continue;
    if (clock > from) uncovered.set(client, from);
  }
  return uncovered;
}

export function isSameCoverage(a: Coverage, b: Coverage): boolean {
  const isIn = ([client, { generation, clock }]: readonly [number, Covered]): boolean => {
    const other = b.get(client);
    return other?.generation === generation && other.clock === clock;
  };
  return a.size === b.size && [...a].every(isIn);
}

/** Does one include all of another? */
export function isWithinCoverage(a: Coverage, b: Coverage): boolean {
  return [...a].every(([client, covered]) => {
    const other = b.get(client);
    return other !== undefined && !isAfter(covered, other);
  });
}
