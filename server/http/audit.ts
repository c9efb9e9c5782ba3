/**
 * @module
 * Owns the trail of administration: who changed what, when, and what became of it. Each entry is a line of the log, marked
 * `audit`, and the last ones can be read at `/v1/_admin/audit`. Bodies and tokens are never part of it. SPEC.md AC9.
 */
import type { Logger } from 'pino';
import type { AuditEntry } from '../api/index.ts';

const ENTRIES_MAX = 1000;
export const TARGET_LENGTH_MAX = 400;

export class AuditTrail {
  readonly #log: Logger;
  #entries: AuditEntry[] = [];

  /** @param log - What is written at `info` must not depend on how much else is logged. */
  constructor(log: Logger) {
    this.#log = log;
  }

  note(entry: AuditEntry): void {
    this.#entries.push(entry);
    // Dropped in bulk, so that the list is not moved for every entry.
    if (this.#entries.length >= 2 * ENTRIES_MAX) this.#entries = this.#entries.slice(-ENTRIES_MAX);
    this.#log.info({ audit: true, ...entry }, 'administration');
  }

  /** The last ones, newest first. */
  list(): readonly AuditEntry[] {
    return this.#entries.slice(-ENTRIES_MAX).reverse();
  }
}
