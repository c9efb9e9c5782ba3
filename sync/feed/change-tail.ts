/**
 * @module
 * Owns the latest changes of one database, once for all feeds that have caught up: they cost no reads, are the same objects for
 * every feed, and are bounded in number and bytes. A feed that falls behind them reads the log again. Exists while there are feeds.
 */
import { isInternalCollection } from '../names.ts';
import { recordNames } from '../batch.ts';
import type { Database } from '../database.ts';
import type { DurableVersion } from '../document-slot.ts';
import type { DocumentName } from '../equality.ts';
import type { SealedDocuments } from '../sealed-documents.ts';
import type { DurableBatch, OriginId } from '../engine.ts';
import type { SealedLog } from '../log.ts';
import type { Timers } from '../port.ts';
import type { VersionVector } from '../version-vector.ts';
import type { Positions } from '../token.ts';
import { versionOf } from './backlog.ts';
import { FeedChange, LEFT_OUT } from './feed-change.ts';
import type { FeedPage, Place } from './feed-change.ts';

const BYTES_MAX = 4 * 1024 * 1024;
const CHANGES_MAX = 4096;
/** A page is what a feed sends at a time; a reader that stands still keeps one. */
const PAGE_CHANGES = 256;
const PAGE_BYTES = 64 * 1024;
/** Pages that feeds at one position share. */
const PAGES_KEPT = 8;
/** Feeds are woken at most this often: one after another costs more than all changes of the meantime in one piece. */
const PAUSE_MS_MIN = 2;
const PAUSE_MS_MAX = 50;
const FEEDS_PER_MS = 10;
/** Of a change, besides its document. */
const CHANGE_BYTES = 256;

/** The changes of one commit. */
interface Group {
  readonly first: number;
  readonly changes: readonly FeedChange[];
  readonly bytes: number;
  /** Before the first of them. */
  readonly before: Positions;
  /** After the last. */
  readonly after: Positions;
}

export interface TailPage {
  readonly page: FeedPage;
  /** The position after it. */
  readonly end: number;
  /** The same as a vector; may lag behind `end`, never be ahead. */
  readonly vector: Positions;
}

export interface TailFilter {
  readonly collection: string | null;
  /** Are documents sent with the changes? */
  readonly documents: boolean;
}

/** Documents of a commit, with what readers see from now on. */
type Versions = readonly (readonly [DocumentName & { readonly name: string }, DurableVersion])[];

export class ChangeTail {
  readonly #database: Database;
  readonly #timers: Timers;
  readonly #feeds = new Set<() => void>();
  readonly #pages = new Map<string, TailPage>();
  #groups: Group[] = [];
  #bytes = 0;
  #first = 0;
  #end = 0;
  #vector: Positions;
  #isClosed = false;
  #isPausing = false;
  #isWanted = false;

  constructor(database: Database, vector: VersionVector, timers: Timers) {
    this.#database = database;
    this.#timers = timers;
    this.#vector = positionsOf(vector);
  }

  /** Position after the latest change. */
  get end(): number {
    return this.#end;
  }

  /** Position after the latest change, as a vector. */
  get vector(): Positions {
    return this.#vector;
  }

  /** The database is closing: there will be no more changes. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get feeds(): number {
    return this.#feeds.size;
  }

  /** Calls back some time after changes, and at the end. Returns the unsubscribe; call it once. */
  follow({ collection, documents, onChange }: TailFilter & { readonly onChange: () => void }): () => void {
    // Of its own, should one callback follow twice.
    const wake = (): void => onChange();
    this.#feeds.add(wake);
    // Documents are rendered with their commit, once for all feeds that send them.
    const release = documents ? this.#database.parts.table.late.hold(collection) : (): void => {};
    return () => {
      this.#feeds.delete(wake);
      release();
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const wake of this.#feeds) wake();
  }

  /** Takes what a commit made durable. `ahead`: documents may be newer than the vector, which will be told when it moves. */
  append({ batches, vector, isAdopted }: SealedLog, { slots, placed }: SealedDocuments, ahead: boolean): void {
    const durable = positionsOf(vector);
    if (!isAdopted) {
      const versions: Versions = [...slots, ...placed.map((document) => [document, document.version] as const)];
      this.#add(this.#changesOf(batches, versions, ahead), durable);
    } else {
      // A snapshot was adopted: what it brought is in the index, and feeds read it there.
      this.#groups = [];
      this.#bytes = 0;
      this.#first = ++this.#end;
      this.#vector = durable;
    }
    this.#wake();
  }

  #add(changes: readonly FeedChange[], after: Positions): void {
    const before = this.#vector;
    this.#vector = after;
    if (changes.length === 0) return;
    let bytes = 0;
    for (const { id, collection, json } of changes) {
      bytes += CHANGE_BYTES + 2 * (id.length + collection.length) + (json?.length ?? 0);
    }
    this.#groups.push({ first: this.#end, changes, bytes, before, after });
    this.#end += changes.length;
    this.#bytes += bytes;
    while (this.#bytes > BYTES_MAX || this.#end - this.#first > CHANGES_MAX) {
      const oldest = this.#groups.shift()!;
      this.#bytes -= oldest.bytes;
      this.#first = oldest.first + oldest.changes.length;
    }
  }

