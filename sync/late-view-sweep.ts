/**
 * @module
 * Owns completing the views of documents that nobody edits any more (late-views.ts).
 */
import { isCorrupt } from './damage-scan.ts';
import type { Database } from './database.ts';
import { SyncError } from './errors.ts';
import type { Timers } from './port.ts';

/** A document that was left alone for one to two of these. */
const SWEEP_MS = 5000;

export interface LateViewSweepParts {
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  readonly onFailure: (error: unknown) => void;
}

export class LateViewSweep {
  readonly #parts: LateViewSweepParts;
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: LateViewSweepParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.timers.after(SWEEP_MS, () => {
      this.#sweep()
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

  async #sweep(): Promise<void> {
    for (const { parts } of this.#parts.databases()) {
      try {
        await parts.table.late.completeIdle();
      } catch (error) {
        // A damaged document comes from a peer; a database that closes completes its views when it is open again.
        if (!isCorrupt(error) && !(error instanceof SyncError)) throw error;
      }
    }
  }
}
