/**
 * @module
 * Owns the truncation of logs, in the background and in small steps: what every member holds goes, and beyond a size or an age
 * what some do not hold goes too. Each step leaves with the entries of the change index that cover it, in one atomic commit
 * (I7), so a peer behind the log is served by documents. Also owns the removal of stale entries of that index.
 */
import { stampMs } from '../crdt/index.ts';
import { decodeBatchHeader, lastSeqOf } from './batch.ts';
import type { BatchHeader } from './batch.ts';
import { CatchingUp } from './catching-up.ts';
import { indexBatches } from './change-index.ts';
import type { Database, DatabaseParts } from './database.ts';
import { decodeView } from './document-record.ts';
import type { OriginId } from './engine.ts';
import type { Holding } from './horizon.ts';
import { AtollError } from '../crdt/index.ts';
import { changeOf, documentOfName, floorKey, logKey, rangeOf, successorOf, viewKey } from './key.ts';
import { encodePosition } from './log.ts';
import type { Clock, StoreOperation, Timers } from './port.ts';

export interface LogRetention {
  /** Bytes of log that a database keeps for members that lack them. Default 1 GiB. */
  readonly bytesMax: number;
  /** Age up to which it keeps log for them, milliseconds. Default 7 days. */
  readonly ageMsMax: number;
  /** Bytes of log that it keeps although every member holds them: recent history costs less than documents. Default 4 MiB. */
  readonly bytesMin: number;
  /** Pause between two looks. Default 5,000. */
  readonly intervalMs: number;
}

export const DEFAULT_LOG_RETENTION: LogRetention = {
  bytesMax: 1024 * 1024 * 1024,
  ageMsMax: 7 * 24 * 3_600_000,
  bytesMin: 4 * 1024 * 1024,
  intervalMs: 5000,
};

/** Log cut in one commit: what is decoded at a time, and costs others of that commit. */
const STEP_BYTES = 256 * 1024;
const STEP_RECORDS = 128;
const CATCHING_UP = { documentsMin: 4096, looksMax: 12 };
/** Between two steps, so that requests come first. */
const STEP_PAUSE_MS = 10;
/** Entries of the change index looked at in one step. */
const SWEEP_ENTRIES = 256;
/** The index is swept when at least so many entries were added, and as many as there are documents. */
const SWEEP_AFTER_MIN = 20_000;

export interface LogCutterParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  /** Origin → sequence that every member holds. */
  readonly stable: (database: string) => Holding;
  readonly retention?: Partial<LogRetention> | undefined;
}

