/**
 * @module
 * Owns the documents that a leaf holds: what they show in memory, their states in the store and, while they are used, in memory. What
 * has changed is in memory until it is durable.
 */
import { CrdtDocument } from '../../crdt/index.ts';
import type { JsonObject } from '../../crdt/index.ts';
import type { CollectionConfig } from '../collection-config.ts';
import type { Store, StoreOperation } from '../port.ts';
import { decodeParts, decodeView, encodeCollection, encodeParts, encodeView } from './record.ts';
import { COLLECTION_KEYS, VIEW_KEYS, collectionKey, decodeCollection, nameOf, stateKey, viewKey } from './record.ts';
import type { CollectionRecord, Leaving } from './record.ts';
import type { LeafQueries } from './leaf-query.ts';
import { readSelection } from './selection.ts';
import type { Selection } from './selection.ts';

/** Documents that are used are kept in memory, so many of them. */
const LOADED_MAX = 64;

export class LeafDocument {
  readonly collection: HeldCollection;
  readonly id: string;
  /** Of the version that a node told last; '' = none. */
  etag = '';
  /** What it shows, canonical; null when it does not exist. */
  json: string | null = null;
  conflicts = 0;
  leaving: Leaving | null = null;
  /** Nothing of it is held: it was deleted. */
  isBuried = false;
  /** It has been let go of. */
  isDropped = false;
  /** Changes that no node has acknowledged. */
  unsent = 0;
  /** Null while it is not used. */
  crdt: CrdtDocument | null = null;
  loading: Promise<void> | null = null;
  /** Users, and changes that are not durable. */
  pins = 0;

  constructor(collection: HeldCollection, id: string) {
    this.collection = collection;
    this.id = id;
  }

  /** `database NUL collection NUL id` */
  get name(): string {
    return `${this.collection.name}\0${this.id}`;
  }
}

export class HeldCollection {
  readonly database: string;
  readonly collection: string;
  readonly documents: Map<string, LeafDocument> = new Map();
  cursor = '';
  source = '';
  selection = '';
  config: CollectionConfig = {};
  readonly queries: LeafQueries;
  mustCompare = false;
  #wanted: (Selection & { readonly of: string }) | null = null;

  constructor(database: string, collection: string, queries: LeafQueries) {
    this.database = database;
    this.collection = collection;
    this.queries = queries;
  }

  /** `database NUL collection` */
  get name(): string {
    return `${this.database}\0${this.collection}`;
  }

  /** Nothing of it is held. */
  get isEmpty(): boolean {
    return this.documents.size === 0;
  }

  /** Does it subscribe to what a document shows? As far as is known here: the node may know more. */
  wants({ id, json }: LeafDocument): boolean {
    if (json === null) return true;
    if (this.#wanted?.of !== this.selection)
      this.#wanted = { of: this.selection, ...readSelection(this.selection, this.queries) };
    return this.#wanted.matches(id, () => JSON.parse(json) as JsonObject);
  }

  /** A document of which there is something here. */
  held(id: string): LeafDocument | undefined {
    const document = this.documents.get(id);
    return document?.isBuried === true ? undefined : document;
  }
}

export class LeafTable {
  readonly #store: Store;
  readonly #queries: LeafQueries;
  readonly #collections = new Map<string, HeldCollection>();
  #touched = new Set<LeafDocument>();
  #moved = new Set<HeldCollection>();
  /** Least recently used first. */
  readonly #loaded = new Set<LeafDocument>();
  /** Let go of since the start: clocks of the present writer may be in them. */
  readonly dropped: Set<string> = new Set();

  private constructor(store: Store, queries: LeafQueries) {
    this.#store = store;
    this.#queries = queries;
  }

  /** @throws StorageError */
  static async open(store: Store, queries: LeafQueries): Promise<LeafTable> {
    const table = new LeafTable(store, queries);
    for await (const entries of store.range(COLLECTION_KEYS)) {
      for (const [key, value] of entries) table.#addCollection(nameOf(key), decodeCollection(value));
    }
    for await (const entries of store.range(VIEW_KEYS)) {
      for (const [key, value] of entries) {
        const [database = '', collection = '', id = ''] = nameOf(key).split('\0');
        const held = table.collection(database, collection);
        held.documents.set(id, Object.assign(new LeafDocument(held, id), decodeView(value)));
      }
    }
    return table;
  }

  #addCollection(name: string, { config, ...record }: CollectionRecord): void {
    const [database = '', collection = ''] = name.split('\0');
    const held = this.collection(database, collection);
    Object.assign(held, { ...record, config: JSON.parse(config) as CollectionConfig });
  }

  get collections(): Iterable<HeldCollection> {
    return this.#collections.values();
  }

