/**
 * @module
 * Owns when documents leave their history behind, in the background and one after the other: one that has grown (growth.ts), that nobody writes
 * or looks at, and that every member holds. It is a write like any other, of one member, so that there are not two. Nothing hangs
 * on its moment but where that is put which others write without knowing of it (crdt/late-place.ts). SPEC.md CP.
 */
import { AtollError, stampMs, withoutHistory } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { decodeView } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import { ready } from './document-slot.ts';
import { recordOf } from './forgetting.ts';
import { isWithin } from './forgotten.ts';
import type { DocumentName } from './equality.ts';
import type { Growth } from './growth.ts';
import type { Holding } from './horizon.ts';
import type { Epoch } from './identity.ts';
import { documentOf, rangeOf, successorOf, viewKey } from './key.ts';
import type { Clock, Timers } from './port.ts';
import type { StableView } from './stable-view.ts';

export interface CompactionOptions extends Growth {
  /** Pause between two looks. Default 30,000. */
  readonly intervalMs: number;
  /** A document is compacted when nobody has written it for so long. Default 10 minutes. */
  readonly quietMs: number;
  /** Nothing is compacted before so many members are known. Default 1. */
  readonly membersMin: number;
  /** A document that would keep more than this share of its bytes stays as it is. Default 0.5. */
  readonly shareMax: number;
}

const DEFAULT_OPTIONS = { intervalMs: 30_000, quietMs: 600_000, membersMin: 1, shareMax: 0.5 };

/** Documents looked at in one step. */
const STEP = 64;
/** Between two steps, so that requests come first. */
const STEP_PAUSE_MS = 10;

export interface CompactorParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  readonly stable: StableView;
  readonly epoch: Epoch;
  readonly options?: Partial<CompactionOptions> | undefined;
}

export interface CompactionStatus {
  /** Documents that have grown, at the last look. */
  readonly grown: number;
  /** Documents that this process let leave their history behind, and by how many bytes they shrank. */
  readonly compacted: number;
  readonly savedBytes: number;
}

type Progress = { -readonly [Key in keyof CompactionStatus]: CompactionStatus[Key] };

export class Compactor {
  readonly #parts: CompactorParts;
  readonly #options: typeof DEFAULT_OPTIONS;
  readonly #progress = new WeakMap<Database, Progress>();
  /** Documents that would not shrink, or have, as of this version: element in hexadecimal by name. */
  readonly #barred = new WeakMap<Database, Map<string, string>>();
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
    this.#options = { ...DEFAULT_OPTIONS, ...parts.options };
  }

  start(): void {
    this.#cancel = this.#parts.timers.after(this.#options.intervalMs, () => {
      // What failed is the disk, which the commit reports, or a closing database.
      this.compact()
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

  status(database: Database): CompactionStatus {
    return { ...this.#progressOf(database) };
  }

  /** Compacts what may be now. */
  async compact(): Promise<void> {
    for (const database of this.#parts.databases()) {
      try {
        await this.#look(database);
      } catch (error) {
        // What is damaged is replaced first; the others go on.
        const isHarmless = error instanceof AtollError && ['SYNC_CLOSED', 'STORAGE_CORRUPT'].includes(error.code);
        if (!isHarmless) throw error;
      }
    }
  }

  #progressOf(database: Database): Progress {
    let progress = this.#progress.get(database);
    if (progress === undefined) this.#progress.set(database, (progress = { grown: 0, compacted: 0, savedBytes: 0 }));
    return progress;
  }

  async #look(database: Database): Promise<void> {
    const { store, db } = database.parts;
    const { lt, gte: first } = rangeOf('r', db);
    let grown = 0;
    for (let gte = first; !this.#isClosed;) {
      const keys: Uint8Array[] = [];
      for await (const entries of store.range({ gte, lt, limit: STEP })) keys.push(...entries.map(([key]) => key));
      for (const key of keys) {
        grown++;
        await this.#lookAt(database, documentOf(key));
        if (this.#isClosed) return;
      }
      if (keys.length < STEP) break;
      gte = successorOf(keys.at(-1)!);
      await new Promise<void>((resolve) => void this.#parts.timers.after(STEP_PAUSE_MS, resolve));
    }
    this.#progressOf(database).grown = grown;
  }

  /** What every member is known to hold; null = not known, or it is not for this node to begin. */
  #stable(database: Database): Holding | null {
    const { stable, epoch } = this.#parts;
    const mayBegin = !database.isMerging && epoch.end === null && stable.isComplete(this.#options.membersMin);
    return mayBegin && stable.isAllCounted() && stable.isFirst() ? stable.stability(database.key).vector : null;
  }

  async #lookAt(database: Database, name: DocumentName): Promise<void> {
    if (!(await this.#isToBegin(database, name))) return;
    const { table, commit } = database.parts;
    const slot = table.acquire(name.collection, name.id);
    try {
      await ready([slot]);
      database.assertOpen();
      if (this.#compactSlot(database, slot)) await commit.join(database);
    } finally {
      table.release(slot);
    }
  }

  /** Told without loading it: in most databases most of what has grown waits, or would not shrink. */
  async #isToBegin(database: Database, { collection, id }: DocumentName): Promise<boolean> {
    const { store, db } = database.parts;
    const bound = this.#stable(database);
    if (bound === null) return false;
    const view = await store.get(viewKey(db, collection, id));
    if (view === undefined) return false;
    const { vector, modified, element } = decodeView(view);
    if (this.#barredOf(database).get(`${collection}\0${id}`) === elementText(element)) return false;
    return isWithin(vector, bound) && !this.#isBusy(modified);
  }

  /** In one go, so that nothing comes between: others may have come since the look began. */
  #compactSlot(database: Database, slot: DocumentSlot): boolean {
    const { log, table, clock } = database.parts;
    const bound = this.#stable(database);
    const { exists, modified } = slot.document.view();
    const isAtRest = !slot.hasOpenChanges && !table.watchers.has(slot.name) && exists && !this.#isBusy(modified);
    if (bound === null || !isAtRest || !isWithin(slot.vector, bound)) return false;
    const origin = log.followEpoch(clock.last);
    const before = slot.document.encode().length;
    const update = withoutHistory(slot.document, origin);
    const doesShrink = update.length <= before * this.#options.shareMax;
    if (doesShrink) {
      slot.document.apply(update);
      slot.touch(origin, log.append(recordOf(slot, update, origin), slot.vector));
      table.touch(slot, update);
    }
    this.#barredOf(database).set(slot.name, elementText(table.elementOf(slot)));
    if (!doesShrink) return false;
    const progress = this.#progressOf(database);
    progress.compacted++;
    progress.savedBytes += before - update.length;
    return true;
  }

  /** Somebody wrote it a short while ago. */
  #isBusy(modified: number): boolean {
    return Math.abs(this.#parts.clock.now() - stampMs(modified)) < this.#options.quietMs;
  }

  #barredOf(database: Database): Map<string, string> {
    let barred = this.#barred.get(database);
    if (barred === undefined) this.#barred.set(database, (barred = new Map()));
    return barred;
  }
}

function elementText(element: Uint8Array): string {
  return Array.from(element.subarray(0, 12), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
