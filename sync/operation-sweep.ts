/**
 * @module
 * Owns forgetting operations: after 24 hours, or earlier the oldest when a database has more than a million. By the node that did them;
 * two hours later by any other, should that node be gone. SPEC.md SE7.
 */
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';
import { SyncError } from './errors.ts';
import { entriesOf, OPERATION_MS, OPERATIONS } from './operation.ts';
import type { Clock, Timers } from './port.ts';

const SWEEP_MS = 10 * 60_000;
/** What another node did is left to it for so long. */
const COURTESY_MS = 120 * 60_000;
const MINUTE_MS = 60_000;
const PAGE = 256;

export interface OperationSweepParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  readonly isOwn: (origin: OriginId) => boolean;
  readonly onFailure: (error: unknown) => void;
  /** Operations of a database. */
  readonly operationsMax?: number;
}

export class OperationSweep {
  readonly #parts: OperationSweepParts;
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: OperationSweepParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.timers.after(SWEEP_MS, () => {
      this.sweep()
        .catch(this.#parts.onFailure)
        .finally(() => {
          if (!this.#isClosed) this.start();
        });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  /** Returns how many were forgotten. */
  async sweep(): Promise<number> {
    let forgotten = 0;
    for (const database of this.#parts.databases()) {
      if ((database.stats.get(OPERATIONS)?.documents ?? 0) > 0) forgotten += await this.#sweepDatabase(database);
    }
    return forgotten;
  }

  async #sweepDatabase(database: Database): Promise<number> {
    const { clock, isOwn } = this.#parts;
    const oldestMs = Math.max(clock.now() - OPERATION_MS, await this.#oldestKept(database));
    let forgotten = 0;
    for await (const { id, atMs, origin } of this.#operations(database)) {
      if (atMs >= oldestMs - (isOwn(origin) ? 0 : COURTESY_MS)) continue;
      try {
        await database.writeUnchecked(OPERATIONS, id, { kind: 'delete' });
        forgotten++;
      } catch (error) {
        // Somebody else was first, or the node stops.
        if (!(error instanceof SyncError)) throw error;
      }
    }
    return forgotten;
  }

  /** So that the newest remain when there are too many: to the minute. */
  async #oldestKept(database: Database): Promise<number> {
    const { operationsMax = 1_000_000 } = this.#parts;
    if ((database.stats.get(OPERATIONS)?.documents ?? 0) <= operationsMax) return -Infinity;
    const minutes = new Map<number, number>();
    for await (const { atMs } of this.#operations(database)) {
      const minute = Math.floor(atMs / MINUTE_MS);
      minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
    }
    let kept = 0;
    for (const minute of [...minutes.keys()].sort((a, b) => b - a)) {
      kept += minutes.get(minute)!;
      if (kept > operationsMax) return (minute + 1) * MINUTE_MS;
    }
    return -Infinity;
  }

  async *#operations(database: Database): AsyncGenerator<{ id: string; atMs: number; origin: OriginId }> {
    const decoder = new TextDecoder();
    for (let after: string | null = ''; after !== null && !this.#isClosed;) {
      const page: Awaited<ReturnType<Database['list']>> = await database.list(OPERATIONS, {
        limit: PAGE,
        ...(after !== '' && { after }),
      });
      for (const { id, json } of page.items) {
        const latest = entriesOf(decoder.decode(json)).at(-1);
        yield { id, atMs: latest?.atMs ?? 0, origin: latest?.origin ?? 0 };
      }
      after = page.next;
    }
  }
}
