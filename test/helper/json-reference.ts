/**
 * @module
 * Owns plain JSON implementations of what writes mean, as short as can be: the oracle for documents with one writer. Sets are
 * left out; plain JSON cannot say them.
 */
import type { Change, IntentOperation, JsonPatchOperation, JsonValue } from '../../crdt/index.ts';

type Container = JsonValue[] | Record<string, JsonValue>;

/** Returns what a document shows after a change, or throws when the change is refused. */
export function applyReference(json: JsonValue, change: Change): JsonValue {
  switch (change.kind) {
    case 'replace':
      return change.value;
    case 'merge-patch':
      return mergeReference(json, change.patch);
    case 'json-patch':
      return change.operations.reduce(patchReference, structuredJson(json));
    case 'operations':
      return change.operations.reduce(intentReference, structuredJson(json));
    default:
      throw new Error('a delete has no value');
  }
}

/** RFC 7396, section 2, as written there. */
export function mergeReference(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const result = Object.assign(Object.create(null) as Record<string, JsonValue>, isObject(target) ? target : {});
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergeReference(result[key], value);
  }
  return result;
}

function patchReference(document: JsonValue, operation: JsonPatchOperation): JsonValue {
  const holder: Record<string, JsonValue> = { root: document };
  const path = `/root${operation.path}`;
  if (operation.op === 'add') place(holder, path, operation.value, true);
  else if (operation.op === 'replace') place(holder, path, operation.value, false);
  else if (operation.op === 'remove') take(holder, path);
  else if (operation.op === 'copy') place(holder, path, structuredJson(read(holder, `/root${operation.from}`)), true);
  else if (operation.op === 'move') {
    if (operation.from !== operation.path) place(holder, path, take(holder, `/root${operation.from}`), true);
  } else if (operation.op === 'test' && JSON.stringify(read(holder, path)) !== JSON.stringify(operation.value))
    throw new Error('test failed');
  return holder['root'] as JsonValue;
}

function intentReference(document: JsonValue, operation: IntentOperation): JsonValue {
  const keys = split(operation.path);
  let parent = document as Container;
  for (const key of keys.slice(0, -1)) {
    if (!hasMember(parent, key)) setMember(parent, key, Object.create(null) as Record<string, JsonValue>);
    parent = member(parent, key) as Container;
  }
  const last = keys.at(-1) as string;
  const missing = !hasMember(parent, last);
  const current = missing ? undefined : member(parent, last);
  if (operation.op === 'increment') setMember(parent, last, ((current as number | undefined) ?? 0) + operation.value);
  else if (operation.op === 'text-insert' || operation.op === 'text-delete') {
    const text = (current as string | undefined) ?? '';
    const removed = operation.op === 'text-delete' ? operation.length : 0;
    const inserted = operation.op === 'text-insert' ? operation.value : '';
    setMember(parent, last, text.slice(0, operation.index) + inserted + text.slice(operation.index + removed));
  } else {
    if (missing) setMember(parent, last, []);
    editArray(member(parent, last) as JsonValue[], operation);
  }
  return document;
}

function editArray(array: JsonValue[], operation: IntentOperation): void {
  if (operation.op === 'append') array.push(operation.value);
  else if (operation.op === 'insert') array.splice(operation.index, 0, operation.value);
  else if (operation.op === 'remove') array.splice(operation.index, 1);
  else if (operation.op === 'move') array.splice(operation.to, 0, ...array.splice(operation.from, 1));
  else throw new Error(`no reference for ${operation.op}`);
}

function place(holder: Container, path: string, value: JsonValue, inserts: boolean): void {
  const keys = split(path);
  const parent = keys.slice(0, -1).reduce<Container>((at, key) => member(at, key) as Container, holder);
  const last = keys.at(-1) as string;
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), inserts ? 0 : 1, value);
  else setMember(parent, last, value);
}

function take(holder: Container, path: string): JsonValue {
  const keys = split(path);
  const parent = keys.slice(0, -1).reduce<Container>((at, key) => member(at, key) as Container, holder);
  const last = keys.at(-1) as string;
  const value = member(parent, last);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return value;
}

function read(holder: Container, path: string): JsonValue {
  return split(path).reduce<JsonValue>((at, key) => member(at as Container, key), holder);
}

function split(path: string): string[] {
  return path
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function hasMember(parent: Container, key: string): boolean {
  return Object.hasOwn(parent, key);
}

function member(parent: Container, key: string): JsonValue {
  return (parent as Record<string, JsonValue>)[key] as JsonValue;
}

function setMember(parent: Container, key: string, value: JsonValue): void {
  (parent as Record<string, JsonValue>)[key] = value;
}

function isObject(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return value !== undefined && value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Copies JSON; objects come without prototypes, so that `__proto__` is a key like any other. */
function structuredJson(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(structuredJson);
  if (!isObject(value)) return value;
  const copy = Object.create(null) as Record<string, JsonValue>;
  for (const key of Object.keys(value)) copy[key] = structuredJson(value[key] as JsonValue);
  return copy;
}
