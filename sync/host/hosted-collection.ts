/**
 * @module
 * Owns what a node tells one leaf of one collection: pages from a feed, in which documents that the leaf subscribes to are given or
 * announced and the others only named, so that the leaf can let go of those that it has. Keeps a position and nothing else.
 */
import type { JsonObject } from '../../crdt/index.ts';
import type { CollectionConfig } from '../collection-config.ts';
import type { Database } from '../database.ts';
import { SyncError } from '../errors.ts';
import { ChangeFeed } from '../feed/change-feed.ts';
import { decodeCursor } from '../feed/cursor.ts';
import type { FeedChange } from '../feed/feed-change.ts';
import { isWithin } from '../forgotten.ts';
import type { LeafContents, LeafEntry, LeafRange, LeafSubscribe } from '../leaf/message.ts';
import type { Timers } from '../port.ts';
import { sequenceOf } from '../version-vector.ts';
import type { Positions } from '../token.ts';
import { readHosted } from './hosted-document.ts';
import type { Selection } from '../leaf/selection.ts';

/** A document is sent without asking when its JSON has at most so many bytes: asking would cost more. */
const GIVEN_JSON_MAX = 2048;
/** … and its state at most so many: what was edited much is asked for with what is held. */
const GIVEN_STATE_MAX = 8192;
/** Documents of a subscription to ids that are read at a time. */
const IDS_AT_A_TIME = 32;

const NOTHING_HELD = new Uint8Array(0);
const NO_POSITIONS: Positions = new Map();
const utf8 = new TextDecoder();

/** What a message `changes` is made of. */
export interface HostedPage {
  readonly entries: readonly LeafEntry[];
  readonly scan: LeafRange | null;
  readonly cursor: string;
  readonly isCurrent: boolean;
}

export interface CollectionParts {
  readonly database: Database;
  readonly selection: Selection;
  readonly timers: Timers;
  /** There may be a page. */
  readonly onChange: () => void;
}

export class HostedCollection {
  readonly database: Database;
  readonly collection: string;
  readonly #parts: CollectionParts;
  /** All that is told is new to the leaf. */
  readonly #isEmpty: boolean;
  /** What the leaf has seen elsewhere, until it is here. */
  #seen: Positions = NO_POSITIONS;
  #feed!: ChangeFeed;
  /** Ids that are still to be told. */
  #ids: readonly string[] = [];
  /** In a scan: the last id that was told; null = there is none, or no more. */
  #scanned: string | null = null;
  #toldCursor = '';
  /** The leaf knows that there was nothing more to tell. */
  #isToldCurrent = false;
  #config: CollectionConfig | null = null;

  /** @throws SyncError */
  constructor({ collection, cursor, isEmpty }: LeafSubscribe, parts: CollectionParts) {
    this.database = parts.database;
    this.collection = collection;
    this.#parts = parts;
    this.#isEmpty = isEmpty;
    if (cursor === '') this.#begin();
    else this.#continue(cursor);
  }

  close(): void {
    this.#feed.close();
  }

  /** Nothing will be told any more: the database is gone from here. */
  get isEnded(): boolean {
    return this.#feed.isEnded;
  }

