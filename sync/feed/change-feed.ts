/**
 * @module
 * Owns one feed: what changed in a database or collection, from a position on, for as long as somebody reads. Nothing is queued for
 * it: a page is made when it is asked for, from the log while the feed is behind, and from the shared tail when it has caught up.
 *
 * Every change is told at least once: the position passes a change only with a page that shows the document with it. The order of
 * origins does not matter for that, because what is shown is the document as it is now.
 */
import { isInternalCollection } from '../names.ts';
import type { AtollError } from '../../crdt/index.ts';
import type { Database } from '../database.ts';
import { isCorrupt } from '../damage-scan.ts';
import { SyncError } from '../errors.ts';
import { isWithin } from '../forgotten.ts';
import type { OriginId } from '../engine.ts';
import type { Timers } from '../port.ts';
import { Expansion, inOrder } from '../lineage.ts';
import { sequenceOf } from '../version-vector.ts';
import { readReferences, readVersions, scanVersions } from './backlog.ts';
import type { Reference } from './backlog.ts';
import { ChangeTail, positionsOf } from './change-tail.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Positions } from '../token.ts';
import { FeedChange, LEFT_OUT } from './feed-change.ts';
import type { DocumentVersion, FeedPage } from './feed-change.ts';
import { PageSize } from './page-size.ts';

/** Bytes of documents in a page; one document may exceed it alone. */
const PAGE_BYTES = 64 * 1024;
/** Documents told in one round over the backlog that are remembered, so that the log does not tell them again and again. */
const TOLD_MAX = 2048;

export interface FeedOptions {
  /** Only changes of this collection; null = of the whole database. */
  readonly collection: string | null;
  /** A cursor, or `now`. Left out: all documents that exist, and then what changes. */
  readonly since?: string;
  /** Are documents sent with the changes? Then pages are bounded in bytes, too. */
  readonly documents: boolean;
  /** After changes, and when the database closes: there may be something to read. Not called for every change. */
  readonly onChange: () => void;
}

/** A way through the backlog, up to where the tail began. */
interface Round {
  readonly target: Positions;
  /** Origins of which something is to be told: an epoch after all that it began with, so that a position never says too much. */
  readonly behind: { readonly origin: OriginId; after: number; readonly last: number }[];
  /** The same position in the tail. */
  readonly end: number;
  readonly told: Set<string>;
  /** When the log cannot be read: all documents are looked at, this was the last one. */
  scanned: string | null;
}

export class ChangeFeed {
  readonly #database: Database;
  readonly #tail: ChangeTail;
  readonly #options: FeedOptions;
  readonly #size = new PageSize(PAGE_BYTES);
  readonly #unfollow: () => void;
  #vector: Positions;
  #scan: string | null;
  #round: Round | null = null;
  /** In the tail; null while behind it. */
  #position: number | null = null;
  #isStarted = false;
  #isClosed = false;

  private constructor(database: Database, tail: ChangeTail, options: FeedOptions) {
    const { since } = options;
    const now = positionsOf(database.parts.log.durableVector);
    const start = since === undefined ? { vector: now, scan: '' } : { vector: now, scan: null };
    const { vector, scan } = since === undefined || since === 'now' ? start : decodeCursor(database, since);
    this.#database = database;
    this.#tail = tail;
    this.#options = options;
    this.#vector = vector;
    this.#scan = scan;
    this.#unfollow = tail.follow(options);
  }

