/**
 * @module
 * Owns one database of a replica: the write path from change to durable batch, the read path, and the queries over ids. What
 * arrives from peers is in ingest.ts; both meet in the same log, table and commit group.
 */
import type { Change, JsonValue, Limits } from '../crdt/index.ts';
import type { Catalog } from './catalog.ts';
import type { CollectionConfig } from './collection-config.ts';
import { readConflicts } from './conflict.ts';
import type { ConflictReport } from './conflict.ts';
import { configureCollection, describeCollections, dropCollection } from './collection.ts';
import type { CollectionInfo } from './collection.ts';
import { isCorrupt, scanThroughDamage } from './damage-scan.ts';
import { readView } from './database-digest.ts';
import type { DocumentTable } from './document-table.ts';
import type { SealedDocuments } from './sealed-documents.ts';
import { decodeView, etagOf, jsonOf } from './document-record.ts';
import type { StoredDocument } from './document-record.ts';
import { ready } from './document-slot.ts';
import type { DurableBatch, OriginId, SnapshotProgress } from './engine.ts';
import { SyncError } from './errors.ts';
import type { ChangeTail } from './feed/change-tail.ts';
import type { GroupCommit, SealedChanges } from './group-commit.ts';
import type { Forgotten } from './forgotten.ts';
import type { HybridClock } from './hybrid-clock.ts';
import type { Epoch } from './identity.ts';
import { compareBytes, documentOf, metaKey, originKey, successorOf, successorOfPrefix, viewKey } from './key.ts';
import { foldVector, wholeOf } from './lineage.ts';
import type { DatabaseLog } from './log.ts';
import { isInternalCollection, validateCollectionName, validateDocumentId } from './names.ts';
import { OPERATIONS, operationId } from './operation.ts';
import type { Sha256, Store, StoreOperation } from './port.ts';
import { Quarantine } from './quarantine.ts';
import type { IndexSet } from './query/index-set.ts';
import type { Schemas } from './schema.ts';
import { CLUSTER_UNKNOWN, encodeToken } from './token.ts';
import type { Positions } from './token.ts';
import { join } from './version-vector.ts';
import type { VersionVector } from './version-vector.ts';
import { takeTurn } from './write-turn.ts';
import { RefusedWrite, writeDocument, writeGroup, writeOnce } from './write.ts';
import type { GroupWrite, WriteOptions, WriteOutcome } from './write.ts';
import type { WorkTurns } from './work-turns.ts';

const utf8 = new TextEncoder();
const NO_POSITIONS: Positions = new Map();

export interface ListOptions {
  /** Ids after this one, in byte order. */
  readonly after?: string;
  readonly prefix?: string;
  /** Documents at most, at least 1. */
  readonly limit: number;
  /** A page ends with the document that reaches so many bytes of JSON. */
  readonly bytesMax?: number;
}

interface PageBounds {
  readonly collection: string;
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly limit: number;
  readonly bytesMax: number;
}

export interface ListPage {
  readonly items: readonly { readonly id: string; readonly etag: string; readonly json: Uint8Array }[];
  /** Pass as `after` for the next page; `null` = there is none. */
  readonly next: string | null;
}

export interface DatabaseInfo {
  readonly name: string;
  readonly documents: number;
  /** Bytes of JSON. */
  readonly bytes: number;
  readonly digest: string;
  readonly collections: readonly CollectionInfo[];
}

export interface DatabaseParts {
  readonly key: string;
  readonly store: Store;
  readonly db: number;
  readonly epoch: Epoch;
  readonly log: DatabaseLog;
  readonly table: DocumentTable;
  readonly indexes: IndexSet;
  readonly schemas: Schemas;
  /** What went with tombstones. */
  readonly forgotten: Forgotten;
  readonly commit: GroupCommit;
  /** Whose turn it is to merge what peers sent. */
  readonly turns: WorkTurns;
  readonly clock: HybridClock;
  readonly sha256: Sha256;
  readonly limits?: Limits;
  readonly catalog: Catalog;
  /** Where configuration is written. */
  readonly system: () => Database;
  /** The name of the node that owns an origin. */
  readonly nameOf: (origin: OriginId) => string;
  /** A document of which this process wrote a part is forgotten: it must not number that part again (I2). */
  readonly renewEpoch: () => void;
  /** After every durable commit: the batches, and the documents with their new version. */
  readonly onDurable: (batches: readonly DurableBatch[], slots: SealedDocuments['slots']) => void;
}