export class LogCutter {
  readonly #parts: LogCutterParts;
  readonly #retention: LogRetention;
  /** Entries added to the index since it was swept. */
  readonly #added = new WeakMap<Database, number>();
  /** Of the oldest batch of every origin, as of its floor: it is looked at again and again. */
  readonly #ages = new WeakMap<Database, Map<OriginId, { readonly seq: number; readonly ms: number }>>();
  readonly #catchingUp = new CatchingUp(CATCHING_UP);
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: LogCutterParts) {
    this.#parts = parts;
    this.#retention = { ...DEFAULT_LOG_RETENTION, ...parts.retention };
  }

  start(): void {
    this.#cancel = this.#parts.timers.after(this.#retention.intervalMs, () => {
      // What failed is the disk, which the commit reports, or a closing database.
      this.#look()
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

  async #look(): Promise<void> {
    const [any] = this.#parts.databases();
    if (any === undefined || this.#catchingUp.look(any.parts.turns)) return;
    for (const database of this.#parts.databases()) {
      try {
        await this.cut(database);
        await this.#sweepIfDue(database);
      } catch (error) {
        // A damaged log is not cut; the others are.
        const isHarmless = error instanceof AtollError && ['SYNC_CLOSED', 'STORAGE_CORRUPT'].includes(error.code);
        if (!isHarmless) throw error;
      }
    }
  }

  /** Cuts what may be cut of one log now. */
  async cut(database: Database): Promise<void> {
    const { log } = database.parts;
    const { bytesMin, bytesMax, ageMsMax } = this.#retention;
    const stable = this.#parts.stable(database.key);
    for (const origin of log.uncut()) {
      const seq = stable.get(origin) ?? 0;
      while (log.bytes > bytesMin && (await this.#step(database, origin, seq)));
    }
    const before = this.#parts.clock.now() - ageMsMax;
    for (const origin of log.uncut()) {
      while ((await this.#ageOf(database, origin)) < before && (await this.#step(database, origin, Infinity, before)));
    }
    while (log.bytes > bytesMax) {
      const oldest = await this.#oldestOrigin(database);
      if (oldest === null || !(await this.#step(database, oldest))) return;
    }
  }

  /** Wall clock, ms, of the oldest batch of an origin; `Infinity` when there is none. */
  async #ageOf(database: Database, origin: OriginId): Promise<number> {
    const { log } = database.parts;
    if (log.bytesOf(origin) <= 0) return Infinity;
    let ages = this.#ages.get(database);
    if (ages === undefined) this.#ages.set(database, (ages = new Map()));
    const { seq } = log.floorOf(origin);
    const known = ages.get(origin);
    if (known?.seq === seq) return known.ms;
    const [first] = await log.oldest(origin, Infinity, 1, 1);
    if (first === undefined) return Infinity;
    const ms = stampMs(decodeBatchHeader(first).stamp);
    ages.set(origin, { seq, ms });
    return ms;
  }

  async #oldestOrigin(database: Database): Promise<OriginId | null> {
    let oldest: OriginId | null = null;
    let oldestMs = Infinity;
    for (const origin of database.parts.log.uncut()) {
      const ms = await this.#ageOf(database, origin);
      if (ms < oldestMs) [oldest, oldestMs] = [origin, ms];
    }
    return oldest;
  }

  /**
   * @param limit - The last sequence that may go.
   * @param beforeMs - Only what was written earlier may go.
   * @returns False when there was nothing to cut.
   */
  async #step(database: Database, origin: OriginId, limit = Infinity, beforeMs = Infinity): Promise<boolean> {
    const { log, db, commit, turns } = database.parts;
    if (log.bytesOf(origin) <= 0) return false;
    const oldest = await log.oldest(origin, limit, STEP_BYTES, STEP_RECORDS);
    const all = firstRecords(oldest.map(decodeBatchHeader), STEP_RECORDS);
    const young = all.findIndex(({ stamp }) => stampMs(stamp) >= beforeMs);
    const headers = young < 0 ? all : all.slice(0, young);
    const last = headers.at(-1);
    if (last === undefined) return false;
    await turns.next('upkeep', lastSeqOf(last) - log.floorOf(origin).seq);
    database.assertOpen();
    const batches = oldest.slice(0, headers.length);
    const bytes = batches.reduce((sum, batch) => sum + batch.length, log.floorOf(origin).bytes);
    const floor = { seq: lastSeqOf(last), chain: last.chain, bytes };
    const entries = indexBatches(db, batches);
    database.extraOperations.push(
      ...entries,
      ...headers.map(({ firstSeq }): StoreOperation => ({ type: 'del', key: logKey(db, origin, firstSeq) })),
      { type: 'put', key: floorKey(db, origin), value: encodePosition(floor) },
    );
    await commit.join(database);
    log.noteCut(origin, floor);
    this.#added.set(database, (this.#added.get(database) ?? 0) + entries.length);
    await this.#pause();
    return true;
  }

  async #sweepIfDue(database: Database): Promise<void> {
    if ((this.#added.get(database) ?? 0) < Math.max(SWEEP_AFTER_MIN, database.documents)) return;
    await this.sweep(database);
  }

  /** Removes every stale entry of the change index. */
  async sweep(database: Database): Promise<void> {
    const { db } = database.parts;
    this.#added.set(database, 0);
    const { lt } = rangeOf('x', db);
    let { gte } = rangeOf('x', db);
    for (;;) {
      const entries = await readEntries(database, gte, lt);
      if (entries.length === 0) return;
      gte = successorOf(entries.at(-1)![0]);
      database.assertOpen();
      await removeStale(database, entries);
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#parts.timers.after(STEP_PAUSE_MS, resolve));
  }
}

/** The first batches, with about so many records; at least one. */
function firstRecords(headers: readonly BatchHeader[], recordsMax: number): readonly BatchHeader[] {
  let records = 0;
  const end = headers.findIndex(({ count }) => (records += count) > recordsMax);
  return end < 0 ? headers : headers.slice(0, Math.max(1, end));
}

type Entry = readonly [key: Uint8Array, value: Uint8Array];

async function readEntries({ parts: { store } }: Database, gte: Uint8Array, lt: Uint8Array): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const entries of store.range({ gte, lt, limit: SWEEP_ENTRIES })) found.push(...entries);
  return found;
}

/** Not synced: a crash may bring stale entries back, and they stay stale. */
async function removeStale({ parts: { store, db, commit } }: Database, entries: readonly Entry[]): Promise<void> {
  const documents = entries.map(([, name]) => documentOfName(name));
  const views = await store.getMany(documents.map(({ collection, id }) => viewKey(db, collection, id)));
  const stale = entries.filter(([key], i) => {
    const view = views[i];
    const { origin, seq } = changeOf(key);
    // A document that was forgotten is no news to anybody.
    return view === undefined || decodeView(view).vector.get(origin) !== seq;
  });
  await removeEntries(
    { store, commit },
    stale.map(([key]) => key),
  );
}

/** Written outside the commit groups; a failure ends those too. */
export async function removeEntries(
  { store, commit }: Pick<DatabaseParts, 'store' | 'commit'>,
  keys: readonly Uint8Array[],
): Promise<void> {
  if (keys.length === 0) return;
  try {
    await store.batch(
      keys.map((key) => ({ type: 'del', key })),
      { sync: false },
    );
  } catch (cause) {
    throw commit.fail(cause);
  }
}
