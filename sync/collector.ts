/**
 * @module
 * Owns the collection of tombstones, in the background and in small steps: a deleted document that shows nothing any more is
 * forgotten without a trace once its delete is stable (stability.ts), and never before (I8). Members do so at different moments and
 * need not agree on one: what is forgotten counts nowhere (document-record.ts), and whoever meets a tombstone that others have
 * forgotten, or the other way round, can tell (ingest.ts).
 */
import { AtollError } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { ready } from './document-slot.ts';
import { decodeView, isCounted } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import { forget } from './forgetting.ts';
import { isWithin } from './forgotten.ts';
import type { Holding } from './horizon.ts';
import type { Epoch } from './identity.ts';
import { documentOf, rangeOf, successorOf, viewKey } from './key.ts';
import type { Clock, Timers } from './port.ts';
import type { StableView } from './stable-view.ts';

export interface CollectionOptions {
  /** Pause between two looks. Default 30,000. */
  readonly intervalMs: number;
  /**
   * A process cannot forget what it wrote under its present epoch, because it would number that again. It begins another one for
   * that after so long at the earliest. Default 1 hour.
   */
  readonly epochMs: number;
  /** Nothing is forgotten before so many members are known. Default 1. */
  readonly membersMin: number;
}

export const DEFAULT_COLLECTION_OPTIONS: CollectionOptions = { intervalMs: 30_000, epochMs: 3_600_000, membersMin: 1 };

/** Tombstones looked at in one step. */
const STEP = 256;
/** Between two steps, so that requests come first. */
const STEP_PAUSE_MS = 10;

export interface CollectorParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  readonly stable: StableView;
  /** What is written now is numbered by it. */
  readonly epoch: Epoch;
  readonly renewEpoch: () => void;
  readonly options?: Partial<CollectionOptions> | undefined;
}

export interface CollectionStatus {
  /** Tombstones at the last look. */
  readonly kept: number;
  /** Documents forgotten since the start. */
  readonly collected: number;
  /** Since when there have been some without a break, wall clock, ms; `null` = there are none. */
  readonly since: number | null;
}

type Progress = { -readonly [Key in keyof CollectionStatus]: CollectionStatus[Key] };

/** One look at a database. */
interface Look {
  readonly database: Database;
  readonly stable: Holding | null;
  kept: number;
  /** Kept only because this process wrote a part of them under its present epoch. */
  own: number;
}

export class Collector {
  readonly #parts: CollectorParts;
  readonly #options: CollectionOptions;
  readonly #progress = new WeakMap<Database, Progress>();
  #epochMs: number;
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    this.#options = { ...DEFAULT_COLLECTION_OPTIONS, ...parts.options };
    this.#epochMs = parts.clock.now();
  }

  start(): void {
    this.#cancel = this.#parts.timers.after(this.#options.intervalMs, () => {
      // What failed is the disk, which the commit reports, or a closing database.
      this.collect()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#isClosed) this.start();
        });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  status(database: Database): CollectionStatus {
    return { ...this.#progressOf(database) };
  }

  /** Forgets what may be forgotten now. */
  async collect(): Promise<void> {
    let own = 0;
    for (const database of this.#parts.databases()) {
      try {
        own += await this.#collect(database);
      } catch (error) {
        // What is damaged is replaced first; the others go on.
        const isHarmless = error instanceof AtollError && ['SYNC_CLOSED', 'STORAGE_CORRUPT'].includes(error.code);
        if (!isHarmless) throw error;
      }
    }
    const now = this.#parts.clock.now();
    if (own === 0 || Math.abs(now - this.#epochMs) < this.#options.epochMs || this.#isClosed) return;
    this.#epochMs = now;
    this.#parts.renewEpoch();
  }

  async #collect(database: Database): Promise<number> {
    const isReady = !database.isMerging && this.#parts.stable.isComplete(this.#options.membersMin);
    const stable = isReady ? this.#parts.stable.stability(database.key).vector : null;
    const look: Look = { database, stable, kept: 0, own: 0 };
    const { lt, gte: first } = rangeOf('z', database.parts.db);
    let gte = first;
    for (;;) {
      const keys = await readKeys(database, gte, lt);
      if (keys.length === 0 || this.#isClosed) break;
      gte = successorOf(keys.at(-1)!);
      await this.#step(look, keys);
      if (keys.length < STEP) break;
      await new Promise<void>((resolve) => void this.#parts.timers.after(STEP_PAUSE_MS, resolve));
    }
    const progress = this.#progressOf(database);
    progress.kept = look.kept;
    if (look.kept === 0) progress.since = null;
    else progress.since ??= this.#parts.clock.now();
    return look.own;
  }

  #progressOf(database: Database): Progress {
    let progress = this.#progress.get(database);
    if (progress === undefined) {
      progress = { kept: 0, collected: 0, since: null };
      this.#progress.set(database, progress);
    }
    return progress;
  }

  async #step(look: Look, keys: readonly Uint8Array[]): Promise<void> {
    const { database, stable } = look;
    look.kept += keys.length;
    if (stable === null) return;
    const { store, db, table, commit } = database.parts;
    const names = keys.map(documentOf);
    const views = await store.getMany(names.map(({ collection, id }) => viewKey(db, collection, id)));
    const due = names.filter((_, i) => {
      const view = views[i];
      if (view === undefined) return false;
      const record = decodeView(view);
      if (isCounted(record) || !isWithin(record.vector, stable)) return false;
      const isOwn = record.vector.has(this.#parts.epoch.origin);
      if (isOwn) look.own++;
      return !isOwn;
    });
    if (due.length === 0) return;
    const slots = due.map(({ collection, id }) => table.acquire(collection, id));
    try {
      await ready(slots);
      database.assertOpen();
      // Merging a snapshot began meanwhile: it compares what is here with what the donor had.
      if (database.isMerging) return;
      const dead = slots.filter((slot) => isForgettable(slot, stable) && !slot.vector.has(this.#parts.epoch.origin));
      if (dead.length === 0) return;
      forget(database, dead);
      await commit.join(database);
      look.kept -= dead.length;
      this.#progressOf(database).collected += dead.length;
    } finally {
      for (const slot of slots) table.release(slot);
    }
  }
}

/** At rest, and a tombstone of which everything is stable. */
function isForgettable(slot: DocumentSlot, stable: Holding): boolean {
  const isAtRest = !slot.hasOpenChanges && slot.vector.size > 0;
  return isAtRest && isWithin(slot.vector, stable) && !isCounted(slot.document.view());
}

async function readKeys({ parts: { store } }: Database, gte: Uint8Array, lt: Uint8Array): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  for await (const entries of store.range({ gte, lt, limit: STEP })) for (const [key] of entries) keys.push(key);
  return keys;
}
