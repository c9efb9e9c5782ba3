/**
 * @module
 * Owns what a filter says about the values at a path, as intervals of encoded values: all of them that a matching document may have. What
 * it cannot say with intervals it leaves to the filter itself.
 */
import type { JsonValue } from '../../crdt/index.ts';
import { compareBytes, successorOfPrefix } from '../key.ts';
import type { Filter, Test } from './filter.ts';
import { TAG, encodeComponent, encodePrefix, kindOf, tagOf } from './value-order.ts';

/** Encoded values from `gte` on, before `lt`, whatever follows them in a key. */
export interface Interval {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  /** The one value in it. */
  readonly point: Uint8Array | null;
  /** For people: `[5` and `7)`. Made when somebody asks. */
  readonly from: () => string;
  readonly to: () => string;
}

/** One of them holds the value. Ascending, without overlap. */
export type Constraint = readonly Interval[];

/** All constraints of a path hold, though for an array perhaps not by the same element. */
export type Constraints = ReadonlyMap<string, readonly Constraint[]>;

const NONE: Constraints = new Map();
const SHOWN_LENGTH = 60;
/** However it is encoded, such a text is not cut. */
const PLAIN_LENGTH = 256;

export function constraintsOf(filter: Filter): Constraints {
  switch (filter.kind) {
    case 'and':
      return merge(filter.filters.map(constraintsOf));
    case 'or':
      return unite(filter.filters.map(constraintsOf));
    case 'nor':
      return NONE;
    default:
      return merge(filter.tests.map((test) => ofTest(filter.path, test)));
  }
}

/** Do the constraints say all that the filter does? Only for paths at which no document has several values. */
export function isSaidByBounds(filter: Filter): boolean {
  if (filter.kind === 'field') return filter.tests.every(isTestSaid);
  return filter.kind === 'and' && filter.filters.every(isSaidByBounds);
}

function isTestSaid(test: Test): boolean {
  switch (test.op) {
    case '$eq':
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return isPlain(test.value);
    case '$in':
      return test.values.every(isPlain);
    case '$regex':
      return test.pattern.isPrefix && test.pattern.prefix !== '' && isPlain(test.pattern.prefix);
    default:
      return false;
  }
}

/** A value that stands in an index as it is, and only for itself. */
function isPlain(value: JsonValue): boolean {
  if (typeof value === 'string') return value.length <= PLAIN_LENGTH;
  return typeof value === 'number' || typeof value === 'boolean';
}

function merge(parts: readonly Constraints[]): Constraints {
  if (parts.length === 1) return parts[0]!;
  const result = new Map<string, Constraint[]>();
  for (const part of parts) {
    for (const [path, constraints] of part) {
      const known = result.get(path);
      if (known === undefined) result.set(path, [...constraints]);
      else known.push(...constraints);
    }
  }
  return result;
}

/** Of alternatives only a path that each of them restricts is restricted. */
function unite(parts: readonly Constraints[]): Constraints {
  const [first, ...others] = parts;
  const result = new Map<string, Constraint[]>();
  for (const path of first!.keys()) {
    if (!others.every((other) => other.has(path))) continue;
    result.set(path, [union(parts.flatMap((part) => narrowest(part.get(path)!)))]);
  }
  return result;
}

function ofTest(path: string, test: Test): Constraints {
  if (test.op === '$elemMatch') {
    const inner = constraintsOf(test.filter);
    return new Map([...inner].map(([name, constraints]) => [`${path}.${name}`, constraints]));
  }
  if (test.op === '$element') {
    const inner = test.tests.flatMap((each) => intervalsOf(each) ?? []);
    // One element passes all tests, so that they may be taken together.
    return inner.length === 0 ? NONE : new Map([[path, [inner.reduce(intersect)]]]);
  }
  const constraint = intervalsOf(test);
  return constraint === null ? NONE : new Map([[path, constraint]]);
}

/** Null when the test says nothing that intervals can say. */
function intervalsOf(test: Test): readonly Constraint[] | null {
  switch (test.op) {
    case '$eq':
      return [union(pointsOf(test.value))];
    case '$in':
      return [union(test.values.flatMap(pointsOf))];
    case '$all':
      return test.values.length === 0 ? null : test.values.map((value) => union(pointsOf(value)));
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return range(test.op, test.value);
    case '$regex':
      return test.pattern.prefix === '' ? null : [[prefixed(test.pattern.prefix)]];
    default:
      return null;
  }
}