  /** @throws SyncError `SYNC_CURSOR_INVALID`, `SYNC_CURSOR_FOREIGN` */
  static open(database: Database, timers: Timers, options: FeedOptions): ChangeFeed {
    database.assertOpen();
    const tail = database.tail ?? new ChangeTail(database, database.parts.log.durableVector, timers);
    const feed = new ChangeFeed(database, tail, options);
    database.tail = tail;
    return feed;
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unfollow();
    if (this.#tail.feeds > 0 || this.#database.tail !== this.#tail) return;
    this.#database.tail = null;
  }

  /** The database has closed: nothing more will be told. */
  get isEnded(): boolean {
    return this.#tail.isClosed;
  }

  /**
   * The position is from a node that held more than this one does yet. Reading goes on from what is held here, so what comes
   * late is told again; it may be better to wait a while before.
   */
  get isAhead(): boolean {
    const { durableVector } = this.#database.parts.log;
    for (const [origin, seq] of this.#vector) if (sequenceOf(durableVector, origin) < seq) return true;
    return false;
  }

  /** The position: after everything that was read. */
  get cursor(): string {
    return encodeCursor(this.#database, { vector: this.#vector, scan: this.#scan });
  }

  /**
   * The next changes; null when there are none now. A page may be empty although there is more.
   *
   * @throws SyncError `SYNC_CLOSED`, `SYNC_CURSOR_EXPIRED`; StorageError, after which the feed may be read again.
   */
  async read(): Promise<FeedPage | null> {
    this.#database.assertOpen();
    this.settle();
    if (this.#scan !== null) return this.#readDocuments(this.#scan);
    if (this.#position === null) {
      const page = await this.#readBacklog();
      if (page !== null) return page;
    }
    return this.#readTail();
  }

  /**
   * Goes on from what this node holds. The rest is told when it comes, again: the reader may have seen a document with it, and
   * here sees it without it first.
   */
  settle(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { durableVector } = this.#database.parts.log;
    const vector = new Map<OriginId, number>();
    for (const [origin, seq] of this.#vector) {
      const held = Math.min(seq, sequenceOf(durableVector, origin));
      if (held > 0) vector.set(origin, held);
    }
    this.#vector = vector;
  }

  /** The documents that a feed begins with. What changes meanwhile is told afterwards. */
  async #readDocuments(after: string): Promise<FeedPage> {
    const { collection, documents } = this.#options;
    const { versions, next } = await scanVersions(this.#database, collection, after, null, this.#size, documents);
    this.#scan = next;
    const isLast = (i: number): boolean => next === null && i === versions.length - 1;
    return this.#pageOf(
      versions.map((version, i) => [version, { scan: isLast(i) ? null : `${version.collection}\0${version.id}` }]),
    );
  }

  /** Null when nothing is left. */
  async #readBacklog(): Promise<FeedPage | null> {
    const round = (this.#round ??= this.#beginRound());
    if (round.scanned !== null) return this.#readAll(round, round.scanned);
    const next = round.behind[0];
    if (next !== undefined) {
      try {
        const page = await this.#readOrigin(round, next.origin, next.after, next.last);
        next.after = this.#vector.get(next.origin)!;
        if (next.after >= next.last) round.behind.shift();
        return page;
      } catch (error) {
        if (!isLogDamage(error)) throw error;
        round.scanned = '';
        return NO_CHANGES;
      }
    }
    this.#round = null;
    this.#position = round.end;
    return null;
  }

  #beginRound(): Round {
    const { vector: target, end } = this.#tail;
    const told = this.#told();
    const wanted = new Expansion(this.#database.parts.log.durableVector, target);
    const isInStep = [...target].every(([origin, last]) => told.get(origin) >= last);
    const behind = (isInStep ? [] : inOrder(wanted.origins(), (origin) => this.#baseOf(origin)))
      .map((origin) => ({ origin, after: told.get(origin), last: wanted.get(origin) }))
      .filter(({ after, last }) => after < last);
    return { target, behind, end, told: new Set(), scanned: null };
  }

  /** Everything up to the position. */
  #told(): Expansion {
    return new Expansion(this.#database.parts.log.durableVector, this.#vector);
  }

  #baseOf(origin: OriginId): Positions | undefined {
    return this.#database.parts.log.durableVector.get(origin)?.base;
  }

  /** Of an epoch something was told, and so all that it began with. */
  #moveTo(origin: OriginId, seq: number): void {
    const vector = new Map(this.#vector);
    if (!vector.has(origin)) {
      for (const [other, last] of this.#baseOf(origin) ?? [])
        if ((vector.get(other) ?? Infinity) <= last) vector.delete(other);
    }
    this.#vector = vector.set(origin, seq);
  }

  async #readOrigin(round: Round, origin: OriginId, after: number, last: number): Promise<FeedPage> {
    const { references, end, missing } = await readReferences(this.#database, origin, after, last);
    const forgotten = this.#database.parts.forgotten.vector.get(origin) ?? 0;
    if (missing !== null && missing <= forgotten) throw expired();
    const wanted = this.#wanted(references, round.told);
    const told: (readonly [DocumentVersion, { origin: OriginId; seq: number }])[] = [];
    let bytes = 0;
    while (told.length < wanted.length && bytes < PAGE_BYTES) {
      const group = wanted.slice(told.length, told.length + this.#size.documents);
      const versions = await readVersions(
        this.#database,
        group.map(({ name }) => name),
        this.#size,
        this.#options.documents,
      );
      for (const [i, version] of versions.entries()) {
        told.push([version, { origin, seq: group[i]!.seq }]);
        if (this.#options.documents) bytes += version.json?.length ?? 0;
      }
    }
    const page = this.#pageOf(told);
    for (const { name } of wanted.slice(0, told.length)) remember(round.told, name);
    const isWhole = told.length === wanted.length;
    this.#moveTo(origin, isWhole ? end : wanted[told.length - 1]!.seq);
    return page;
  }

  /** Each document once: what is shown includes what this round has still to come to. */
  #wanted(references: readonly Reference[], told: ReadonlySet<string>): readonly Reference[] {
    const { collection } = this.#options;
    const wanted = new Map<string, Reference>();
    for (const reference of references) {
      const { name } = reference;
      if (collection === null ? isInternalCollection(name) : !name.startsWith(`${collection}\0`)) continue;
      if (!told.has(reference.name) && !wanted.has(reference.name)) wanted.set(reference.name, reference);
    }
    return [...wanted.values()];
  }

  /** A log that cannot be read does not tell what changed, but each document tells its version. */
  async #readAll(round: Round, after: string): Promise<FeedPage> {
    const told = this.#told();
    if (!isWithin(this.#database.parts.forgotten.vector, told)) throw expired();
    const { collection, documents } = this.#options;
    const { versions, next } = await scanVersions(this.#database, collection, after, told, this.#size, documents);
    const page = this.#pageOf(versions.map((version) => [version, {}]));
    round.scanned = next;
    if (next === null) {
      this.#vector = round.target;
      this.#round = null;
      this.#position = round.end;
    }
    return page;
  }

  #pageOf(
    told: readonly (readonly [
      DocumentVersion,
      { readonly origin?: OriginId; readonly seq?: number; readonly scan?: string | null },
    ])[],
  ): FeedPage {
    const place = { database: this.#database, base: this.#vector, scan: null };
    return { changes: told.map(([version, at]) => new FeedChange(this.#trim(version), { ...place, ...at })) };
  }

  /** A reader that stands still keeps a page: not the documents in it, unless they are to be sent. */
  #trim(version: DocumentVersion): DocumentVersion {
    return this.#options.documents || version.json === null ? version : { ...version, json: LEFT_OUT };
  }

  #readTail(): FeedPage | null {
    const read = this.#tail.read(this.#position!, this.#options);
    if (read === null) {
      this.#position = null;
      return NO_CHANGES;
    }
    if (read.end === this.#position) {
      // Also records that are of no document move the vector.
      this.#vector = read.vector;
      return null;
    }
    this.#position = read.end;
    this.#vector = read.vector;
    return read.page;
  }
}

const NO_CHANGES: FeedPage = { changes: [] };

function remember(told: Set<string>, name: string): void {
  if (told.size >= TOLD_MAX) told.delete(told.values().next().value!);
  told.add(name);
}

/** Documents were deleted since, and are neither stored nor in the log. */
function expired(): SyncError {
  const message =
    'Documents that were deleted since have been forgotten, so this feed cannot tell of them. Read from the beginning, and drop what is not told.';
  return new SyncError('SYNC_CURSOR_EXPIRED', message, { details: { parameter: 'since' } });
}

/** Damage of a document names it; what is left is the log, or the change index. */
function isLogDamage(error: unknown): boolean {
  return isCorrupt(error) && (error as AtollError).details['id'] === undefined;
}
