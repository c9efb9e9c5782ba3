/**
 * @module
 * Owns the check of indexes at the end of a run: every member has built the same ones, and their entries are those that its documents
 * should have (QU7, QU8).
 */
import { describeIndexes } from '../../sync/index.ts';
import type { Database } from '../../sync/index.ts';
import { checkIndexes } from '../helper/index-check.ts';
import type { Cluster } from './cluster.ts';
import type { SimNode } from './sim-node.ts';

const POLL_MS = 20;

/** Call it once the members are equal; needs virtual time to go on. */
export async function checkAllIndexes(cluster: Cluster): Promise<void> {
  const found: string[] = [];
  for (const node of cluster.members) {
    const lines: string[] = [];
    for (const name of node.replica!.databases()) lines.push(...(await checkDatabase(cluster, node, name)));
    found.push(lines.sort().join(', '));
  }
  if (new Set(found).size > 1) cluster.complain(`[QU7] members have different indexes: ${found.join(' | ')}`);
}

/** The indexes of a database, by name and definition. */
async function checkDatabase(cluster: Cluster, { index, replica }: SimNode, name: string): Promise<readonly string[]> {
  const database = replica!.database(name);
  const infos = (): ReturnType<typeof describeIndexes> =>
    database.collections().flatMap((collection) => describeIndexes(database, collection.name));
  while (infos().some(({ state }) => state === 'building'))
    await new Promise<void>((resolve) => cluster.time.after(POLL_MS, resolve));
  for (const { state, collection, name: of, error } of infos())
    if (state === 'failed') cluster.complain(`[QU7] node ${index} did not build ${collection}/${of}: ${error}`);
  for (const verdict of await checkIndexes(database as Database)) {
    cluster.trace.count('indexes compared');
    if (!verdict.isEqual) cluster.complain(`[QU8] node ${index}: ${JSON.stringify(verdict)}`);
  }
  return infos().map(({ collection, name: of, paths, sparse }) =>
    JSON.stringify([name, collection, of, paths, sparse]),
  );
}
