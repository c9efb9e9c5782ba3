/**
 * @module
 * Owns the databases of a replica by key, and the numbers under which the store knows them.
 */
import type { Limits } from '../crdt/index.ts';
import type { Catalog } from './catalog.ts';
import { SYSTEM_KEY } from './catalog.ts';
import type { Growth } from './growth.ts';
import { Database } from './database.ts';
import { DocumentTable } from './document-table.ts';
import type { SealedDocuments } from './sealed-documents.ts';
import type { DurableBatch, OriginId } from './engine.ts';
import type { DocumentName } from './equality.ts';
import type { GroupCommit } from './group-commit.ts';
import type { HybridClock } from './hybrid-clock.ts';
import { Forgotten } from './forgotten.ts';
import type { Epoch } from './identity.ts';
import { asideKey, asideNumberOf, databaseKey, databaseNameOf, rangeOf } from './key.ts';
import { DatabaseLog } from './log.ts';
import type { Sha256, Store, StoreOperation } from './port.ts';
import { IndexBuilder } from './query/index-builder.ts';
import { IndexSet } from './query/index-set.ts';
import type { Schemas } from './schema.ts';
import type { WorkTurns } from './work-turns.ts';

export interface DatabaseSetOptions {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly commit: GroupCommit;
  readonly turns: WorkTurns;
  readonly epoch: Epoch;
  readonly clock: HybridClock;
  readonly sha256: Sha256;
  readonly cacheBytesMax: number;
  readonly lateBytesMin?: number;
  readonly growth?: Partial<Growth> | undefined;
  readonly limits?: Limits;
  readonly schemas: Schemas;
  /** Between portions of long work. */
  readonly pause: () => Promise<void>;
}

/** A database as it was when this node found that its own history of it forked. Nobody writes to it. */
export interface SetAside {
  readonly key: string;
  /** Origin of this node → sequence up to which others hold it. */
  readonly floors: ReadonlyMap<OriginId, number>;
}

/** Kinds of keys that belong to one database. */
const KEY_KINDS = ['v', 'h', 'l', 'j', 'y', 's', 'g', 'b', 'c', 'i', 'f', 'x', 't', 'd', 'e', 'k', 'z', 'w', 'u', 'r'];

export class DatabaseSet {
  readonly #options: DatabaseSetOptions;
  readonly #open = new Map<string, Database>();
  readonly #opening = new Map<string, Promise<Database>>();
  readonly #numbers = new Map<string, number>();
  readonly #asides = new Map<number, SetAside>();
  #nextNumber = 1;
  #followsIndexes = false;
  /** After every durable commit of a database. */
  onDurable: (database: Database, batches: readonly DurableBatch[], slots: SealedDocuments['slots']) => void = () => {};

  /** A document cannot be read from the disk. */
  onDamage: (database: Database, name: DocumentName) => void = () => {};

  /** See `DatabaseParts.renewEpoch`. */
  renewEpoch: () => void = () => {};

  /** The name people know the owner of an origin by. */
  nameOf: (origin: OriginId) => string = String;

  private constructor(options: DatabaseSetOptions) {
    this.#options = options;
  }

  static async open(options: DatabaseSetOptions): Promise<DatabaseSet> {
    const set = new DatabaseSet(options);
    for await (const entries of options.store.range(rangeOf('n'))) {
      for (const [key, value] of entries)
        set.#number(databaseNameOf(key), new DataView(value.slice().buffer).getUint32(0));
    }
    for await (const entries of options.store.range(rangeOf('q'))) {
      for (const [key, value] of entries) {
        set.#asides.set(asideNumberOf(key), decodeAside(value));
        set.#nextNumber = Math.max(set.#nextNumber, asideNumberOf(key) + 1);
      }
    }
    for (const key of set.#numbers.keys()) await set.ensure(key);
    await set.ensure(SYSTEM_KEY);
    return set;
  }

  #number(key: string, number: number): void {
    this.#numbers.set(key, number);
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
  }

