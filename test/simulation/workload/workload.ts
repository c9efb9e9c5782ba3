/**
 * @module
 * Owns what a workload is: one kind of client behaviour on its own collections, with an oracle simple enough to be right.
 */
import type { Change, IntentOperation, JsonObject, JsonValue } from '../../../crdt/index.ts';
import type { WriteOptions } from '../../../sync/index.ts';
import type { Attempt } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';

/** One client, connected to one node, that makes one step. */
export interface Client {
  readonly random: SeededRandom;
  readonly database: string;
  /** Distinct within the run; for values that must be unique. */
  readonly unique: number;
  read(collection: string, document: string): Promise<JsonObject | null>;
  /** The document with its entity tag. */
  readTagged(collection: string, document: string): Promise<{ json: JsonObject; etag: string } | null>;
  /** Never rejects: the outcome is in the history. */
  write(
    collection: string,
    document: string,
    change: Change,
    tag: string | number,
    options?: WriteOptions,
  ): Promise<Attempt>;
  /** Waits until the node has seen what a session has. `null` = the node does not answer. */
  awaitSession(token: string, waitMs: number): Promise<'covered' | 'behind' | 'expired' | null>;
  /** Of what the node has seen; null when it does not know the database. */
  sessionToken(): string | null;
  /** Reports a broken promise. */
  complain(problem: string): void;
  configure(
    collection: string,
    config: { deletePolicy?: 'update-wins' | 'delete-wins'; types?: Record<string, string> },
  ): Promise<void>;
  /** The delete policy of a collection as this node knows it. */
  deletePolicy(collection: string): string;
  dropCollection(collection: string): Promise<void>;
}

/** The documents of the cluster after it converged, and what was attempted. */
export interface FinalState {
  readonly documents: ReadonlyMap<string, JsonObject>;
  /** Document key → path → values that lost. */
  readonly conflicts: ReadonlyMap<string, ReadonlyMap<string, readonly JsonValue[]>>;
  attempts(collection: string): ReadonlyMap<string, readonly Attempt[]>;
}

export interface Workload {
  readonly name: string;
  step(client: Client): Promise<void>;
  /** Every broken promise, in words. */
  check(final: FinalState): string[];
}

export function operations(...list: IntentOperation[]): Change {
  return { kind: 'operations', operations: list };
}

export function describe(attempt: Attempt): string {
  const { id, node, tag, status, calledAt, endedAt, outcome } = attempt;
  return `#${id} (node ${node}, ${JSON.stringify(tag)}, ${calledAt.toFixed(1)}–${endedAt.toFixed(1)} ms, ${status} ${outcome})`;
}

/** How often each value of a list occurs. */
export function countValues(values: readonly JsonValue[]): Map<JsonValue, number> {
  const counts = new Map<JsonValue, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Elements each written once by one attempt: an acknowledged one is there once, any other at most once, and nothing else is. */
export function checkElements(key: string, attempts: readonly Attempt[], found: readonly JsonValue[]): string[] {
  const counts = countValues(found);
  const problems: string[] = [];
  for (const attempt of attempts) {
    const count = counts.get(attempt.tag) ?? 0;
    counts.delete(attempt.tag);
    if (attempt.status === 'acknowledged' && count !== 1)
      problems.push(`${key}: ${describe(attempt)} is there ${count} times`);
    else if (count > 1) problems.push(`${key}: ${describe(attempt)} is there ${count} times`);
    else if (count === 1 && attempt.status === 'rejected')
      problems.push(`${key}: rejected ${describe(attempt)} is there`);
  }
  for (const value of counts.keys()) problems.push(`${key}: ${JSON.stringify(value)} was never written`);
  return problems;
}
