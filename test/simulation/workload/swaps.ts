/**
 * @module
 * Owns the swap workload: read a version, write only if it still is the version (`If-Match`). On one replica a version can be
 * swapped once: two acknowledged swaps of it would be a lost update that the client was promised not to suffer.
 */
import type { Attempt } from '../history.ts';
import { isAcknowledged } from '../history.ts';
import { describe } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTION = 'swaps';
const DOCUMENTS = 2;

export class SwapWorkload implements Workload {
  readonly name = 'swaps';

  async step(client: Client): Promise<void> {
    const { random, unique } = client;
    const document = `w${random.int(0, DOCUMENTS - 1)}`;
    const current = await client.readTagged(COLLECTION, document);
    const value = { by: unique, previous: current?.etag ?? null };
    const preconditions = current === null ? ({ ifNoneMatch: '*' } as const) : { ifMatch: [current.etag] };
    // The tag: what was swapped. The value names the writer.
    await client.write(COLLECTION, document, { kind: 'replace', value }, current?.etag ?? 'nothing', preconditions);
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [key, attempts] of final.attempts(COLLECTION)) {
      const swaps = new Map<string, Attempt>();
      for (const attempt of attempts) {
        if (!isAcknowledged(attempt)) continue;
        const id = `${attempt.origin} ${attempt.tag}`;
        const other = swaps.get(id);
        if (other) problems.push(`${key}: both ${describe(attempt)} and ${describe(other)} were allowed`);
        swaps.set(id, attempt);
      }
      const by = final.documents.get(key)?.['by'];
      const isKnown = attempts.some(({ change }) => change.kind === 'replace' && change.value['by'] === by);
      if (!isKnown && final.documents.has(key)) problems.push(`${key}: nobody wrote ${JSON.stringify(by)}`);
      if (!final.documents.has(key) && swaps.size > 0)
        problems.push(`${key}: was written, never deleted, and is missing`);
    }
    return problems;
  }
}
