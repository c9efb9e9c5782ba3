/**
 * @module
 * Owns when documents leave their history behind, in the background and one after the other: one that has grown (growth.ts), that
 * nobody writes and that every member holds gets a successor (GenerationalDocument). From then on whoever holds that writes for both, so
 * when all members are known to hold it (stability.ts), whatever was written without knowing of it is here: then its author lets it
 * take over, or gives it up because something was. Both are records like any other, and what a document is follows from its records.
 * A process decides only on what it began itself; what others began, the process before it included, it takes up with a record of its
 * own, and decides when all hold that: who had heard of a decision has told of it by then.
 */
import { AtollError, stampMs } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { isOpenMark } from './document-mark.ts';
import { decodeView } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import { ready } from './document-slot.ts';
import type { OriginId } from './engine.ts';
import { recordOf } from './forgetting.ts';
import { isWithin } from './forgotten.ts';
import type { DocumentName } from './equality.ts';
import { DEFAULT_GROWTH } from './growth.ts';
import type { Growth } from './growth.ts';
import type { Holding } from './horizon.ts';
import type { Epoch } from './identity.ts';
import { documentOf, rangeOf, successorOf, viewKey } from './key.ts';
import type { Clock, StoreEntry, Timers } from './port.ts';
import type { StableView } from './stable-view.ts';

export interface CompactionOptions extends Growth {
  /** Pause between two looks. Default 30,000. */
  readonly intervalMs: number;
  /** A document is compacted when nobody has written it for so long. Default 10 minutes. */
  readonly quietMs: number;
  /** Nothing is compacted before so many members are known. Default 1. */
  readonly membersMin: number;
}

export const DEFAULT_COMPACTION_OPTIONS: CompactionOptions = {
  ...DEFAULT_GROWTH,
  intervalMs: 30_000,
  quietMs: 600_000,
  membersMin: 1,
};

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
  /** The node of each origin. */
  readonly owners: ReadonlyMap<OriginId, string>;
  readonly options?: Partial<CompactionOptions> | undefined;
}

export interface CompactionStatus {
  /** Documents that have grown, at the last look. */
  readonly grown: number;
  /** … of which so many are being compacted. */
  readonly preparing: number;
  /** Documents that this process let leave their history behind, and by how many bytes they shrank. */
  readonly compacted: number;
  readonly savedBytes: number;
}

/** One look at a database. */
interface Look {
  readonly database: Database;
  readonly bound: Holding | null;
  mayBegin: boolean;
  grown: number;
  preparing: number;
}

type Progress = { -readonly [Key in keyof CompactionStatus]: CompactionStatus[Key] };

export class Compactor {
  readonly #parts: CompactorParts;
  readonly #options: CompactionOptions;
  readonly #progress = new WeakMap<Database, Progress>();
  /** Documents that cannot be copied, as of this version: element in hexadecimal by slot name. */
  readonly #barred = new WeakMap<Database, Map<string, string>>();
  /** Successors that this process prepared or took up: whatever was decided on them before is known to whoever holds what it wrote then. */
  readonly #begun = new Set<string>();
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
    this.#options = { ...DEFAULT_COMPACTION_OPTIONS, ...parts.options };
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

