/**
 * @module
 * Owns filters as clients send them: MongoDB's form, with the operators listed here and no others. Nothing in a filter is code.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { SyncError } from '../errors.ts';
import { compilePattern } from '../pattern/pattern.ts';
import type { Pattern } from '../pattern/pattern.ts';
import { isObject, pathFault } from './path.ts';
import type { Path } from './path.ts';
import { invalid } from './query-fault.ts';

/** `values`: of all lists together. `allValues`: of one `$all`, which looks at an array once for each. */
export const FILTER_LIMITS = { depth: 16, conditions: 256, values: 1000, allValues: 100 } as const;

export const TYPE_NAMES = ['null', 'bool', 'number', 'int', 'double', 'string', 'array', 'object'] as const;
export type TypeName = (typeof TYPE_NAMES)[number];

/** What is asked of the values at one path. */
export type Test =
  | { readonly op: '$eq' | '$ne' | '$gt' | '$gte' | '$lt' | '$lte'; readonly value: JsonValue }
  | { readonly op: '$in' | '$nin'; readonly values: readonly JsonValue[] }
  | { readonly op: '$all'; readonly values: readonly JsonValue[] }
  | { readonly op: '$exists'; readonly value: boolean }
  | { readonly op: '$type'; readonly types: readonly TypeName[] }
  | { readonly op: '$size'; readonly size: number }
  | { readonly op: '$mod'; readonly divisor: number; readonly remainder: number }
  | { readonly op: '$regex'; readonly pattern: Pattern }
  | { readonly op: '$not'; readonly tests: readonly Test[] }
  /** An element of the array that is an object and passes the filter. */
  | { readonly op: '$elemMatch'; readonly filter: Filter }
  /** An element of the array that passes all tests. */
  | { readonly op: '$element'; readonly tests: readonly Test[] };

export type Filter =
  | { readonly kind: 'and' | 'or' | 'nor'; readonly filters: readonly Filter[] }
  | { readonly kind: 'field'; readonly path: string; readonly segments: Path; readonly tests: readonly Test[] };

const COMPARISONS: readonly string[] = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'];
export const OPERATORS: readonly string[] = [
  ...COMPARISONS,
  '$in',
  '$nin',
  '$all',
  '$exists',
  '$type',
  '$size',
  '$mod',
  '$regex',
  '$options',
  '$not',
  '$elemMatch',
];
const COMBINATIONS: readonly string[] = ['$and', '$or', '$nor'];

/** @throws SyncError `SYNC_QUERY_INVALID` with `details.path`, the JSON Pointer within the query. */
export function parseFilter(value: JsonValue): Filter {
  return new Parser().filter(value, '/filter', 1);
}

class Parser {
  #conditions = 0;
  #values = 0;

  filter(value: JsonValue, pointer: string, depth: number): Filter {
    if (!isObject(value)) throw invalid(pointer, 'A filter is a JSON object.');
    if (depth > FILTER_LIMITS.depth) throw invalid(pointer, `A filter is nested at most ${FILTER_LIMITS.depth} deep.`);
    const filters: Filter[] = [];
    for (const [key, condition] of Object.entries(value)) {
      const at = `${pointer}/${escape(key)}`;
      this.#count(at);
      filters.push(
        key.startsWith('$') ? this.#combination(key, condition, at, depth) : this.#field(key, condition, at, depth),
      );
    }
    return filters.length === 1 ? filters[0]! : { kind: 'and', filters };
  }

