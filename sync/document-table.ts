/**
 * @module
 * Owns the documents of one database: which are in memory, their durable views, the statistics per collection and the digest.
 * There is never more than one slot per document, and a slot with open changes is pinned; so whatever is in the store is
 * durable, and whatever is not durable is in a slot.
 */
import { ByteCache } from './byte-cache.ts';
import type { CacheUsage } from './byte-cache.ts';
import { ConflictCount } from './conflict-count.ts';
import type { DocumentTableOptions } from './document-table-options.ts';
import { isCorrupt } from './damage-scan.ts';
import { DatabaseDigest } from './database-digest.ts';
import type { DigestSum } from './digest.ts';
import { count, decodeStats, documentsIn, encodeStats, type CollectionStats } from './collection-stats.ts';
import {
  contentOf,
  decodeView,
  encodeBase,
  encodeView,
  isFirstContent,
  loadDocument,
  toStoredDocument,
} from './document-record.ts';
import type { DocumentContent, StoredDocument } from './document-record.ts';
import type { DurableVersion } from './document-slot.ts';
import { DocumentSlot } from './document-slot.ts';
import type { DocumentName } from './equality.ts';
import { StorageError } from './errors.ts';
import { contentOfSlot, countedIn, durableVersionOf, viewToStore } from './durable-version.ts';
import { noteMarks } from './document-mark.ts';
import { hasGrown } from './growth.ts';
import type { SealedDocuments } from './sealed-documents.ts';
import { PlacedDocuments } from './placed-documents.ts';
import type { PlaceableView } from './placed-documents.ts';
import { digestKey, rangeOf, statsCollectionOf, statsKey, viewKey } from './key.ts';
import { KnownNames } from './known-names.ts';
import { isLate, LATE_BYTES_MIN, LateViews, readLateNames } from './late-views.ts';
import type { Sha256, Store, StoreOperation } from './port.ts';
import type { IndexSet } from './query/index-set.ts';
import { ViewCache } from './view-cache.ts';

const utf8 = new TextEncoder();
const NO_BYTES = new Uint8Array(0);

/**
 * A document changed, durably.
 *
 * @param updates - What changed, in order; null when it became another document.
 */
export type DocumentWatcher = (updates: readonly Uint8Array[] | null, exists: boolean) => void;

/** What was read of a table when it was opened. */
interface Loaded {
  readonly late: readonly string[];
  readonly stats: Map<string, CollectionStats>;
  readonly sums: DatabaseDigest;
}

export class DocumentTable {
  readonly #store: Store;
  readonly #db: number;
  readonly digestSecret: Uint8Array;
  /** The digest, changes that are sealed and not durable included. */
  readonly sums: DatabaseDigest;
  /** Which views have no JSON. */
  readonly late: LateViews;
  /** Who wants to know what becomes of single documents, by slot name. */
  readonly watchers: Map<string, DocumentWatcher> = new Map();
  /** Losing values that came to be, by collection. */
  readonly merges: ConflictCount = new ConflictCount();
  /** A document cannot be read from the disk. */
  onDamage: (name: DocumentName) => void = () => {};
  readonly #sha256: Sha256;
  readonly #pinned = new Map<string, DocumentSlot>();
  /** What leaves it stays as a view: it cannot be written at once any more, but read. */
  readonly #idle: ByteCache<DocumentSlot>;
  readonly #views: ViewCache;
  readonly #viewReads = new Map<string, Promise<StoredDocument | null>>();
  readonly #stats: Map<string, CollectionStats>;
  readonly #indexes: IndexSet;
  readonly #lateBytesMin: number;
  readonly #names: KnownNames;
  /** Documents that are written without a slot. */
  readonly placed: PlacedDocuments;
  readonly #growth: DocumentTableOptions['growth'];
  #durableDigest: string;
  /** The digest on disk is not the one here, although no document changed. */
  #isCorrected = false;
  /** Collections whose statistics on disk are not those here. */
  #corrected = new Set<string>();
  #touched = new Set<DocumentSlot>();