/** Where an index has documents whose value, or an element of it, is this one. */
function pointsOf(value: JsonValue): readonly Interval[] {
  if (value === null) {
    const [gte, lt] = [Uint8Array.of(TAG.missing), Uint8Array.of(TAG.null + 1)];
    return [{ gte, lt, point: null, from: () => '[missing', to: () => 'null]' }];
  }
  // An index has the elements of an array in its place: the first one is as good as any.
  const elements = Array.isArray(value) && value.length > 0 ? [value, value[0] as JsonValue] : [value];
  return elements.map((each) => {
    const { bytes } = encodeComponent(each);
    const [from, to] = [() => `[${show(each)}`, () => `${show(each)}]`];
    return { gte: bytes, lt: successorOfPrefix(bytes), point: bytes, from, to };
  });
}

function range(op: '$gt' | '$gte' | '$lt' | '$lte', value: JsonValue): readonly Constraint[] | null {
  if (value === null) return op === '$gte' || op === '$lte' ? [pointsOf(null)] : [[]];
  // Arrays and objects are compared whole, and an index holds elements.
  if (typeof value === 'object') return null;
  const { bytes, isCut } = encodeComponent(value);
  const kind = kindOf(tagOf(value));
  const first = Uint8Array.of(kind === TAG.true ? TAG.false : kind);
  const behind = Uint8Array.of(kind + 1);
  const least = { gte: first, from: () => `[first ${nameOf(value)}` };
  const greatest = { lt: behind, to: () => `last ${nameOf(value)}]` };
  const shown = (before: string, after: string) => (): string => before + show(value) + after;
  // Behind what was cut off may be what is looked for.
  if (op === '$gt')
    return [[{ point: null, gte: isCut ? bytes : successorOfPrefix(bytes), from: shown('(', ''), ...greatest }]];
  if (op === '$gte') return [[{ point: null, gte: bytes, from: shown('[', ''), ...greatest }]];
  if (op === '$lt')
    return [[{ point: null, ...least, lt: isCut ? successorOfPrefix(bytes) : bytes, to: shown('', ')') }]];
  return [[{ point: null, ...least, lt: successorOfPrefix(bytes), to: shown('', ']') }]];
}

function prefixed(prefix: string): Interval {
  const gte = encodePrefix(prefix);
  const [from, to] = [() => `[${show(prefix)}`, () => `${show(prefix)}…]`];
  return { gte, lt: successorOfPrefix(gte), point: null, from, to };
}

/** The constraint to scan by when they cannot be taken together. */
export function narrowest(constraints: readonly Constraint[]): Constraint {
  const isExact = (constraint: Constraint): boolean => constraint.every(({ point }) => point !== null);
  return constraints.find(isExact) ?? constraints[0]!;
}

/** What holds for a path with at most one value per document. */
export function intersection(constraints: readonly Constraint[]): Constraint {
  return constraints.reduce(intersect);
}

function intersect(a: Constraint, b: Constraint): Constraint {
  const result: Interval[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [x, y] = [a[i]!, b[j]!];
    const low = compareBytes(x.gte, y.gte) >= 0 ? x : y;
    const isFirst = compareBytes(x.lt, y.lt) <= 0;
    const high = isFirst ? x : y;
    if (compareBytes(low.gte, high.lt) < 0) {
      result.push({ gte: low.gte, from: low.from, lt: high.lt, to: high.to, point: x.point ?? y.point });
    }
    if (isFirst) i++;
    else j++;
  }
  return result;
}

function union(intervals: readonly Interval[]): Constraint {
  const sorted = [...intervals].sort((a, b) => compareBytes(a.gte, b.gte));
  const result: Interval[] = [];
  for (const each of sorted) {
    const last = result.at(-1);
    if (last === undefined || compareBytes(each.gte, last.lt) >= 0) {
      result.push(each);
      continue;
    }
    const isLonger = compareBytes(each.lt, last.lt) > 0;
    const { lt, to } = isLonger ? each : last;
    const isSame = last.point !== null && each.point !== null && compareBytes(last.point, each.point) === 0;
    result[result.length - 1] = { ...last, lt, to, point: isSame ? last.point : null };
  }
  return result;
}

function nameOf(value: JsonValue): string {
  return typeof value === 'boolean' ? 'boolean' : typeof value;
}

function show(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
