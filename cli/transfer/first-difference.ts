/**
 * @module
 * Owns finding the first document that differs between nodes: walks the ordered lists of all of them side by side, one page
 * of each in memory. SPEC.md CL18.
 */
import { ClientError, type DatabaseClient, type ReadDocument } from '../client.ts';

/** Documents per request; only ids and versions travel. */
const PAGE_DOCUMENTS = 200;
/** Asking for a field that is hardly ever there leaves the documents out of the pages. */
const NO_FIELDS = ['_id'];

export interface Difference {
  readonly collection: string;
  readonly id: string;
  /** By node, in the order given; null where the document is missing. */
  readonly etags: readonly (string | null)[];
}

/** Resolves null when every collection lists the same documents in the same versions. */
export async function findFirstDifference(databases: readonly DatabaseClient[]): Promise<Difference | null> {
  const names = new Set<string>();
  for (const database of databases) for (const name of await collectionNames(database)) names.add(name);
  for (const collection of [...names].sort()) {
    const found = await compareLists(databases.map((database) => listVersions(database, collection)));
    if (found !== null) return { collection, ...found };
  }
  return null;
}

/** Walks ordered lists; exported for tests, which bring their own. */
export async function compareLists(
  lists: readonly AsyncIterator<Pick<ReadDocument, 'id' | 'etag'>>[],
): Promise<Omit<Difference, 'collection'> | null> {
  const heads = await Promise.all(lists.map((list) => nextItem(list)));
  for (;;) {
    const present = heads.filter((head) => head !== null);
    if (present.length === 0) return null;
    const id = present.map((head) => head.id).reduce((least, other) => (compareIds(other, least) < 0 ? other : least));
    const etags = heads.map((head) => (head?.id === id ? head.etag : null));
    if (new Set(etags).size > 1) return { id, etags };
    await Promise.all(
      heads.map(async (head, index) => {
        if (head?.id === id) heads[index] = await nextItem(lists[index] as (typeof lists)[number]);
      }),
    );
  }
}

/** Lists are ordered by the UTF-8 bytes of ids, which is not how JavaScript compares strings. */
export function compareIds(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

async function nextItem<T>(list: AsyncIterator<T>): Promise<T | null> {
  const next = await list.next();
  return next.done === true ? null : next.value;
}

async function* listVersions(
  database: DatabaseClient,
  collection: string,
): AsyncGenerator<ReadDocument, void, undefined> {
  try {
    yield* database.collection(collection).list({ limit: PAGE_DOCUMENTS, fields: NO_FIELDS });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function collectionNames(database: DatabaseClient): Promise<string[]> {
  try {
    return (await database.info()).collections.map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** A node that has not heard of a database or collection holds none of its documents. */
function isMissing(error: unknown): boolean {
  return error instanceof ClientError && error.status === 404;
}
