/**
 * @module
 * Owns what tests of feeds run on: replicas in memory that exchange what they hold when told to, and a reader that keeps a mirror
 * of what a feed tells.
 */
import { ChangeFeed, MemoryStore, Replica, StorageError } from '../../../sync/index.ts';
import type { Database, FeedChange, StoreAccess, Timers } from '../../../sync/index.ts';
import { ready } from '../../../sync/document-slot.ts';
import { forget } from '../../../sync/forgetting.ts';
import { wholeOf } from '../../../sync/lineage.ts';
import { LogCutter } from '../../../sync/log-cutter.ts';
import { sequenceOf } from '../../../sync/version-vector.ts';
import { ManualClock, idleTimers, seededRandom } from '../../helper/manual-ports.ts';

export const SYSTEM = '_system.0';
export const KEY = 'app.0';
let seed = 4200;

export interface FeedNode {
  readonly replica: Replica;
  readonly database: Database;
  readonly clock: ManualClock;
  /** Kinds of keys that were read in ranges. */
  readonly reads: string[];
  /** Kinds of keys that cannot be read in ranges. */
  readonly damaged: Set<string>;
  /** Happens before each reading of a range. */
  beforeRange: (() => Promise<void>) | null;
}

export const immediateTimers: Timers = {
  after: (_, run) => {
    queueMicrotask(run);
    return () => undefined;
  },
};

/** A node with the database `app`, in the cluster of another one. */
export async function openFeedNode(member?: FeedNode): Promise<FeedNode> {
  const reads: string[] = [];
  const damaged = new Set<string>();
  const before: Pick<FeedNode, 'beforeRange'> = { beforeRange: null };
  const intercept = (access: StoreAccess): void | Promise<void> => {
    if (access.type !== 'range') return;
    const kind = String.fromCharCode(access.gte[0]!);
    reads.push(kind);
    if (damaged.has(kind)) throw new StorageError('STORAGE_CORRUPT', `damaged: ${kind}`);
    return before.beforeRange?.();
  };
  const clock = new ManualClock();
  const store = new MemoryStore({ intercept });
  const replica = await Replica.open({ store, clock, timers: idleTimers, random: seededRandom(seed++) });
  if (member === undefined) await replica.createDatabase('app');
  else {
    await copySnapshot(member.replica, replica, SYSTEM);
    await copySnapshot(member.replica, replica, KEY);
  }
  return Object.assign(before, { replica, database: replica.database('app'), clock, reads, damaged });
}

export async function copySnapshot(from: Replica, to: Replica, key: string): Promise<void> {
  const source = await from.engine.snapshot(key, to.engine.vector(key));
  const sink = to.engine.receiveSnapshot(key);
  let index = 0;
  for await (const chunk of source.chunks()) await sink.add(index++, chunk);
  await source.close();
  await sink.complete(source.vector);
}

/** Gives a node all that another one holds of the database, from the log where that is there. */
export async function bring(from: FeedNode, to: FeedNode): Promise<void> {
  for (;;) {
    let isComplete = true;
    for (const [origin, { seq }] of wholeOf(from.replica.engine.vector(KEY))) {
      const held = sequenceOf(to.replica.engine.vector(KEY), origin);
      if (held >= seq) continue;
      isComplete = false;
      const batches = await from.replica.engine.readLog(KEY, origin, held, 1 << 20);
      if (batches === 'floor') await copySnapshot(from.replica, to.replica, KEY);
      else await to.replica.engine.ingest(KEY, batches);
    }
    if (isComplete) return;
  }
}

/** Cuts the whole log of a node. */
export async function cutLog({ replica, database, clock }: FeedNode): Promise<void> {
  const stable = (): ReadonlyMap<number, number> =>
    new Map([...wholeOf(replica.engine.vector(KEY))].map(([origin, { seq }]) => [origin, seq]));
  const retention = { bytesMin: 0 };
  const cutter = new LogCutter({ clock, timers: immediateTimers, databases: () => [database], stable, retention });
  await cutter.cut(database);
}

/** Forgets deleted documents, as a node does when every member has seen the delete. */
export async function forgetDocuments(
  { database }: FeedNode,
  collection: string,
  ids: readonly string[],
): Promise<void> {
  const slots = ids.map((id) => database.parts.table.acquire(collection, id));
  await ready(slots);
  forget(database, slots);
  await database.parts.commit.join(database);
  for (const slot of slots) database.parts.table.release(slot);
}

/** Follows a feed from node to node, and keeps what it was told. */
export class FeedReader {
  /** `collection/id` → etag of the last version told. */
  readonly mirror: Map<string, string> = new Map();
  readonly told: FeedChange[] = [];
  readonly collection: string | null;
  cursor: string | undefined;
  /** Part of a page was not taken note of: only a new connection tells it again. */
  isTorn = false;
  #feed: ChangeFeed | null = null;
  #node: FeedNode | null = null;

  constructor(collection: string | null = null, cursor?: string) {
    this.collection = collection;
    this.cursor = cursor;
  }

  /** Goes on at a node, from the last change it was told. */
  attach(node: FeedNode): ChangeFeed {
    const { database } = (this.#node = node);
    this.#feed?.close();
    this.isTorn = false;
    const since = this.cursor === undefined ? {} : { since: this.cursor };
    const { collection } = this;
    const options = { collection, documents: false, onChange: () => undefined, ...since };
    return (this.#feed = ChangeFeed.open(database, idleTimers, options));
  }

  /** As after a connection that broke. */
  reattach(): void {
    if (this.#node !== null) this.attach(this.#node);
  }

  /** @returns The changes of one page, `null` at the end; only `taken` of them are taken note of. */
  async page(taken: number = Infinity): Promise<readonly FeedChange[] | null> {
    const page = await this.#feed!.read();
    if (page === null) return null;
    const changes = page.changes.slice(0, taken);
    for (const change of changes) {
      this.told.push(change);
      this.cursor = change.cursor;
      const name = `${change.collection}/${change.id}`;
      if (change.json === null) this.mirror.delete(name);
      else this.mirror.set(name, change.etag!);
    }
    return changes;
  }

  /** Reads what there is. */
  async drain(): Promise<readonly string[]> {
    const from = this.told.length;
    while ((await this.page()) !== null);
    return this.told.slice(from).map(({ collection, id, json }) => `${json === null ? '-' : ''}${collection}/${id}`);
  }

  close(): void {
    this.#feed?.close();
  }
}

/** The documents of a node as a mirror would show them. */
export async function versionsOf({ database }: FeedNode, collection?: string): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (const { name } of database.collections()) {
    if (collection !== undefined && name !== collection) continue;
    const { items } = await database.list(name, { limit: 10_000 });
    for (const { id, etag } of items) versions.set(`${name}/${id}`, etag);
  }
  return versions;
}