export class Database {
  /** `name.generation` */
  readonly key: string;
  readonly name: string;
  /** @internal Shared with ingest.ts. */
  readonly parts: DatabaseParts;
  /** @internal Documents that cannot be read from the disk. */
  readonly quarantine: Quarantine = new Quarantine();
  /** @internal Operations that travel with the next group. */
  extraOperations: StoreOperation[] = [];
  /** A snapshot is being merged: until it is, some documents are newer than the vector says, and digests prove nothing. */
  isMerging = false;
  /** What the vector will be when that is done. */
  mergingTo: VersionVector | null = null;
  /** How far a snapshot has got that is on its way in. */
  snapshot: SnapshotProgress | null = null;
  /** @internal The latest changes, while somebody follows them. */
  tail: ChangeTail | null = null;
  #token: string | null = null;
  #closed = false;
  #refusal: SyncError | null = null;

  constructor(parts: DatabaseParts) {
    this.parts = parts;
    this.key = parts.key;
    this.name = parts.key.slice(0, parts.key.lastIndexOf('.'));
  }

  /** The durable version of a document; `null` when there is none. */
  get(collection: string, id: string): Promise<StoredDocument | null> {
    return this.parts.table.get(collection, id);
  }

  /** The same without waiting; `undefined` when the store would have to be asked. */
  peek(collection: string, id: string): StoredDocument | null | undefined {
    return this.parts.table.peek(collection, id);
  }

  /**
   * Applies one atomic change; resolves after fsync. Concurrent calls for one document are applied in call order.
   *
   * @throws SyncError `SYNC_PRECONDITION_FAILED`, `SYNC_DOCUMENT_NOT_FOUND` (delete of a missing document), `SYNC_KEY_REUSED`,
   *   `SYNC_DOCUMENT_ID_INVALID`, `SYNC_COLLECTION_NAME_INVALID`, `SYNC_SCHEMA_VIOLATION`; CrdtError for a bad change. Then nothing changed.
   * @throws StorageError The change may or may not be found after a restart; the replica has stopped acknowledging.
   */
  async write(collection: string, id: string, change: Change, options: WriteOptions = {}): Promise<WriteOutcome> {
    validateCollectionName(collection);
    validateDocumentId(id);
    this.parts.epoch.assertWritable();
    if (options.operation !== undefined) return this.#writeOnce({ collection, id, change, ...options }, options);
    return this.writeUnchecked(collection, id, change, options);
  }

