/**
 * @module
 * Owns the set workload: adds and removes of members, some of them added by several clients. An add that no remove observed
 * stays; a member whose every add was observed by some remove is gone.
 */
import type { JsonValue } from '../../../crdt/index.ts';
import type { Attempt } from '../history.ts';
import { isAcknowledged, isDefinitelyBefore, isPossible, isPossiblyBefore } from '../history.ts';
import { countValues, describe, operations } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTION = 'sets';
const DOCUMENTS = 2;
const SHARED_MEMBERS = 4;

export class SetWorkload implements Workload {
  readonly name = 'sets';

  async step(client: Client): Promise<void> {
    const { random } = client;
    const document = `s${random.int(0, DOCUMENTS - 1)}`;
    if (random.chance(0.3)) {
      const members = (await client.read(COLLECTION, document))?.['members'];
      if (!Array.isArray(members) || members.length === 0) return;
      const value = random.pick(members as readonly JsonValue[]);
      await client.write(
        COLLECTION,
        document,
        operations({ op: 'set-remove', path: '/members', value }),
        String(value),
      );
      return;
    }
    const value = random.chance(0.4) ? `shared${random.int(0, SHARED_MEMBERS - 1)}` : `m${client.unique}`;
    await client.write(COLLECTION, document, operations({ op: 'set-add', path: '/members', value }), value);
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [key, attempts] of final.attempts(COLLECTION)) {
      const found = final.documents.get(key)?.['members'] ?? [];
      const counts = countValues(found as readonly JsonValue[]);
      for (const [member, count] of counts)
        if (count > 1) problems.push(`${key}: ${JSON.stringify(member)} is there twice`);
      const members = new Set([...attempts.map(({ tag }) => tag), ...counts.keys()]);
      for (const member of members) {
        const problem = checkMember(
          attempts.filter(({ tag }) => tag === member),
          counts.has(member as JsonValue),
        );
        if (problem !== null) problems.push(`${key}: ${JSON.stringify(member)} ${problem}`);
      }
    }
    return problems;
  }
}

function checkMember(attempts: readonly Attempt[], isPresent: boolean): string | null {
  const adds = attempts.filter((attempt) => isPossible(attempt) && isOperation(attempt, 'set-add'));
  const removes = attempts.filter((attempt) => isPossible(attempt) && isOperation(attempt, 'set-remove'));
  if (isPresent) {
    if (adds.length === 0) return 'was never added';
    const isGone = adds.every((add) =>
      removes.some(
        (remove) => isAcknowledged(remove) && remove.outcome !== 'unchanged' && isDefinitelyBefore(add, remove),
      ),
    );
    return isGone
      ? `came back although every add was removed: ${[...adds, ...removes].map(describe).join('; ')}`
      : null;
  }
  const lost = adds.find((add) => isAcknowledged(add) && !removes.some((remove) => isPossiblyBefore(add, remove)));
  return lost
    ? `is missing; nobody who removed it can have seen ${describe(lost)}; ${removes.map(describe).join('; ')}`
    : null;
}

function isOperation(attempt: Attempt, op: string): boolean {
  return attempt.change.kind === 'operations' && attempt.change.operations[0]?.op === op;
}
