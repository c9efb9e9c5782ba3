/**
 * @module
 * Owns the waits of sessions: a client that shows what it has seen is served by a node that has seen that too. A node that has not
 * waits for it, a bounded time, with a bounded number of others; never does it show older data. That gives read-your-writes,
 * monotonic reads and writes-follow-reads on any node. SPEC.md section SE.
 */
import type { Catalog } from './catalog.ts';
import { SYSTEM_KEY } from './catalog.ts';
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';
import type { Position } from './lost-history.ts';
import { SyncError } from './errors.ts';
import type { Timers } from './port.ts';
import { CLUSTER_UNKNOWN, decodeToken } from './token.ts';
import type { Positions, SeenPosition } from './token.ts';

/** A database of which only the catalog knows is looked for this often. */
const OPENING_TICK_MS = 50;

export interface SessionLimits {
  /** Clients that may wait at a time. */
  readonly waitersMax: number;
  /** Positions that they may wait for, all together. */
  readonly positionsMax: number;
}

export const SESSION_LIMITS: SessionLimits = { waitersMax: 1024, positionsMax: 65_536 };

export interface SessionsParts {
  readonly catalog: Catalog;
  readonly timers: Timers;
  readonly databaseOf: (key: string) => Database | undefined;
  /** Is this node to hold the database? */
  readonly isPlaced: (key: string) => boolean;
  /** Who wrote as this origin was removed from the cluster. */
  readonly isOfRemoved: (origin: OriginId) => boolean;
  /** One of them no member will ever hold. */
  readonly hasLost: (database: string, positions: readonly Position[]) => boolean;
  readonly limits?: SessionLimits;
}

type Missing = [origin: OriginId, seq: number][];

interface Waiter {
  readonly seen: SeenPosition;
  /** What was not covered when last looked at: the last of it is looked at first. */
  readonly missing: Missing;
  readonly missingSystem: Missing;
  readonly settle: (error: SyncError | null) => void;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #limits: SessionLimits;
  readonly #waiters = new Set<Waiter>();
  #positions = 0;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#limits = parts.limits ?? SESSION_LIMITS;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /**
   * What a token says; `null` when it is the one that this node gives at this moment, so that there is nothing to wait for.
   *
   * @param name - The database that the client asks for.
   * @throws SyncError `SYNC_TOKEN_INVALID`, `SYNC_TOKEN_FOREIGN`, `SYNC_TOKEN_EXPIRED`
   */
  read(name: string, token: string): SeenPosition | null {
    const key = this.#parts.catalog.liveKey(name);
    const database = key === undefined ? undefined : this.#parts.databaseOf(key);
    if (database?.token() === token) return null;
    const seen = decodeToken(token);
    this.#assertOurs(name, seen);
    return seen;
  }

  /**
   * Waits until this node has seen that, too; `null` when it has already.
   *
   * @throws SyncError (rejects) `SYNC_REPLICA_BEHIND`, `SYNC_TOKEN_EXPIRED`
   */
  await(seen: SeenPosition, waitMs: number): Promise<void> | null {
    const key = this.#parts.catalog.liveKey(nameOf(seen.database));
    // Whoever holds it has to be asked: the route says so.
    if (!this.#parts.isPlaced(seen.database)) return null;
    const database = this.#parts.databaseOf(seen.database);
    const missing = this.#missingOf(database, seen.vector);
    const missingSystem = this.#missingOf(this.#parts.databaseOf(SYSTEM_KEY), seen.system);
    const isOpen = database !== undefined && key === seen.database;
    if (isOpen && missing.length === 0 && missingSystem.length === 0) return null;
    return this.#wait({ seen, missing, missingSystem }, waitMs);
  }

  #assertOurs(name: string, { cluster, database }: SeenPosition): void {
    const { catalog } = this.#parts;
    if (nameOf(database) !== name) {
      throw new SyncError('SYNC_TOKEN_INVALID', `This session token is not of the database "${name.slice(0, 80)}".`);
    }
    const { clusterIds } = catalog;
    if (cluster !== CLUSTER_UNKNOWN && clusterIds.length > 0 && !clusterIds.includes(cluster)) {
      throw new SyncError(
        'SYNC_TOKEN_FOREIGN',
        'This session token is of another cluster: leave it out to begin anew.',
      );
    }
    if (catalog.isDropped(database)) {
      throw new SyncError(
        'SYNC_TOKEN_EXPIRED',
        'The database that this session token is of was dropped: leave it out.',
      );
    }
  }