  /** Begins with nothing in it. */
  collection(database: string, collection: string): HeldCollection {
    const name = `${database}\0${collection}`;
    let held = this.#collections.get(name);
    if (held === undefined)
      this.#collections.set(name, (held = new HeldCollection(database, collection, this.#queries)));
    return held;
  }

  /** A document of which there is nothing here yet is begun. */
  obtain(held: HeldCollection, id: string): LeafDocument {
    let document = held.documents.get(id);
    if (document === undefined) held.documents.set(id, (document = new LeafDocument(held, id)));
    return document;
  }

  /**
   * Runs something synchronous on a document, with its content in memory; one that is not held is new, and stays only if it is touched.
   *
   * @throws StorageError when it cannot be read.
   */
  async use<T>(held: HeldCollection, id: string, run: (document: LeafDocument, crdt: CrdtDocument) => T): Promise<T> {
    for (;;) {
      const known = held.documents.get(id);
      const document = known ?? new LeafDocument(held, id);
      document.pins++;
      try {
        await this.#load(document);
        // Somebody may have let go of it, or begun it, meanwhile.
        if (held.documents.get(id) !== known || document.crdt === null) continue;
        return run(document, document.crdt);
      } finally {
        this.#release(document);
      }
    }
  }

  async #load(document: LeafDocument): Promise<void> {
    if (document.crdt !== null) return;
    document.loading ??= this.#read(document).finally(() => {
      document.loading = null;
    });
    await document.loading;
  }

  async #read(document: LeafDocument): Promise<void> {
    const isStored = document.collection.documents.get(document.id) === document && !document.isBuried;
    const value = isStored ? await this.#store.get(stateKey(document.name)) : undefined;
    // It may have been let go of meanwhile.
    const isNew = value === undefined || document.isBuried || document.isDropped;
    document.crdt ??= isNew ? CrdtDocument.create() : CrdtDocument.load(...decodeParts(value));
  }

  #release(document: LeafDocument): void {
    if (--document.pins > 0) return;
    this.#loaded.delete(document);
    if (document.crdt === null) return;
    this.#loaded.add(document);
    for (const oldest of this.#loaded) {
      if (this.#loaded.size <= LOADED_MAX) break;
      if (oldest.pins > 0) continue;
      oldest.crdt = null;
      this.#loaded.delete(oldest);
    }
  }

  /** Shows what its content has become, and stores both with the next commit. */
  touch(document: LeafDocument): void {
    const { collection, id, crdt } = document;
    if (crdt !== null) {
      const { exists, json, conflicts } = crdt.view();
      Object.assign(document, { json: exists ? json : null, conflicts, isBuried: false });
    }
    if (!document.isDropped) collection.documents.set(id, document);
    if (this.#touched.has(document)) return;
    this.#touched.add(document);
    document.pins++;
  }

  /** The content of a document that is begun. */
  begin(): CrdtDocument {
    return CrdtDocument.create();
  }

  /** Puts another content in the place of what is held. */
  replace(document: LeafDocument, parts: readonly [Uint8Array, ...Uint8Array[]]): void {
    document.crdt = CrdtDocument.load(...parts);
    this.touch(document);
  }

  /** Lets go of a document. That it was deleted is remembered, by name. */
  drop(document: LeafDocument, reason: Leaving): void {
    const isBuried = reason === 'deleted';
    this.dropped.add(document.name);
    Object.assign(document, { crdt: null, json: null, conflicts: 0, etag: '', leaving: null, isBuried });
    if (!isBuried) {
      document.isDropped = true;
      document.collection.documents.delete(document.id);
    }
    this.touch(document);
  }

  /** Stores the position of a collection with the next commit. */
  move(held: HeldCollection): void {
    this.#moved.add(held);
  }

  /** Turns what changed since the last call into operations. Call what is returned when they are durable. */
  seal(operations: StoreOperation[]): () => void {
    const touched = this.#touched;
    this.#touched = new Set();
    for (const document of touched) this.#write(document, operations);
    for (const held of this.#moved) {
      const { cursor, source, selection, mustCompare, config } = held;
      const record = { cursor, source, selection, mustCompare, config: JSON.stringify(config) };
      operations.push({ type: 'put', key: collectionKey(held.name), value: encodeCollection(record) });
    }
    this.#moved = new Set();
    return () => {
      for (const document of touched) this.#release(document);
    };
  }

  #write(document: LeafDocument, operations: StoreOperation[]): void {
    const { name, crdt, isDropped, isBuried } = document;
    const view = viewKey(name);
    if (isDropped) operations.push({ type: 'del', key: view });
    else operations.push({ type: 'put', key: view, value: encodeView(document) });
    const state = stateKey(name);
    if (isDropped || isBuried) operations.push({ type: 'del', key: state });
    else if (crdt !== null) operations.push({ type: 'put', key: state, value: encodeParts(crdt.encodeParts()) });
  }
}