  /** The node does not hold all that the leaf has seen. */
  get isBehind(): boolean {
    if (this.#seen.size === 0) return false;
    const { durableVector } = this.database.parts.log;
    if (!isWithin(this.#seen, { get: (origin) => sequenceOf(durableVector, origin) })) return true;
    this.#seen = NO_POSITIONS;
    return false;
  }

  /** The configuration, when the leaf does not know it yet. */
  takeConfig(): CollectionConfig | null {
    const config = this.database.parts.catalog.configOf(this.database.key, this.collection);
    if (config === this.#config) return null;
    this.#config = config;
    return config;
  }

  /** The next page; null when there is nothing to tell. @throws SyncError, StorageError */
  async next(): Promise<HostedPage | null> {
    if (this.#ids.length > 0) return this.#readIds();
    const after = this.#scanned;
    const changes = await this.#read();
    if (changes === null) return this.#current();
    const entries: LeafEntry[] = [];
    for (const change of changes) {
      const entry = await this.#entryOf(change, after !== null);
      if (entry !== null) entries.push(entry);
    }
    // A reader that begins anew has no position before all ids are told.
    const cursor = this.#ids.length > 0 ? '' : this.#feed.cursor;
    this.#toldCursor = cursor;
    this.#isToldCurrent = false;
    if (after === null) return { entries, scan: null, cursor, isCurrent: false };
    const isOver = !cursor.includes('~');
    const until = changes.at(-1)?.id ?? after;
    this.#scanned = isOver ? null : until;
    return { entries, scan: { after, until: isOver ? '' : until }, cursor, isCurrent: false };
  }

  /** Documents the leaf asks for. */
  async fetch(id: string, stateVector: Uint8Array): Promise<LeafContents['entries'][number]> {
    const { database, collection } = this;
    const hosted = await readHosted(database, { collection, id }, stateVector);
    if (hosted === null) return { kind: 'deleted', id };
    const { etag, isWhole, parts, json } = hosted;
    return { kind: 'content', id, etag, isWhole, parts, isMatching: this.#isMatching(id, json) };
  }

  /** The position moves with other collections, too: from time to time the leaf is told. */
  refresh(): void {
    if (this.#feed.cursor !== this.#toldCursor) this.#isToldCurrent = false;
  }

  #open(since: string | null): ChangeFeed {
    const { timers, onChange, database } = this.#parts;
    const options = { collection: this.collection, documents: true, onChange };
    return ChangeFeed.open(database, timers, { ...options, ...(since !== null && { since }) });
  }

  /** All documents are told, or those that are wanted by id. */
  #begin(): void {
    const { ids } = this.#parts.selection;
    this.#feed = this.#open(ids === null ? null : 'now');
    this.#ids = ids ?? [];
    this.#scanned = ids === null ? '' : null;
  }

  #continue(cursor: string): void {
    try {
      const { vector, scan } = decodeCursor(this.database, cursor);
      this.#seen = vector;
      this.#feed = this.#open(cursor);
      this.#scanned = scan === null ? null : scan.slice(scan.indexOf('\0') + 1);
    } catch (error) {
      if (!isUseless(error)) throw error;
      // Of a database that is not this one: what the leaf saw there is of no use here.
      this.#seen = NO_POSITIONS;
      this.#begin();
    }
  }

  async #read(): Promise<readonly FeedChange[] | null> {
    try {
      return (await this.#feed.read())?.changes ?? null;
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== 'SYNC_CURSOR_EXPIRED') throw error;
      this.#feed.close();
      this.#begin();
      return [];
    }
  }

  #current(): HostedPage | null {
    if (this.#isToldCurrent) return null;
    const { cursor } = this.#feed;
    this.#isToldCurrent = true;
    this.#toldCursor = cursor;
    return { entries: [], scan: null, cursor, isCurrent: true };
  }

  async #readIds(): Promise<HostedPage> {
    const ids = this.#ids.slice(0, IDS_AT_A_TIME);
    const entries: LeafEntry[] = [];
    for (const id of ids) {
      const entry = await this.fetch(id, NOTHING_HELD);
      const isGiven = entry.kind === 'deleted' || this.#isEmpty || isSmall(entry.parts);
      entries.push(isGiven ? entry : { kind: 'announced', id, etag: entry.etag });
    }
    this.#ids = this.#ids.slice(ids.length);
    // Only when all are told there is a position to go on from.
    return { entries, scan: null, cursor: this.#ids.length === 0 ? this.#feed.cursor : '', isCurrent: false };
  }

  async #entryOf({ id, etag, json }: FeedChange, isScan: boolean): Promise<LeafEntry | null> {
    if (json === null || etag === null) return { kind: 'deleted', id };
    const isWanted = this.#parts.selection.matches(id, () => JSON.parse(utf8.decode(json)) as JsonObject);
    if (!isWanted) return isScan ? null : { kind: 'unmatched', id };
    const isNew = isScan && this.#isEmpty;
    // In a scan the leaf may hold this version.
    const mayGive = isNew || (!isScan && json.length <= GIVEN_JSON_MAX);
    if (!mayGive) return { kind: 'announced', id, etag };
    const entry = await this.fetch(id, NOTHING_HELD);
    return entry.kind === 'deleted' || isNew || isSmall(entry.parts) ? entry : { kind: 'announced', id, etag };
  }

  #isMatching(id: string, json: string): boolean {
    return this.#parts.selection.matches(id, () => JSON.parse(json) as JsonObject);
  }
}

function isSmall(parts: readonly Uint8Array[]): boolean {
  return parts.reduce((sum, part) => sum + part.length, 0) <= GIVEN_STATE_MAX;
}

function isUseless(error: unknown): boolean {
  return error instanceof SyncError && (error.code === 'SYNC_CURSOR_FOREIGN' || error.code === 'SYNC_CURSOR_INVALID');
}
