/**
 * @module
 * Owns one answer that follows changes: until its limit, the end of a long poll, the client or the node. A page is read when the
 * one before has left the process, so a client that stands still costs one page. SPEC.md FE4, FE5.
 */
import type { ServerResponse } from 'node:http';
import { AtollError } from '../../crdt/index.ts';
import type { ChangeFeed, Database, FeedChange, FeedPage } from '../../sync/index.ts';
import { DRAIN_GRACE_MS } from './body.ts';
import { problemOf } from './error-reply.ts';
import { writeChange, writeHeartbeat, writePage, writeProblem, writeRetry, type FeedFormat } from './feed-format.ts';
import type { Health } from './health.ts';
import type { Wake } from './wake.ts';

export interface StreamOptions extends FeedFormat {
  /** Are losing values sent with the changes? */
  readonly conflicts: boolean;
  /** Only changes of documents that have some. */
  readonly onlyConflicts: boolean;
  readonly limit: number;
  /** A long poll: it ends with what is there, or when this time has passed; null = it goes on. */
  readonly waitMs: number | null;
  readonly heartbeatMs: number;
}

export interface StreamParts {
  readonly feed: ChangeFeed;
  /** The position before the first page, and that page, which was read already. */
  readonly start: string;
  readonly first: FeedPage | null;
  readonly database: Database;
  readonly health: Health;
  /** Notified of changes. */
  readonly wake: Wake;
}

/** Clients that come back at once would all come at once. */
const RETRY_MS = 1000;
/** A poll looks for changes this long after its time. */
const SEARCH_MS_MAX = 10_000;

export class FeedStream {
  readonly #raw: ServerResponse;
  readonly #parts: StreamParts;
  readonly #options: StreamOptions;
  #sent = 0;
  /** The cursor that the client has; heartbeats tell when the position is another one. */
  #known: string;
  #refusedAtMs: number | null = null;

  constructor(raw: ServerResponse, parts: StreamParts, options: StreamOptions) {
    this.#raw = raw;
    this.#parts = parts;
    this.#options = options;
    this.#known = parts.start;
  }

  /** Bytes that have not left the process. */
  get bufferedBytes(): number {
    return this.#raw.writableLength;
  }

  /** Never rejects. */
  async run(onUnexpected: (error: unknown) => void): Promise<void> {
    const { wake, health, feed } = this.#parts;
    const stopWatching = health.onRefuse(wake.notify);
    this.#raw.on('close', wake.notify).on('drain', wake.notify);
    try {
      // A browser reconnects with what it has: also before the first change.
      if (this.#options.events) await this.#send(writeRetry(this.#known, RETRY_MS, this.#options));
      await this.#follow();
      await this.#send(this.#farewell());
    } catch (error) {
      if (!(error instanceof AtollError)) onUnexpected(error);
      await this.#send(writeProblem(problemOf(error), this.#options));
    } finally {
      feed.close();
      stopWatching();
      this.#raw.off('close', wake.notify).off('drain', wake.notify);
      this.#raw.end();
    }
  }

  get #isOver(): boolean {
    return this.#raw.destroyed || this.#parts.health.isRefusing || this.#parts.feed.isEnded;
  }

  async #follow(): Promise<void> {
    const { feed, wake } = this.#parts;
    const { limit, waitMs, heartbeatMs } = this.#options;
    const deadlineMs = waitMs === null ? Infinity : performance.now() + waitMs;
    let aliveMs = performance.now();
    let { first } = this.#parts;
    while (!this.#isOver && this.#sent < limit) {
      const page: FeedPage | null = first ?? (await feed.read());
      first = null;
      if (page !== null && (await this.#sendPage(page))) {
        aliveMs = performance.now();
        continue;
      }
      const nowMs = performance.now();
      if (page === null && waitMs !== null && this.#sent > 0) return;
      // Much that is not asked for may have to be passed over, also by a poll that waits for nothing.
      if (nowMs >= deadlineMs + (page === null ? 0 : SEARCH_MS_MAX)) return;
      if (nowMs >= aliveMs + heartbeatMs) {
        await this.#send(writeHeartbeat(this.#moved(), this.#options));
        aliveMs = nowMs;
      } else if (page === null) {
        await wake.sleep(Math.min(aliveMs + heartbeatMs, deadlineMs) - nowMs);
      }
    }
  }

  /** The position, if the client does not know it. */
  #moved(): string | null {
    const { cursor } = this.#parts.feed;
    if (cursor === this.#known) return null;
    this.#known = cursor;
    return cursor;
  }

  /** A stream that ends although the client wants more says when to come back; a poll, from where. */
  #farewell(): string {
    if (this.#sent === this.#options.limit) return '';
    if (this.#isOver) return writeRetry(this.#known, RETRY_MS, this.#options);
    const cursor = this.#moved();
    return cursor === null ? '' : writeHeartbeat(cursor, this.#options);
  }

  /** @returns False when nothing in the page is asked for. */
  async #sendPage(page: FeedPage): Promise<boolean> {
    const { conflicts, onlyConflicts, limit } = this.#options;
    const wanted = onlyConflicts ? page.changes.filter((change) => change.conflicts > 0) : page.changes;
    const changes = wanted.slice(0, limit - this.#sent);
    const last = changes.at(-1);
    if (last === undefined) return false;
    this.#sent += changes.length;
    this.#known = last.cursor;
    if (conflicts) {
      for (const change of changes) await this.#send(await this.#withConflicts(change));
    } else if (changes.length === page.changes.length) {
      await this.#send(writePage(page, this.#options));
    } else {
      await this.#send(changes.map((change) => writeChange(change, this.#options)).join(''));
    }
    return true;
  }

  /** As they are now: they may have been resolved since, or be more. */
  async #withConflicts(change: FeedChange): Promise<string> {
    const { collection, id, conflicts } = change;
    const reports = conflicts === 0 ? [] : await this.#parts.database.conflicts(collection, id);
    return writeChange(change, this.#options, reports ?? []);
  }

  /** Resolves when the bytes have left the process, or nobody takes them any more. */
  async #send(bytes: Buffer | string): Promise<void> {
    if (bytes.length === 0 || this.#raw.destroyed || this.#write(bytes)) return;
    const { wake, health } = this.#parts;
    while (this.#raw.writableNeedDrain && !this.#raw.destroyed) {
      if (health.isRefusing) {
        const nowMs = performance.now();
        this.#refusedAtMs ??= nowMs;
        const leftMs = this.#refusedAtMs + DRAIN_GRACE_MS - nowMs;
        // A client that stands still is not waited for.
        if (leftMs <= 0) this.#raw.destroy();
        else await wake.sleep(leftMs);
      } else {
        await wake.sleep(STILL_MS);
      }
    }
  }

  /** Left to itself, Node sends a chunk when everything that is due now was done: acknowledgements of the same commit, other feeds. */
  #write(bytes: Buffer | string): boolean {
    const { socket } = this.#raw;
    socket?.cork();
    const hasRoom = this.#raw.write(bytes);
    socket?.uncork();
    return hasRoom;
  }
}

/** Only a bound: what matters wakes. */
const STILL_MS = 60_000;
