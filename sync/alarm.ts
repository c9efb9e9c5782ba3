/**
 * @module
 * Owns the alarms of a replica: what was found to be wrong with stored documents and what became of it. The last ones are kept
 * in memory for the status; nothing acts on them.
 */
export type AlarmKind =
  /** Replicas with equal vectors differed in documents. */
  | 'difference'
  /** The digest kept with the writes was not that of the documents. */
  | 'digest'
  /** Replicas had different content under one version. */
  | 'content'
  /** A document could not be read from the disk. */
  | 'damage'
  /** A batch of the log could not be read; peers that need it are given documents instead. */
  | 'log'
  /** The disk did not hold what was written: entries are gone. */
  | 'loss'
  /** An index did not hold the entries that the documents should have; it is built anew. */
  | 'index';

export interface Alarm {
  /** ISO 8601. */
  readonly at: string;
  readonly kind: AlarmKind;
  readonly database: string;
  /** Node id of the replica it was compared with. */
  readonly peer: string | null;
  /** Documents concerned. */
  readonly documents: number;
  /** Of them, documents that were put right here. */
  readonly repaired: number;
  /** Some of the documents, as `collection/id`. */
  readonly examples: readonly string[];
}

const ALARMS_MAX = 100;
export const EXAMPLES_MAX = 5;

export class AlarmLog {
  readonly #now: () => number;
  #alarms: Alarm[] = [];
  #total = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  raise(alarm: Omit<Alarm, 'at'>): void {
    this.#total++;
    this.#alarms.push({ at: new Date(this.#now()).toISOString(), ...alarm });
    if (this.#alarms.length > ALARMS_MAX) this.#alarms.shift();
  }

  /** Since the start of the process. */
  get total(): number {
    return this.#total;
  }

  /** The last ones, oldest first. */
  list(): readonly Alarm[] {
    return [...this.#alarms];
  }
}
