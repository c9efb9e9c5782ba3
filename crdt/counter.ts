/**
 * @module
 * Owns the arithmetic of counters (SPEC CR8). Each client keeps one running tally per path; a set or delete absorbs the tallies
 * it saw, and what a tally gained since then counts on top. The correction of an operation that was made twice is a tally in the name of
 * that operation: however many write it, it counts once.
 */
import { compareWritten, KIND, type Entry, type Node, type SeenTally, type Written } from './model.ts';

/** Returns what live tallies add on top of the given bases, and the latest tally that still counts (null if none does). */
export function effectiveTally(
  tallies: readonly Entry[],
  bases: readonly Entry[],
): { sum: number; latest: Written | null } {
  let sum = 0;
  let latest: Written | null = null;
  // Sorted by client, so that sums of fractions come out equal everywhere.
  for (const entry of [...latestPerClient(tallies).values()].sort((a, b) => holderOf(a) - holderOf(b))) {
    const seen = latestSeen(bases, holderOf(entry));
    sum += (entry.value as number) - (seen?.tally ?? 0);
    if (latest === null || compareWritten(entry, latest) > 0) latest = entry;
  }
  return { sum, latest };
}

/**
 * Merges what entries at a node know of tallies: live ones and those already absorbed. Null when there are none.
 *
 * @param nextClock - Clock that stands for tallies of the write in progress.
 */
export function talliesKnown(node: Node, nextClock: number): Map<number, SeenTally> | null {
  let known: Map<number, SeenTally> | null = null;
  for (const entry of node.entries) {
    if (entry.kind === KIND.tally) {
      known ??= new Map();
      const clock = entry.corrects !== null ? 0 : entry.clock < 0 ? nextClock : entry.clock;
      keepLatest(known, holderOf(entry), { tally: entry.value as number, clock });
    } else if (entry.seen !== null) {
      known ??= new Map();
      for (const [client, seen] of entry.seen) keepLatest(known, client, seen);
    }
  }
  return known;
}

/** Returns where the tally of a client stands, counting what bases absorbed. */
export function currentTally(node: Node, client: number): number {
  return talliesKnown(node, Number.MAX_SAFE_INTEGER)?.get(client)?.tally ?? 0;
}

/** Whose tally it is: a client, or an operation that stands in the place of one. */
function holderOf(tally: Entry): number {
  return tally.corrects ?? tally.run.client;
}

/** Corrections of one operation are all the same; which of them stands must not depend on the order of arrival. */
function isLater(a: Entry, b: Entry): boolean {
  return a.corrects === null ? a.clock > b.clock : compareWritten(a, b) > 0;
}

function latestPerClient(tallies: readonly Entry[]): Map<number, Entry> {
  const latest = new Map<number, Entry>();
  for (const entry of tallies) {
    const other = latest.get(holderOf(entry));
    if (other === undefined || isLater(entry, other)) latest.set(holderOf(entry), entry);
  }
  return latest;
}

function latestSeen(bases: readonly Entry[], client: number): SeenTally | null {
  let latest: SeenTally | null = null;
  for (const base of bases) {
    const seen = base.seen?.get(client);
    if (seen !== undefined && (latest === null || seen.clock > latest.clock)) latest = seen;
  }
  return latest;
}

function keepLatest(known: Map<number, SeenTally>, client: number, seen: SeenTally): void {
  const other = known.get(client);
  if (other === undefined || other.clock < seen.clock) known.set(client, seen);
}
