/**
 * @module
 * Owns the `fields` parameter: which members of a document an answer keeps. A field is the name of a top-level member, or a JSON
 * Pointer (it starts with `/`) to a member of nested objects. SPEC.md HT12.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { HttpError } from './errors.ts';

export const FIELDS_MAX = 100;

type Path = readonly string[];
type Node = { [key: string]: JsonValue };

/**
 * Parses `name,/address/city`, or the names one by one.
 *
 * @param pointer - Where they are in a body; else they are a parameter.
 * @throws HttpError `HTTP_QUERY_INVALID`, `HTTP_BODY_INVALID`.
 */
export function parseFields(given: string | readonly string[], pointer?: string): readonly Path[] {
  const names = typeof given === 'string' ? given.split(',') : given;
  if (names.length > FIELDS_MAX) throw invalid(`fields names more than ${FIELDS_MAX} members`, pointer);
  return names.map((field) => {
    if (field === '') throw invalid('fields has an empty name', pointer);
    if (!field.startsWith('/')) return [field];
    const tokens = field.slice(1).split('/');
    if (tokens.some((token) => /~(?![01])/.test(token)))
      throw invalid('fields has an invalid JSON Pointer escape', pointer);
    return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  });
}

/** Copies the named members that exist. */
export function projectDocument(document: JsonObject, fields: readonly Path[]): JsonObject {
  const result = emptyObject();
  for (const path of fields) copyPath(document, result, path);
  return result;
}

function copyPath(source: JsonObject, target: Node, path: Path): void {
  const [key = '', ...rest] = path;
  if (!Object.hasOwn(source, key)) return;
  const value = source[key]!;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  if (!isObject(value)) return;
  // Two pointers may share a parent: the second adds to what the first made. A member taken whole stays whole.
  if (target[key] === value) return;
  const child = Object.hasOwn(target, key) ? (target[key] as Node) : emptyObject();
  copyPath(value, child, rest);
  if (Object.keys(child).length > 0) target[key] = child;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without a prototype, `__proto__` is a key like any other. */
function emptyObject(): Node {
  return Object.create(null) as Node;
}

function invalid(message: string, pointer: string | undefined): HttpError {
  if (pointer !== undefined) return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
  return new HttpError('HTTP_QUERY_INVALID', message, { details: { parameter: 'fields' } });
}
