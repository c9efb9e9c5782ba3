/**
 * @module
 * Owns the check of values that callers hand in: everything that could not be stored and read back unchanged is refused before
 * it touches a document (SPEC "Values").
 */
import { CrdtError } from './errors.ts';
import { encodeSegment } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import type { Limits } from './limits.ts';
import { isWellFormed, utf8Length } from './utf8.ts';

/**
 * Checks a value to be stored at a path.
 *
 * @param level - Nesting level of the value if it is a container; the document is level 1.
 * @throws CrdtError `CRDT_VALUE_INVALID` or `CRDT_LIMIT_EXCEEDED`, with details.path.
 */
export function checkValue(value: JsonValue, path: string, level: number, limits: Limits): void {
  if (typeof value === 'string') {
    if (!isWellFormed(value)) refuse(path, 'a string holds a lone surrogate');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(path, 'a number is not finite');
  } else if (typeof value === 'object') {
    if (value !== null) checkContainer(value, path, level, limits);
  } else if (typeof value !== 'boolean') {
    refuse(path, `a ${typeof value} is not JSON`);
  }
}

/** Checks one object key. */
export function checkKey(key: string, path: string, limits: Limits): void {
  if (!isWellFormed(key)) refuse(path, 'a key holds a lone surrogate');
  const limit = limits.keyBytesMax;
  if (key.length * 3 <= limit) return;
  const actual = utf8Length(key);
  if (actual > limit) exceed(path, `a key has more than ${limit} bytes`, 'keyBytes', limit, actual);
}

export function checkDepth(level: number, path: string, limits: Limits): void {
  const limit = limits.depthMax;
  if (level > limit) exceed(path, `nested deeper than ${limit} levels`, 'depth', limit, level);
}

function checkContainer(value: JsonValue & object, path: string, level: number, limits: Limits): void {
  checkDepth(level, path, limits);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const element = value[index] as JsonValue;
      if (isTrivial(element)) continue;
      checkValue(element, `${path}/${index}`, level + 1, limits);
    }
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) refuse(path, 'only plain objects are JSON');
  for (const key of Object.keys(value)) {
    checkKey(key, path, limits);
    const child = (value as Readonly<Record<string, JsonValue>>)[key] as JsonValue;
    if (isTrivial(child)) continue;
    checkValue(child, `${path}/${encodeSegment(key)}`, level + 1, limits);
  }
}

/** Spares building a path for what cannot be wrong. */
function isTrivial(value: JsonValue): boolean {
  return (
    value === null ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value)) ||
    (typeof value === 'string' && isWellFormed(value))
  );
}

function refuse(path: string, reason: string): never {
  throw new CrdtError('CRDT_VALUE_INVALID', `${reason}${path === '' ? '' : ` at ${path.slice(0, 200)}`}`, {
    details: { path: path.slice(0, 200) },
  });
}

function exceed(path: string, reason: string, name: string, limit: number, actual: number): never {
  throw new CrdtError('CRDT_LIMIT_EXCEEDED', reason, { details: { path: path.slice(0, 200), name, limit, actual } });
}