  keys(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** Keys of what is being opened, too. */
  allKeys(): readonly string[] {
    return [...this.#open.keys(), ...this.#opening.keys()];
  }

  get(key: string): Database | undefined {
    return this.#open.get(key);
  }

  /** Opens a database, creating its (empty) storage if needed. */
  async ensure(key: string): Promise<Database> {
    const database = this.#open.get(key);
    if (database) return database;
    let opening = this.#opening.get(key);
    if (!opening) {
      opening = this.#openDatabase(key).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  async #openDatabase(key: string): Promise<Database> {
    const database = await this.#build(key, this.#numbers.get(key) ?? (await this.#allocate(key)));
    this.#open.set(key, database);
    if (this.#followsIndexes) this.#followIndexesOf(database);
    return database;
  }

  /** Makes the indexes of all databases those of the catalog, now and from now on. The catalog has been read. */
  followIndexes(): void {
    this.#followsIndexes = true;
    for (const database of this.#open.values()) this.#followIndexesOf(database);
  }

  #followIndexesOf({ key, parts }: Database): void {
    parts.indexes.follow(this.#options.catalog.indexesOf(key));
  }

  async #build(key: string, db: number): Promise<Database> {
    const { store, commit, turns, epoch, clock, cacheBytesMax, lateBytesMin, limits, catalog, sha256 } = this.#options;
    const digestSecret = new TextEncoder().encode(`atoll digest ${key}`);
    const log = await DatabaseLog.open({ store, db, epoch, sha256 });
    const indexes = await IndexSet.open(store, db, cacheBytesMax / 2);
    const table = await DocumentTable.open({
      store,
      db,
      digestSecret,
      sha256,
      cacheBytesMax,
      growth: this.#options.growth,
      indexes,
      ...(lateBytesMin !== undefined && { lateBytesMin }),
      atRest: (run) => commit.between(run),
      commit: () => commit.join(database),
    });
    const database: Database = new Database({
      key,
      store,
      db,
      epoch,
      log,
      table,
      indexes,
      schemas: this.#options.schemas,
      forgotten: await Forgotten.open(store, db),
      commit,
      turns,
      clock,
      sha256,
      ...(limits && { limits }),
      catalog,
      system: () => this.#open.get(SYSTEM_KEY)!,
      nameOf: (author) => this.nameOf(author),
      onDurable: (batches, slots) => {
        this.onDurable(database, batches, slots);
        if (key === SYSTEM_KEY && slots.some(([{ collection }]) => collection === 'indexes')) this.followIndexes();
      },
      renewEpoch: () => this.renewEpoch(),
    });
    const builder = new IndexBuilder({ database, pause: this.#options.pause, fail: (error) => commit.fail(error) });
    indexes.onBuild = (index) => builder.build(index);
    indexes.onDrop = (number) => builder.remove(number);
    table.onDamage = (name) => this.onDamage(database, name);
    return database;
  }

  async #allocate(key: string, more: readonly StoreOperation[] = []): Promise<number> {
    const number = this.#nextNumber++;
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, number);
    await this.#persist(async (store) => {
      // The number may have belonged to a dropped database to which a late commit still wrote.
      for (const kind of KEY_KINDS) await store.clear(rangeOf(kind, number));
      await store.batch([{ type: 'put', key: databaseKey(key), value }, ...more], { sync: true });
    });
    this.#number(key, number);
    return number;
  }

  /**
   * Goes on with an empty database under this key; what was stored is kept aside.
   *
   * @param onSwap - Called at the moment of the change, between two writes.
   */
  async setAside(key: string, floors: ReadonlyMap<OriginId, number>, onSwap: () => void): Promise<void> {
    const old = await this.ensure(key);
    const oldNumber = this.#numbers.get(key)!;
    const aside = { key, floors };
    // From here on a restart finds the empty one; what the old one still takes is looked for in what is set aside.
    const number = await this.#allocate(key, [{ type: 'put', key: asideKey(oldNumber), value: encodeAside(aside) }]);
    this.#asides.set(oldNumber, aside);
    const fresh = await this.#build(key, number);
    old.close();
    this.#open.set(key, fresh);
    if (this.#followsIndexes) this.#followIndexesOf(fresh);
    onSwap();
    await this.#options.commit.join(old);
  }

  /** What was set aside, to be read. */
  async openAsides(): Promise<readonly (SetAside & { readonly database: Database })[]> {
    const open = [...this.#asides].map(async ([db, aside]) => ({
      ...aside,
      database: await this.#build(aside.key, db),
    }));
    return Promise.all(open);
  }

  /** Deletes what was set aside. */
  async discardAsides(): Promise<void> {
    for (const db of [...this.#asides.keys()]) {
      this.#asides.delete(db);
      await this.#persist(async (store) => {
        for (const kind of KEY_KINDS) await store.clear(rangeOf(kind, db));
        await store.batch([{ type: 'del', key: asideKey(db) }], { sync: true });
      });
    }
  }

  /** Writes outside the commit groups; a failure ends those too, because the store takes nothing more. */
  async #persist(write: (store: Store) => Promise<void>): Promise<void> {
    try {
      await write(this.#options.store);
    } catch (cause) {
      throw this.#options.commit.fail(cause);
    }
  }

  /**
   * Forgets a database and everything stored of it.
   *
   * @param comesBack - It may be opened again under this key, and must then be empty after a crash as well: its number goes first, and
   *   what is left behind under it is cleared when the number is used again. Else it goes last, so that a removal can be repeated.
   */
  async remove(key: string, comesBack: boolean = false): Promise<void> {
    const { commit } = this.#options;
    const database = this.#open.get(key) ?? (await this.#opening.get(key));
    const number = this.#numbers.get(key);
    if (database === undefined || number === undefined) return;
    database.close();
    this.#open.delete(key);
    this.#numbers.delete(key);
    // The group that its last changes are in; others may be written for ever.
    await commit.join(database);
    const forget = { type: 'del', key: databaseKey(key) } as const;
    await this.#persist(async (store) => {
      if (comesBack) await store.batch([forget], { sync: true });
      for (const kind of KEY_KINDS) await store.clear(rangeOf(kind, number));
      if (!comesBack) await store.batch([forget], { sync: true });
    });
  }

  /** Refuses further writes everywhere. */
  close(): void {
    for (const database of this.#open.values()) database.close();
  }
}

function encodeAside({ key, floors }: SetAside): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ key, floors: [...floors] }));
}

function decodeAside(bytes: Uint8Array): SetAside {
  const { key, floors } = JSON.parse(new TextDecoder().decode(bytes)) as { key: string; floors: [OriginId, number][] };
  return { key, floors: new Map(floors) };
}
