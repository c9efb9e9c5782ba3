/**
 * @module
 * Owns what a replica does so that equality is proven and not assumed, put together: comparisons with peers, the scrub, the
 * alarms they raise, and the report about it all (`atoll doctor`).
 */
import type { Alarm } from './alarm.ts';
import { AlarmLog } from './alarm.ts';
import type { Database } from './database.ts';
import type { CompactionStatus } from './compactor.ts';
import type { Clock, Sha256, Timers } from './port.ts';
import { auditIndexes } from './query/index-check.ts';
import type { QuarantinedDocument } from './quarantine.ts';
import type { TombstoneStatus } from './replica-status.ts';
import { Repair } from './repair.ts';
import { Scrub } from './scrub.ts';
import type { ScrubOptions, ScrubStatus } from './scrub.ts';

/** One thing that must hold. */
export interface DoctorCheck {
  /**
   * `storage`: writes are taken. `digest`: the documents on disk add up to the digest. `documents`: all can be read. `indexes`: all
   * are built or being built. `peers`: who
   * has the same vector has the same digest. `scrub`: stored documents can be checked. `tombstones`: deleted documents are
   * forgotten in time. `epochs`: vectors, and so tokens and cursors, are short.
   */
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

export interface DoctorReport {
  /** ISO 8601. */
  readonly at: string;
  /** Every check holds now. What was wrong and has been put right is in `alarms`. */
  readonly healthy: boolean;
  readonly checks: readonly DoctorCheck[];
  readonly quarantined: readonly ({ readonly database: string } & QuarantinedDocument)[];
  /** The last ones, oldest first. */
  readonly alarms: readonly Alarm[];
  /** Since the start of the process. */
  readonly alarmsTotal: number;
  readonly scrub: ScrubStatus;
}

/** More make tokens that do not fit the headers of a request. */
const EPOCHS_LISTED_MAX = 512;

export interface ProofDependencies {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly sha256: Sha256;
  readonly scrub: ScrubOptions;
  readonly databases: () => readonly Database[];
  readonly databaseOf: (key: string) => Database | undefined;
  /** The name of a node. */
  readonly compaction: (database: Database) => CompactionStatus;
  readonly nameOf: (node: string) => string;
  readonly tombstones: (database: Database) => TombstoneStatus;
  /** Code of the storage error that stopped the node, if one did. */
  readonly failure: () => string | null;
  readonly fail: (error: unknown) => void;
}

export class Proof {
  readonly alarms: AlarmLog;
  readonly repair: Repair;
  readonly #dependencies: ProofDependencies;
  readonly #scrub: Scrub;

  constructor(dependencies: ProofDependencies) {
    const { clock, timers, sha256, databases, databaseOf, fail, scrub } = dependencies;
    this.#dependencies = dependencies;
    const pause = (): Promise<void> => new Promise((resolve) => timers.after(0, () => resolve()));
    this.alarms = new AlarmLog(() => clock.now());
    this.repair = new Repair({ databaseOf, alarms: this.alarms, clock, sha256, pause });
    const { healing } = this.repair;
    const checkIndexes = (database: Database): Promise<unknown> => auditIndexes(database, this.alarms, pause);
    this.#scrub = new Scrub({ ...scrub, clock, timers, databases, healing, checkIndexes, pause, fail });
    // A failed store or a closed database ends it, and shows elsewhere.
    this.repair.onDamage = (database) => void this.#scrub.read(database).catch(() => undefined);
  }

  start(): void {
    this.#scrub.start();
  }

  stop(): void {
    this.#scrub.stop();
  }

  /** Checks every stored document now, then reports. */
  async examine(): Promise<DoctorReport> {
    await this.#scrub.run();
    return this.report();
  }

  report(): DoctorReport {
    const { databases, clock } = this.#dependencies;
    const checks = [
      this.#checkStorage(),
      this.#checkScrub(),
      ...databases().flatMap((database) => this.#checkDatabase(database)),
    ];
    return {
      at: new Date(clock.now()).toISOString(),
      healthy: checks.every(({ ok }) => ok),
      checks,
      quarantined: databases().flatMap(({ key, quarantine }) =>
        quarantine.list().map((document) => ({ database: key, ...document })),
      ),
      alarms: this.alarms.list(),
      alarmsTotal: this.alarms.total,
      scrub: this.#scrub.status(),
    };
  }

  #checkStorage(): DoctorCheck {
    const failure = this.#dependencies.failure();
    const detail = failure === null ? 'takes writes' : `failed with ${failure}; restart the node`;
    return { check: 'storage', database: null, ok: failure === null, detail };
  }