  private constructor(options: DocumentTableOptions, { late, stats, sums }: Loaded) {
    this.#store = options.store;
    this.#db = options.db;
    this.digestSecret = options.digestSecret;
    this.#sha256 = options.sha256;
    this.#indexes = options.indexes;
    this.late = new LateViews(
      {
        acquire: (collection, id) => this.acquire(collection, id),
        release: (slot) => this.release(slot),
        include: (slot) => void this.#include(slot),
        commit: options.commit,
      },
      late,
    );
    this.#lateBytesMin = options.lateBytesMin ?? LATE_BYTES_MIN;
    this.placed = new PlacedDocuments(options);
    this.#growth = options.growth;
    this.#idle = new ByteCache(options.cacheBytesMax, ({ name, durable }) => this.#views.keep(name, durable));
    this.#views = new ViewCache(options.cacheBytesMax);
    this.#stats = stats;
    this.sums = sums;
    // Statistics are written with the first document of a collection, and stay.
    this.#names = new KnownNames({ hash: sums.hash, scan: () => sums.scan(), isEmpty: stats.size === 0 });
    this.#durableDigest = sums.toHex();
  }

  static async open(options: DocumentTableOptions): Promise<DocumentTable> {
    const stats = new Map<string, CollectionStats>();
    for await (const entries of options.store.range(rangeOf('s', options.db))) {
      for (const [key, value] of entries) stats.set(statsCollectionOf(key), decodeStats(value));
    }
    const late = await readLateNames(options.store, options.db);
    const sums = await DatabaseDigest.open({ ...options, secret: options.digestSecret });
    return new DocumentTable(options, { late, stats, sums });
  }

  /** Digest of the durable documents, hexadecimal. */
  get digest(): string {
    return this.#durableDigest;
  }

  /** Collections that hold or held documents. */
  get stats(): ReadonlyMap<string, Readonly<CollectionStats>> {
    return this.#stats;
  }

