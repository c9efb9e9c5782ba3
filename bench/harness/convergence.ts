/**
 * @module
 * Owns the question whether nodes hold the same database. No number counts before the answer is yes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AtollClient, DigestAnswer } from '../../cli/client.ts';

export interface ConvergenceOptions {
  readonly database: string;
  readonly timeoutMs: number;
  readonly pollMs?: number;
  /** Equal digests with another number of documents do not count. */
  readonly documents?: number;
}

/** Resolves with the common digest once all nodes have it. */
export async function awaitEqual(clients: readonly AtollClient[], options: ConvergenceOptions): Promise<DigestAnswer> {
  const { database, timeoutMs, pollMs = 20, documents } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const digests = await Promise.all(clients.map((client) => client.database(database).digest().catch(ignoreMissing)));
    const [first] = digests;
    const isEqual = first !== null && first !== undefined && digests.every((digest) => digest?.digest === first.digest);
    if (isEqual && (documents === undefined || documents === first.documents)) return first;
    if (performance.now() > deadlineMs) throw new Error(`not equal after ${timeoutMs} ms: ${JSON.stringify(digests)}`);
    await delay(pollMs);
  }
}

/** The database may not have reached a node yet. */
function ignoreMissing(error: unknown): null {
  if ((error as { code?: string }).code === 'SYNC_DATABASE_NOT_FOUND') return null;
  throw error;
}