  #checkScrub(): DoctorCheck {
    const { lastError, checked } = this.#scrub.status();
    const detail = lastError === null ? `${checked} documents checked since the start` : `it failed: ${lastError}`;
    return { check: 'scrub', database: null, ok: lastError === null, detail };
  }

  #checkDatabase(database: Database): DoctorCheck[] {
    return [
      this.#checkDigest(database),
      this.#checkDocuments(database),
      ...this.#checkIndexes(database),
      this.#checkPeers(database),
      this.#checkTombstones(database),
      this.#checkEpochs(database),
      this.#checkCompaction(database),
    ];
  }

  #checkCompaction(database: Database): DoctorCheck {
    const { grown, preparing, compacted, savedBytes } = this.#dependencies.compaction(database);
    const now = `${grown} documents have grown, ${preparing} are being compacted`;
    const detail = `${now}; ${compacted} were since the start, by ${savedBytes} bytes`;
    return { check: 'compaction', database: database.key, ok: true, detail };
  }

  /** A member that is away keeps them until it is back, removed or given up as stale: that is no fault. */
  #checkTombstones(database: Database): DoctorCheck {
    const { kept, collected, since, waitsFor } = this.#dependencies.tombstones(database);
    const forgotten = `${collected} forgotten since the start`;
    const reasons = {
      silent: 'has not said what it holds',
      ahead: 'has something not here yet',
      behind: 'lacks something',
    };
    const who = waitsFor.map(({ node, name, reason }) => `${name || node} ${reasons[reason]}`);
    const sinceWhen = since === null ? '' : ` since ${new Date(since).toISOString()}`;
    const why = who.length === 0 ? '' : `: ${who.join(', ')}`;
    const detail = kept === 0 ? forgotten : `${kept} kept${sinceWhen}${why}; ${forgotten}`;
    return { check: 'tombstones', database: database.key, ok: true, detail };
  }

  #checkEpochs(database: Database): DoctorCheck {
    const { listed, folded } = database.parts.log.epochs;
    const ok = listed <= EPOCHS_LISTED_MAX;
    const why = ok ? '' : ': the next write of a node that is started anew covers them';
    return { check: 'epochs', database: database.key, ok, detail: `${listed} listed, ${folded} folded${why}` };
  }

  #checkDigest({ key }: Database): DoctorCheck {
    const ok = !this.repair.suspects().includes(key);
    const counted = this.#scrub.status().passes[key];
    const held = counted === undefined ? 'not counted since the start' : `the documents added up to it at ${counted}`;
    return { check: 'digest', database: key, ok, detail: ok ? held : 'the documents on disk do not add up to it' };
  }

  #checkDocuments({ key, quarantine }: Database): DoctorCheck {
    const ok = quarantine.size === 0;
    const detail = ok ? 'none is quarantined' : `${quarantine.size} quarantined, until a peer gives them back`;
    return { check: 'documents', database: key, ok, detail };
  }

  /** Nothing to say of a database without any. */
  #checkIndexes({ key, parts }: Database): DoctorCheck[] {
    const all = parts.indexes.all();
    if (all.length === 0) return [];
    const failed = all.filter(({ failure }) => failure !== null);
    const ready = all.filter(({ state }) => state === 'ready').length;
    const told = failed.map(({ collection, name, failure }) => `${collection}/${name} failed: ${failure}`);
    const detail = [`${ready} of ${all.length} ready`, ...told].join(', ');
    return [{ check: 'indexes', database: key, ok: failed.length === 0, detail }];
  }

  #checkPeers({ key }: Database): DoctorCheck {
    const compared = this.repair.comparisonsOf(key);
    const told = compared.map(({ peer, isEqual, at }) => {
      return `${isEqual ? 'equal to' : 'differs from'} ${this.#dependencies.nameOf(peer)} at ${at}`;
    });
    const ok = compared.every(({ isEqual }) => isEqual);
    return { check: 'peers', database: key, ok, detail: told.length === 0 ? 'not compared yet' : told.join(', ') };
  }
}
