/**
 * @module
 * Owns the storage half of comparisons: fingerprints of databases, their documents as symbols, and documents of a peer that are
 * merged because this replica should have had them. What cannot be read is replace.ts.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { CrdtDocument } from '../crdt/index.ts';
import type { AlarmLog } from './alarm.ts';
import { EXAMPLES_MAX } from './alarm.ts';
import { isCorrupt } from './damage-scan.ts';
import { auditDocument } from './document-audit.ts';
import type { AuditVerdict } from './document-audit.ts';
import type { Database } from './database.ts';
import { ready } from './database.ts';
import { decodeView, statePartsOf, toStoredDocument } from './document-record.ts';
import type { DigestSum } from './digest.ts';
import type { DurableVersion } from './document-slot.ts';
import type { Recount } from './database-digest.ts';
import type { CollectionStats } from './document-table.ts';
import { FINGERPRINT_BYTES } from './equality.ts';
import type {
  BucketRange,
  ContentSample,
  DocumentIndex,
  DocumentName,
  Equality,
  Fingerprint,
  RepairReport,
} from './equality.ts';
import { SyncError } from './errors.ts';
import { compareBytes, documentOf, stateKey, viewKey } from './key.ts';
import type { Clock, Sha256 } from './port.ts';
import type { QuarantinedDocument } from './quarantine.ts';
import { decodeRepairRows, encodeRepairRows } from './repair-row.ts';
import type { RepairRow } from './repair-row.ts';
import { symbolName } from './sketch.ts';
import type { Symbol56 } from './sketch.ts';
import { SymbolIndex } from './symbol-index.ts';
import { dominates, encodeVector, sequenceOf } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

export interface RepairOptions {
  readonly databaseOf: (key: string) => Database | undefined;
  readonly alarms: AlarmLog;
  readonly clock: Clock;
  readonly sha256: Sha256;
  /** Between portions of long work. */
  readonly pause: () => Promise<void>;
}

export interface PeerComparison {
  readonly peer: string;
  readonly isEqual: boolean;
  /** ISO 8601. */
  readonly at: string;
}

export class Repair implements Equality {
  readonly #options: RepairOptions;
  readonly #vectors = new WeakMap<VersionVector, Uint8Array>();
  readonly #compared = new Map<string, Map<string, PeerComparison>>();
  /** Databases being compared. */
  readonly #busy = new Set<string>();
  /** Databases whose disk does not hold what it should. */
  readonly #suspects = new Set<string>();
  #sample: { readonly database: string; readonly documents: readonly ContentSample[] } | null = null;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  fingerprint(key: string): Fingerprint | null {
    const database = this.#options.databaseOf(key);
    // While a snapshot is merged, documents are ahead of the vector.
    if (database === undefined || database.isMerging) return null;
    const { log, table } = database.parts;
    const digest = hexToBytes(table.digest.slice(0, FINGERPRINT_BYTES * 2));
    return { vector: this.#hashVector(log.durableVector), digest };
  }