  #combination(key: string, value: JsonValue, pointer: string, depth: number): Filter {
    if (!COMBINATIONS.includes(key)) throw unknownOperator(key, pointer, COMBINATIONS);
    if (!Array.isArray(value) || value.length === 0) throw invalid(pointer, `${key} takes an array of filters.`);
    const filters = (value as readonly JsonValue[]).map((each, i) => this.filter(each, `${pointer}/${i}`, depth + 1));
    return { kind: key.slice(1) as 'and' | 'or' | 'nor', filters };
  }

  #field(path: string, condition: JsonValue, pointer: string, depth: number): Filter {
    const fault = pathFault(path);
    if (fault !== null) throw invalid(pointer, `${fault}.`);
    const tests = isOperators(condition)
      ? this.#tests(condition, pointer, depth)
      : [{ op: '$eq', value: condition } as const];
    return { kind: 'field', path, segments: path.split('.'), tests };
  }

  #tests(condition: JsonObject, pointer: string, depth: number): readonly Test[] {
    if (depth > FILTER_LIMITS.depth) throw invalid(pointer, `A filter is nested at most ${FILTER_LIMITS.depth} deep.`);
    if ('$options' in condition && !('$regex' in condition))
      throw invalid(`${pointer}/$options`, '$options belongs to a $regex.');
    const tests: Test[] = [];
    for (const [op, operand] of Object.entries(condition)) {
      const at = `${pointer}/${escape(op)}`;
      this.#count(at);
      if (op === '$options') continue;
      tests.push(op === '$regex' ? regex(condition, at) : this.#test(op, operand, at, depth));
    }
    return tests;
  }

  #test(op: string, operand: JsonValue, at: string, depth: number): Test {
    if (COMPARISONS.includes(op)) return { op: op as '$eq', value: operand };
    switch (op) {
      case '$in':
      case '$nin':
      case '$all':
        return { op, values: this.#list(op, operand, at) };
      case '$exists':
        if (typeof operand !== 'boolean') throw invalid(at, '$exists takes true or false.');
        return { op, value: operand };
      case '$type':
        return { op, types: typesOf(operand, at) };
      case '$size':
        if (!isCount(operand)) throw invalid(at, '$size takes a whole number, 0 or greater.');
        return { op, size: operand };
      case '$mod':
        return modulo(operand, at);
      case '$not':
        if (!isOperators(operand)) throw invalid(at, '$not takes operators, as in {"$not": {"$gt": 5}}.');
        return { op, tests: this.#tests(operand, at, depth + 1) };
      case '$elemMatch':
        if (!isObject(operand)) throw invalid(at, '$elemMatch takes a filter or operators.');
        if (isOperators(operand) && !COMBINATIONS.includes(Object.keys(operand)[0]!))
          return { op: '$element', tests: this.#tests(operand, at, depth + 1) };
        return { op, filter: this.filter(operand, at, depth + 1) };
      default:
        throw unknownOperator(op, at, OPERATORS);
    }
  }

  #list(op: string, operand: JsonValue, pointer: string): readonly JsonValue[] {
    if (!Array.isArray(operand)) throw invalid(pointer, `${op} takes an array of values.`);
    const { values, allValues } = FILTER_LIMITS;
    this.#values += operand.length;
    if (this.#values > values)
      throw invalid(pointer, `The lists of a filter, ${op} here, have at most ${values} values in all.`);
    if (op === '$all' && operand.length > allValues) throw invalid(pointer, `$all takes at most ${allValues} values.`);
    return operand as readonly JsonValue[];
  }

  #count(pointer: string): void {
    if (++this.#conditions > FILTER_LIMITS.conditions)
      throw invalid(pointer, `A filter has at most ${FILTER_LIMITS.conditions} conditions.`);
  }
}

/** An object of operators, or with one among its members; `{}` is a value. */
function isOperators(value: JsonValue): value is JsonObject {
  return isObject(value) && Object.keys(value).some((key) => key.startsWith('$'));
}

function regex(condition: JsonObject, pointer: string): Test {
  const { $regex: source, $options: flags = '' } = condition;
  if (typeof source !== 'string' || typeof flags !== 'string')
    throw invalid(pointer, '$regex and $options take strings.');
  const pattern = compilePattern(source, flags);
  if (typeof pattern === 'string') throw invalid(pointer, `The pattern of $regex cannot be used: ${pattern}.`);
  return { op: '$regex', pattern };
}

function typesOf(operand: JsonValue, pointer: string): readonly TypeName[] {
  const types = Array.isArray(operand) ? (operand as readonly JsonValue[]) : [operand];
  for (const type of types) {
    if (!TYPE_NAMES.includes(type as TypeName))
      throw invalid(pointer, `$type takes one or several of ${TYPE_NAMES.join(', ')}.`);
  }
  return types as readonly TypeName[];
}

function modulo(operand: JsonValue, pointer: string): Test {
  if (!Array.isArray(operand) || operand.length !== 2 || !operand.every(Number.isInteger) || operand[0] === 0)
    throw invalid(pointer, '$mod takes [divisor, remainder], whole numbers, the divisor not 0.');
  return { op: '$mod', divisor: operand[0] as number, remainder: operand[1] as number };
}

function isCount(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function unknownOperator(op: string, pointer: string, known: readonly string[]): SyncError {
  const name = op.slice(0, 40);
  const message = op.startsWith('$')
    ? `The operator ${name} is not supported; supported here are ${known.join(', ')}.`
    : `"${name}" stands among operators and is none; to compare with an object, use $eq.`;
  return invalid(pointer, message);
}

function escape(key: string): string {
  const shown = key.slice(0, 200);
  return /[~/]/.test(shown) ? shown.replaceAll('~', '~0').replaceAll('/', '~1') : shown;
}
