/**
 * @module
 * Owns the history of client operations and what it proves about causality. Replicas tell us version vectors before and after
 * each write; from these follow two relations, one too small and one too large, and every oracle uses the one that keeps it
 * sound: it may miss a fault, it never invents one.
 */
import type { Change } from '../../crdt/index.ts';

export type AttemptStatus = 'pending' | 'acknowledged' | 'rejected' | 'indeterminate';

/** One write by one client of one node. */
export interface Attempt {
  readonly id: number;
  readonly node: number;
  readonly origin: number;
  readonly database: string;
  readonly collection: string;
  readonly document: string;
  readonly change: Change;
  /** What the workload wants to remember: a member, an amount, a field. */
  readonly tag: string | number;
  /** A keyed write: if it was done before, by whomever, that is what was answered. */
  readonly isRepeatable: boolean;
  readonly calledAt: number;
  readonly vectorAtCall: Readonly<Record<string, number>>;
  status: AttemptStatus;
  /** When it was answered, or when its node died. */
  endedAt: number;
  /** A snapshot was being merged: the author may have seen more than its vector says. */
  isAhead: boolean;
  /** Empty unless acknowledged. */
  vectorAtReply: Readonly<Record<string, number>>;
  /** `WriteOutcome.status`, or the code of the error. */
  outcome: string;
}

/** May the write have taken effect? */
export function isPossible(attempt: Attempt): boolean {
  return attempt.status !== 'rejected';
}

export function isAcknowledged(attempt: Attempt): boolean {
  return attempt.status === 'acknowledged';
}

/** The smallest sequence number the write can have. */
export function lowestSeq(attempt: Attempt): number {
  return (attempt.vectorAtCall[attempt.origin] ?? 0) + 1;
}

/** True only if the author of `b` had observed `a`: `b` was called on a replica that durably held all `a` can be. */
export function isDefinitelyBefore(a: Attempt, b: Attempt): boolean {
  if (a === b || !isAcknowledged(a)) return false;
  return (b.vectorAtCall[a.origin] ?? 0) >= (a.vectorAtReply[a.origin] ?? Infinity);
}

/** False only if the author of `b` cannot have observed `a`. */
export function isPossiblyBefore(a: Attempt, b: Attempt): boolean {
  if (a === b || a.calledAt > b.endedAt) return false;
  if (!isAcknowledged(b) || b.isAhead) return true;
  return (b.vectorAtReply[a.origin] ?? 0) >= lowestSeq(a);
}

/** The scratch database is dropped and created again, so nothing can be said of what was written to it. */
export function isScratch(database: string): boolean {
  return database.startsWith('scratch');
}

export class History {
  readonly attempts: Attempt[] = [];
  #nextId = 1;

  begin(fields: Omit<Attempt, 'id' | 'status' | 'isAhead' | 'endedAt' | 'vectorAtReply' | 'outcome'>): Attempt {
    const attempt: Attempt = {
      ...fields,
      id: this.#nextId++,
      status: 'pending',
      endedAt: Infinity,
      isAhead: false,
      vectorAtReply: {},
      outcome: '',
    };
    this.attempts.push(attempt);
    return attempt;
  }

  /** A node died: what it had not answered may or may not have happened. */
  abandon(node: number, now: number): void {
    for (const attempt of this.attempts) {
      if (attempt.node !== node || attempt.status !== 'pending') continue;
      attempt.status = 'indeterminate';
      attempt.endedAt = now;
      attempt.outcome = 'node died';
    }
  }

  /** Whether it has taken effect elsewhere cannot be said. */
  retract(attempt: Attempt, why: string): void {
    attempt.status = 'indeterminate';
    attempt.outcome += `, ${why}`;
  }

  /** The disk of a node was replaced: nobody can say which of its answers since `since` still hold. */
  revoke(node: number, since: number): void {
    for (const attempt of this.attempts) {
      if (attempt.node === node && attempt.status === 'acknowledged' && attempt.endedAt >= since) {
        this.retract(attempt, 'disk replaced');
      }
    }
  }

  /** Writes to a collection of databases that are never dropped, grouped by document. */
  documents(collection: string): Map<string, Attempt[]> {
    const groups = new Map<string, Attempt[]>();
    for (const attempt of this.attempts) {
      if (attempt.collection !== collection || isScratch(attempt.database)) continue;
      const key = `${attempt.database}/${attempt.collection}/${attempt.document}`;
      const group = groups.get(key);
      if (group) group.push(attempt);
      else groups.set(key, [attempt]);
    }
    return groups;
  }
}