  #hashVector(vector: VersionVector): Uint8Array {
    let hash = this.#vectors.get(vector);
    if (hash === undefined) {
      hash = this.#options.sha256(encodeVector(vector)).slice(0, FINGERPRINT_BYTES);
      this.#vectors.set(vector, hash);
    }
    return hash;
  }

  noteCompared(key: string, peer: string, isEqual: boolean): void {
    let peers = this.#compared.get(key);
    if (peers === undefined) this.#compared.set(key, (peers = new Map()));
    peers.set(peer, { peer, isEqual, at: new Date(this.#options.clock.now()).toISOString() });
  }

  /** What the last comparison of digests with each peer said. */
  comparisonsOf(key: string): readonly PeerComparison[] {
    return [...(this.#compared.get(key)?.values() ?? [])];
  }

  suspects(): readonly string[] {
    return [...this.#suspects];
  }

  begin(key: string): boolean {
    if (this.#busy.has(key) || this.#options.databaseOf(key) === undefined) return false;
    this.#busy.add(key);
    return true;
  }

  end(key: string): void {
    this.#busy.delete(key);
  }

  index(key: string, salt: Uint8Array, buckets: BucketRange): Promise<SymbolIndex> {
    const { store, table } = this.#open(key).parts;
    return SymbolIndex.build({ store, digest: table.sums, salt, buckets, pause: this.#options.pause });
  }

  #open(key: string): Database {
    const database = this.#options.databaseOf(key);
    if (database === undefined) throw new SyncError('SYNC_CLOSED', `Database "${key}" is gone.`, { retryable: true });
    return database;
  }

  async read(
    key: string,
    index: DocumentIndex,
    symbols: readonly Symbol56[],
    bytesMax: number,
  ): Promise<{ rows: Uint8Array; done: number }> {
    const database = this.#open(key);
    const keys = await (index as SymbolIndex).find(symbols);
    const rows: RepairRow[] = [];
    let bytes = 0;
    let done = 0;
    for (const symbol of symbols) {
      done++;
      const view = keys.get(symbolName(symbol));
      const row = view === undefined ? null : await readRow(database, documentOf(view));
      // Changed since, or damaged: it is left out, and the next comparison sees what is left to do.
      if (row === null) continue;
      rows.push(row);
      bytes += row.state.length + row.id.length + 40;
      if (bytes >= bytesMax) break;
    }
    return { rows: encodeRepairRows(rows), done };
  }

  async merge(key: string, bytes: Uint8Array): Promise<RepairReport> {
    const database = this.#open(key);
    const examples: string[] = [];
    let repaired = 0;
    for (const row of decodeRepairRows(bytes)) {
      if (!(await mergeRow(database, row))) continue;
      repaired++;
      if (examples.length < EXAMPLES_MAX) examples.push(`${row.collection}/${row.id}`);
    }
    return { repaired, examples };
  }

  conclude(
    key: string,
    index: DocumentIndex,
    peer: string,
    { repaired, examples }: RepairReport,
    atPeer: number,
  ): void {
    const { alarms, databaseOf } = this.#options;
    const documents = repaired + atPeer;
    this.#suspects.delete(key);
    const database = databaseOf(key);
    if (database === undefined) return;
    if (documents > 0) alarms.raise({ kind: 'difference', database: key, peer, documents, repaired, examples });
    const error = (index as SymbolIndex).digestError;
    // Both disks hold the same and the digests differ: the one that is not the sum over its documents is wrong.
    if (error !== null) alarms.raise({ kind: 'digest', database: key, peer, documents: 0, repaired: 0, examples: [] });
    // A failed commit has told whoever has to know.
    if (error !== null || repaired > 0) this.#settle(database, error).catch(() => undefined);
  }

  async #settle(database: Database, error: SymbolIndex['digestError']): Promise<void> {
    if (error !== null) await this.#correctDigest(database, error.was, error.is);
    await this.recount(database);
  }

  // --- documents that cannot be read, or not be right

  /**
   * Checks a stored document by itself. What is damaged and cannot be put right from the rest is quarantined.
   *
   * @returns What to compare with peers; null when there is nothing to compare.
   */
  async examine(database: Database, name: DocumentName): Promise<ContentSample | null> {
    const verdict = await this.#audit(database, name);
    if (verdict === null) return null;
    if (verdict.sample !== null) {
      this.#release(database, name, 'damage');
      return { ...name, ...verdict.sample };
    }
    this.quarantine(database, name, 'damage', null);
    // What is in memory is good, whatever became of it on disk.
    if (database.parts.table.isInMemory(name)) await this.#replace(database, name, null, null);
    return null;
  }

  /** Null when there is no such document. View and state are read as of one moment. */
  async #audit(database: Database, { collection, id }: DocumentName): Promise<AuditVerdict | null> {
    const { store, db, table } = database.parts;
    const { sha256 } = this.#options;
    const key = viewKey(db, collection, id);
    const snapshot = store.snapshot();
    try {
      const view = await readOrNull(() => snapshot.get(key));
      const base = await readOrNull(() => snapshot.get(stateKey(db, collection, id)));
      if (view === undefined && base === undefined) return null;
      const { digestSecret: secret } = table;
      return auditDocument({ sha256, secret, documentKey: key.subarray(5), view: view ?? null, base });
    } finally {
      await snapshot.close();
    }
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

  #release(database: Database, name: DocumentName, reason: QuarantinedDocument['reason']): void {
    if (database.quarantine.get(name)?.reason === reason) database.quarantine.release(name);
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
    if (database === undefined) return [];
    const differing: ContentSample[] = [];
    for (const their of theirs) {
      const name = { collection: their.collection, id: their.id };
      const ours = await this.examine(database, name);
      if (ours === null || compareBytes(ours.element, their.element) !== 0) continue;
      const order = compareBytes(ours.content, their.content);
      if (order === 0) continue;
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
    const rows: RepairRow[] = [];
    let bytes = 0;
    for (const name of names) {
      const row = await readRow(database, name);
      if (row === null) continue;
      rows.push(row);
      bytes += row.state.length;
      if (bytes >= bytesMax) break;
    }
    return encodeRepairRows(rows);
  }

  async replace(key: string, bytes: Uint8Array, peer: string): Promise<void> {
    const database = this.#open(key);
    let isDigestKnown = true;
    for (const row of decodeRepairRows(bytes)) {
      if (database.quarantine.get(row) === undefined) continue;
      checkState(row);
      // Of an older version that cannot be read any more, the digest is not known either.
      if (!isCovered(database, row) && (await readDurable(database, row)) === null) isDigestKnown = false;
      await this.#replace(database, row, row, peer);
    }
    if (isDigestKnown) return;
    const { isEqual, damaged, was, is } = await database.parts.table.sums.recount(this.#options.pause);
    if (!isEqual && damaged.length === 0) await this.#correctDigest(database, was, is);
  }

  #correctDigest(database: Database, was: DigestSum, is: DigestSum): Promise<void> {
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
    if (this.#suspects.has(database.key)) return;
    this.#suspects.add(database.key);
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

async function readOrNull(read: () => Promise<Uint8Array | undefined>): Promise<Uint8Array | null | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** What the digest and the statistics count for a document; null when its view cannot be read. */
async function readDurable(database: Database, { collection, id }: DocumentName): Promise<DurableVersion | null> {
  const { store, db } = database.parts;
  try {
    const view = await store.get(viewKey(db, collection, id));
    if (view === undefined) return null;
    const record = decodeView(view);
    return { element: record.element, document: record.exists ? toStoredDocument(record) : null };
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** What a peer needs of a document; null when there is none or it cannot be read. */
async function readRow(database: Database, { collection, id }: DocumentName): Promise<RepairRow | null> {
  const { store, db } = database.parts;
  const snapshot = store.snapshot();
  try {
    const view = await snapshot.get(viewKey(db, collection, id));
    if (view === undefined) return null;
    const record = decodeView(view);
    const parts = statePartsOf(record, record.isFirst ? undefined : await snapshot.get(stateKey(db, collection, id)));
    const state = parts.length === 1 ? parts[0] : CrdtDocument.load(...parts).encode();
    return { collection, id, vector: record.vector, state };
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  } finally {
    await snapshot.close();
  }
}

/** @returns True when the document lacked something that our vector says we have: then it was wrong here, and is right now. */
async function mergeRow(database: Database, row: RepairRow): Promise<boolean> {
  const { table, commit } = database.parts;
  const slot = table.acquire(row.collection, row.id);
  try {
    await ready([slot]);
    database.assertOpen();
    // What our vector does not cover is on its way by itself.
    if (!isCovered(database, row)) return false;
    if ([...row.vector].every(([origin, seq]) => (slot.vector.get(origin) ?? 0) >= seq)) return false;
    checkState(row);
    if (slot.vector.size === 0) slot.document = CrdtDocument.load(row.state);
    else slot.document.apply(row.state);
    for (const [origin, seq] of row.vector) slot.touch(origin, seq);
    table.touch(slot, row.state);
    await commit.join(database);
    return true;
  } catch (error) {
    if (isCorrupt(error)) return false;
    throw error;
  } finally {
    table.release(slot);
  }
}

/** Our vector says that we have everything in it. */
function isCovered(database: Database, row: RepairRow): boolean {
  const { durableVector } = database.parts.log;
  return [...row.vector].every(([origin, seq]) => seq <= sequenceOf(durableVector, origin));
}

/** A state that cannot be read must not be found out by the commit. */
function checkState(row: RepairRow): void {
  try {
    CrdtDocument.load(row.state).view();
  } catch (cause) {
    throw new SyncError('SYNC_BATCH_MALFORMED', 'A document of a comparison cannot be read.', {
      cause,
      details: { collection: row.collection, id: row.id },
    });
  }
}
