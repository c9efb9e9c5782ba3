/**
 * @module
 * Owns the indexes of one database on this node. It follows the definitions in the system database, sees every change of a view while the
 * commit group that carries it is sealed, and adds what that means for entries: so entries and views are of one moment, also
 * after a crash.
 */
import type { JsonObject } from '../../crdt/index.ts';
import { ByteCache } from '../byte-cache.ts';
import type { CacheUsage } from '../byte-cache.ts';
import { indexKey, indexNumberOf, indexPrefix, rangeOf, successorOfPrefix } from '../key.ts';
import type { Store, StoreOperation } from '../port.ts';
import { readIndexDefinition } from './index-definition.ts';
import { decodeIndexRecord, encodeIndexRecord } from './index-record.ts';
import type { IndexRecord } from './index-record.ts';
import type { EntryCache } from './index-entries.ts';
import { LocalIndex } from './local-index.ts';

/** What the system database says: an index by collection and name, and its definition. */
export interface IndexEntry {
  readonly collection: string;
  readonly name: string;
  readonly definition: string;
}

export interface BuiltDocument {
  /** UTF-8. */
  readonly id: Uint8Array;
  readonly keys: readonly Uint8Array[];
}

/** Documents read by a build, about to be written. */
export interface BuiltPortion {
  readonly index: LocalIndex;
  readonly documents: readonly BuiltDocument[];
  /** Documents whose entries were written since, with themselves. */
  readonly changed: ReadonlySet<string>;
  /** The last document read; null = that was all. */
  readonly until: string | null;
  readonly read: number;
}

const NO_OPERATIONS: readonly StoreOperation[] = [];
const NO_INDEXES: readonly LocalIndex[] = [];
const NO_VALUE = new Uint8Array(0);
const decoder = new TextDecoder();

export class IndexSet {
  readonly #store: Store;
  readonly #db: number;
  readonly #byCollection = new Map<string, LocalIndex[]>();
  /** Left behind by a drop that did not end. */
  readonly #dropped: number[] = [];
  #nextNumber = 1;
  #portion: BuiltPortion | null = null;
  readonly #cache: EntryCache;
  /** What the group that is open means for entries, and the one in flight. */
  #open = new Map<LocalIndex, StoreOperation[]>();
  #inFlight: ReadonlyMap<LocalIndex, readonly StoreOperation[]> = new Map();
  /** Documents that changed since the moment that is being read by a build. */
  readonly #changed = new Map<LocalIndex, Set<string>>();
  /** An index is there to be built. */
  onBuild: (index: LocalIndex) => void = () => {};
  /** The entries of an index are to be removed. */
  onDrop: (number: number) => void = () => {};

  private constructor(store: Store, db: number, cacheBytesMax: number) {
    this.#store = store;
    this.#db = db;
    this.#cache = new ByteCache(cacheBytesMax, (held) => held.owner.forget(held));
  }

  /** @param cacheBytesMax - Of entries in memory. */
  static async open(store: Store, db: number, cacheBytesMax: number): Promise<IndexSet> {
    const set = new IndexSet(store, db, cacheBytesMax);
    for await (const entries of store.range(rangeOf('d', db))) {
      for (const [key, value] of entries) set.#load(indexNumberOf(key), decodeIndexRecord(value));
    }
    return set;
  }

