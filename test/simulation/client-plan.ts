/**
 * @module
 * Owns what clients do besides plain writes: they repeat keyed writes on any node, go from node to node in sessions, and define
 * indexes. Drawn from streams of their own, so that the rest of a seed stays what it was.
 */
import type { Action, NodePlan } from './plan.ts';
import { SeededRandom } from './seeded-random.ts';

/** Keys of such writes; those of plain writes are smaller. */
const FIRST_KEYED = 1_000_000;
const FIRST_OF_SESSIONS = 2_000_000;
/** Clocks that differ by more may forget keys, which are remembered for a day. */
const CLOCK_DIFFERENCE_MS_MAX = 6 * 3_600_000;

export interface ClientPlanParts {
  readonly seed: number;
  readonly nodes: readonly NodePlan[];
  readonly activeMs: number;
  readonly faults: readonly Action[];
}

export function makeClients(parts: ClientPlanParts): Action[] {
  return [...makeKeyed(parts), ...makeSessions(parts), ...makeIndexes(parts)];
}

function makeKeyed({ seed, nodes, activeMs, faults }: ClientPlanParts): Action[] {
  const random = new SeededRandom(seed).fork('keyed');
  if (!random.chance(0.3) || !haveNearClocks(nodes, faults)) return [];
  return Array.from({ length: random.int(5, 30) }, (_, count) => ({
    at: 400 + random.float() * (activeMs - 400),
    type: 'write',
    node: random.int(0, nodes.length - 1),
    database: 'alpha',
    workload: 'keyed',
    key: FIRST_KEYED + count,
  }));
}

function haveNearClocks(nodes: readonly NodePlan[], faults: readonly Action[]): boolean {
  const jumps = faults.map((action) =>
    action.type === 'fault' && action.fault.type === 'clock-jump' ? action.fault.byMs : 0,
  );
  return [...nodes.map(({ clockOffsetMs }) => clockOffsetMs), ...jumps].every(
    (byMs) => Math.abs(byMs) < CLOCK_DIFFERENCE_MS_MAX,
  );
}

function makeSessions({ seed, nodes, activeMs }: ClientPlanParts): Action[] {
  const random = new SeededRandom(seed).fork('sessions');
  if (!random.chance(0.3)) return [];
  return Array.from({ length: random.int(10, 40) }, (_, count) => ({
    at: 400 + random.float() * (activeMs - 400),
    type: 'write',
    node: random.int(0, nodes.length - 1),
    database: random.pick(['alpha', 'alpha', 'beta']),
    workload: 'sessions',
    key: FIRST_OF_SESSIONS + count,
  }));
}

const INDEXES: readonly (readonly [collection: string, path: string])[] = [
  ['registers', 'v'],
  ['sets', 'members'],
  ['counters', 'n'],
  ['lists', 'list'],
  ['chaos', 'a'],
];

/** Indexes that are defined, defined otherwise, and dropped, while nodes write and fail. */
function makeIndexes({ seed, nodes, activeMs }: ClientPlanParts): Action[] {
  const random = new SeededRandom(seed).fork('indexes');
  if (!random.chance(0.25)) return [];
  return Array.from({ length: random.int(1, 6) }, () => {
    const [collection, path] = random.pick(INDEXES);
    const definition = random.chance(0.2) ? null : { paths: [path], sparse: random.chance(0.5) };
    return {
      at: 500 + random.float() * (activeMs - 500),
      type: 'define-index',
      node: random.int(0, nodes.length - 1),
      database: 'alpha',
      collection,
      definition,
    };
  });
}
