/**
 * @module
 * Owns JSON Merge Patch (RFC 7396) on documents: null deletes, objects merge, anything else replaces.
 */
import { shownAt } from './candidate.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import type { Node } from './model.ts';
import type { Transaction } from './transaction.ts';
import { mergeJson } from './shared-value.ts';
import { parseValue, render } from './view.ts';
import { assign, remove } from './write-value.ts';

export function mergePatch(transaction: Transaction, node: Node, patch: JsonObject): void {
  for (const key of Object.keys(patch)) {
    const value = patch[key] as JsonValue;
    const child = node.children?.get(key);
    if (value === null) {
      if (child !== undefined && render(child, transaction.model) !== '') remove(transaction, child);
    } else if (isObject(value) && child !== undefined && shownAt(child)?.kind === 'shared') {
      const shown = parseValue(render(child, transaction.model)) as JsonValue;
      assign(transaction, child, mergeJson(isObject(shown) ? shown : {}, value), true);
    } else if (isObject(value) && child !== undefined && shownAt(child)?.kind === 'object') {
      mergePatch(transaction, child, value);
    } else {
      assign(transaction, node.child(key), isObject(value) ? withoutNulls(value) : value, true);
    }
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** A patch applied to nothing: its nulls delete what is not there. */
function withoutNulls(patch: JsonObject): JsonObject {
  const result: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
  for (const key of Object.keys(patch)) {
    const value = patch[key] as JsonValue;
    if (value !== null) result[key] = isObject(value) ? withoutNulls(value) : value;
  }
  return result;
}
