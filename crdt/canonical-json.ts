/**
 * @module
 * Owns canonical JSON text: keys sorted by UTF-16 code unit, no white space, numbers and strings as ECMAScript prints them
 * (RFC 8785). Equal values give equal text, so digests and comparisons work on the text.
 */
import type { JsonValue } from './json-value.ts';

/** Returns the canonical JSON text of a value. */
export function canonicalJson(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) {
    let text = '[';
    for (let index = 0; index < value.length; index++) {
      if (index > 0) text += ',';
      text += canonicalJson(value[index] as JsonValue);
    }
    return `${text}]`;
  }
  const object = value as Readonly<Record<string, JsonValue>>;
  let text = '{';
  for (const key of Object.keys(object).sort()) {
    if (text.length > 1) text += ',';
    text += `${JSON.stringify(key)}:${canonicalJson(object[key] as JsonValue)}`;
  }
  return `${text}}`;
}
