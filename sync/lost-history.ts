/**
 * @module
 * Owns telling that something a session has seen is gone for good: the whole cluster, or a node with what only it held, was set back. That
 * is so when every member says what it holds, nobody holds it, and nobody writes as that origin any more; and when all of that is so
 * again after a while in which whatever was on its way would have arrived. While a member is away nobody knows: it may hold it.
 */
import type { OriginId } from './engine.ts';
import type { Holding } from './horizon.ts';
import type { Timers } from './port.ts';

/** Longer than a link lives without a sign of life. */
const SURE_MS = 15_000;
/** Whoever asks again does so within this time. */
const REMEMBER_MS = 300_000;
/** Remembered at a time; forged tokens do not take more. */
const SUSPECTS_MAX = 1024;
/** Of a token that are looked at: what was set back is few epochs. */
const POSITIONS_MAX = 64;

export type Position = readonly [origin: OriginId, seq: number];

export interface LostHistoryParts {
  readonly timers: Timers;
  /** Epochs in which this node and its peers write. */
  readonly liveOrigins: () => ReadonlySet<OriginId>;
  /** What the other members hold of a database; null when one of them has not said so, or is not linked. */
  readonly holdingsOf: (database: string) => readonly Holding[] | null;
}

interface Suspect {
  isSure: boolean;
  cancel: () => void;
}

export class LostHistory {
  readonly #parts: LostHistoryParts;
  readonly #suspects = new Map<string, Suspect>();

  constructor(parts: LostHistoryParts) {
    this.#parts = parts;
  }

  /** Is one of these positions lost, none of which this node holds? Ask again: the first time the answer is no. */
  hasLost(database: string, positions: readonly Position[]): boolean {
    if (positions.length === 0) return false;
    const origins = this.#parts.liveOrigins();
    const holdings = this.#parts.holdingsOf(database);
    const isHeldByNobody = ([origin, seq]: Position): boolean =>
      !origins.has(origin) && holdings?.every((holding) => (holding.get(origin) ?? 0) < seq) === true;
    let isSure = false;
    for (const position of positions.slice(0, POSITIONS_MAX)) {
      const name = `${database} ${position.join(' ')}`;
      if (isHeldByNobody(position)) isSure = this.#suspect(name) || isSure;
      else this.#clear(name);
    }
    return isSure;
  }

  end(): void {
    for (const { cancel } of this.#suspects.values()) cancel();
    this.#suspects.clear();
  }

  /** Tells whether it was suspected for long enough. */
  #suspect(name: string): boolean {
    const known = this.#suspects.get(name);
    if (known !== undefined) return known.isSure;
    if (this.#suspects.size >= SUSPECTS_MAX) return false;
    const { timers } = this.#parts;
    const suspect: Suspect = { isSure: false, cancel: () => {} };
    suspect.cancel = timers.after(SURE_MS, () => {
      suspect.isSure = true;
      suspect.cancel = timers.after(REMEMBER_MS, () => this.#suspects.delete(name));
    });
    this.#suspects.set(name, suspect);
    return false;
  }

  #clear(name: string): void {
    this.#suspects.get(name)?.cancel();
    this.#suspects.delete(name);
  }
}
