/**
 * @module
 * Owns how a query is answered: by which index, over which of its ranges, in which order. As in MongoDB, an index on several paths serves
 * a filter on the first of them; one whose first paths are fixed by the filter also serves a sort on those that follow.
 */
import { compareBytes, successorOf } from '../key.ts';
import { intersection, narrowest } from './bounds.ts';
import type { Constraint, Constraints, Interval } from './bounds.ts';
import type { CompiledDefinition, IndexPath } from './index-definition.ts';
import { BEHIND_COMPONENTS, FIRST_COMPONENT, OVERFLOW_RANGE, concat } from './index-key.ts';
import type { IndexEntries } from './index-entries.ts';
import type { OrderPaths } from './index-key.ts';

export const RANGES_MAX = 1000;
const NO_PREFIX = new Uint8Array(0);

/** An index as the planner sees it. */
export interface PlannedIndex {
  /** Those of its entries that are in memory. */
  readonly entries: IndexEntries;
  /** It is no longer kept up, and its entries go. */
  readonly isDropped: boolean;
  /** Grows with every durable change of its entries. */
  readonly version: number;
  /** A change of its entries is on its way to the disk, and may be seen there. */
  readonly isChanging: boolean;
  readonly name: string;
  readonly definition: CompiledDefinition;
  /** Bit i: some document has several values at path i. */
  readonly multiple: number;
  /** Some document has too many entries. */
  readonly hasOverflow: boolean;
}

/** Of positions in an index. */
export interface PositionRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

/** In which order documents come. Without paths by id. */
export interface Order extends OrderPaths {
  /** Against the order of bytes. */
  readonly isReverse: boolean;
}

export interface Plan {
  /** Null reads all documents of the collection. */
  readonly index: PlannedIndex | null;
  /** Ascending, without overlap. */
  readonly ranges: readonly PositionRange[];
  readonly order: Order;
  /** The order has to be made in memory. */
  readonly sorts: boolean;
  /** Every document that has an entry in the ranges passes the filter. */
  readonly isWhole: boolean;
  /** For people. */
  readonly bounds: () => readonly { readonly path: string; readonly ranges: readonly string[] }[];
}

export const BY_ID: Order = { paths: [], segments: [], isReverse: false };

interface Candidate {
  readonly plan: Plan;
  readonly points: number;
  readonly hasRange: boolean;
}

/** What is asked for. */
export interface Wanted {
  readonly constraints: Constraints;
  /** The constraints say all that the filter does. */
  readonly isSaid: boolean;
  readonly sort: readonly IndexPath[];
}

/** The ways to answer, the best first. Never empty: the last one reads all documents. */
export function planQuery(indexes: readonly PlannedIndex[], wanted: Wanted): readonly Plan[] {
  const { sort } = wanted;
  const candidates: Candidate[] = [];
  for (const index of indexes) {
    const candidate = candidateOf(index, wanted);
    if (candidate !== null) candidates.push(candidate);
  }
  candidates.sort((a, b) => worth(b) - worth(a));
  const sorts = sort.length > 0;
  const all: Plan = { index: null, ranges: [], order: orderOf(sort), sorts, isWhole: false, bounds: () => [] };
  return [...candidates.map(({ plan }) => plan), all];
}

/** Fixed paths count most, then that nothing has to be sorted, then a range. */
function worth({ plan, points, hasRange }: Candidate): number {
  return points * 8 + (plan.sorts ? 0 : 4) + (hasRange ? 2 : 0) - plan.order.paths.length / 100;
}

function orderOf(sort: readonly IndexPath[]): Order {
  if (sort.length === 0) return BY_ID;
  return { paths: sort, segments: sort.map(({ path }) => path.split('.')), isReverse: false };
}

function candidateOf(index: PlannedIndex, { constraints, isSaid, sort }: Wanted): Candidate | null {
  const { paths, sparse, segments } = index.definition;
  const chosen: Constraint[] = [];
  let count = 1;
  for (const [i, { path }] of paths.entries()) {
    const known = constraints.get(path);
    if (known === undefined) break;
    const constraint = isBit(index.multiple, i) ? narrowest(known) : intersection(known);
    if (chosen.length > 0 && count * constraint.length > RANGES_MAX) break;
    chosen.push(constraint);
    count *= constraint.length;
    if (!isExact(constraint)) break;
  }
  if (sparse && (chosen.length === 0 || admitsMissing(chosen[0]!))) return null;
  const direction = directionOf(index, chosen, sort);
  if (chosen.length === 0 && (sort.length === 0 || direction === null)) return null;
  const bounds: Plan['bounds'] = () =>
    chosen.map((constraint, i) => ({
      path: paths[i]!.path,
      ranges: constraint.map(({ from, to }) => `${from()}, ${to()}`),
    }));
  const sorts = direction === null;
  const order = sorts ? orderOf(sort) : { paths, segments, isReverse: direction === 'backward' };
  const ranges = rangesOf(paths, chosen);
  if (index.hasOverflow && ranges.length > 0) ranges.unshift(OVERFLOW_RANGE);
  const isWhole = isSaid && chosen.length === constraints.size;
  const plan = { index, ranges, order, sorts, isWhole, bounds };
  const points = chosen.filter((constraint) => constraint.length === 1 && isExact(constraint)).length;
  return { plan, points, hasRange: chosen.length > points };
}

