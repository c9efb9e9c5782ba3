/**
 * @module
 * Owns the shape of what a node says about the integrity of what it stores. Types only.
 */

/** Something that was found to be wrong with stored documents. */
export interface AlarmAnswer {
  /** ISO 8601. */
  readonly at: string;
  /**
   * `difference`: replicas with equal vectors held different documents. `digest`: the digest was not that of the documents.
   * `content`: two contents under one version. `damage`: a document could not be read. `log`: nor a
   * batch of the log. `loss`: entries are gone from the disk.
   * `index`: an index did not agree with the documents.
   */
  readonly kind: 'difference' | 'digest' | 'content' | 'damage' | 'log' | 'loss' | 'index';
  /** Key of the database, `name.generation`. */
  readonly database: string;
  /** Node id of the replica it was compared with. */
  readonly peer: string | null;
  readonly documents: number;
  /** Of them, documents that were put right here. */
  readonly repaired: number;
  /** Some of them, as `collection/id`. */
  readonly examples: readonly string[];
}

/** Something that must hold. */
export interface CheckAnswer {
  readonly check:
    | 'storage'
    | 'digest'
    | 'documents'
    | 'indexes'
    | 'peers'
    | 'scrub'
    | 'tombstones'
    | 'epochs'
    | 'compaction';
  readonly database: string | null;
  readonly ok: boolean;
  readonly detail: string;
}

/** Answer to GET and POST `/v1/_cluster/doctor`. POST lets the node read and check every stored document, from then on. */
export interface DoctorAnswer {
  readonly node: string;
  readonly name: string;
  /** ISO 8601. */
  readonly at: string;
  /** Every check holds now. */
  readonly healthy: boolean;
  readonly checks: readonly CheckAnswer[];
  /** Documents out of use until a peer gives them back. */
  readonly quarantined: readonly {
    readonly database: string;
    readonly collection: string;
    readonly id: string;
    readonly since: string;
    readonly reason: 'damage' | 'content';
    readonly peer: string | null;
  }[];
  /** The last ones, oldest first; what they were about may have been put right since. */
  readonly alarms: readonly AlarmAnswer[];
  /** Since the start of the process. */
  readonly alarmsTotal: number;
  readonly scrub: {
    readonly documentsPerSecond: number;
    /** Everything is being read because somebody asked for it. */
    readonly running: boolean;
    /** Documents checked since the start of the process. */
    readonly checked: number;
    readonly database: string | null;
    /** What ended the last attempt although it should not have. */
    readonly lastError: string | null;
    /** Key of a database → when it was last read whole, ISO 8601. */
    readonly passes: Readonly<Record<string, string>>;
  };
}