  /** Pins the slot of a document, loading it if needed. Await `ready` before use, `release` afterwards. */
  acquire(collection: string, id: string): DocumentSlot {
    const name = `${collection}\0${id}`;
    let slot = this.#pinned.get(name);
    if (!slot) {
      slot = this.#idle.get(name);
      if (!slot) {
        slot = new DocumentSlot(name, this.#db, collection, id);
        const placed = this.placed.open(slot);
        if (placed) this.touch(slot, placed);
        else if (placed === undefined && !this.#names.lacks(slot.viewKey.subarray(5))) this.#load(slot);
      }
      this.#idle.delete(name);
      this.#pinned.set(name, slot);
    }
    slot.pins++;
    slot.uses++;
    return slot;
  }

  release(slot: DocumentSlot): void {
    if (--slot.pins > 0 || this.#pinned.get(slot.name) !== slot) return;
    this.#pinned.delete(slot.name);
    if (slot.isPassing && slot.uses === 1) return;
    if (slot.uses === 1 && slot.loading === null) slot.document.compact();
    // Nobody waits for what is still loading: should that fail, it must not be found again.
    if (slot.loading === null) this.#idle.set(slot.name, slot, slot.weight);
  }

  /** Of documents that can be written at once, and of views. */
  cacheUsage(): { readonly documents: CacheUsage; readonly views: CacheUsage } {
    return { documents: this.#idle.usage(), views: this.#views.usage() };
  }

  /** Lets go of every document that nobody uses just now. */
  releaseCache(): void {
    this.#idle.clear();
    this.#views.clear();
  }

  /** May a document be placed, without being opened: does certainly nobody have it here? */
  mayPlace(name: string, viewKey: Uint8Array): boolean {
    if (this.watchers.has(name) || this.#slotOf(name) !== undefined) return false;
    return this.#names.lacks(viewKey.subarray(5));
  }

  /** See `PlacedDocuments.place`. */
  place(name: string, view: PlaceableView): void {
    this.placed.place(name, view);
    this.#names.add(view.key.subarray(5));
  }

  #load(slot: DocumentSlot): void {
    const loading = this.#fill(slot).then(
      () => {
        slot.loading = null;
      },
      (error: unknown) => {
        // The next user starts afresh with a new slot and meets the same error.
        if (this.#pinned.get(slot.name) === slot) this.#pinned.delete(slot.name);
        throw this.describeDamage(slot, error);
      },
    );
    loading.catch(() => undefined);
    slot.loading = loading;
  }

  async #fill(slot: DocumentSlot): Promise<void> {
    // Asked for together they take one trip; most documents that are written again have both.
    const stored = this.#store.get(slot.stateKey);
    stored.catch(() => undefined);
    const view = await this.#store.get(slot.viewKey);
    if (!view) {
      this.#names.handleMiss(documentsIn(this.#stats));
      return;
    }
    const record = decodeView(view);
    slot.durable = durableVersionOf(record);
    const base = record.isFirst ? undefined : await stored;
    const content = contentOf(record, base);
    slot.vector = new Map(record.vector);
    slot.document = loadDocument(content);
    slot.saved = content;
    slot.base = isFirstContent(content) ? null : content[0];
    slot.hasGrown = hasGrown(slot.collection, content, record.bytes, this.#growth);
  }

  /** The digest element of a document as it is now, open changes included. */
  elementOf(slot: DocumentSlot): Uint8Array {
    return slot.element(this.#sha256, this.digestSecret);
  }

  /** Puts a changed slot into the open group; it stays pinned until that group is durable. */
  touch(slot: DocumentSlot, change: Uint8Array | DocumentContent): void {
    slot.unsaved.push(change);
    if (!this.#include(slot)) return;
    // Most documents of an import are never used again: their models would only be carried through the commit.
    if (slot.uses === 1) slot.document.compact();
  }

  /** @returns False when the open group had it already. */
  #include(slot: DocumentSlot): boolean {
    if (this.#touched.has(slot)) return false;
    this.#touched.add(slot);
    slot.pins++;
    return true;
  }

  /** Reports damage, and says which document it is about. Other errors stay as they are. */
  describeDamage({ collection, id }: DocumentName, error: unknown): unknown {
    if (!isCorrupt(error)) return error;
    this.onDamage({ collection, id });
    const message = `The document ${collection}/${id} cannot be read from the disk of this node. It is fetched from a peer.`;
    return new StorageError('STORAGE_CORRUPT', message, { cause: error, details: { collection, id }, retryable: true });
  }

  /** A good copy exists whatever is on disk. */
  isInMemory({ collection, id }: DocumentName): boolean {
    const slot = this.#slotOf(`${collection}\0${id}`);
    return slot !== undefined && slot.loading === null;
  }

  #slotOf(name: string): DocumentSlot | undefined {
    return this.#pinned.get(name) ?? this.#idle.get(name);
  }

  /** Writes a document that is in memory to the disk again. Release it when that is durable; `null` = it is not in memory. */
  rewrite({ collection, id }: DocumentName): DocumentSlot | null {
    if (!this.isInMemory({ collection, id })) return null;
    const slot = this.acquire(collection, id);
    slot.base = null;
    slot.isRestored = true;
    this.#include(slot);
    return slot;
  }

  /**
   * Puts a document in the place of a stored one that cannot be used. Release the slot when it is durable.
   *
   * @param known - What digest and statistics count for the stored one; `null` = the same as for the new one, for all one knows.
   * @returns `null` when changes of it are under way.
   */
  supersede(
    row: DocumentName & { vector: ReadonlyMap<number, number>; state: Uint8Array },
    known: DurableVersion | null,
  ): DocumentSlot | null {
    const { collection, id, vector, state } = row;
    const name = `${collection}\0${id}`;
    const held = this.#slotOf(name);
    if (held?.hasOpenChanges === true) return null;
    const slot = held && held.loading === null ? held : new DocumentSlot(name, this.#db, collection, id);
    slot.replace(state, vector);
    slot.isRestored = true;
    const { exists, json, modified, conflicts } = slot.document.view();
    const element = this.elementOf(slot);
    const bytes = utf8.encode(json);
    const content = { json: bytes, bytes: bytes.length, isFirst: false, updates: [] };
    slot.durable ??= known ?? durableVersionOf({ exists, modified, conflicts, element, ...content });
    this.#idle.delete(name);
    this.#pinned.set(name, slot);
    slot.pins++;
    slot.uses++;
    this.#include(slot);
    return slot;
  }

  /** The digest on disk was not the sum over the documents: corrects it with the next commit. */
  correctDigest(was: DigestSum, is: DigestSum): void {
    this.sums.correct(was, is);
    this.#isCorrected = true;
  }

  /** Adds to the statistics what they were wrong by; nothing may be in flight. The next commit writes them. */
  correctStats(errors: ReadonlyMap<string, Readonly<CollectionStats>>): void {
    for (const [collection, { documents, bytes }] of errors) {
      const sums = this.#stats.get(collection) ?? { documents: 0, bytes: 0 };
      this.#stats.set(collection, { documents: sums.documents + documents, bytes: sums.bytes + bytes });
      this.#corrected.add(collection);
    }
  }

  /** The durable version of a document, `null` when there is none. */
  async get(collection: string, id: string): Promise<StoredDocument | null> {
    const held = this.peek(collection, id);
    if (held !== undefined) return held;
    const name = `${collection}\0${id}`;
    return this.late.has(name) ? this.late.get(name) : this.#readView(name, collection, id);
  }

  /** The same without waiting; `undefined` when the store would have to be asked. */
  peek(collection: string, id: string): StoredDocument | null | undefined {
    const name = `${collection}\0${id}`;
    const slot = this.#pinned.get(name) ?? this.#idle.get(name);
    if (!slot || slot.loading) return this.late.has(name) ? undefined : this.#views.get(name);
    return isLate(slot.durable) ? undefined : (slot.durable?.document ?? null);
  }

  /** The durable version of a document in memory, also of a deleted one; `undefined` when the store would have to be asked. */
  durableOf(collection: string, id: string): DurableVersion | undefined {
    const slot = this.#slotOf(`${collection}\0${id}`);
    return slot && !slot.loading ? (slot.durable ?? undefined) : undefined;
  }

  #readView(name: string, collection: string, id: string): Promise<StoredDocument | null> {
    const running = this.#viewReads.get(name);
    if (running) return running;
    const stored = this.#store.get(viewKey(this.#db, collection, id)).then((value) => {
      const record = value ? decodeView(value) : undefined;
      const isNowLate = record?.exists === true && record.json === null;
      if (isNowLate) return this.late.get(name);
      const document = record?.exists === true ? toStoredDocument(record) : null;
      // A commit in the meantime took the read off the list: what we hold may be old, so it is not kept.
      if (this.#viewReads.get(name) === read)
        this.#views.keep(name, { document, element: record?.element ?? NO_BYTES });
      return document;
    });
    const read = stored.catch((error: unknown) => {
      throw this.describeDamage({ collection, id }, error);
    });
    this.#viewReads.set(name, read);
    const finish = (): void => {
      if (this.#viewReads.get(name) === read) this.#viewReads.delete(name);
    };
    read.then(finish, finish);
    return read;
  }

  /** Turns the documents touched since the last call into store operations. */
  seal(): SealedDocuments {
    const operations: StoreOperation[] = [];
    const slots: (readonly [DocumentSlot, DurableVersion])[] = [];
    const stats = new Map<string, CollectionStats>();
    for (const slot of this.#touched) {
      const version = this.#sealSlot(slot, operations);
      slots.push([slot, version]);
      count(this.#statsOf(slot.collection, stats), slot.durable, version);
    }
    const placed = this.placed.seal();
    for (const document of placed) {
      const { put, collection, json } = document;
      operations.push(put);
      this.sums.replace(put.key.subarray(5), null, document.element);
      const sums = this.#statsOf(collection, stats);
      sums.documents++;
      sums.bytes += json.length;
      if (this.#indexes.follows(collection)) this.#indexes.change(collection, document.id, null, json, true);
    }
    for (const collection of this.#corrected) this.#statsOf(collection, stats);
    for (const [collection, sums] of stats) {
      operations.push({ type: 'put', key: statsKey(this.#db, collection), value: encodeStats(sums) });
    }
    if (slots.length > 0 || placed.length > 0 || this.#isCorrected) {
      operations.push({ type: 'put', key: digestKey(this.#db), value: this.sums.toBytes() });
    }
    operations.push(...this.#indexes.seal());
    this.#touched = new Set();
    this.#isCorrected = false;
    this.#corrected = new Set();
    return { operations, slots, placed, digest: this.sums.toHex(), stats };
  }

  #sealSlot(slot: DocumentSlot, operations: StoreOperation[]): DurableVersion {
    slot.seal();
    if (slot.vector.size === 0) return this.#sealForgotten(slot, operations);
    const documentKey = slot.viewKey.subarray(5);
    this.#names.add(documentKey);
    const element = this.elementOf(slot);
    const { exists, json, bytes, modified, conflicts } = viewToStore(
      slot,
      this.#mayBeLate(slot) ? this.#lateBytesMin : Infinity,
    );
    const content = contentOfSlot(slot, json);
    const [base, ...updates] = isFirstContent(content) ? [null] : content;
    slot.saved = content;
    const record = { exists, element, modified, conflicts, json, bytes, isFirst: base === null, updates };
    this.late.seal(slot, exists && json === null, operations);
    operations.push({ type: 'put', key: slot.viewKey, value: encodeView(record, slot.encodedVector) });
    if (base !== null && slot.base !== base) {
      operations.push({ type: 'put', key: slot.stateKey, value: encodeBase(base) });
      slot.base = base;
    }
    if (base === null && slot.durable !== null) operations.push({ type: 'del', key: slot.stateKey });
    // A view that gets its JSON is no change.
    const isSilent = slot.sealed?.length === 0 && !slot.isRestored;
    const version = { ...durableVersionOf(record), isSilent };
    this.#followIndexes(slot, exists ? json : null);
    noteMarks(slot, { conflicts, hasGrown: hasGrown(slot.collection, content, bytes, this.#growth) }, operations);
    const before = countedIn(slot.durable);
    const counted = countedIn(version);
    if (counted === null) operations.push({ type: 'put', key: slot.tombstoneKey, value: NO_BYTES });
    else if (slot.durable !== null && before === null) operations.push({ type: 'del', key: slot.tombstoneKey });
    this.sums.replace(documentKey, before, counted);
    return version;
  }

  /** The JSON of a view may be left out where nobody needs it. */
  #mayBeLate({ collection }: DocumentSlot): boolean {
    return !this.late.isHeld(collection) && !this.#indexes.follows(collection);
  }

  #followIndexes(slot: DocumentSlot, json: Uint8Array | null): void {
    if (this.#indexes.follows(slot.collection)) {
      const before = slot.durable?.document?.json ?? null;
      this.#indexes.change(slot.collection, slot.id, before, json, !slot.isRestored);
    }
    slot.isRestored = false;
  }

  #sealForgotten(slot: DocumentSlot, operations: StoreOperation[]): DurableVersion {
    for (const key of [slot.viewKey, slot.stateKey, slot.tombstoneKey]) operations.push({ type: 'del', key });
    this.late.seal(slot, false, operations);
    this.sums.replace(slot.viewKey.subarray(5), countedIn(slot.durable), null);
    this.#followIndexes(slot, null);
    noteMarks(slot, { conflicts: 0, hasGrown: false }, operations);
    slot.saved = null;
    slot.base = null;
    const isSilent = slot.durable?.exists !== true;
    return { element: NO_BYTES, exists: false, document: null, bytes: 0, conflicts: 0, isSilent };
  }

  /** Removes a document without a trace, with the next commit. */
  forget(slot: DocumentSlot): void {
    slot.forget();
    this.#include(slot);
  }

  /** What a group makes of the statistics of a collection, beginning with what is durable. */
  #statsOf(collection: string, stats: Map<string, CollectionStats>): CollectionStats {
    let sums = stats.get(collection);
    if (!sums) stats.set(collection, (sums = { documents: 0, bytes: 0, ...this.#stats.get(collection) }));
    return sums;
  }

  /** The sealed documents reached the disk: readers may see them. */
  markDurable(sealed: SealedDocuments): void {
    this.#durableDigest = sealed.digest;
    this.#indexes.markDurable();
    for (const [collection, sums] of sealed.stats) this.#stats.set(collection, sums);
    this.placed.markDurable(sealed.placed);
    for (const { name, slot } of sealed.placed) {
      this.#viewReads.delete(name);
      if (slot !== null) this.release(slot);
    }
    for (const [slot, version] of sealed.slots) {
      this.merges.note(slot.collection, version.conflicts - (slot.durable?.conflicts ?? 0));
      slot.durable = version;
      slot.isInFlight = false;
      if (this.watchers.size > 0) this.watchers.get(slot.name)?.(slot.sealedUpdates(), version.exists);
      this.late.settle(slot.name, version);
      this.#views.delete(slot.name);
      this.#viewReads.delete(slot.name);
      this.release(slot);
    }
  }
}
