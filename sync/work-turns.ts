/**
 * @module
 * Owns whose turn it is to merge what peers sent. One portion of work per turn of the event loop, batches before the documents of a
 * snapshot, and clients before both: a portion waits while writes of clients are under way, but not for ever. Nor does what comes later in
 * that order: it is its turn when as much was begun before it as it is itself, so logs are cut as fast as merging makes them grow.
 */
import type { Timers } from './port.ts';

/** In the order in which they are served, unless one was passed over too long. */
const KINDS = ['batches', 'snapshot', 'upkeep'] as const;

export type WorkKind = (typeof KINDS)[number];

/** Documents merged at a time: with their encoding a few milliseconds of work, and a write takes several turns. */
export const PORTION_DOCUMENTS = 40;
/** A portion waits for clients so long at most: merging ends, however many write. */
export const PATIENCE_MS = 5;

interface Waiting {
  readonly kind: WorkKind;
  /** In documents that have to be opened. */
  readonly documents: number;
  /** Of which it really is. */
  readonly merged: number;
  readonly begin: () => void;
}

export class WorkTurns {
  readonly #timers: Timers;
  readonly #soon: (run: () => void) => void;
  readonly #waiting: Record<WorkKind, Waiting[]> = { batches: [], snapshot: [], upkeep: [] };
  /** Documents that were begun before what waits longest of a kind, of kinds that come before it. */
  readonly #passed: Record<WorkKind, number> = { batches: 0, snapshot: 0, upkeep: 0 };
  /** Documents of peers merged since the start. */
  merged = 0;
  #isGiving = false;
  /** Merged since clients were waited for. */
  #documents = 0;
  /** Writes of clients that are under way. */
  #clients = 0;
  #onNoClient: (() => void) | null = null;

  constructor(timers: Timers) {
    this.#timers = timers;
    this.#soon = timers.soon ?? ((run): void => queueMicrotask(run));
  }

  /** What a client waits for: portions are begun when it is done. */
  async serve<T>(write: () => Promise<T>): Promise<T> {
    this.#clients++;
    try {
      return await write();
    } finally {
      if (--this.#clients === 0) this.#onNoClient?.();
    }
  }

  /**
   * Resolves when a portion of work may be begun, in one go.
   *
   * @param merged - Documents, where some cost less than others and count for less.
   */
  next(kind: WorkKind, documents: number, merged: number = documents): Promise<void> {
    return new Promise((begin) => {
      this.#waiting[kind].push({ kind, documents, merged, begin });
      if (!this.#isGiving) void this.#give();
    });
  }

  async #give(): Promise<void> {
    this.#isGiving = true;
    while (KINDS.some((kind) => this.#waiting[kind].length > 0)) {
      if (this.#documents >= PORTION_DOCUMENTS) await this.#waitForClients();
      const { kind, documents, merged, begin } = this.#take();
      this.#documents += documents;
      if (kind !== 'upkeep') this.merged += merged;
      begin();
      await this.#turn();
    }
    this.#isGiving = false;
  }

  #take(): Waiting {
    const waiting = KINDS.filter((kind) => this.#waiting[kind].length > 0);
    const overdue = waiting.findLast((kind) => this.#passed[kind] >= this.#waiting[kind][0]!.documents);
    const chosen = overdue ?? waiting[0]!;
    const taken = this.#waiting[chosen].shift()!;
    this.#passed[chosen] = 0;
    for (const kind of waiting.slice(waiting.indexOf(chosen) + 1)) this.#passed[kind] += taken.documents;
    return taken;
  }

  async #waitForClients(): Promise<void> {
    let isOver = false;
    const cancel = this.#timers.after(PATIENCE_MS, () => {
      isOver = true;
      this.#onNoClient?.();
    });
    while (this.#clients > 0 && !isOver) {
      await new Promise<void>((resolve) => (this.#onNoClient = resolve));
      this.#onNoClient = null;
      // Answers go out first, and who waited for one may write again.
      await this.#turn();
    }
    cancel();
    this.#documents = 0;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#soon(resolve));
  }
}