  /** Does what may be done now. */
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
    if (progress === undefined) {
      progress = { grown: 0, preparing: 0, compacted: 0, savedBytes: 0 };
      this.#progress.set(database, progress);
    }
    return progress;
  }

  async #look(database: Database): Promise<void> {
    const { lt, gte: first } = rangeOf('r', database.parts.db);
    const look: Look = { database, bound: this.#stable(database), mayBegin: false, grown: 0, preparing: 0 };
    look.mayBegin = look.bound !== null && this.#mayBegin(database);
    for (let gte = first; ;) {
      const marks = await readMarks(database, gte, lt);
      if (marks.length === 0 || this.#isClosed) break;
      gte = successorOf(marks.at(-1)![0]);
      for (const [key, value] of marks) {
        look.grown++;
        await this.#lookAt(look, documentOf(key), isOpenMark(value));
        if (this.#isClosed) return;
      }
      if (marks.length < STEP) break;
      await new Promise<void>((resolve) => void this.#parts.timers.after(STEP_PAUSE_MS, resolve));
    }
    const { grown, preparing } = look;
    Object.assign(this.#progressOf(database), { grown, preparing });
  }

  /** What every member that is not removed is known to hold; null = not known, also while one is not waited for. */
  #stable(database: Database): Holding | null {
    const { stable, epoch } = this.#parts;
    const isReady = !database.isMerging && epoch.end === null && stable.isComplete(this.#options.membersMin);
    return isReady && stable.isAllCounted() ? stable.stability(database.key).vector : null;
  }

  /** One node begins: of successors prepared at the same time none would be of use. */
  #mayBegin(database: Database): boolean {
    const { stable } = this.#parts;
    return stable.isFirst() && stable.departures.areKnown(database.key);
  }

  /** @param isOpen - The document has a successor that is not decided on. */
  async #lookAt(look: Look, name: DocumentName, isOpen: boolean): Promise<void> {
    const { database } = look;
    const { table, commit } = database.parts;
    if (!isOpen && !(await this.#isToBegin(look, name))) return;
    const slot = table.acquire(name.collection, name.id);
    try {
      await ready([slot]);
      database.assertOpen();
      const update = slot.hasOpenChanges ? null : this.#next(database, slot);
      if (update !== null) {
        this.#record(database, slot, update);
        await commit.join(database);
      }
      if (slot.document.successors.length > 0) look.preparing++;
    } finally {
      table.release(slot);
    }
  }

  /** Told without loading it: in most databases most of what has grown is waiting, or cannot be copied. */
  async #isToBegin({ database, bound, mayBegin }: Look, { collection, id }: DocumentName): Promise<boolean> {
    if (!mayBegin || bound === null) return false;
    const { store, db } = database.parts;
    const view = await store.get(viewKey(db, collection, id));
    if (view === undefined) return false;
    const { vector, modified, element } = decodeView(view);
    if (this.#barredOf(database).get(`${collection}\0${id}`) === elementText(element)) return false;
    return isWithin(vector, bound) && !this.#isBusy(modified);
  }

  /** What is to be written now for a document that is at rest here; it is done already. */
  #next(database: Database, slot: DocumentSlot): Uint8Array | null {
    const { document } = slot;
    // Others may have come since the look began.
    const bound = this.#stable(database);
    const isStable = bound !== null && isWithin(slot.vector, bound);
    for (const successor of document.successors) {
      const owner = this.#ownerOf(successor);
      if (owner === this.#parts.epoch.nodeId || (owner !== undefined && this.#isHeir(database, owner))) {
        if (!this.#begun.has(successor)) return this.#takeUp(slot, successor);
        return isStable ? this.#decide(database, slot, successor) : null;
      }
    }
    if (!isStable || document.successors.length > 0 || !this.#mayBegin(database)) return null;
    return this.#isBusy(document.view().modified) ? null : this.#prepare(database, slot);
  }

  #prepare(database: Database, slot: DocumentSlot): Uint8Array | null {
    const { log, clock } = database.parts;
    const origin = log.followEpoch(clock.last);
    const departed = this.#parts.stable.departures.nameOf(database.key);
    const id = `${origin.toString(36)}.${clock.tick().toString(36)}.${departed}`;
    const update = slot.document.prepare(id, this.#options.ratioMin);
    if (update === null) this.#barredOf(database).set(slot.name, elementText(database.parts.table.elementOf(slot)));
    else this.#begun.add(id);
    return update;
  }

  #takeUp({ document }: DocumentSlot, successor: string): Uint8Array {
    this.#begun.add(successor);
    return document.touch();
  }

  #decide(database: Database, slot: DocumentSlot, successor: string): Uint8Array {
    const { document } = slot;
    this.#begun.delete(successor);
    // Whoever is gone since then was not waited for, and others may still have taken something from it.
    const isWaitedFor = successor.endsWith(`.${this.#parts.stable.departures.nameOf(database.key)}`);
    if (!isWaitedFor || !document.isFollowed(successor)) return document.abandon(successor);
    return this.#succeed(database, slot, successor);
  }

  #succeed(database: Database, { document }: DocumentSlot, successor: string): Uint8Array {
    const before = document.encode().length;
    const update = document.succeed(successor);
    const progress = this.#progressOf(database);
    progress.compacted++;
    progress.savedBytes += Math.max(0, before - document.encode().length);
    return update;
  }

  #record(database: Database, slot: DocumentSlot, update: Uint8Array): void {
    const { log, table, clock } = database.parts;
    const origin = log.followEpoch(clock.last);
    slot.touch(origin, log.append(recordOf(slot, update, origin), slot.vector));
    table.touch(slot, update);
  }

  /** Somebody wrote it a short while ago. */
  #isBusy(modified: number): boolean {
    return Math.abs(this.#parts.clock.now() - stampMs(modified)) < this.#options.quietMs;
  }

  #ownerOf(successor: string): string | undefined {
    const origin = Number.parseInt(successor, 36);
    return this.#parts.owners.get(origin) ?? this.#parts.epoch.nodeOf(origin);
  }

  /** The first of the other members decides for one that was removed, once all know that it was and take nothing more from it. */
  #isHeir({ key }: Database, owner: string): boolean {
    const { stable } = this.#parts;
    return stable.isRemoved(owner) && stable.isFirst() && stable.departures.areKnown(key);
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

async function readMarks({ parts: { store } }: Database, gte: Uint8Array, lt: Uint8Array): Promise<StoreEntry[]> {
  const marks: StoreEntry[] = [];
  for await (const entries of store.range({ gte, lt, limit: STEP })) marks.push(...entries);
  return marks;
}
