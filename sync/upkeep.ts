/**
 * @module
 * Owns what a replica does in the background to stay small, put together: cutting logs, forgetting tombstones and what is
 * remembered of operations, keeping vectors short; and completing views.
 */
import { Collector } from './collector.ts';
import type { CollectionOptions } from './collector.ts';
import { Compactor } from './compactor.ts';
import type { CompactionOptions } from './compactor.ts';
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';
import { EpochRenewal } from './epoch-renewal.ts';
import type { Epoch } from './identity.ts';
import { LateViewSweep } from './late-view-sweep.ts';
import { LogCutter } from './log-cutter.ts';
import type { LogRetention } from './log-cutter.ts';
import { OperationSweep } from './operation-sweep.ts';
import type { Clock, Timers } from './port.ts';
import type { StableView } from './stable-view.ts';

export interface UpkeepParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly databases: () => readonly Database[];
  readonly stable: StableView;
  readonly epoch: Epoch;
  readonly renewEpoch: () => void;
  /** Members that may write. */
  readonly members: () => number;
  /** Is the origin an epoch of this node? */
  readonly isOwn: (origin: OriginId) => boolean;
  readonly onFailure: (error: unknown) => void;
  readonly retention: Partial<LogRetention> | undefined;
  readonly collection: Partial<CollectionOptions> | undefined;
  readonly compaction: Partial<CompactionOptions> | undefined;
}

export class Upkeep {
  readonly collector: Collector;
  readonly compactor: Compactor;
  readonly #cutter: LogCutter;
  readonly #sweep: OperationSweep;
  readonly #views: LateViewSweep;
  readonly #renewal: EpochRenewal;

  constructor(parts: UpkeepParts) {
    const { stable, retention, collection, compaction } = parts;
    this.#cutter = new LogCutter({ ...parts, stable: (database) => stable.horizon(database).vector, retention });
    this.#sweep = new OperationSweep(parts);
    this.#views = new LateViewSweep(parts);
    this.#renewal = new EpochRenewal(parts);
    this.collector = new Collector({ ...parts, options: collection });
    this.compactor = new Compactor({ ...parts, options: compaction });
  }

  start(): void {
    this.#cutter.start();
    this.#sweep.start();
    this.#views.start();
    this.#renewal.start();
    this.collector.start();
    this.compactor.start();
  }

  close(): void {
    this.#cutter.close();
    this.#sweep.close();
    this.#views.close();
    this.#renewal.close();
    this.collector.close();
    this.compactor.close();
  }
}
