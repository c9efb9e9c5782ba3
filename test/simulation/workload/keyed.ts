/**
 * @module
 * Owns the workload of keyed writes: increments that are asked for again and again, on any node. Each counts once, if any of its
 * attempts was answered, and at most once (SE7, CR16).
 */
import { isAcknowledged, isPossible } from '../history.ts';
import { operations } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTION = 'keyed';
const KEYS = 12;
const DOCUMENTS = 2;

export class KeyedWorkload implements Workload {
  readonly name = 'keyed';

  async step(client: Client): Promise<void> {
    const key = client.random.int(1, KEYS);
    // A sum of different powers of two tells which of them count, and how often.
    const change = operations({ op: 'increment', path: '/n', value: 4 ** key });
    const operation = { key: `operation ${key}`, fingerprint: `increment ${key}` };
    await client.write(COLLECTION, `k${key % DOCUMENTS}`, change, key, { operation });
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [document, attempts] of final.attempts(COLLECTION)) {
      const value = Number(final.documents.get(document)?.['n'] ?? 0);
      for (let key = 1; key <= KEYS; key++) {
        const own = attempts.filter(({ tag }) => tag === key);
        const count = Math.floor(value / 4 ** key) % 4;
        if (count > 1) problems.push(`[SE7] ${document}: key ${key} counts ${count} times`);
        if (count === 0 && own.some(isAcknowledged)) problems.push(`[SE7] ${document}: key ${key} does not count`);
        if (count === 1 && !own.some(isPossible)) problems.push(`[SE7] ${document}: key ${key} was never written`);
      }
    }
    return problems;
  }
}
