/**
 * @module
 * Owns how several measurements become one number, and how two contenders share a run.
 */

/** `sorted` ascending; `share` in [0, 1]. Nearest rank. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

/** The whole measurement whose `key` is the median. */
export function medianBy<T>(values: readonly T[], key: (value: T) => number): T {
  return [...values].sort((a, b) => key(a) - key(b))[Math.floor(values.length / 2)] as T;
}

/** Runs both in turn, `rounds` times, changing who goes first: a machine that slows down slows both. */
export async function interleave<A, B>(
  rounds: number,
  first: (round: number) => A | Promise<A>,
  second: (round: number) => B | Promise<B>,
): Promise<{ readonly first: readonly A[]; readonly second: readonly B[] }> {
  const results = { first: [] as A[], second: [] as B[] };
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) results.first.push(await first(round));
    results.second.push(await second(round));
    if (round % 2 === 1) results.first.push(await first(round));
  }
  return results;
}
