/**
 * @module
 * Owns what a schema may say before it is compiled: references within it only, no identity of its own, a bounded number of subschemas.
 * Every reference gets a keyword that counts how often it is followed.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { SyncError } from '../../sync/index.ts';

export const STEP_KEYWORD = 'atollStep';
const SUBSCHEMAS_MAX = 2000;
const DEPTH_MAX = 64;
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** Where schemas are within a schema; everything else is data. */
const SCHEMAS: readonly string[] = [
  'items',
  'contains',
  'not',
  'if',
  'then',
  'else',
  'additionalProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
];
const LISTS: readonly string[] = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const MAPS: readonly string[] = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const REFUSED: readonly string[] = [
  '$id',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$vocabulary',
];

/**
 * A copy that can be compiled.
 *
 * @throws SyncError `SYNC_CONFIG_INVALID`
 */
export function prepareSchema(schema: JsonObject): JsonObject {
  return new Preparation().copy(schema, '/schema', 1) as JsonObject;
}

class Preparation {
  #count = 0;

  copy(value: JsonValue, pointer: string, depth: number): JsonValue {
    if (!isObject(value)) return value;
    if (++this.#count > SUBSCHEMAS_MAX)
      throw invalid(pointer, `A schema has at most ${SUBSCHEMAS_MAX} schemas within.`);
    if (depth > DEPTH_MAX) throw invalid(pointer, `A schema is nested at most ${DEPTH_MAX} deep.`);
    // With a prototype, because Ajv asks for it; a name such as __proto__ stays a name.
    const result: Record<string, JsonValue> = {};
    for (const [key, member] of Object.entries(value)) {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      requireAllowed(key, member, at);
      define(result, key, this.#member(key, member, at, depth + 1));
    }
    if ('$ref' in value) result[STEP_KEYWORD] = true;
    return result;
  }

  #member(key: string, member: JsonValue, at: string, depth: number): JsonValue {
    if (SCHEMAS.includes(key)) return this.copy(member, at, depth);
    if (LISTS.includes(key) && Array.isArray(member))
      return (member as readonly JsonValue[]).map((each, i) => this.copy(each, `${at}/${i}`, depth));
    if (!MAPS.includes(key) || !isObject(member)) return member;
    const result: Record<string, JsonValue> = {};
    for (const [name, each] of Object.entries(member)) {
      define(result, name, this.copy(each, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth));
    }
    return result;
  }
}

function requireAllowed(key: string, member: JsonValue, at: string): void {
  if (REFUSED.includes(key)) throw invalid(at, `${key} is not supported: a schema stands for itself.`);
  if (key === STEP_KEYWORD) throw invalid(at, `${key} is not a keyword of JSON Schema.`);
  if (key === '$ref' && !(typeof member === 'string' && member.startsWith('#')))
    throw invalid(at, 'A $ref leads to a place in the same schema: it begins with "#". Nothing is fetched.');
  if (key === '$schema' && member !== DIALECT && member !== `${DIALECT}#`)
    throw invalid(at, `$schema is ${DIALECT}, or left out.`);
}

function define(target: Record<string, JsonValue>, key: string, value: JsonValue): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, message: string): SyncError {
  return new SyncError('SYNC_CONFIG_INVALID', message, { details: { path } });
}
