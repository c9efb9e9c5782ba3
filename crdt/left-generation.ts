/**
 * @module
 * Owns what becomes of generations that are gone: what each has that the present one does not include is taken along, whoever wrote it.
 */
import { copyClientOf } from './client-id.ts';
import { coverageOf, isWithinCoverage, joinCoverage, uncoveredOf, type Coverage } from './coverage.ts';
import type { CrdtDocument } from './document.ts';
import { compareGenerations, type GenerationName } from './generation-delta.ts';
import { salvage } from './salvage.ts';
import { clocksOf } from './successor.ts';

/** What somebody holds, or held, of a generation that is gone. */
export interface LeftGeneration {
  readonly core: CrdtDocument;
  readonly generation: GenerationName;
  readonly covers: Coverage;
  readonly copied: Coverage;
}

/** Does a generation include what the copy includes that another one began with? Not if nodes that did not know each other made both. */
export function isCopyWithin(
  { generation, copied }: Pick<LeftGeneration, 'generation' | 'copied'>,
  covers: Coverage,
): boolean {
  return generation.number === 0 || covers.has(copyClientOf(generation.id)) || isWithinCoverage(copied, covers);
}

/**
 * @param present - What the present generation includes.
 * @returns Updates of that, and what it includes with them.
 */
export function takeAlongTo(
  present: Coverage,
  left: readonly LeftGeneration[],
): { readonly updates: readonly Uint8Array[]; readonly covers: Coverage } {
  const updates: Uint8Array[] = [];
  let covers = present;
  // Whether a copy is a stranger's shows when what was before it is taken along.
  for (const each of [...left].sort((a, b) => compareGenerations(a.generation, b.generation))) {
    const { core, generation } = each;
    const { number, id } = generation;
    const clocks = clocksOf(core);
    const strangers = uncoveredOf(covers, number, clocks);
    const isKnown = isCopyWithin(each, covers);
    if (!isKnown) strangers.set(copyClientOf(id), 0);
    if (strangers.size > 0) updates.push(...salvage(core, strangers, number, present));
    // Of what a stranger's copy includes there is only what it shows.
    const included = isKnown ? each.covers : new Map([[copyClientOf(id), { generation: number, clock: 1 }]]);
    covers = joinCoverage(joinCoverage(covers, included), coverageOf(number, clocks));
  }
  return { updates, covers };
}
