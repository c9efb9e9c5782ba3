/**
 * @module
 * Owns the storage half of comparisons: fingerprints of databases, their documents as symbols, and documents of a peer that are
 * merged because this replica should have had them.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { EXAMPLES_MAX } from './alarm.ts';
import type { Database } from './database.ts';
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
import { Healing } from './healing.ts';
import type { HealingOptions } from './healing.ts';
import { documentOf } from './key.ts';
import { heldBy, mergeRow, readRow } from './repair-document.ts';
import { decodeRepairRows, encodeRepairRows } from './repair-row.ts';
import type { RepairRow } from './repair-row.ts';
import { shortSymbolName } from './sketch.ts';
import type { Symbol56 } from './sketch.ts';
import { SymbolIndex } from './symbol-index.ts';
import { encodeVector } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';

export interface PeerComparison {
  readonly peer: string;
  readonly isEqual: boolean;
  /** ISO 8601. */
  readonly at: string;
}

/** The fingerprint of a database, and what it was made from. */
interface KnownFingerprint {
  readonly of: VersionVector;
  readonly hex: string;
  readonly fingerprint: Fingerprint;
}

export class Repair implements Equality {
  readonly healing: Healing;
  /** Some document of a database is damaged. */
  onDamage: (database: Database) => void = () => {};
  readonly #options: HealingOptions;
  readonly #fingerprints = new WeakMap<Database, KnownFingerprint>();
  readonly #compared = new Map<string, Map<string, PeerComparison>>();
  /** Database and origin, each told once. */
  readonly #damagedLogs = new Set<string>();
  /** Databases being compared. */
  readonly #busy = new Set<string>();

  constructor(options: HealingOptions) {
    this.#options = options;
    this.healing = new Healing(options);
  }

  fingerprint(key: string): Fingerprint | null {
    const database = this.#options.databaseOf(key);
    // While a snapshot is merged, documents are ahead of the vector.
    if (database === undefined || database.isMerging) return null;
    const { durableVector } = database.parts.log;
    const { digest } = database.parts.table;
    const known = this.#fingerprints.get(database);
    if (known?.of === durableVector && known.hex === digest) return known.fingerprint;
    const vector = this.#options.sha256(encodeVector(durableVector)).slice(0, FINGERPRINT_BYTES);
    const fingerprint = { vector, digest: hexToBytes(digest.slice(0, FINGERPRINT_BYTES * 2)) };
    this.#fingerprints.set(database, { of: durableVector, hex: digest, fingerprint });
    return fingerprint;
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
    return [...this.healing.suspects];
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
    const held = heldBy(database);
    const keys = await (index as SymbolIndex).find(symbols);
    const rows: RepairRow[] = [];
    let bytes = 0;
    let done = 0;
    for (const symbol of symbols) {
      done++;
      const view = keys.get(shortSymbolName(symbol));
      const row = view === undefined ? null : await readRow(database, documentOf(view));
      // Changed since, or damaged: it is left out, and the next comparison sees what is left to do.
      if (row === null) continue;
      rows.push(row);
      bytes += row.state.length + row.id.length + 40;
      if (bytes >= bytesMax) break;
    }
    return { rows: encodeRepairRows({ held, rows }), done };
  }

  async merge(key: string, bytes: Uint8Array): Promise<RepairReport> {
    const database = this.#open(key);
    const { held, rows } = decodeRepairRows(bytes);
    // All at once: they become durable together.
    const merged = await Promise.all(rows.map((row) => mergeRow(database, row, held)));
    const repaired = rows.filter((_, i) => merged[i]).map(({ collection, id }) => `${collection}/${id}`);
    return { repaired: repaired.length, examples: repaired.slice(0, EXAMPLES_MAX) };
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
    this.healing.suspects.delete(key);
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
    if (error !== null) await this.healing.correctDigest(database, error.was, error.is);
    await this.healing.recount(database);
  }

  noteLogDamage(key: string, origin: number): void {
    const name = `${key} ${origin}`;
    if (this.#damagedLogs.has(name)) return;
    this.#damagedLogs.add(name);
    const examples = [`log of ${origin}`];
    this.#options.alarms.raise({ kind: 'log', database: key, peer: null, documents: 0, repaired: 0, examples });
  }

  noteDamage(key: string): void {
    const database = this.#options.databaseOf(key);
    if (database !== undefined) this.onDamage(database);
  }

  quarantined(key: string, peer: string): readonly DocumentName[] {
    return this.healing.quarantined(key, peer);
  }

  sample(): ReturnType<Equality['sample']> {
    return this.healing.sample();
  }

  compare(key: string, theirs: readonly ContentSample[], peer: string): Promise<readonly ContentSample[]> {
    return this.healing.compare(key, theirs, peer);
  }

  readNamed(
    key: string,
    names: readonly DocumentName[],
    since: VersionVector,
    bytesMax: number,
  ): Promise<Uint8Array | null> {
    return this.healing.readNamed(key, names, since, bytesMax);
  }

  replace(key: string, rows: Uint8Array, peer: string): Promise<void> {
    return this.healing.replace(key, rows, peer);
  }
}
