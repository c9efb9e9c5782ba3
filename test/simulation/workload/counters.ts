/**
 * @module
 * Owns the counter workload: increments and decrements of shared numbers. The sum is exact up to the writes nobody answered.
 */
import { isAcknowledged, isPossible } from '../history.ts';
import { operations } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTION = 'counters';
const DOCUMENTS = 3;

export class CounterWorkload implements Workload {
  readonly name = 'counters';

  async step(client: Client): Promise<void> {
    const { random } = client;
    const value = random.chance(0.25) ? -random.int(1, 9) : random.int(1, 9);
    const document = `c${random.int(0, DOCUMENTS - 1)}`;
    await client.write(COLLECTION, document, operations({ op: 'increment', path: '/n', value }), value);
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [key, attempts] of final.attempts(COLLECTION)) {
      let lowest = 0;
      let highest = 0;
      for (const attempt of attempts) {
        const amount = Number(attempt.tag);
        if (isAcknowledged(attempt) || (isPossible(attempt) && amount < 0)) lowest += amount;
        if (isAcknowledged(attempt) || (isPossible(attempt) && amount > 0)) highest += amount;
      }
      const value = final.documents.get(key)?.['n'] ?? 0;
      if (typeof value === 'number' && value >= lowest && value <= highest) continue;
      problems.push(`${key}: counter is ${JSON.stringify(value)}, must be in [${lowest}, ${highest}]`);
    }
    return problems;
  }
}
