/**
 * @module
 * Owns what changed between two states of a document, as a JSON Patch that makes the one into the other. What did not change is the same
 * object in both, so that who holds parts of a document can tell by identity.
 */
import { diffArray } from './array-diff.ts';
import { canonicalJson } from './canonical-json.ts';
import { encodeSegment } from './json-pointer.ts';
import type { JsonObject, JsonValue } from './json-value.ts';

/** An operation of RFC 6902, with what stood there before. Indexes count with the operations before it applied. */
export interface JsonChange {
  readonly op: 'add' | 'replace' | 'remove';
  /** JSON Pointer. */
  readonly path: string;
  /** Of `add` and `replace`. */
  readonly value?: JsonValue;
  /** Of `replace` and `remove`. */
  readonly before?: JsonValue;
}

/**
 * Appends to `into` what makes `before` into `after`; `undefined` is nothing.
 *
 * @param after - Belongs to this function from now on.
 * @returns `after`, with the parts of `before` that are in it. Frozen.
 */
export function follow(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  path: string,
  into: JsonChange[],
): JsonValue | undefined {
  if (before === after) return before;
  if (Array.isArray(before) && Array.isArray(after)) return followArray(before, after, path, into);
  if (isObject(before) && isObject(after)) return followObject(before, after, path, into);
  if (before === undefined) into.push({ op: 'add', path, value: freeze(after as JsonValue) });
  else if (after === undefined) into.push({ op: 'remove', path, before });
  else into.push({ op: 'replace', path, value: freeze(after), before });
  return after;
}

function followObject(before: JsonObject, after: JsonObject, path: string, into: JsonChange[]): JsonObject {
  const count = into.length;
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key))
      into.push({ op: 'remove', path: below(path, key), before: before[key] as JsonValue });
  }
  for (const key of Object.keys(after)) {
    const own = Object.hasOwn(before, key) ? before[key] : undefined;
    const value = follow(own, after[key], below(path, key), into);
    // `__proto__` is a key like any other.
    if (value !== after[key]) Object.defineProperty(after, key, { value, enumerable: true });
  }
  return into.length === count ? before : Object.freeze(after);
}

function followArray(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  path: string,
  into: JsonChange[],
): readonly JsonValue[] {
  const edits = diffArray(before.map(canonicalJson), after);
  if (edits.length === 0) return before;
  const result = [...before];
  let shift = 0;
  for (const edit of edits) {
    const index = edit.index + shift;
    if (edit.op === 'replace') {
      result[index] = follow(result[index], edit.value, `${path}/${index}`, into) as JsonValue;
    } else if (edit.op === 'remove') {
      into.push({ op: 'remove', path: `${path}/${index}`, before: result[index] as JsonValue });
      result.splice(index, 1);
      shift--;
    } else {
      edit.values.forEach((value, offset) => {
        into.push({ op: 'add', path: `${path}/${index + offset}`, value: freeze(value) });
      });
      result.splice(index, 0, ...edit.values);
      shift += edit.values.length;
    }
  }
  return Object.freeze(result);
}

function freeze(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) freeze(member as JsonValue);
  return Object.freeze(value);
}

function below(path: string, key: string): string {
  return `${path}/${encodeSegment(key)}`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
