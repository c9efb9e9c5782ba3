/**
 * @module
 * Owns the check of all indexes of a replica, to be run after tests that write.
 */
import { checkIndex } from '../../sync/query/index-check.ts';
import type { IndexVerdict } from '../../sync/query/index-check.ts';
import type { Database } from '../../sync/index.ts';

export async function checkIndexes(database: Database): Promise<readonly IndexVerdict[]> {
  const verdicts: IndexVerdict[] = [];
  for (const index of database.parts.indexes.all()) {
    const verdict = await checkIndex(database, index, () => Promise.resolve());
    if (verdict !== null) verdicts.push(verdict);
  }
  return verdicts;
}

/** Resolves when every index of the database can be used. */
export async function indexesReady(database: Database): Promise<void> {
  for (let turns = 0; turns < 100_000; turns++) {
    if (database.parts.indexes.all().every(({ state }) => state === 'ready')) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(
    `indexes are not built: ${JSON.stringify(database.parts.indexes.all().map(({ failure }) => failure))}`,
  );
}
