/**
 * @module
 * Owns operations of patches on plain JSON: what a pointer leads to within a member that is a shared type. Values are edited in place.
 */
import { canonicalJson } from './canonical-json.ts';
import type { IntentOperation } from './change.ts';
import { CrdtError } from './errors.ts';
import { formatPointer } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';

type Mutable = JsonValue[] | Record<string, JsonValue>;

const INDEX = /^(?:0|[1-9][0-9]*)$/;

/** @throws CrdtError `CRDT_PATCH_TARGET_MISSING` */
export function plainGet(value: JsonValue, segments: readonly string[]): JsonValue {
  let at = value;
  for (const segment of segments) at = child(at, segment, segments);
  return at;
}

/** Adds as RFC 6902 does: inserts into arrays. */
export function plainAdd(value: JsonValue, segments: readonly string[], added: JsonValue): void {
  const { parent, key } = placeOf(value, segments);
  if (!Array.isArray(parent)) return define(parent, key, added);
  const index = key === '-' ? parent.length : indexOf(key, parent.length, segments);
  parent.splice(index, 0, added);
}

export function plainReplace(value: JsonValue, segments: readonly string[], other: JsonValue): void {
  plainGet(value, segments);
  const { parent, key } = placeOf(value, segments);
  if (Array.isArray(parent)) parent[Number(key)] = other;
  else define(parent, key, other);
}

export function plainRemove(value: JsonValue, segments: readonly string[]): void {
  plainGet(value, segments);
  const { parent, key } = placeOf(value, segments);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}

/** Applies an intent at a place that may not be there yet; returns the value of the place. */
export function plainIntent(current: JsonValue | undefined, operation: IntentOperation): JsonValue {
  switch (operation.op) {
    case 'increment':
      return expect(current ?? 0, 'number', operation) + operation.value;
    case 'append':
      return [...arrayAt(current, operation), operation.value];
    case 'insert':
    case 'remove':
    case 'move':
      return editArray([...arrayAt(current, operation)], operation);
    case 'set-add':
    case 'set-remove': {
      const member = canonicalJson(operation.value);
      const others = arrayAt(current, operation).filter((each) => canonicalJson(each) !== member);
      return operation.op === 'set-add' ? [...others, operation.value] : others;
    }
    case 'text-insert': {
      const text = expect(current ?? '', 'string', operation);
      checkBound(operation.index, text.length, operation.path);
      return text.slice(0, operation.index) + operation.value + text.slice(operation.index);
    }
    case 'text-delete': {
      const text = expect(current ?? '', 'string', operation);
      checkBound(operation.index + operation.length, text.length, operation.path);
      return text.slice(0, operation.index) + text.slice(operation.index + operation.length);
    }
  }
}

type ArrayOperation = Extract<IntentOperation, { op: 'insert' | 'remove' | 'move' }>;

function editArray(array: JsonValue[], operation: ArrayOperation): JsonValue[] {
  const { path } = operation;
  if (operation.op === 'insert') {
    checkBound(operation.index, array.length, path);
    array.splice(operation.index, 0, operation.value);
  } else if (operation.op === 'remove') {
    checkBound(operation.index, array.length - 1, path);
    array.splice(operation.index, 1);
  } else {
    checkBound(operation.from, array.length - 1, path);
    checkBound(operation.to, array.length - 1, path);
    array.splice(operation.to, 0, ...array.splice(operation.from, 1));
  }
  return array;
}

function arrayAt(current: JsonValue | undefined, { path }: IntentOperation): readonly JsonValue[] {
  if (current === undefined) return [];
  if (Array.isArray(current)) return current as readonly JsonValue[];
  throw mismatch(path, 'an array');
}

function expect<T extends 'number' | 'string'>(
  value: JsonValue,
  type: T,
  { path }: IntentOperation,
): T extends 'number' ? number : string {
  if (typeof value !== type) throw mismatch(path, `a ${type}`);
  return value as T extends 'number' ? number : string;
}

function mismatch(path: string, wanted: string): CrdtError {
  return new CrdtError('CRDT_TYPE_MISMATCH', `${path.slice(0, 200)} does not hold ${wanted}`, {
    details: { path: path.slice(0, 200) },
  });
}

function checkBound(index: number, max: number, path: string): void {
  if (!Number.isSafeInteger(index) || index < 0)
    throw new CrdtError('CRDT_PATCH_INVALID', 'an index is a whole number from 0', { details: { path } });
  if (index > max)
    throw new CrdtError('CRDT_PATCH_TARGET_MISSING', `index ${index} is past the end`, {
      details: { path, position: index },
    });
}

function placeOf(value: JsonValue, segments: readonly string[]): { parent: Mutable; key: string } {
  const parent = plainGet(value, segments.slice(0, -1));
  if (typeof parent !== 'object' || parent === null) throw missing(segments);
  return { parent: parent as Mutable, key: segments.at(-1) as string };
}

function child(value: JsonValue, segment: string, segments: readonly string[]): JsonValue {
  if (Array.isArray(value)) return value[indexOf(segment, value.length - 1, segments)] as JsonValue;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) throw missing(segments);
  return (value as Readonly<Record<string, JsonValue>>)[segment] as JsonValue;
}

function indexOf(segment: string, max: number, segments: readonly string[]): number {
  if (!INDEX.test(segment) || Number(segment) > max) throw missing(segments);
  return Number(segment);
}

/** `__proto__` is a key like any other. */
function define(object: Record<string, JsonValue>, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function missing(segments: readonly string[]): CrdtError {
  const path = formatPointer(segments).slice(0, 200);
  return new CrdtError('CRDT_PATCH_TARGET_MISSING', `nothing at ${path} of this member`, { details: { path } });
}
