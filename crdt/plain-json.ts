/**
 * @module
 * Owns the fast way to read JSON text: by the engine, several times faster than we could, where the outcome proves that nothing was
 * lost. The engine keeps the last of duplicate keys and rounds numbers in silence. Every key has a colon behind it, so when the
 * keys and the colons in strings that came out are as many as the colons in the text, no key was lost.
 */
import type { JsonObject, JsonValue } from './json-value.ts';
import type { Limits } from './limits.ts';

/** A number below it is an integer that a double holds, or has a fraction. */
const SURELY_EXACT = 1e15;

/**
 * Returns the value of well-formed UTF-16 text; `undefined` when the strict reader has to decide: for anything invalid, beyond a limit, or
 * unusual.
 */
export function readPlainly(text: string, limits: Limits): JsonValue | undefined {
  // Such an escape may be a lone surrogate, or a colon that the text does not show.
  if (text.includes('\\u')) return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    // The strict reader says where and why.
    return undefined;
  }
  const census = new Census(limits);
  if (!census.take(value, limits.depthMax)) return undefined;
  return census.colons === countColons(text) ? value : undefined;
}

/** Counts keys, and colons in strings; makes objects ones without a prototype, as the strict reader does. */
class Census {
  colons = 0;
  readonly #keyBytesMax: number;

  constructor({ keyBytesMax }: Limits) {
    this.#keyBytesMax = keyBytesMax;
  }

  /** @returns False when the strict reader has to look at it. */
  take(value: JsonValue, depth: number): boolean {
    if (typeof value === 'string') this.colons += countColons(value);
    if (typeof value === 'number') return Math.abs(value) < SURELY_EXACT && !Object.is(value, -0);
    if (typeof value !== 'object' || value === null) return true;
    if (depth === 0) return false;
    return Array.isArray(value) ? this.#takeArray(value, depth - 1) : this.#takeObject(value as JsonObject, depth - 1);
  }

  #takeArray(array: readonly JsonValue[], depth: number): boolean {
    for (const item of array) if (!this.take(item, depth)) return false;
    return true;
  }

  #takeObject(object: JsonObject, depth: number): boolean {
    Object.setPrototypeOf(object, null);
    for (const key in object) {
      if (key.length * 3 > this.#keyBytesMax) return false;
      this.colons += 1 + countColons(key);
      if (!this.take(object[key] as JsonValue, depth)) return false;
    }
    return true;
  }
}

function countColons(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) count++;
  return count;
}