  /** Every document once, where the commit changed it last: what it shows includes the changes before. */
  #changesOf(batches: readonly DurableBatch[], documents: Versions, ahead: boolean): FeedChange[] {
    const names = batches.map(({ bytes }) => recordNames(bytes));
    const last = new Map<string, number>();
    let record = 0;
    for (const list of names) for (const name of list) if (name !== null) last.set(name, record++);
    const versions = new Map(documents.map((sealed) => [sealed[0].name, sealed]));
    const changes: FeedChange[] = [];
    let base = this.#vector;
    record = 0;
    for (const [i, list] of names.entries()) {
      const { origin, firstSeq, lastSeq } = batches[i]!;
      for (const [j, name] of list.entries()) {
        if (name === null || last.get(name) !== record++) continue;
        const sealed = versions.get(name);
        if (sealed)
          changes.push(changeOf(sealed, { database: this.#database, base, scan: null, origin, seq: firstSeq + j }));
      }
      base = new Map(base).set(origin, lastSeq);
    }
    if (!ahead) {
      // A document that was repaired: it has changed, and no record says so.
      for (const [name, sealed] of versions) {
        if (!last.has(name) && sealed[1].isSilent !== true)
          changes.push(changeOf(sealed, { database: this.#database, base, scan: null }));
      }
    }
    return changes;
  }

  /**
   * The changes after a position: at least one, or an empty page at the end. `null`: they are not kept any more, or not with the
   * documents that are asked for.
   */
  read(position: number, filter: TailFilter): TailPage | null {
    if (position < this.#first) return null;
    const { collection, documents } = filter;
    const key = `${position} ${documents} ${collection ?? ''}`;
    const known = this.#pages.get(key);
    if (known !== undefined && known.page.changes.length > 0) return known;
    const made = this.#read(position, filter);
    if (made === null) return null;
    if (this.#pages.size >= PAGES_KEPT) this.#pages.delete(this.#pages.keys().next().value!);
    this.#pages.set(key, made);
    return made;
  }

  #read(position: number, { collection, documents }: TailFilter): TailPage | null {
    const changes: FeedChange[] = [];
    let bytes = 0;
    let end = position;
    for (let i = this.#groupAt(position); i < this.#groups.length; i++) {
      const group = this.#groups[i]!;
      for (; end < group.first + group.changes.length; end++) {
        if (changes.length >= PAGE_CHANGES || bytes >= PAGE_BYTES) {
          return { page: { changes }, end, vector: group.before };
        }
        const change = group.changes[end - group.first]!;
        if (collection === null ? isInternalCollection(change.collection) : change.collection !== collection) continue;
        // It was sealed before somebody followed who wants it.
        if (documents && change.json === LEFT_OUT)
          return changes.length === 0 ? null : { page: { changes }, end, vector: group.before };
        changes.push(change);
        if (documents) bytes += change.json?.length ?? 0;
      }
    }
    return { page: { changes }, end, vector: this.#vector };
  }

  /** Index of the group that holds a position. */
  #groupAt(position: number): number {
    let low = 0;
    let high = this.#groups.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { first, changes } = this.#groups[middle]!;
      if (first + changes.length <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #wake(): void {
    this.#isWanted = true;
    if (this.#isPausing) return;
    this.#isWanted = false;
    this.#isPausing = true;
    for (const wake of this.#feeds) wake();
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN + this.#feeds.size / FEEDS_PER_MS);
    this.#timers.after(pauseMs, () => {
      this.#isPausing = false;
      if (this.#isWanted) this.#wake();
    });
  }
}

function changeOf([{ collection, id }, version]: Versions[number], place: Place): FeedChange {
  return new FeedChange({ collection, id, ...versionOf(version) }, place);
}

export function positionsOf(vector: VersionVector): Positions {
  const positions = new Map<OriginId, number>();
  for (const [origin, { seq }] of vector) positions.set(origin, seq);
  return positions;
}
