/**
 * @module
 * Owns creating and dropping databases: what is written to the system database for it, and what has to be there first.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { clusterIdOf, collectionId, creationOf, dropOf, indexId } from './catalog.ts';
import type { Catalog } from './catalog.ts';
import { acceptMissing } from './collection.ts';
import type { Database } from './database.ts';
import type { DatabaseSet } from './database-set.ts';
import type { Placement } from './placement.ts';
import type { Random } from './port.ts';
import { CLUSTER_BYTES } from './token.ts';

export interface DatabaseListParts {
  readonly catalog: Catalog;
  readonly set: DatabaseSet;
  readonly placement: Placement;
  readonly system: () => Database;
  readonly random: Random;
}

/** @throws SyncError `SYNC_DATABASE_ELSEWHERE` */
export async function createDatabase(
  { catalog, set, placement, system, random }: DatabaseListParts,
  name: string,
): Promise<{ created: boolean }> {
  const generation = (catalog.databases.get(name)?.latest ?? -1) + 1;
  const key = catalog.liveKey(name);
  const wanted = key ?? `${name}.${generation}`;
  if (!placement.isPlaced(wanted)) throw placement.elsewhere(name, wanted);
  await set.ensure(wanted);
  if (key !== undefined) return { created: false };
  // Another call may have created it meanwhile: then this one changes nothing.
  const creation = system().writeUnchecked('databases', name, creationOf(generation));
  const identity = catalog.clusterIds.length === 0 ? clusterIdOf(bytesToHex(random.bytes(CLUSTER_BYTES))) : null;
  // In the same commit: who knows a database knows the cluster.
  const named = identity && system().writeUnchecked('cluster', 'identity', identity);
  const [{ status }] = await Promise.all([creation, named]);
  return { created: status !== 'unchanged' };
}

/** Drops a database everywhere. */
export async function dropDatabase(parts: DatabaseListParts, { name, key }: Database): Promise<void> {
  const generation = Number(key.slice(name.length + 1));
  await parts.system().writeUnchecked('databases', name, dropOf(generation));
  await forgetConfigurations(parts, [key]);
}

/** Deletes what is configured for collections of dropped databases, indexes included. */
export async function forgetConfigurations(
  { catalog, system }: Pick<DatabaseListParts, 'catalog' | 'system'>,
  databaseKeys: readonly string[],
): Promise<void> {
  const change = { kind: 'delete' } as const;
  const ids = databaseKeys.flatMap((key) => catalog.configuredCollections(key).map((name) => collectionId(key, name)));
  const indexes = databaseKeys.flatMap((key) =>
    catalog.indexesOf(key).map(({ collection, name }) => indexId(key, collection, name)),
  );
  await Promise.all([
    ...ids.map((id) => system().writeUnchecked('collections', id, change).catch(acceptMissing)),
    ...indexes.map((id) => system().writeUnchecked('indexes', id, change).catch(acceptMissing)),
  ]);
}
