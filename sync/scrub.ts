/**
 * @module
 * Owns the slow reading of everything that is stored: so many documents a second are read from the disk and checked, samples of
 * them are compared with peers, and after each pass the documents are added up and compared with the digest. Also the upkeep of
 * buckets: their checkpoint when a database is quiet, and counting them when they are not known.
 */
import { CatchingUp } from './catching-up.ts';
import { scanThroughDamage } from './damage-scan.ts';
import type { Database } from './database.ts';
import type { ContentSample } from './equality.ts';
import { documentOf, rangeOf, successorOf } from './key.ts';
import type { Clock, Timers } from './port.ts';
import type { Healing } from './healing.ts';

export interface ScrubOptions {
  /** Documents checked per second; 0 = none, only the upkeep of digests. */
  readonly documentsPerSecond: number;
}

export interface ScrubDependencies extends ScrubOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  readonly healing: Healing;
  /** After the documents of a database were read. */
  readonly checkIndexes: (database: Database) => Promise<unknown>;
  readonly pause: () => Promise<void>;
  /** Writing failed: the store takes nothing more. */
  readonly fail: (error: unknown) => void;
}

export interface ScrubStatus {
  readonly documentsPerSecond: number;
  /** Everything is being read because somebody asked for it. */
  readonly running: boolean;
  /** Documents checked since the start of the process. */
  readonly checked: number;
  /** Database being read. */
  readonly database: string | null;
  /** What ended the last attempt although it should not have; null = nothing. */
  readonly lastError: string | null;
  /** Database → when a pass over it ended, ISO 8601. */
  readonly passes: Readonly<Record<string, string>>;
}

const TICK_MS = 1000;
/** Reading one by one is dear beside what is being written. */
const CATCHING_UP = { documentsMin: 1000, looksMax: 60 };
/** Documents per portion of a pass that somebody waits for. */
const PORTION = 100;

interface Place {
  readonly database: Database;
  gte: Uint8Array;
  readonly lt: Uint8Array;
}

export class Scrub {
  readonly #dependencies: ScrubDependencies;
  readonly #passes = new Map<string, string>();
  /** Digest of a database at the last tick. */
  readonly #digests = new WeakMap<Database, string>();
  readonly #catchingUp = new CatchingUp(CATCHING_UP);
  #place: Place | null = null;
  #checked = 0;
  #lastError: string | null = null;
  #running: Promise<void> | null = null;
  #isBusy = false;
  #isClosed = false;
  #cancel: (() => void) | null = null;

  constructor(dependencies: ScrubDependencies) {
    this.#dependencies = dependencies;
  }

  start(): void {
    this.#cancel = this.#dependencies.timers.after(TICK_MS, () => {
      this.start();
      if (this.#isBusy) return;
      this.#isBusy = true;
      this.#tick()
        .catch((error: unknown) => this.#handleFailure(error))
        .finally(() => {
          this.#isBusy = false;
        });
    });
  }

  stop(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  status(): ScrubStatus {
    return {
      documentsPerSecond: this.#dependencies.documentsPerSecond,
      running: this.#running !== null,
      checked: this.#checked,
      database: this.#place?.database.key ?? null,
      lastError: this.#lastError,
      passes: Object.fromEntries(this.#passes),
    };
  }

  /** Checks everything now. Who asks while that is being done waits for it. */
  run(): Promise<void> {
    this.#running ??= this.#readAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #readAll(): Promise<void> {
    for (const database of this.#dependencies.databases()) await this.read(database);
  }

  /** Checks all of one database now. */
  async read(database: Database): Promise<void> {
    const place = startOf(database);
    while (!this.#isClosed && (await this.#check(place, PORTION))) await this.#dependencies.pause();
    await this.#endPass(database);
  }

  async #tick(): Promise<void> {
    const { documentsPerSecond } = this.#dependencies;
    for (const database of this.#dependencies.databases()) await this.#keepBuckets(database);
    if (documentsPerSecond === 0 || this.#isClosed) return;
    const [any] = this.#dependencies.databases();
    if (any === undefined || this.#catchingUp.look(any.parts.turns)) return;
    this.#place ??= this.#nextPlace();
    if (this.#place === null || (await this.#check(this.#place, documentsPerSecond))) return;
    const { database } = this.#place;
    this.#place = null;
    await this.#endPass(database);
  }

  /** The database that was not read for the longest time. */
  #nextPlace(): Place | null {
    let next: Database | null = null;
    for (const database of this.#dependencies.databases()) {
      const at = this.#passes.get(database.key) ?? '';
      if (next === null || at < (this.#passes.get(next.key) ?? '')) next = database;
    }
    return next === null ? null : startOf(next);
  }

  /** @returns False when there is nothing behind it. */
  async #check(place: Place, documents: number): Promise<boolean> {
    const { database } = place;
    const { healing } = this.#dependencies;
    if (!this.#dependencies.databases().includes(database)) return false;
    const { store } = database.parts;
    const sample: ContentSample[] = [];
    let left = documents;
    const moment = store.snapshot();
    try {
      // By view; a view that is gone shows when the documents are added up.
      for await (const entries of scanThroughDamage(store, { gte: place.gte, lt: place.lt, limit: documents })) {
        for (const [key] of entries) {
          place.gte = successorOf(key);
          const found = await healing.examine(database, documentOf(key), moment);
          if (found !== null) sample.push(found);
          this.#checked++;
          if (--left === 0) break;
        }
        if (left === 0 || this.#isClosed) break;
      }
    } finally {
      await moment.close();
    }
    healing.offer(database.key, sample);
    return left === 0;
  }

  async #endPass(database: Database): Promise<void> {
    const { clock, healing, databases, checkIndexes } = this.#dependencies;
    if (this.#isClosed || !databases().includes(database)) return;
    await healing.recount(database);
    await checkIndexes(database);
    this.#passes.set(database.key, new Date(clock.now()).toISOString());
  }

  async #keepBuckets(database: Database): Promise<void> {
    const { table, store } = database.parts;
    const isQuiet = this.#digests.get(database) === table.digest;
    this.#digests.set(database, table.digest);
    if (!isQuiet || this.#isClosed) return;
    if (table.sums.buckets === null) await this.#dependencies.healing.recount(database);
    const operations = await table.sums.checkpoint();
    if (operations.length === 0 || this.#isClosed) return;
    // Needs no fsync: pages that do not belong together are seen at the next start.
    await store.batch(operations, { sync: false }).catch((error: unknown) => this.#dependencies.fail(error));
  }

  #handleFailure(error: unknown): void {
    this.#place = null;
    // A closed store or database: the node is going down, or the database was dropped.
    if (!this.#isClosed && !isExpected(error)) this.#lastError = error instanceof Error ? error.message : String(error);
  }
}

function startOf(database: Database): Place {
  return { database, ...rangeOf('j', database.parts.db) };
}

function isExpected(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return code.startsWith('STORAGE_') || code === 'SYNC_CLOSED';
}
