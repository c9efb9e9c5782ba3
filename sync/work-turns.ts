/**
 * @module
 * Owns whose turn it is to merge what peers sent. One portion of work per turn of the event loop, so that requests of clients are
 * taken in between; batches before the documents of a snapshot; and while clients wait for a commit, about one portion per commit.
 */
import type { GroupCommit } from './group-commit.ts';
import type { Timers } from './port.ts';

/** In the order in which they are served. */
const KINDS = ['batches', 'snapshot'] as const;

export type WorkKind = (typeof KINDS)[number];

/** Documents merged at a time: with their encoding a few milliseconds of work. */
export const PORTION_DOCUMENTS = 64;

interface Waiting {
  readonly documents: number;
  readonly begin: () => void;
}

export class WorkTurns {
  readonly #commit: GroupCommit;
  readonly #soon: (run: () => void) => void;
  readonly #waiting: Record<WorkKind, Waiting[]> = { batches: [], snapshot: [] };
  #isGiving = false;

  constructor(commit: GroupCommit, soon: Timers['soon'] = (run) => queueMicrotask(run)) {
    this.#commit = commit;
    this.#soon = soon;
  }

  /** Resolves when a portion of work may be done, in one go. */
  next(kind: WorkKind, documents: number): Promise<void> {
    return new Promise((begin) => {
      this.#waiting[kind].push({ documents, begin });
      if (!this.#isGiving) void this.#give();
    });
  }

  async #give(): Promise<void> {
    this.#isGiving = true;
    let documents = 0;
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      next.begin();
      documents += next.documents;
      await new Promise<void>((resolve) => this.#soon(resolve));
      if (documents < PORTION_DOCUMENTS) continue;
      documents = 0;
      if (this.#commit.isAwaited) await this.#commit.sealed();
    }
    this.#isGiving = false;
  }

  #take(): Waiting | undefined {
    for (const kind of KINDS) if (this.#waiting[kind].length > 0) return this.#waiting[kind].shift();
    return undefined;
  }
}
