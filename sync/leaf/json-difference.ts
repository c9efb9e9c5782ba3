/**
 * @module
 * Owns what leads from one JSON document to another, as changes that may be made to a third one: members that were set or taken away, at
 * any depth. Of an array or text that has changed there, too, the elements and characters are what is changed, by their neighbours; of
 * a set the elements, and what was counted is counted there.
 */
import { canonicalJson } from '../../crdt/index.ts';
import type {
  Change,
  DeclaredType,
  IntentOperation,
  JsonObject,
  JsonPatchOperation,
  JsonValue,
} from '../../crdt/index.ts';

interface Three {
  readonly before: JsonObject;
  readonly after: JsonObject;
  readonly onto: JsonObject;
}

/** What JSON does not tell, by pointer. */
export interface Merging {
  /** Types of what the changes are for. */
  readonly types: Readonly<Record<string, DeclaredType>>;
  /** What was added to numbers. */
  readonly increments: ReadonlyMap<string, number>;
}

interface Found extends Merging {
  readonly patch: JsonPatchOperation[];
  readonly operations: IntentOperation[];
}

/**
 * @param onto - What the changes are for: what is missing there is not taken away, and objects that are missing are set whole.
 */
export function differenceOf(
  before: JsonObject,
  after: JsonObject,
  onto: JsonObject,
  merging: Merging,
): readonly Change[] {
  const found: Found = { ...merging, patch: [], operations: [] };
  compare('', { before, after, onto }, found);
  const { patch, operations } = found;
  return [
    ...(patch.length > 0 ? [{ kind: 'json-patch', operations: patch } as const] : []),
    ...(operations.length > 0 ? [{ kind: 'operations', operations } as const] : []),
  ];
}

function compare(path: string, { before, after, onto }: Three, found: Found): void {
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key) && Object.hasOwn(onto, key)) found.patch.push({ op: 'remove', path: at(path, key) });
  }
  for (const [key, value] of Object.entries(after)) {
    const [was, is, own] = [member(before, key), member(onto, key), at(path, key)];
    if (was !== undefined && isSame(was, value)) continue;
    if (isObject(was) && isObject(value) && isObject(is)) {
      compare(own, { before: was, after: value, onto: is }, found);
    } else if (Array.isArray(was) && Array.isArray(value) && Array.isArray(is) && !isSame(was, is)) {
      const edit = found.types[own] === 'set' ? editSet : editArray;
      found.operations.push(...edit(own, was, value, is));
    } else if (isCounted(found, own, was, value) && typeof is === 'number') {
      found.operations.push({ op: 'increment', path: own, value: found.increments.get(own)! });
    } else if (isString(was) && isString(value) && isString(is) && was !== is && found.types[own] === 'text') {
      found.operations.push(...editText(own, was, value, is));
    } else found.patch.push({ op: 'add', path: own, value });
  }
}

/** Nothing else was done to the number. */
function isCounted({ increments }: Merging, path: string, was: JsonValue | undefined, value: JsonValue): boolean {
  return typeof was === 'number' && was + (increments.get(path) ?? 0) === value;
}

function editSet(path: string, before: readonly JsonValue[], after: readonly JsonValue[]): IntentOperation[] {
  const without = (values: readonly JsonValue[], others: readonly JsonValue[]): readonly JsonValue[] =>
    values.filter((value) => !others.some((other) => isSame(value, other)));
  return [
    ...without(before, after).map((value) => ({ op: 'set-remove', path, value }) as const),
    ...without(after, before).map((value) => ({ op: 'set-add', path, value }) as const),
  ];
}

function editArray(
  path: string,
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  onto: readonly JsonValue[],
): IntentOperation[] {
  const operations: IntentOperation[] = [];
  const [was, want, is] = [before, after, onto].map((values) => values.map(canonicalJson)) as [
    string[],
    string[],
    string[],
  ];
  for (const element of without(was, want)) {
    const index = is.indexOf(element);
    if (index < 0) continue;
    operations.push({ op: 'remove', path, index });
    is.splice(index, 1);
  }
  const fresh = without(want, was);
  want.forEach((element, i) => {
    if (fresh[0] !== element) return;
    fresh.shift();
    const neighbour = i === 0 ? -1 : is.lastIndexOf(want[i - 1]!);
    const index = i > 0 && neighbour < 0 ? is.length : neighbour + 1;
    operations.push({ op: 'insert', path, index, value: after[i]! });
    is.splice(index, 0, element);
  });
  return operations;
}

/** What is in one list and not in the other, as often as it is more, the last ones. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const element of other) left.set(element, (left.get(element) ?? 0) + 1);
  return list.filter((element) => {
    const count = left.get(element) ?? 0;
    left.set(element, count - 1);
    return count <= 0;
  });
}

/** Characters that stand before a place, by which it is found again. */
const CONTEXT = 32;

function editText(path: string, was: string, want: string, is: string): IntentOperation[] {
  const shortest = Math.min(was.length, want.length);
  let start = 0;
  while (start < shortest && was[start] === want[start]) start++;
  let end = 0;
  while (end < shortest - start && was[was.length - 1 - end] === want[want.length - 1 - end]) end++;
  const [gone, value] = [was.slice(start, was.length - end), want.slice(start, want.length - end)];
  const context = was.slice(Math.max(0, start - CONTEXT), start);
  const first = start - context.length;
  const found = is.startsWith(context, first) ? first : is.indexOf(context);
  const index = found < 0 ? Math.min(start, is.length) : found + context.length;
  const isThere = gone !== '' && is.startsWith(gone, index);
  return [
    ...(isThere ? [{ op: 'text-delete', path, index, length: gone.length } as const] : []),
    ...(value === '' ? [] : [{ op: 'text-insert', path, index, value } as const]),
  ];
}

function member(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function at(path: string, key: string): string {
  return `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function isSame(a: JsonValue, b: JsonValue): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

function isString(value: JsonValue | undefined): value is string {
  return typeof value === 'string';
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
