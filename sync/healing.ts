/**
 * @module
 * Owns what happens to stored documents that cannot be read or cannot be right: they are examined, quarantined, and replaced by what
 * is in memory or what a peer holds.
 */
import type { AlarmLog } from './alarm.ts';
import type { Database } from './database.ts';
import type { Recount } from './database-digest.ts';
import type { DigestSum } from './digest.ts';
import { auditDocument } from './document-audit.ts';
import type { AuditVerdict } from './document-audit.ts';
import type { CollectionStats } from './collection-stats.ts';
import type { ContentSample, DocumentName } from './equality.ts';
import { compareBytes, documentOf, stateKey, viewKey } from './key.ts';
import type { Clock, Sha256, StoreSnapshot } from './port.ts';
import type { QuarantinedDocument } from './quarantine.ts';
import { checkState, heldBy, isCovered, readDurable, readOrNull, readRow } from './repair-document.ts';
import { decodeRepairRows, encodeRepairRows } from './repair-row.ts';
import type { RepairRow } from './repair-row.ts';
import { dominates } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

/** A document whose content differs from that of a peer is asked for again from whoever shows it then. */
const CONTENT_WAIT_MS = 600_000;

export interface HealingOptions {
  readonly databaseOf: (key: string) => Database | undefined;
  readonly alarms: AlarmLog;
  readonly clock: Clock;
  readonly sha256: Sha256;
  /** Between portions of long work. */
  readonly pause: () => Promise<void>;
}

export class Healing {
  readonly #options: HealingOptions;
  /** Databases whose disk does not hold what it should: to be compared with a peer, whatever the digests are. */
  readonly suspects: Set<string> = new Set();
  #sample: { readonly database: string; readonly documents: readonly ContentSample[] } | null = null;

  constructor(options: HealingOptions) {
    this.#options = options;
  }

  /**
   * Checks a stored document by itself. What is damaged and cannot be put right from the rest is quarantined.
   *
   * @param moment - Shared by documents that are looked at together, because to open one costs more than to look. What was damaged then
   * may have been written anew, and is looked at again.
   * @returns What to compare with peers; null when there is nothing to compare.
   */
  async examine(database: Database, name: DocumentName, moment?: StoreSnapshot): Promise<ContentSample | null> {
    const verdict =
      moment === undefined ? await this.#auditNow(database, name) : await this.#audit(database, name, moment);
    if (verdict === null) return null;
    if (verdict.isDamaged && moment !== undefined) return this.examine(database, name);
    if (verdict.sample !== null) {
      this.#releaseReadable(database, name);
      return { ...name, ...verdict.sample };
    }
    this.quarantine(database, name, 'damage', null);
    // What is in memory is good, whatever became of it on disk.
    if (database.parts.table.isInMemory(name)) await this.#replace(database, name, null, null);
    return null;
  }

