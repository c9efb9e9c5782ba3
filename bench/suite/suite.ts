/**
 * @module
 * Owns what a benchmark suite is.
 */
import type { BenchConfig } from '../config.ts';
import type { Measure } from '../report.ts';

export interface SuiteContext {
  readonly config: BenchConfig;
  /** Fresh, on a real disk, removed afterwards. */
  readonly directory: string;
  /** Tells a person what is going on. */
  readonly progress: (message: string) => void;
}

export interface Suite {
  readonly name: string;
  /** What the suite finds out, in one sentence. */
  readonly question: string;
  run(context: SuiteContext): Promise<readonly Measure[]>;
}
