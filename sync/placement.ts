/**
 * @module
 * Owns which databases this node holds: all of them, or those that its entry in the member list names. A database that is placed
 * elsewhere takes no more writes here at once, and leaves once another member that is to hold it has everything.
 */
import type { Catalog } from './catalog.ts';
import type { DatabaseSet } from './database-set.ts';
import { SyncError } from './errors.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Timers } from './port.ts';

/** How often a database that is to leave is looked at. */
const LEAVE_TICK_MS = 1000;

export interface PlacementParts {
  readonly catalog: Catalog;
  readonly set: DatabaseSet;
  readonly commit: GroupCommit;
  readonly timers: Timers;
  readonly nodeId: () => string;
  /** Does a linked member that is to hold the database have all that is durable of it here? */
  readonly isHeldElsewhere: (databaseKey: string) => boolean;
  /**
   * A database has left, or is back and empty: peers are to know. What this process wrote in one that left must not be numbered
   * again, should it come back (I2).
   */
  readonly onMoved: (databaseKey: string, hasLeft: boolean) => void;
  readonly onFailure: (error: unknown) => void;
}

export class Placement {
  readonly #parts: PlacementParts;
  readonly #leaving = new Set<string>();
  /** Databases that were placed elsewhere at some time since the start: what peers know of us in them may be from before. */
  readonly #wereElsewhere = new Set<string>();
  readonly #removals = new Map<string, Promise<void>>();
  #cancel: (() => void) | null = null;
  #isClosed = false;

  constructor(parts: PlacementParts) {
    this.#parts = parts;
  }

  /** Is this node to hold the database? */
  isPlaced(databaseKey: string): boolean {
    return this.#parts.catalog.isPlaced(this.#parts.nodeId(), databaseKey);
  }

  wasElsewhere(databaseKey: string): boolean {
    return this.#wereElsewhere.has(databaseKey);
  }

  /** What a client is told who asks here for a database of others. */
  elsewhere(name: string, databaseKey: string): SyncError {
    const { catalog } = this.#parts;
    const holders = [...catalog.members]
      .filter(([node, { state }]) => state !== 'removed' && catalog.isPlaced(node, databaseKey))
      .map(([, member]) => member.url ?? member.name);
    const where = holders.length === 0 ? 'no member does' : `ask ${holders.slice(0, 5).join(', ')}`;
    const message = `This node does not hold the database "${name.slice(0, 80)}"; ${where}.`;
    return new SyncError('SYNC_DATABASE_ELSEWHERE', message, { retryable: true, details: { db: name.slice(0, 80) } });
  }

  /** Does what the system database says: removes what was dropped, opens what is to be held, and lets the rest leave. */
  async follow(): Promise<void> {
    const { catalog, set } = this.#parts;
    for (const key of set.allKeys()) if (catalog.isDropped(key)) await set.remove(key);
    for (const name of [...catalog.databases.keys()]) {
      const key = catalog.liveKey(name);
      if (key === undefined) continue;
      // It may be wanted back while it leaves.
      await this.#removals.get(key);
      if (this.isPlaced(key)) await this.#hold(key);
      else this.#beginToLeave(name, key);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  async #hold(key: string): Promise<void> {
    const isBack = this.#wereElsewhere.has(key) && this.#parts.set.get(key) === undefined;
    const database = await this.#parts.set.ensure(key);
    database.refuseWrites(null);
    if (isBack) this.#parts.onMoved(key, false);
  }

  #beginToLeave(name: string, key: string): void {
    this.#wereElsewhere.add(key);
    const database = this.#parts.set.get(key);
    if (database === undefined) return;
    database.refuseWrites(this.elsewhere(name, key));
    this.#leaving.add(key);
    this.#arm();
  }

  #arm(): void {
    if (this.#cancel !== null || this.#isClosed || this.#leaving.size === 0) return;
    this.#cancel = this.#parts.timers.after(LEAVE_TICK_MS, () => {
      this.#cancel = null;
      this.#letLeave()
        .then(() => this.#arm())
        .catch(this.#parts.onFailure);
    });
  }

  async #letLeave(): Promise<void> {
    const { set, commit, isHeldElsewhere, onMoved } = this.#parts;
    for (const key of this.#leaving) {
      const database = set.get(key);
      // What was written before writes were refused is durable after this.
      if (database !== undefined && !this.isPlaced(key)) await commit.join(database);
      if (this.#isClosed) return;
      if (database === undefined || this.isPlaced(key)) {
        this.#leaving.delete(key);
      } else if (isHeldElsewhere(key)) {
        this.#leaving.delete(key);
        const removal = set.remove(key, true).finally(() => this.#removals.delete(key));
        this.#removals.set(key, removal);
        onMoved(key, true);
        await removal;
      }
    }
  }
}
