/**
 * @module
 * Owns the count of durable copies of a write, and waiting for more of them. What a peer has acknowledged is durable there (I1), so
 * the count is never more than the truth. SPEC.md section SE.
 */
import type { Catalog } from './catalog.ts';
import type { Database } from './database.ts';
import type { Holding } from './horizon.ts';
import type { Timers } from './port.ts';
import type { Positions } from './token.ts';

/** Writes that may wait at a time; one more is answered with the count of that moment. */
const WAITERS_MAX = 1024;

export interface CopyCount {
  /** Members known to hold it durably, this one included. */
  readonly copies: number;
  /** Members that are to hold it: all that were not removed and on which the database is placed. */
  readonly members: number;
}

export interface CopiesParts {
  readonly catalog: Catalog;
  readonly timers: Timers;
  readonly nodeId: () => string;
  readonly holdingOf: (node: string, databaseKey: string) => Holding;
}

interface Waiter {
  readonly database: string;
  readonly version: Positions;
  readonly wanted: number;
  readonly settle: () => void;
}

export class Copies {
  readonly #parts: CopiesParts;
  readonly #waiters = new Set<Waiter>();

  constructor(parts: CopiesParts) {
    this.#parts = parts;
  }

  /** @param version - What has to be held: the version of the document that was written. */
  count(database: string, version: Positions): CopyCount {
    const { catalog, nodeId, holdingOf } = this.#parts;
    let copies = 1;
    let members = 1;
    for (const [node, { state }] of catalog.members) {
      if (node === nodeId() || state === 'removed' || !catalog.isPlaced(node, database)) continue;
      members++;
      if (isHeld(version, holdingOf(node, database))) copies++;
    }
    return { copies, members };
  }

  /** Waits for a number of copies, or for as many as there are members; resolves in any case, after `waitMs` at the latest. */
  async await({ key }: Database, version: Positions, wanted: number, waitMs: number): Promise<CopyCount> {
    if (!this.#isReached(key, version, wanted) && waitMs > 0 && this.#waiters.size < WAITERS_MAX) {
      await this.#wait(key, version, wanted, waitMs);
    }
    return this.count(key, version);
  }

  #isReached(database: string, version: Positions, wanted: number): boolean {
    const { copies, members } = this.count(database, version);
    return copies >= Math.min(wanted, members);
  }

  async #wait(database: string, version: Positions, wanted: number, waitMs: number): Promise<void> {
    let waiter: Waiter;
    let cancel: () => void;
    await new Promise<void>((resolve) => {
      waiter = { database, version, wanted, settle: resolve };
      this.#waiters.add(waiter);
      cancel = this.#parts.timers.after(waitMs, resolve);
    });
    cancel!();
    this.#waiters.delete(waiter!);
  }

  /** Some peer has acknowledged something, or the members changed. */
  handleProgress(): void {
    for (const { database, version, wanted, settle } of this.#waiters) {
      if (this.#isReached(database, version, wanted)) settle();
    }
  }

  /** Ends all waits at once: the node stops, or will take no more requests. */
  end(): void {
    for (const { settle } of this.#waiters) settle();
  }
}

function isHeld(version: Positions, holding: Holding): boolean {
  for (const [origin, seq] of version) if ((holding.get(origin) ?? 0) < seq) return false;
  return true;
}
