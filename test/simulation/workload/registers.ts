/**
 * @module
 * Owns the register workload: one field, unique values. What is shown is a write nobody overwrote knowingly, and every such
 * write is shown or listed as a conflict (CR1, CR15).
 */
import type { JsonValue } from '../../../crdt/index.ts';
import type { Attempt } from '../history.ts';
import { isAcknowledged, isDefinitelyBefore, isPossible, isPossiblyBefore } from '../history.ts';
import { describe } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTION = 'registers';
const DOCUMENTS = 2;

export class RegisterWorkload implements Workload {
  readonly name = 'registers';

  async step(client: Client): Promise<void> {
    const { random, unique } = client;
    const document = `r${random.int(0, DOCUMENTS - 1)}`;
    if (random.chance(0.5)) {
      await client.write(COLLECTION, document, { kind: 'merge-patch', patch: { v: unique } }, unique);
      return;
    }
    await client.write(
      COLLECTION,
      document,
      { kind: 'json-patch', operations: [{ op: 'add', path: '/v', value: unique }] },
      unique,
    );
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [key, attempts] of final.attempts(COLLECTION)) {
      const shown = final.documents.get(key)?.['v'];
      const others = final.conflicts.get(key)?.get('/v') ?? [];
      const visible = new Set<JsonValue>(shown === undefined ? others : [shown, ...others]);
      const possible = attempts.filter(isPossible);
      for (const problem of checkRegister(possible, visible)) problems.push(`${key}: ${problem}`);
    }
    return problems;
  }
}

function checkRegister(attempts: readonly Attempt[], visible: Set<JsonValue>): string[] {
  const problems: string[] = [];
  for (const value of visible) {
    if (!attempts.some(({ tag }) => tag === value)) problems.push(`${JSON.stringify(value)} was never written`);
  }
  for (const attempt of attempts) {
    if (visible.has(attempt.tag)) {
      const overwriter = attempts.find((other) => isAcknowledged(other) && isDefinitelyBefore(attempt, other));
      if (overwriter) problems.push(`${describe(attempt)} is visible although ${describe(overwriter)} replaced it`);
    } else if (isAcknowledged(attempt) && !attempts.some((other) => isPossiblyBefore(attempt, other))) {
      problems.push(`${describe(attempt)} is neither shown nor a conflict, and nobody can have overwritten it`);
    }
  }
  return problems;
}
