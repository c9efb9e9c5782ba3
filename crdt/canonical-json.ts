/**
 * @module
 * Owns canonical JSON text: keys sorted by UTF-16 code unit, no white space, numbers and strings as ECMAScript prints them
 * (RFC 8785). Equal values give equal text, so digests and comparisons work on the text.
 */
import type { JsonValue } from './json-value.ts';

/** Returns the canonical JSON text of a value. */
export function canonicalJson(value: JsonValue): string {
  // What stands in order is printed by the engine in one go, several times faster than piece by piece.
  return isInOrder(value) ? JSON.stringify(value) : print(value);
}

function print(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  let text = '';
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      text += index === 0 ? '[' : ',';
      text += print(value[index] as JsonValue);
    }
    return text === '' ? '[]' : `${text}]`;
  }
  const object = value as Readonly<Record<string, JsonValue>>;
  for (const key of Object.keys(object).sort()) {
    text += text === '' ? '{' : ',';
    text += `${JSON.stringify(key)}:${print(object[key] as JsonValue)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

/**
 * Returns the value with the members of every object in canonical order, as parsing the canonical text gives them; the value
 * itself when it is so already.
 */
export function canonicalOrder<T extends JsonValue>(value: T): T {
  return isInOrder(value) ? value : (reorder(value) as T);
}

function reorder(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => reorder(item as JsonValue));
  const object = value as Readonly<Record<string, JsonValue>>;
  const ordered = Object.create(null) as Record<string, JsonValue>;
  for (const key of Object.keys(object).sort()) ordered[key] = reorder(object[key] as JsonValue);
  return ordered;
}

/** True when every object within enumerates its keys in canonical order. */
function isInOrder(value: JsonValue): boolean {
  if (value === null || typeof value !== 'object') return true;
  if (Array.isArray(value)) return value.every(isInOrder);
  const object = value as Readonly<Record<string, JsonValue>>;
  let previous = '';
  for (const key of Object.keys(object)) {
    if (key < previous) return false;
    previous = key;
    const member = object[key];
    if (typeof member === 'object' && !isInOrder(member)) return false;
  }
  return true;
}