/** How the index has to be read so that documents come sorted; null when it cannot give that order. */
function directionOf(
  index: PlannedIndex,
  chosen: readonly Constraint[],
  sort: readonly IndexPath[],
): 'forward' | 'backward' | null {
  if (sort.length === 0) return 'forward';
  // Documents with too many entries stand apart.
  if (index.hasOverflow) return null;
  const { paths } = index.definition;
  let isForward: boolean | null = null;
  let next = 0;
  for (const [i, { path, order }] of paths.entries()) {
    if (next === sort.length) break;
    const constraint = chosen[i];
    const isFixed = constraint !== undefined && constraint.length === 1 && isExact(constraint);
    const wanted = sort[next]!;
    // A document with several values stands by its first, which may be out of bounds.
    if (isBit(index.multiple, i) && (wanted.path === path ? constraint !== undefined : !isFixed)) return null;
    if (wanted.path === path) {
      const isSame = wanted.order === order;
      if (!isFixed && (isForward ??= isSame) !== isSame) return null;
      next++;
    } else if (!isFixed) return null;
  }
  if (next < sort.length) return null;
  return isForward === false ? 'backward' : 'forward';
}

function rangesOf(paths: readonly IndexPath[], chosen: readonly Constraint[]): PositionRange[] {
  const last = chosen.length - 1;
  if (last < 0) return [{ gte: FIRST_COMPONENT, lt: BEHIND_COMPONENTS }];
  let prefixes: Uint8Array[] = [NO_PREFIX];
  for (let i = 0; i < last; i++) prefixes = extend(prefixes, chosen[i]!, paths[i]!.order === 'desc');
  const isDescending = paths[last]!.order === 'desc';
  const ranges: PositionRange[] = [];
  for (const prefix of prefixes) {
    for (const interval of chosen[last]!) ranges.push(within(prefix, interval, isDescending));
  }
  return ranges.sort((a, b) => compareBytes(a.gte, b.gte));
}

function extend(prefixes: readonly Uint8Array[], constraint: Constraint, isDescending: boolean): Uint8Array[] {
  const longer: Uint8Array[] = [];
  for (const { point } of constraint) {
    const end = isDescending ? invert(point!) : point!;
    for (const prefix of prefixes) longer.push(concat(prefix, end));
  }
  return longer;
}

function within(prefix: Uint8Array, { gte, lt }: Interval, isDescending: boolean): PositionRange {
  if (!isDescending) return { gte: concat(prefix, gte), lt: concat(prefix, lt) };
  // What begins with the inverse of a bound lies on its near side.
  return { gte: concat(prefix, behind(invert(lt))), lt: concat(prefix, behind(invert(gte))) };
}

/** What is left of ranges behind a position. */
export function clip(
  ranges: readonly PositionRange[],
  start: Uint8Array | null,
  isReverse: boolean,
): readonly PositionRange[] {
  const left = start === null ? ranges : ranges.map((range) => rangeBehind(range, start, isReverse));
  return left.filter(({ gte, lt }) => compareBytes(gte, lt) < 0);
}

function rangeBehind({ gte, lt }: PositionRange, start: Uint8Array, isReverse: boolean): PositionRange {
  if (isReverse) return { gte, lt: compareBytes(start, lt) < 0 ? start : lt };
  const next = successorOf(start);
  return { gte: compareBytes(next, gte) > 0 ? next : gte, lt };
}

/** The first key that neither begins with these bytes nor comes before. */
function behind(bytes: Uint8Array): Uint8Array {
  const end = bytes.slice();
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i]! === 0xff) continue;
    end[i]!++;
    return end.slice(0, i + 1);
  }
  return BEHIND_COMPONENTS;
}

export function invert(bytes: Uint8Array): Uint8Array {
  const inverse = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) inverse[i] = bytes[i]! ^ 0xff;
  return inverse;
}

function isExact(constraint: Constraint): boolean {
  return constraint.every(({ point }) => point !== null);
}

/** Missing comes first of all. */
function admitsMissing(constraint: Constraint): boolean {
  return constraint.some(({ gte }) => gte[0] === 0x08);
}

function isBit(bits: number, at: number): boolean {
  return (bits & (1 << at)) !== 0;
}
