/**
 * @module
 * Owns the question of background work whether the node is catching up just now, and has more urgent things to do. Never for long: what
 * asks too often in vain goes on all the same.
 */
import type { WorkTurns } from './work-turns.ts';

export interface CatchingUpOptions {
  /** Merged between two looks while a node catches up. */
  readonly documentsMin: number;
  /** Looks in a row that find it so at most. */
  readonly looksMax: number;
}

export class CatchingUp {
  readonly #options: CatchingUpOptions;
  /** Documents of peers merged until the last look. */
  #merged = 0;
  #looks = 0;

  constructor(options: CatchingUpOptions) {
    this.#options = options;
  }

  /** To be asked at regular intervals. */
  look({ merged }: Pick<WorkTurns, 'merged'>): boolean {
    const { documentsMin, looksMax } = this.#options;
    const isSo = merged - this.#merged >= documentsMin && this.#looks < looksMax;
    this.#merged = merged;
    this.#looks = isSo ? this.#looks + 1 : 0;
    return isSo;
  }
}
