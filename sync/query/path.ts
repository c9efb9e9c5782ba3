/**
 * @module
 * Owns paths as filters, sorts and indexes name them: member names joined by dots. An array on the way stands for its elements that
 * are objects, and a segment of digits for one element, too.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { Indexed } from './value-order.ts';

const SEGMENTS_MAX = 32;
const PATH_LENGTH_MAX = 512;
const DIGITS = /^(?:0|[1-9]\d{0,8})$/;

export type Path = readonly string[];

/** Why a path cannot be one; `null` = it can. */
export function pathFault(path: string): string | null {
  if (path === '') return 'a path is not empty';
  if (path.length > PATH_LENGTH_MAX) return `a path has at most ${PATH_LENGTH_MAX} characters`;
  const segments = path.split('.');
  if (segments.length > SEGMENTS_MAX) return `a path has at most ${SEGMENTS_MAX} segments`;
  if (segments.includes('')) return 'a path has no empty segment';
  if (segments.includes('__proto__')) return 'a path through "__proto__" cannot be queried';
  if (segments.some((segment) => segment.startsWith('$'))) return 'a segment of a path does not begin with "$"';
  return null;
}

export function isIndexSegment(segment: string): boolean {
  return DIGITS.test(segment);
}

/** What a document holds at a path. */
export interface Found {
  /** Whole values: an array at the end of the path is one. */
  readonly values: JsonValue[];
  /** An object on the way has no such member, or nothing was found at all. */
  isMissing: boolean;
  /** The values are elements already: those of an array among them do not count. */
  readonly isElement?: boolean;
}

export function findAt(document: JsonValue, path: Path): Found {
  const found: Found = { values: [], isMissing: false };
  if (isObject(document)) descend(document, path, 0, found);
  if (found.values.length === 0) found.isMissing = true;
  return found;
}

function descend(object: JsonObject, path: Path, at: number, found: Found): void {
  const segment = path[at]!;
  if (!Object.hasOwn(object, segment)) {
    found.isMissing = true;
    return;
  }
  follow(object[segment]!, path, at + 1, found);
}

function follow(value: JsonValue, path: Path, at: number, found: Found): void {
  if (at === path.length) found.values.push(value);
  else if (isObject(value)) descend(value, path, at, found);
  else if (Array.isArray(value)) {
    const elements = value as readonly JsonValue[];
    const segment = path[at]!;
    if (DIGITS.test(segment) && Number(segment) < elements.length) {
      follow(elements[Number(segment)]!, path, at + 1, found);
    }
    for (const element of elements) if (isObject(element)) descend(element, path, at, found);
  } else found.isMissing = true;
}

/** Is a value at the path, or an element of an array there, one that `test` accepts? */
export function anyOf({ values, isElement }: Found, test: (value: JsonValue) => boolean): boolean {
  for (const value of values) {
    if (test(value)) return true;
    if (isElement === true || !Array.isArray(value)) continue;
    for (const element of value as readonly JsonValue[]) if (test(element)) return true;
  }
  return false;
}

const MISSING: readonly Indexed[] = [undefined];

/** What an index holds of a path, and a sort compares: elements in place of an array, an empty array as itself. */
export function indexedAt(document: JsonValue, path: Path): readonly Indexed[] {
  if (path.length === 1 && isObject(document)) {
    // The common case, without lists in between.
    const [name] = path as [string];
    if (!Object.hasOwn(document, name)) return MISSING;
    const value = document[name]!;
    return Array.isArray(value) && value.length > 0 ? (value as readonly JsonValue[]) : [value];
  }
  const { values, isMissing } = findAt(document, path);
  const indexed: Indexed[] = isMissing ? [undefined] : [];
  for (const value of values) {
    if (Array.isArray(value) && value.length > 0) for (const element of value as JsonValue[]) indexed.push(element);
    else indexed.push(value);
  }
  return indexed;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
