/**
 * @module
 * Owns the insert workload: documents with unique ids, written once and never deleted. All acknowledged ones must be there,
 * as they were written. Sizes vary up to several frames.
 */
import type { JsonObject } from '../../../crdt/index.ts';
import { isAcknowledged, isPossible } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { describe } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTION = 'inserts';

export class InsertWorkload implements Workload {
  readonly name = 'inserts';
  readonly #largeShare: number;

  /** @param largeShare - Share of documents between 20 and 200 KB. */
  constructor(largeShare: number) {
    this.#largeShare = largeShare;
  }

  async step(client: Client): Promise<void> {
    const { random } = client;
    const length = random.chance(this.#largeShare) ? random.int(20_000, 200_000) : random.int(0, 200);
    const fill = makeFill(random, length);
    const value: JsonObject = { tag: client.unique, fill, nested: { list: [client.unique, null, true] } };
    const document = `i${client.unique}`;
    const { status } = await client.write(COLLECTION, document, { kind: 'replace', value }, client.unique);
    if (status !== 'acknowledged') return;
    const found = await client.read(COLLECTION, document);
    // Null also when the node has died meanwhile; the oracle at the end sees to that.
    if (found !== null && sorted(found) !== sorted(value))
      client.complain(`${document} reads differently right after its write`);
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [key, attempts] of final.attempts(COLLECTION)) {
      const document = final.documents.get(key);
      const attempt = attempts[0]!;
      if (document === undefined) {
        if (isAcknowledged(attempt)) problems.push(`${key}: acknowledged ${describe(attempt)} is missing`);
        continue;
      }
      if (!isPossible(attempt)) problems.push(`${key}: rejected ${describe(attempt)} is there`);
      const written = attempt.change.kind === 'replace' ? attempt.change.value : null;
      if (sorted(document) !== sorted(written!)) problems.push(`${key}: differs from what ${describe(attempt)} wrote`);
    }
    return problems;
  }
}

/** Half of them cannot be compressed, so that they are as long on the wire. */
function makeFill(random: SeededRandom, length: number): string {
  const bytes = random.bytes(random.chance(0.5) ? length >> 1 : 1);
  return Buffer.from(bytes).toString('hex').padEnd(length, 'tide');
}

/** JSON text with sorted keys; the documents here have one level of nesting. */
function sorted(value: JsonObject): string {
  return JSON.stringify([value['tag'], value['fill'], value['nested'], Object.keys(value).length]);
}
