/**
 * @module
 * Owns what can be configured per collection, and its defaults.
 */
import { canonicalJson, misdeclared, parseJson } from '../crdt/index.ts';
import type { JsonObject, JsonValue, TypeDeclarations } from '../crdt/index.ts';
import { SyncError } from './errors.ts';

export type DeletePolicy = 'update-wins' | 'delete-wins';

/** Every member may be absent: then the default holds. */
export interface CollectionConfig {
  /** Outcome of a delete concurrent with an update (CR11). Default `update-wins`. */
  readonly deletePolicy?: DeletePolicy;
  /** JSON Pointer → type, so that plain JSON writes create texts, sets, counters. Default none. */
  readonly types?: TypeDeclarations;
  /** JSON Schema of the documents, checked where a write is accepted. Default none. */
  readonly schema?: JsonObject;
}

/** UTF-16 units of the canonical JSON of a schema. */
export const SCHEMA_LENGTH_MAX = 65_536;

/**
 * Checks a configuration as sent by a user.
 *
 * @throws SyncError `SYNC_CONFIG_INVALID` with `details.path`, the JSON Pointer of the member at fault.
 */
export function parseCollectionConfig(value: JsonValue): CollectionConfig {
  if (!isObject(value)) throw invalid('', 'A collection configuration is a JSON object.');
  const config: { deletePolicy?: DeletePolicy; types?: TypeDeclarations; schema?: JsonObject } = {};
  for (const [member, setting] of Object.entries(value)) {
    if (member === 'deletePolicy') config.deletePolicy = parseDeletePolicy(setting);
    else if (member === 'types') config.types = parseTypes(setting);
    else if (member === 'schema') config.schema = parseSchema(setting);
    else throw invalid(`/${member}`, `"${member}" is not a setting; known are deletePolicy, types and schema.`);
  }
  return config;
}

/** As it is stored: a schema is one text, so that two of them never merge into a third. */
export function storedConfig({ schema, ...others }: CollectionConfig): JsonObject {
  return { ...others, ...(schema !== undefined && { schema: canonicalJson(schema) }) };
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function readStoredConfig(value: JsonObject): CollectionConfig {
  const { schema, ...others } = value;
  if (typeof schema !== 'string') return parseCollectionConfig(others);
  return parseCollectionConfig({ ...others, schema: parseJson(new TextEncoder().encode(schema)) });
}

function parseSchema(value: JsonValue): JsonObject {
  if (!isObject(value)) throw invalid('/schema', 'schema is a JSON Schema: a JSON object.');
  if (canonicalJson(value).length > SCHEMA_LENGTH_MAX)
    throw invalid('/schema', `A schema has at most ${SCHEMA_LENGTH_MAX} characters.`);
  return value;
}

function parseDeletePolicy(value: JsonValue): DeletePolicy {
  if (value === 'update-wins' || value === 'delete-wins') return value;
  throw invalid('/deletePolicy', 'deletePolicy is "update-wins" or "delete-wins".');
}

function parseTypes(value: JsonValue): TypeDeclarations {
  const fault = misdeclared(value);
  if (fault !== null) throw invalid(fault.path, fault.message);
  return value as TypeDeclarations;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, message: string): SyncError {
  return new SyncError('SYNC_CONFIG_INVALID', message, { details: { path } });
}
