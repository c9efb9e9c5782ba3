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

/** Parses `name,/address/city`. @throws HttpError `HTTP_QUERY_INVALID`. */
export function parseFields(text: string): readonly Path[] {
  const fields = text.split(',').map((field) => {
    if (field === '') throw invalid('fields has an empty name');
    if (!field.startsWith('/')) return [field];
    return field.slice(1).split('/').map(unescapeToken);
  });
  if (fields.length > FIELDS_MAX) throw invalid(`fields names more than ${FIELDS_MAX} members`);
  return fields;
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

function unescapeToken(token: string): string {
  if (/~(?![01])/.test(token)) throw invalid(`fields has an invalid JSON Pointer escape`);
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without a prototype, `__proto__` is a key like any other. */
function emptyObject(): Node {
  return Object.create(null) as Node;
}

function invalid(message: string): HttpError {
  return new HttpError('HTTP_QUERY_INVALID', message, { details: { parameter: 'fields' } });
}