  async #auditNow(database: Database, name: DocumentName): Promise<AuditVerdict | null> {
    const moment = database.parts.store.snapshot();
    try {
      return await this.#audit(database, name, moment);
    } finally {
      await moment.close();
    }
  }

  /** Null when there is no such document. View and state are of one moment. */
  async #audit(
    database: Database,
    { collection, id }: DocumentName,
    moment: StoreSnapshot,
  ): Promise<AuditVerdict | null> {
    const { db, table } = database.parts;
    const { sha256 } = this.#options;
    const key = viewKey(db, collection, id);
    const view = await readOrNull(() => moment.get(key));
    const base = await readOrNull(() => moment.get(stateKey(db, collection, id)));
    if (view === undefined && base === undefined) return null;
    const { digestSecret: secret } = table;
    return auditDocument({ sha256, secret, documentKey: key.subarray(5), view: view ?? null, base });
  }

  /** Takes a document out of use until it was replaced. */
  quarantine(database: Database, name: DocumentName, reason: QuarantinedDocument['reason'], peer: string | null): void {
    const { collection, id } = name;
    const since = new Date(this.#options.clock.now()).toISOString();
    if (!database.quarantine.add({ collection, id, since, reason, peer })) return;
    const examples = [`${collection}/${id}`];
    this.#options.alarms.raise({ kind: reason, database: database.key, peer, documents: 1, repaired: 0, examples });
  }

  /** A read of a document met damage: sees what can be done about it. */
  handleDamage(database: Database, name: DocumentName): void {
    this.quarantine(database, name, 'damage', null);
    this.examine(database, name).catch(() => undefined);
  }

  /** It can be read. One that waits in vain for the content of a peer may have to wait for another one. */
  #releaseReadable(database: Database, name: DocumentName): void {
    const held = database.quarantine.get(name);
    if (held === undefined) return;
    const waitedMs = this.#options.clock.now() - Date.parse(held.since);
    if (held.reason === 'damage' || waitedMs > CONTENT_WAIT_MS) database.quarantine.release(name);
  }

  quarantined(key: string, peer: string): readonly DocumentName[] {
    const all = this.#options.databaseOf(key)?.quarantine.list() ?? [];
    return all.filter((document) => document.peer === null || document.peer === peer);
  }

  offer(key: string, documents: readonly ContentSample[]): void {
    this.#sample = documents.length === 0 ? null : { database: key, documents };
  }

  sample(): { readonly database: string; readonly documents: readonly ContentSample[] } | null {
    return this.#sample;
  }

  async compare(key: string, theirs: readonly ContentSample[], peer: string): Promise<readonly ContentSample[]> {
    const database = this.#options.databaseOf(key);
    // What a snapshot brings is on its way in.
    if (database === undefined || database.isMerging) return [];
    const moment = database.parts.store.snapshot();
    try {
      return await this.#compareAt(database, theirs, peer, moment);
    } finally {
      await moment.close();
    }
  }

  async #compareAt(
    database: Database,
    theirs: readonly ContentSample[],
    peer: string,
    moment: StoreSnapshot,
  ): Promise<readonly ContentSample[]> {
    const differing: ContentSample[] = [];
    for (const their of theirs) {
      const name = { collection: their.collection, id: their.id };
      const ours = await this.examine(database, name, moment);
      if (ours === null || compareBytes(ours.element, their.element) !== 0) continue;
      const order = compareBytes(ours.content, their.content);
      if (order === 0) {
        if (database.quarantine.get(name)?.peer === peer) database.quarantine.release(name);
        continue;
      }
      differing.push(ours);
      // One of two contents has to go, everywhere the same one; which, nothing tells.
      if (order < 0) this.quarantine(database, name, 'content', peer);
      else this.#tellContent(database, name, peer);
    }
    return differing;
  }

  #tellContent({ key }: Database, { collection, id }: DocumentName, peer: string): void {
    const examples = [`${collection}/${id}`];
    this.#options.alarms.raise({ kind: 'content', database: key, peer, documents: 1, repaired: 0, examples });
  }

  async readNamed(
    key: string,
    names: readonly DocumentName[],
    since: VersionVector,
    bytesMax: number,
  ): Promise<Uint8Array | null> {
    const database = this.#options.databaseOf(key);
    if (database === undefined || database.isMerging || !dominates(database.parts.log.durableVector, since))
      return null;
    const held = heldBy(database);
    const rows: RepairRow[] = [];
    let bytes = 0;
    for (const name of names) {
      const row = await readRow(database, name);
      if (row === null) continue;
      rows.push(row);
      bytes += row.state.length;
      if (bytes >= bytesMax) break;
    }
    return encodeRepairRows({ held, rows });
  }

  async replace(key: string, bytes: Uint8Array, peer: string): Promise<void> {
    const database = this.#options.databaseOf(key);
    if (database === undefined) return;
    let isDigestKnown = true;
    for (const row of decodeRepairRows(bytes).rows) {
      if (database.quarantine.get(row) === undefined) continue;
      checkState(row);
      // Of an older version that cannot be read any more, the digest is not known either.
      if (!isCovered(database, row) && (await readDurable(database, row)) === null) isDigestKnown = false;
      await this.#replace(database, row, row, peer);
    }
    if (isDigestKnown) return;
    const { isEqual, damaged, was, is } = await database.parts.table.sums.recount(this.#options.pause);
    if (!isEqual && damaged.length === 0) await this.correctDigest(database, was, is);
  }

  /** Writes a digest that a count at rest showed to be the right one. */
  correctDigest(database: Database, was: DigestSum, is: DigestSum): Promise<void> {
    const { table, commit } = database.parts;
    table.correctDigest(was, is);
    return commit.join(database);
  }

  /** @param row - Null for what is in memory. */
  async #replace(database: Database, name: DocumentName, row: RepairRow | null, peer: string | null): Promise<void> {
    const { table, commit } = database.parts;
    const { collection, id } = name;
    const known = await readDurable(database, name);
    database.assertOpen();
    const slot = row === null ? table.rewrite(name) : table.supersede(row, known);
    // Changes of it are under way: the next attempt finds it at rest.
    if (slot === null) return;
    try {
      await commit.join(database);
    } finally {
      table.release(slot);
    }
    const reason = database.quarantine.get(name)?.reason;
    database.quarantine.release(name);
    if (reason === undefined) return;
    const examples = [`${collection}/${id}`];
    this.#options.alarms.raise({ kind: reason, database: database.key, peer, documents: 1, repaired: 1, examples });
  }

  /** Adds up the stored documents. A disk that does not hold them all makes the database a suspect. */
  async recount(database: Database): Promise<void> {
    const { table } = database.parts;
    const before = new Map<string, CollectionStats>();
    const { isEqual, damaged, buckets, stats } = await table.sums.recount(this.#options.pause, () => {
      for (const [collection, sums] of table.stats) before.set(collection, { ...sums });
    });
    for (const key of damaged) await this.examine(database, documentOf(key));
    if (damaged.length > 0) return;
    if (isEqual) return this.#correctStats(database, before, stats);
    if (this.suspects.has(database.key)) return;
    this.suspects.add(database.key);
    const documents = Math.max(1, buckets.length);
    const { alarms } = this.#options;
    alarms.raise({ kind: 'loss', database: database.key, peer: null, documents, repaired: 0, examples: [] });
  }

  /** What came back or was replaced may have been counted twice or not at all. */
  async #correctStats(
    database: Database,
    before: ReadonlyMap<string, CollectionStats>,
    counted: Recount['stats'],
  ): Promise<void> {
    const { table, commit } = database.parts;
    const none = { documents: 0, bytes: 0 };
    const errors = new Map<string, CollectionStats>();
    for (const collection of new Set([...before.keys(), ...counted.keys()])) {
      const [was, is] = [before.get(collection) ?? none, counted.get(collection) ?? none];
      if (was.documents === is.documents && was.bytes === is.bytes) continue;
      errors.set(collection, { documents: is.documents - was.documents, bytes: is.bytes - was.bytes });
    }
    if (errors.size === 0) return;
    await commit.between(() => table.correctStats(errors));
    await commit.join(database);
  }
}
