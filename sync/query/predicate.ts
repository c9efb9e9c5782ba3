/**
 * @module
 * Owns what a filter means for one document. Comparisons use the order and the paths of indexes, so that a query gives the same
 * documents with and without one.
 */
import { canonicalJson } from '../../crdt/index.ts';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { SyncError } from '../errors.ts';
import { PatternCostError } from '../pattern/pattern.ts';
import type { Pattern } from '../pattern/pattern.ts';
import type { Filter, Test, TypeName } from './filter.ts';
import { anyOf, findAt, isObject } from './path.ts';
import type { Found } from './path.ts';
import { compareValues, kindOf, tagOf } from './value-order.ts';

export type Predicate = (document: JsonObject) => boolean;
type FoundTest = (found: Found) => boolean;

export function compileFilter(filter: Filter): Predicate {
  if (filter.kind === 'field') {
    const { segments } = filter;
    const tests = filter.tests.map(compileTest);
    return (document) => {
      const found = findAt(document, segments);
      return tests.every((test) => test(found));
    };
  }
  const predicates = filter.filters.map(compileFilter);
  if (filter.kind === 'and') return (document) => predicates.every((matches) => matches(document));
  if (filter.kind === 'or') return (document) => predicates.some((matches) => matches(document));
  return (document) => !predicates.some((matches) => matches(document));
}

function compileTest(test: Test): FoundTest {
  switch (test.op) {
    case '$eq':
      return equal(test.value);
    case '$ne':
      return negate(equal(test.value));
    case '$in':
      return oneOf(test.values);
    case '$nin':
      return negate(oneOf(test.values));
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return ordered(test.op, test.value);
    case '$all': {
      const each = test.values.map(equal);
      return (found) => each.length > 0 && each.every((matches) => matches(found));
    }
    case '$exists':
      return ({ values }) => values.length > 0 === test.value;
    case '$type':
      return (found) => anyOf(found, (value) => test.types.some((type) => isOfType(value, type)));
    case '$size':
      return ({ values }) => values.some((value) => Array.isArray(value) && value.length === test.size);
    case '$mod': {
      const { divisor, remainder } = test;
      return (found) => anyOf(found, (value) => typeof value === 'number' && Math.trunc(value) % divisor === remainder);
    }
    case '$regex': {
      const { pattern } = test;
      return (found) => anyOf(found, (value) => typeof value === 'string' && matchesPattern(pattern, value));
    }
    case '$not': {
      const tests = test.tests.map(compileTest);
      return (found) => !tests.every((matches) => matches(found));
    }
    case '$elemMatch': {
      const matches = compileFilter(test.filter);
      return (found) => someElement(found, (element) => isObject(element) && matches(element));
    }
    default: {
      const tests = test.tests.map(compileTest);
      return (found) => someElement(found, (element) => tests.every((matches) => matches(itself(element))));
    }
  }
}

/** Null stands for a missing member, too. */
function equal(wanted: JsonValue): FoundTest {
  if (wanted === null) return (found) => found.isMissing || anyOf(found, (value) => value === null);
  if (typeof wanted !== 'object') return (found) => anyOf(found, (value) => value === wanted);
  const text = canonicalJson(wanted);
  return (found) => anyOf(found, (value) => isComposite(value) && canonicalJson(value) === text);
}

function oneOf(wanted: readonly JsonValue[]): FoundTest {
  const isNull = wanted.includes(null) ? equal(null) : () => false;
  const scalars = new Set<JsonValue>(wanted.filter((value) => !isComposite(value) && value !== null));
  const texts = new Set(wanted.filter(isComposite).map(canonicalJson));
  const isWanted = (value: JsonValue): boolean =>
    isComposite(value) ? texts.size > 0 && texts.has(canonicalJson(value)) : scalars.has(value);
  return (found) => anyOf(found, isWanted) || isNull(found);
}

function isComposite(value: JsonValue): boolean {
  return typeof value === 'object' && value !== null;
}

function negate(test: FoundTest): FoundTest {
  return (found) => !test(found);
}

/** Values of another kind are neither greater nor smaller. */
function ordered(op: '$gt' | '$gte' | '$lt' | '$lte', limit: JsonValue): FoundTest {
  if (limit === null) return op === '$gte' || op === '$lte' ? equal(null) : () => false;
  const kind = kindOf(tagOf(limit));
  const accepts: (order: number) => boolean =
    op === '$gt'
      ? (order) => order > 0
      : op === '$gte'
        ? (order) => order >= 0
        : op === '$lt'
          ? (order) => order < 0
          : (order) => order <= 0;
  return (found) => anyOf(found, (value) => kindOf(tagOf(value)) === kind && accepts(compareValues(value, limit)));
}

function someElement({ values }: Found, test: (element: JsonValue) => boolean): boolean {
  return values.some((value) => Array.isArray(value) && (value as readonly JsonValue[]).some(test));
}

function matchesPattern(pattern: Pattern, text: string): boolean {
  try {
    return pattern.test(text);
  } catch (error) {
    if (!(error instanceof PatternCostError)) throw error;
    const message = `The pattern ${JSON.stringify(pattern.source.slice(0, 80))} has too many ways through a text of ${text.length} characters; make it shorter, or begin it with ^.`;
    throw new SyncError('SYNC_QUERY_INVALID', message, { cause: error, details: { path: '/filter' } });
  }
}

/** An element for tests that are of it and not of its own elements. */
function itself(element: JsonValue): Found {
  return { values: [element], isMissing: false, isElement: true };
}

function isOfType(value: JsonValue, type: TypeName): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'bool':
      return typeof value === 'boolean';
    case 'number':
      return typeof value === 'number';
    case 'int':
      return Number.isInteger(value);
    case 'double':
      return typeof value === 'number' && !Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    default:
      return typeof value === 'string';
  }
}