  async #writeOnce(write: GroupWrite, options: WriteOptions): Promise<WriteOutcome> {
    try {
      const [outcome] = await this.writeAll([write], options);
      return outcome!;
    } catch (error) {
      throw error instanceof RefusedWrite ? error.cause : error;
    }
  }

  /** @internal As `write`, for names only the system uses. */
  writeUnchecked(collection: string, id: string, change: Change, options: WriteOptions = {}): Promise<WriteOutcome> {
    return this.parts.turns.serve(() => this.#write(collection, id, change, options));
  }

  async #write(collection: string, id: string, change: Change, options: WriteOptions): Promise<WriteOutcome> {
    this.assertOpen();
    const slot = this.parts.table.acquire(collection, id);
    try {
      if (slot.turn !== null) await slot.turn;
      await ready([slot]);
      this.assertOpen();
      this.assertTaking();
      try {
        return writeDocument(this, slot, change, options);
      } finally {
        // Also "unchanged" and a refusal may rest on changes of others that are not durable yet.
        if (slot.hasOpenChanges) await this.parts.commit.join(this);
      }
    } finally {
      this.parts.table.release(slot);
    }
  }

  /** Documents in id order (UTF-8 bytes), durable versions only. */
  async list(collection: string, { after, prefix = '', limit, bytesMax = Infinity }: ListOptions): Promise<ListPage> {
    const { db } = this.parts;
    const lt = successorOfPrefix(viewKey(db, collection, prefix));
    let gte = viewKey(db, collection, prefix);
    if (after !== undefined && compareBytes(viewKey(db, collection, after), gte) >= 0) {
      gte = successorOf(viewKey(db, collection, after));
    }
    if (compareBytes(gte, lt) >= 0) return { items: [], next: null };
    const options = { collection, gte, lt, limit, bytesMax };
    // One range each, and so of one moment: a list shows no group of writes half. The second one reads past deleted documents.
    return (await this.#readPage(options, limit + 1)) ?? (await this.#readPage(options, null))!;
  }

  /** `null` when so many entries do not tell whether there is a next page. */
  async #readPage(
    { collection, gte, lt, limit, bytesMax }: PageBounds,
    entriesMax: number | null,
  ): Promise<ListPage | null> {
    const items: { id: string; etag: string; json: Uint8Array }[] = [];
    let seen = 0;
    let bytes = 0;
    try {
      const range = { gte, lt, ...(entriesMax !== null && { limit: entriesMax }) };
      const { store, table } = this.parts;
      for await (const entries of table.late.reading(collection, () => store.range(range))) {
        for (const [key, value] of entries) {
          const view = decodeView(value);
          const { exists, element } = view;
          seen++;
          if (!exists) continue;
          const json = jsonOf(view);
          if (items.length === limit || bytes >= bytesMax) return { items, next: items.at(-1)!.id };
          items.push({ id: documentOf(key).id, etag: etagOf(element), json });
          bytes += json.length;
        }
      }
    } catch (error) {
      throw await this.locateDamage(error, { gte, lt });
    }
    return seen === entriesMax ? null : { items, next: null };
  }

  /** @internal Damage that a scan of views meets is that of a document, as if it had been read alone. */
  async locateDamage(error: unknown, bounds: { gte: Uint8Array; lt: Uint8Array }): Promise<unknown> {
    if (!isCorrupt(error)) return error;
    for await (const entries of scanThroughDamage(this.parts.store, bounds)) {
      const damaged = entries.find(([, value]) => value === null || readView(value) === null);
      if (damaged) return this.parts.table.describeDamage(documentOf(damaged[0]), error);
    }
    return error;
  }

  /** @internal The documents of a collection that can be read; the others are quarantined. */
  async *readableDocumentsOf(collection: string): AsyncGenerator<{ readonly id: string; readonly json: Uint8Array }> {
    const { db, store, table } = this.parts;
    const gte = viewKey(db, collection, '');
    const bounds = { gte, lt: successorOfPrefix(gte) };
    for await (const entries of table.late.reading(collection, () => scanThroughDamage(store, bounds))) {
      for (const [key, value] of entries) {
        const view = value === null ? null : readView(value);
        if (view === null) table.onDamage(documentOf(key));
        else if (view.exists) yield { id: documentOf(key).id, json: jsonOf(view) };
      }
    }
  }

  /** Losing values of a document, also of one that a delete took; `null` when there is nothing of it to read. */
  conflicts(collection: string, id: string): Promise<readonly ConflictReport[] | null> {
    return readConflicts(this, collection, id);
  }

  /**
   * Applies several changes, all or none, as one: no replica shows some of them without the others. Several of one document are
   * applied in order; preconditions are checked against what was there before all of them.
   *
   * @throws RefusedWrite which one was refused and why, as for `write`. Then nothing changed.
   * @throws StorageError as for `write`.
   */
  writeAll(writes: readonly GroupWrite[], options: WriteOptions = {}): Promise<readonly WriteOutcome[]> {
    return this.parts.turns.serve(() => this.#writeAll(writes, options));
  }

  async #writeAll(writes: readonly GroupWrite[], options: WriteOptions): Promise<readonly WriteOutcome[]> {
    this.parts.epoch.assertWritable();
    this.assertOpen();
    const { operation } = options;
    const slots = writes.map(({ collection, id }) => this.parts.table.acquire(collection, id));
    const known = operation && this.parts.table.acquire(OPERATIONS, operationId(operation.key, this.parts.sha256));
    if (known !== undefined) {
      // Repetitions are rare: what is remembered for them pushes nothing out of memory.
      known.isPassing = true;
      slots.push(known);
    }
    const turn = takeTurn(slots);
    try {
      if (turn.before !== null) await turn.before;
      await ready(slots);
      this.assertOpen();
      if (this.#refusal !== null) throw this.#refusal;
      try {
        if (operation && known) return writeOnce(this, writes, slots, known, { ...options, operation });
        return writeGroup(this, writes, slots, options);
      } finally {
        turn.end();
        if (slots.some((slot) => slot.hasOpenChanges)) await this.parts.commit.join(this);
      }
    } finally {
      turn.end();
      for (const slot of slots) this.parts.table.release(slot);
    }
  }

  /** Collections that hold documents or were configured, sorted by name. */
  collections(): readonly CollectionInfo[] {
    return describeCollections(this);
  }

  /** `null` when the collection neither holds documents nor was configured. */
  collection(name: string): CollectionInfo | null {
    return this.collections().find((collection) => collection.name === name) ?? null;
  }

  /**
   * Replaces the configuration of a collection; what is left out returns to its default.
   *
   * @throws SyncError `SYNC_CONFIG_INVALID`, `SYNC_COLLECTION_NAME_INVALID`
   */
  configureCollection(name: string, config: CollectionConfig | JsonValue): Promise<{ created: boolean }> {
    return configureCollection(this, name, config);
  }

  /** Deletes every document of the collection held here, and its configuration. Returns how many were deleted. */
  dropCollection(name: string): Promise<number> {
    return dropCollection(this, name);
  }

  info(): DatabaseInfo {
    const { name, documents, bytes } = this;
    return { name, documents, bytes, digest: this.parts.table.digest, collections: this.collections() };
  }

  /** Equal `digest` means equal databases; `vector` says up to where (origin → sequence). */
  digest(): { digest: string; documents: number; vector: Record<string, number> } {
    const vector: Record<string, number> = {};
    for (const [origin, { seq }] of this.parts.log.durableVector) vector[String(origin)] = seq;
    return { digest: this.parts.table.digest, documents: this.documents, vector };
  }

  /** Lets go of cached documents: they are read from the store when they are asked for. */
  releaseCache(): void {
    this.parts.table.releaseCache();
  }

  /** Live documents and bytes per collection. */
  get stats(): DocumentTable['stats'] {
    return this.parts.table.stats;
  }

  /** Live documents. */
  get documents(): number {
    let total = 0;
    for (const [collection, { documents }] of this.parts.table.stats) {
      if (!isInternalCollection(collection)) total += documents;
    }
    return total;
  }

  /** Bytes of their JSON. */
  get bytes(): number {
    let total = 0;
    for (const [collection, { bytes }] of this.parts.table.stats) {
      if (!isInternalCollection(collection)) total += bytes;
    }
    return total;
  }

  /**
   * What a session that saw this replica has seen, as an opaque token.
   *
   * @param withSystem - It has also seen what the system database holds, as a configuration that it wrote.
   */
  token(withSystem: boolean = false): string {
    if (withSystem) return this.#encodeToken(positionsOf(this.parts.system().parts.log.durableVector));
    this.#token ??= this.#encodeToken(NO_POSITIONS);
    return this.#token;
  }

  /** Await it between what a range of the store has shown and the token that is to cover it. */
  landed(): Promise<void> {
    return this.parts.commit.landed();
  }

  #encodeToken(system: Positions): string {
    const { log, catalog } = this.parts;
    // Documents of a snapshot show before the vector covers them.
    const vector = this.mergingTo === null ? log.durableVector : join(log.durableVector, this.mergingTo);
    const cluster = catalog.clusterIds[0] ?? CLUSTER_UNKNOWN;
    return encodeToken({ cluster, database: this.key, vector: positionsOf(vector), system });
  }

  /** @internal As a participant of group commits. */
  seal(): SealedChanges {
    const { log, table, clock, epoch } = this.parts;
    const documents = table.seal();
    const sealedLog = log.seal(clock.last);
    const extra = this.extraOperations;
    this.extraOperations = [];
    const operations = [...sealedLog.operations, ...documents.operations, ...extra];
    // An epoch becomes known, also to ourselves after a restart, with its first batch; a start without a write leaves no trace.
    for (const { origin, firstSeq } of sealedLog.batches) {
      const nodeId = firstSeq === 1 ? epoch.nodeOf(origin) : undefined;
      if (nodeId !== undefined) operations.push({ type: 'put', key: originKey(origin), value: utf8.encode(nodeId) });
    }
    if (operations.length > 0) operations.push({ type: 'put', key: metaKey('stamp'), value: encodeStamp(clock.last) });
    return {
      operations,
      durable: () => {
        log.markDurable(sealedLog);
        table.markDurable(documents);
        this.#token = null;
        this.parts.onDurable(sealedLog.batches, documents.slots);
        this.tail?.append(sealedLog, documents, this.isMerging);
      },
    };
  }

  /** @internal From now on documents of a snapshot show that is of this moment. */
  beginMerge(to: VersionVector): void {
    this.isMerging = true;
    const { durableVector } = this.parts.log;
    this.mergingTo = foldVector(join(new Map(wholeOf(durableVector)), to));
    this.#token = null;
  }

  /** @internal The vector covers them, or they were given up. */
  endMerge(): void {
    this.isMerging = false;
    this.mergingTo = null;
    this.#token = null;
  }

  /** Refuses writes of clients, not what comes from peers; null takes them again. */
  refuseWrites(refusal: SyncError | null): void {
    this.#refusal = refusal;
  }

  /** Refuses further writes; what is under way completes. */
  close(): void {
    this.#closed = true;
    this.tail?.close();
  }

  /** @internal Clients may write. */
  assertTaking(): void {
    if (this.#refusal !== null) throw this.#refusal;
  }

  /** @internal */
  assertOpen(): void {
    if (this.#closed) throw new SyncError('SYNC_CLOSED', `Database "${this.name}" is closing.`, { retryable: true });
  }
}

function positionsOf(vector: VersionVector): Positions {
  return new Map([...vector].map(([origin, { seq }]) => [origin, seq]));
}

function encodeStamp(stamp: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, stamp);
  return bytes;
}

export function decodeStamp(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);
}
