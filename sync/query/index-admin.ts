/**
 * @module
 * Owns defining, describing and dropping indexes. A definition is a document of the system database: every node that holds the
 * database builds the index by itself.
 */
import type { AtollError, JsonValue } from '../../crdt/index.ts';
import { indexId } from '../catalog.ts';
import type { Database } from '../database.ts';
import { SyncError } from '../errors.ts';
import { validateCollectionName } from '../names.ts';
import { INDEXES_PER_COLLECTION_MAX, parseIndexDefinition, validateIndexName } from './index-definition.ts';
import type { IndexPath } from './index-definition.ts';

/** An index as this node has it. */
export interface IndexInfo {
  readonly name: string;
  readonly collection: string;
  readonly paths: readonly IndexPath[];
  readonly sparse: boolean;
  /** `building`: queries do not use it yet. `failed`: it could not be built, see `error`. */
  readonly state: 'building' | 'ready' | 'failed';
  /** Documents looked at, of about so many. */
  readonly progress: { readonly documents: number; readonly total: number };
  readonly error?: string;
}

/**
 * Defines an index, or puts another definition in the place of the one it had.
 *
 * @throws SyncError `SYNC_INDEX_INVALID`, `SYNC_INDEX_LIMIT`, `SYNC_COLLECTION_NAME_INVALID`
 */
export async function defineIndex(
  database: Database,
  collection: string,
  name: string,
  definition: JsonValue,
): Promise<{ created: boolean }> {
  validateCollectionName(collection);
  validateIndexName(name);
  const { text } = parseIndexDefinition(definition);
  const { key, parts } = database;
  parts.epoch.assertWritable();
  const others = parts.catalog.indexesOf(key).filter((each) => each.collection === collection);
  const known = others.find((each) => each.name === name);
  if (known === undefined && others.length >= INDEXES_PER_COLLECTION_MAX) {
    const message = `A collection has at most ${INDEXES_PER_COLLECTION_MAX} indexes; drop one of them first.`;
    throw new SyncError('SYNC_INDEX_LIMIT', message, {
      details: { path: '', name: 'indexesPerCollection', limit: INDEXES_PER_COLLECTION_MAX },
    });
  }
  const change = { kind: 'replace', value: { definition: text } } as const;
  await parts.system().writeUnchecked('indexes', indexId(key, collection, name), change);
  return { created: known === undefined };
}

/** By name. */
export function describeIndexes(database: Database, collection: string): readonly IndexInfo[] {
  const { parts, stats } = database;
  const total = stats.get(collection)?.documents ?? 0;
  const infos = parts.indexes.of(collection).map((index): IndexInfo => {
    const { name, definition, state, documents, failure } = index;
    const isReady = state === 'ready';
    return {
      name,
      collection,
      paths: definition.paths,
      sparse: definition.sparse,
      state: failure === null ? state : 'failed',
      progress: { documents: isReady ? total : Math.min(documents, total), total },
      ...(failure !== null && { error: failure }),
    };
  });
  return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws SyncError `SYNC_INDEX_NOT_FOUND` */
export function describeIndex(database: Database, collection: string, name: string): IndexInfo {
  const found = describeIndexes(database, collection).find((index) => index.name === name);
  if (found === undefined) throw notFound(collection, name);
  return found;
}

/** @throws SyncError `SYNC_INDEX_NOT_FOUND` */
export async function dropIndex(database: Database, collection: string, name: string): Promise<void> {
  const { key, parts } = database;
  parts.epoch.assertWritable();
  const change = { kind: 'delete' } as const;
  try {
    await parts.system().writeUnchecked('indexes', indexId(key, collection, name), change);
  } catch (error) {
    if ((error as AtollError).code === 'SYNC_DOCUMENT_NOT_FOUND') throw notFound(collection, name);
    throw error;
  }
}

/** Somebody else dropped it first. */
export function acceptMissingIndex(error: unknown): void {
  if ((error as AtollError).code !== 'SYNC_INDEX_NOT_FOUND') throw error;
}

function notFound(collection: string, name: string): SyncError {
  return new SyncError('SYNC_INDEX_NOT_FOUND', `There is no index "${name.slice(0, 80)}" in ${collection}.`);
}
