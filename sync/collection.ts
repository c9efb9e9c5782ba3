/**
 * @module
 * Owns what is done to a whole collection: describe, configure, drop. A collection has no storage of its own: it is the
 * documents that carry its name, and a configuration in the system database.
 */
import type { AtollError, JsonObject, JsonValue } from '../crdt/index.ts';
import { collectionId } from './catalog.ts';
import { parseCollectionConfig, storedConfig } from './collection-config.ts';
import type { CollectionConfig } from './collection-config.ts';
import type { Database } from './database.ts';
import { isInternalCollection, validateCollectionName } from './names.ts';
import { acceptMissingIndex, dropIndex } from './query/index-admin.ts';

/** Deletes in flight while a collection is dropped. */
const DROP_PAGE = 256;

export interface CollectionInfo extends Required<Omit<CollectionConfig, 'schema'>> {
  readonly schema?: JsonObject;
  readonly name: string;
  readonly documents: number;
  /** Bytes of JSON. */
  readonly bytes: number;
}

export function describeCollections(database: Database): readonly CollectionInfo[] {
  const { key, stats, parts } = database;
  const names = new Set(parts.catalog.configuredCollections(key));
  for (const [name, { documents }] of stats) if (documents > 0 && !isInternalCollection(name)) names.add(name);
  return [...names].sort().map((name) => ({
    name,
    documents: stats.get(name)?.documents ?? 0,
    bytes: stats.get(name)?.bytes ?? 0,
    deletePolicy: 'update-wins',
    types: {},
    ...parts.catalog.configOf(key, name),
  }));
}

export async function configureCollection(
  database: Database,
  name: string,
  config: CollectionConfig | JsonValue,
): Promise<{ created: boolean }> {
  const { key, stats, parts } = database;
  validateCollectionName(name);
  const parsed = parseCollectionConfig(config as JsonValue);
  if (parsed.schema !== undefined) parts.schemas.validate(parsed.schema);
  const value = storedConfig(parsed);
  const created = !parts.catalog.isConfigured(key, name) && !stats.get(name)?.documents;
  await parts.system().writeUnchecked('collections', collectionId(key, name), { kind: 'replace', value });
  return { created };
}

export async function dropCollection(database: Database, name: string): Promise<number> {
  validateCollectionName(name);
  const { key, parts } = database;
  let deleted = 0;
  for (;;) {
    const { items } = await database.list(name, { limit: DROP_PAGE });
    if (items.length === 0) break;
    deleted += await deleteAll(database, name, items);
  }
  if (parts.catalog.isConfigured(key, name)) {
    const change = { kind: 'delete' } as const;
    await parts.system().writeUnchecked('collections', collectionId(key, name), change).catch(acceptMissing);
  }
  for (const { collection, name: index } of parts.catalog.indexesOf(key)) {
    if (collection === name) await dropIndex(database, name, index).catch(acceptMissingIndex);
  }
  return deleted;
}

/** Somebody else deleted it first: that is what was asked for. */
export function acceptMissing(error: unknown): void {
  if ((error as AtollError).code !== 'SYNC_DOCUMENT_NOT_FOUND') throw error;
}

async function deleteAll(
  database: Database,
  collection: string,
  items: readonly { readonly id: string }[],
): Promise<number> {
  const results = await Promise.allSettled(items.map(({ id }) => database.write(collection, id, { kind: 'delete' })));
  let deleted = 0;
  for (const result of results) {
    if (result.status === 'fulfilled') deleted++;
    else acceptMissing(result.reason);
  }
  return deleted;
}