  #missingOf(database: Database | undefined, positions: Positions): Missing {
    return [...positions].filter(([origin, seq]) => database?.parts.log.covers(origin, seq) !== true);
  }

  async #wait(wanted: Omit<Waiter, 'settle'>, waitMs: number): Promise<void> {
    const { timers } = this.#parts;
    const count = wanted.missing.length + wanted.missingSystem.length;
    const isFull = this.#waiters.size >= this.#limits.waitersMax || this.#positions + count > this.#limits.positionsMax;
    if (waitMs <= 0 || isFull) throw this.#behind(wanted);
    const cancels: (() => void)[] = [];
    let waiter: Waiter;
    this.#positions += count;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { ...wanted, settle: (error) => (error === null ? resolve() : reject(error)) };
        this.#waiters.add(waiter);
        cancels.push(timers.after(waitMs, () => reject(this.#behind(waiter))));
        const look = (): void => {
          this.#look(waiter);
          if (this.#parts.databaseOf(wanted.seen.database) === undefined) {
            cancels[1] = timers.after(OPENING_TICK_MS, look);
          }
        };
        look();
      });
    } finally {
      this.#waiters.delete(waiter!);
      this.#positions -= count;
      for (const cancel of cancels) cancel();
    }
  }

  /** Something became durable. */
  handleDurable(): void {
    for (const waiter of this.#waiters) this.#look(waiter);
  }

  #look({ seen, missing, missingSystem, settle }: Waiter): void {
    const { catalog, databaseOf } = this.#parts;
    const database = databaseOf(seen.database);
    if (database === undefined || catalog.liveKey(database.name) !== seen.database) return;
    if (this.#isCovered(database, missing) && this.#isCovered(databaseOf(SYSTEM_KEY), missingSystem)) settle(null);
  }

  /** Looks at one position, and at the next one only once that is covered: a forged token costs no more than an honest one. */
  #isCovered(database: Database | undefined, missing: Missing): boolean {
    for (let last = missing.at(-1); last !== undefined; last = missing.at(-1)) {
      if (database?.parts.log.covers(last[0], last[1]) !== true) return false;
      missing.pop();
    }
    return true;
  }

  #behind({ seen, missing, missingSystem }: Omit<Waiter, 'settle'>): SyncError {
    if (this.#parts.catalog.isDropped(seen.database)) {
      return new SyncError(
        'SYNC_TOKEN_EXPIRED',
        'The database that this session token is of was dropped: leave it out.',
      );
    }
    if ([...missing, ...missingSystem].some(([origin]) => this.#parts.isOfRemoved(origin))) {
      const message =
        'This session has seen writes of a node that was removed from the cluster before they came here: begin a new one.';
      return new SyncError('SYNC_TOKEN_EXPIRED', message);
    }
    const { hasLost } = this.#parts;
    if (hasLost(seen.database, missing) || hasLost(SYSTEM_KEY, missingSystem)) {
      const message =
        'This session has seen writes that no member holds any more, because the cluster or a node of it was set back: begin a new one.';
      return new SyncError('SYNC_TOKEN_EXPIRED', message);
    }
    const message = 'This node has not yet got what this session has seen: ask again, or another node.';
    return new SyncError('SYNC_REPLICA_BEHIND', message, { retryable: true });
  }

  /** Ends all waits at once: the node stops, or will take no more requests. */
  end(): void {
    for (const waiter of this.#waiters) waiter.settle(this.#behind(waiter));
  }
}

function nameOf(databaseKey: string): string {
  return databaseKey.slice(0, databaseKey.lastIndexOf('.'));
}