  #load(number: number, record: IndexRecord): void {
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    if (record.state === 'dropped') this.#dropped.push(number);
    else this.#add(new LocalIndex(this.#db, number, record, readIndexDefinition(record.definition), this.#cache));
  }

  #add(index: LocalIndex): void {
    const others = this.#byCollection.get(index.collection);
    if (others === undefined) this.#byCollection.set(index.collection, [index]);
    else others.push(index);
  }

  #forget(index: LocalIndex): void {
    index.isDropped = true;
    index.entries.clear();
    const rest = this.of(index.collection).filter((each) => each !== index);
    if (rest.length > 0) this.#byCollection.set(index.collection, rest);
    else this.#byCollection.delete(index.collection);
  }

  /** All of a collection. */
  of(collection: string): readonly LocalIndex[] {
    return this.#byCollection.get(collection) ?? NO_INDEXES;
  }

  /** Those that hold every document. */
  readyOf(collection: string): readonly LocalIndex[] {
    return this.of(collection).filter(({ state }) => state === 'ready');
  }

  all(): readonly LocalIndex[] {
    return [...this.#byCollection.values()].flat();
  }

  /** Makes the indexes those that are defined: drops others, builds new ones. Synchronous: the next query sees it. */
  follow(definitions: readonly IndexEntry[]): void {
    for (const number of this.#dropped.splice(0)) this.onDrop(number);
    const wanted = new Map(definitions.map((each) => [`${each.collection}/${each.name}`, each]));
    for (const index of this.all()) {
      const name = `${index.collection}/${index.name}`;
      if (wanted.get(name)?.definition === index.definition.text) wanted.delete(name);
      else this.#drop(index);
    }
    for (const each of wanted.values()) this.#create(each);
    for (const index of this.all()) if (index.state === 'building') this.onBuild(index);
  }

  #create({ collection, name, definition }: IndexEntry): void {
    const compiled = readIndexDefinition(definition);
    const record: IndexRecord = {
      collection,
      name,
      definition: compiled.text,
      state: 'building',
      until: null,
      documents: 0,
      multiple: 0,
      hasOverflow: false,
    };
    this.#add(new LocalIndex(this.#db, this.#nextNumber++, record, compiled, this.#cache));
  }

  #drop(index: LocalIndex): void {
    this.#forget(index);
    this.#changed.delete(index);
    this.onDrop(index.number);
  }

  /** Its entries are not what they should be. */
  rebuild(index: LocalIndex): void {
    const { collection, name, definition } = index;
    this.#drop(index);
    this.#create({ collection, name, definition: definition.text });
    for (const each of this.of(collection)) if (each.state === 'building') this.onBuild(each);
  }

  /** Says durably that an index is gone, then removes what is stored of it: a crash in between is made up for at the next start. */
  async clear(number: number): Promise<void> {
    const record = {
      collection: '',
      name: '',
      definition: '',
      until: null,
      documents: 0,
      multiple: 0,
      hasOverflow: false,
    };
    const value = encodeIndexRecord({ ...record, state: 'dropped' });
    const gte = indexPrefix(this.#db, number);
    await this.#store.batch([{ type: 'put', key: indexKey(this.#db, number), value }], { sync: true });
    await this.#store.clear({ gte, lt: successorOfPrefix(gte) });
    await this.#store.batch([{ type: 'del', key: indexKey(this.#db, number) }], { sync: true });
  }

  cacheUsage(): CacheUsage {
    return this.#cache.usage();
  }

  /** Must changes of a collection be told? */
  follows(collection: string): boolean {
    return this.#byCollection.size > 0 && this.#byCollection.has(collection);
  }

  /** A view changes, with the group that is being sealed. Views as JSON; `isKnown` as in `LocalIndex.change`. */
  change(collection: string, id: string, was: Uint8Array | null, is: Uint8Array | null, isKnown: boolean): void {
    const old = was === null ? null : parse(was);
    const fresh = is === null ? null : parse(is);
    for (const index of this.of(collection)) {
      index.change(id, old, fresh, isKnown, this.#openOf(index));
      this.#changed.get(index)?.add(id);
    }
  }

  /** What changes from now on is newer than what the build reads; call it while nothing is in flight. */
  watch(index: LocalIndex): ReadonlySet<string> {
    const changed = new Set<string>();
    this.#changed.set(index, changed);
    return changed;
  }

  /** Leaves with the next group, without the documents that changed: their entries were written with them. */
  stage(portion: BuiltPortion): void {
    this.#portion = portion;
  }

  /** What the group that is being sealed means for indexes. */
  seal(): readonly StoreOperation[] {
    if (this.#byCollection.size === 0) return NO_OPERATIONS;
    this.#sealPortion();
    const operations: StoreOperation[] = [];
    for (const [index, changes] of this.#open) {
      for (const each of changes) operations.push(each);
      if (changes.length > 0) index.isChanging = true;
      else this.#open.delete(index);
    }
    for (const indexes of this.#byCollection.values()) {
      for (const index of indexes) {
        if (!index.isDirty) continue;
        index.isDirty = false;
        const key = indexKey(this.#db, index.number);
        operations.push({ type: 'put', key, value: encodeIndexRecord(index.record()) });
      }
    }
    this.#inFlight = this.#open;
    if (this.#open.size > 0) this.#open = new Map();
    return operations;
  }

  #openOf(index: LocalIndex): StoreOperation[] {
    let operations = this.#open.get(index);
    if (operations === undefined) this.#open.set(index, (operations = []));
    return operations;
  }

  /** What was sealed last can be read. */
  markDurable(): void {
    for (const [index, operations] of this.#inFlight) {
      index.version++;
      index.isChanging = false;
      // While it is built nobody reads it.
      if (index.state === 'ready') index.entries.change(operations);
    }
  }

  #sealPortion(): void {
    const portion = this.#portion;
    this.#portion = null;
    if (portion === null || portion.index.isDropped) return;
    const { index, documents, changed, until, read } = portion;
    const operations = this.#openOf(index);
    for (const { id, keys } of documents) {
      if (changed.size > 0 && changed.has(decoder.decode(id))) continue;
      for (const key of keys) operations.push({ type: 'put', key, value: NO_VALUE });
    }
    index.documents += read;
    index.isDirty = true;
    index.until = until;
    if (until === null) this.#changed.delete(index);
  }
}

function parse(json: Uint8Array): JsonObject {
  return JSON.parse(decoder.decode(json)) as JsonObject;
}
