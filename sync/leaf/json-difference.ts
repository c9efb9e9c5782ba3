/**
 * @module
 * Owns what leads from one JSON document to another, as a JSON Patch that may be applied to a third one: members that were set or
 * taken away, at any depth; arrays count as one value.
 */
import { canonicalJson } from '../../crdt/index.ts';
import type { JsonObject, JsonPatchOperation, JsonValue } from '../../crdt/index.ts';

/** @param onto - What the patch is for: what is missing there is not taken away, and objects that are missing are set whole. */
export function differenceOf(before: JsonObject, after: JsonObject, onto: JsonObject): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  compare('', { before, after, onto }, operations);
  return operations;
}

interface Three {
  readonly before: JsonObject;
  readonly after: JsonObject;
  readonly onto: JsonObject;
}

function compare(path: string, { before, after, onto }: Three, operations: JsonPatchOperation[]): void {
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key) && Object.hasOwn(onto, key)) operations.push({ op: 'remove', path: at(path, key) });
  }
  for (const [key, value] of Object.entries(after)) {
    const [was, is] = [own(before, key), own(onto, key)];
    if (was !== undefined && canonicalJson(was) === canonicalJson(value)) continue;
    if (isObject(was) && isObject(value) && isObject(is)) {
      compare(at(path, key), { before: was, after: value, onto: is }, operations);
    } else operations.push({ op: 'add', path: at(path, key), value });
  }
}

function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function at(path: string, key: string): string {
  return `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
