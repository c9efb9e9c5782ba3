/**
 * @module
 * Owns one leaf that is connected to this node, from its first message to the last. What the leaf is sent is read when there is room for
 * it: a slow leaf costs one window of messages on their way, and positions. PROTOCOL.md section "Leaves".
 */
import { AtollError } from '../../crdt/index.ts';
import type { Database } from '../database.ts';
import { SyncError } from '../errors.ts';
import { decodeLeafMessage, encodeLeafMessage } from '../leaf/codec.ts';
import {
  FETCH_DOCUMENTS_MAX,
  HELLO_BYTES_MAX,
  HELLO_MS,
  SILENCE_MS,
  SUBSCRIPTIONS_MAX,
  WINDOW_BYTES,
  WRITERS_MAX,
} from '../leaf/limit.ts';
import { LEAF_VERSION_MAX, LEAF_VERSION_MIN } from '../leaf/message.ts';
import type {
  LeafContents,
  LeafEdit,
  LeafFetch,
  LeafHello,
  LeafMessage,
  LeafOutcome,
  LeafPush,
  LeafSubscribe,
} from '../leaf/message.ts';
import { leafClientOf, leafIdOf } from '../leaf/writer-id.ts';
import { validateCollectionName } from '../names.ts';
import type { Channel, Clock, Sha256, Timers } from '../port.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import type { CloseCodeName } from '../protocol/close-code.ts';
import { negotiateVersion } from '../protocol/version.ts';
import { takeEdit } from './edit-intake.ts';
import { HostedCollection } from './hosted-collection.ts';
import type { LeafAuthorise, LeafGrant } from './leaf-grant.ts';
import { leafQueries } from '../leaf/leaf-queries.ts';
import { readSelection } from '../leaf/selection.ts';

export interface LeafSessionParts {
  readonly node: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly sha256: Sha256;
  readonly authorise: LeafAuthorise;
  /** @throws SyncError */
  readonly databaseOf: (name: string) => Database;
  /** Of a message, of an update, and of a document. */
  readonly bytesMax: number;
  /** A mistake of ours, or a failure of storage. */
  readonly onError: (error: unknown) => void;
  readonly onClose: () => void;
}

/** What is shown of a leaf. */
export interface LeafSessionStatus {
  readonly leaf: string;
  readonly token: string;
  readonly subscriptions: number;
  /** Bytes that were sent and are not stored by the leaf yet. */
  readonly unacknowledgedBytes: number;
  readonly editsTaken: number;
  /** ISO 8601. */
  readonly since: string;
}

interface Sent {
  readonly page: number;
  readonly bytes: number;
}

/** Between two looks at tokens, silence and positions. */
const TICK_MS = 2000;
/** Ticks between two looks at positions that moved and had nothing to tell. */
const REFRESH_TICKS = 5;
const RETRY_MS = 1000;
/** Bytes of an answer that are collected before they are sent. */
const CONTENTS_BYTES = 65_536;
const REASON_LENGTH_MAX = 100;

export class LeafSession {
  readonly #channel: Channel;
  readonly #parts: LeafSessionParts;
  readonly #collections = new Map<number, HostedCollection>();
  readonly #writers = new Map<string, number>();
  readonly #since: number;
  #hello: LeafHello | null = null;
  #grant: LeafGrant | null = null;
  #sent: Sent[] = [];
  #page = 0;
  #isPumping = false;
  #isWoken = false;
  #isFetching = false;
  #isPushing = false;
  #isClosed = false;
  #editsTaken = 0;
  #heardMs: number;
  #ticks = 0;
  #cancelTick: () => void;

  constructor(channel: Channel, parts: LeafSessionParts) {
    this.#channel = channel;
    this.#parts = parts;
    this.#since = parts.clock.now();
    this.#heardMs = this.#since;
    this.#cancelTick = parts.timers.after(HELLO_MS, () => this.#tick());
    channel.onMessage = (message) => this.#receive(message);
    channel.onClose = () => this.#end();
  }

  /** Null before the leaf has said who it is. */
  get status(): LeafSessionStatus | null {
    if (this.#hello === null || this.#grant === null) return null;
    return {
      leaf: leafIdOf(this.#hello.secret, this.#parts.sha256),
      token: this.#grant.tokenId,
      subscriptions: this.#collections.size,
      unacknowledgedBytes: this.#unacknowledged,
      editsTaken: this.#editsTaken,
      since: new Date(this.#since).toISOString(),
    };
  }

  close(code: CloseCodeName, reason: string): void {
    if (this.#isClosed) return;
    this.#channel.close(CLOSE_CODES[code], reason.slice(0, REASON_LENGTH_MAX));
    this.#end();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTick();
    for (const collection of this.#collections.values()) collection.close();
    this.#collections.clear();
    this.#parts.onClose();
  }

  #send(message: LeafMessage): number {
    const bytes = encodeLeafMessage(message);
    if (!this.#isClosed) this.#channel.send(bytes);
    return bytes.length;
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#heardMs = this.#parts.clock.now();
    const limit = this.#grant === null ? HELLO_BYTES_MAX : this.#parts.bytesMax;
    if (bytes.length > limit) return this.close('FRAME_TOO_LARGE', `a message has at most ${limit} bytes`);
    try {
      this.#handle(decodeLeafMessage(bytes));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof SyncError && error.code === 'SYNC_FRAME_MALFORMED') {
      return this.close('FRAME_MALFORMED', error.message);
    }
    if (error instanceof SyncError && error.retryable) return this.close('GOING_AWAY', error.message);
    this.#parts.onError(error);
    this.close('INTERNAL_ERROR', 'this node made a mistake');
  }

  #handle(message: LeafMessage): void {
    if (this.#grant === null) {
      if (message.type !== 'hello') return this.close('MESSAGE_UNEXPECTED', 'HELLO comes first');
      return this.#greet(message);
    }
    switch (message.type) {
      case 'subscribe':
        return this.#subscribe(message);
      case 'acknowledge':
        this.#sent = this.#sent.filter(({ page }) => page > message.page);
        return this.#wake();
      case 'fetch':
        return this.#begin('isFetching', () => this.#fetch(message));
      case 'push':
        return this.#begin('isPushing', () => this.#push(message));
      case 'ping':
        this.#send({ type: 'pong' });
        return;
      default:
        this.close('MESSAGE_UNEXPECTED', `${message.type} is not for nodes, or came twice`);
    }
  }

  #greet(hello: LeafHello): void {
    const version = negotiateVersion({ versionMin: LEAF_VERSION_MIN, versionMax: LEAF_VERSION_MAX }, hello);
    if (version === null)
      return this.close('VERSION_UNSUPPORTED', `versions up to ${LEAF_VERSION_MAX} are spoken here`);
    try {
      this.#grant = this.#parts.authorise(hello.token);
    } catch (error) {
      if (!(error instanceof AtollError)) throw error;
      return this.close(error.retryable ? 'GOING_AWAY' : 'AUTH_FAILED', error.message);
    }
    this.#hello = hello;
    this.#cancelTick();
    this.#cancelTick = this.#parts.timers.after(TICK_MS, () => this.#tick());
    this.#send({ type: 'welcome', version, node: this.#parts.node, mayWrite: this.#grant.mayWrite });
  }

  #tick(): void {
    const { clock, timers } = this.#parts;
    if (this.#grant === null) return this.close('HANDSHAKE_TIMEOUT', 'HELLO did not come');
    this.#cancelTick = timers.after(TICK_MS, () => this.#tick());
    if (!this.#grant.isCurrent()) return this.close('AUTH_FAILED', 'the token is not valid any more');
    // A clock that was set back is no silence.
    const now = clock.now();
    if (now < this.#heardMs) this.#heardMs = now;
    if (now - this.#heardMs > SILENCE_MS) return this.close('PEER_SILENT', 'nothing was heard of the leaf');
    if (++this.#ticks % REFRESH_TICKS === 0) for (const each of this.#collections.values()) each.refresh();
    this.#wake();
  }

  #subscribe(message: LeafSubscribe): void {
    const { subscription, database: name, collection } = message;
    this.#collections.get(subscription)?.close();
    this.#collections.delete(subscription);
    if (this.#collections.size >= SUBSCRIPTIONS_MAX) {
      return this.close('MESSAGE_UNEXPECTED', `a leaf has at most ${SUBSCRIPTIONS_MAX} subscriptions`);
    }
    try {
      validateCollectionName(collection);
      if (this.#grant?.mayUse(name) !== true) {
        throw new SyncError('SYNC_LEAF_FORBIDDEN', `The token of the leaf is not for the database "${name}".`);
      }
      const selection = readSelection(message.selection, leafQueries);
      const database = this.#parts.databaseOf(name);
      const { timers } = this.#parts;
      const parts = { database, selection, timers, onChange: () => this.#wake() };
      this.#collections.set(subscription, new HostedCollection(message, parts));
    } catch (error) {
      if (!(error instanceof AtollError)) throw error;
      return this.#endSubscription(subscription, error);
    }
    this.#wake();
  }

  #endSubscription(subscription: number, { code, message }: AtollError): void {
    this.#collections.get(subscription)?.close();
    this.#collections.delete(subscription);
    this.#send({ type: 'ended', subscription, code, message: message.slice(0, 300) });
  }

  // --- what the leaf is told

  get #unacknowledged(): number {
    return this.#sent.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get #hasRoom(): boolean {
    return this.#unacknowledged < WINDOW_BYTES && this.#channel.bufferedBytes < WINDOW_BYTES;
  }

  #wake(): void {
    this.#isWoken = true;
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    this.#pump()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#isPumping = false;
        if (this.#isWoken) this.#wake();
      });
  }

  /** One page of each subscription in turn, for as long as there is something to tell and room for it. */
  async #pump(): Promise<void> {
    while (this.#isWoken && !this.#isClosed) {
      this.#isWoken = false;
      let isMore = true;
      while (isMore && !this.#isClosed) {
        isMore = false;
        for (const [subscription, collection] of [...this.#collections]) {
          if (!this.#hasRoom) return;
          if (await this.#tell(subscription, collection)) isMore = true;
        }
      }
    }
  }

  /** @returns Is there more? */
  async #tell(subscription: number, collection: HostedCollection): Promise<boolean> {
    const isStill = (): boolean => this.#collections.get(subscription) === collection;
    try {
      if (collection.isEnded)
        throw new SyncError('SYNC_CLOSED', 'The database is not here any more.', { retryable: true });
      const config = collection.takeConfig();
      if (config !== null) {
        const { schema: _, ...known } = config;
        this.#send({ type: 'config', subscription, config: JSON.stringify(known) });
      }
      const page = await collection.next();
      if (page === null || !isStill()) return false;
      if (page.entries.length === 0 && page.scan === null && !page.isCurrent) return true;
      const { isBehind } = collection;
      const bytes = this.#send({ type: 'changes', subscription, page: ++this.#page, isBehind, ...page });
      this.#sent.push({ page: this.#page, bytes });
      return !page.isCurrent;
    } catch (error) {
      if (!(error instanceof AtollError)) throw error;
      if (!isStill()) return false;
      // A document that cannot be read is on its way from a peer.
      if (error.code === 'STORAGE_CORRUPT') {
        this.#parts.timers.after(RETRY_MS, () => this.#wake());
        return false;
      }
      this.#endSubscription(subscription, error);
      return false;
    }
  }

  // --- what the leaf asks for

  #begin(kind: 'isFetching' | 'isPushing', run: () => Promise<void>): void {
    const isBusy = kind === 'isFetching' ? this.#isFetching : this.#isPushing;
    if (isBusy) return this.close('MESSAGE_UNEXPECTED', 'the one before has not been answered');
    const mark = (value: boolean): void => {
      if (kind === 'isFetching') this.#isFetching = value;
      else this.#isPushing = value;
    };
    mark(true);
    run()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => mark(false));
  }

  async #fetch({ subscription, documents }: LeafFetch): Promise<void> {
    const collection = this.#collections.get(subscription);
    if (documents.length > FETCH_DOCUMENTS_MAX) return this.close('MESSAGE_UNEXPECTED', 'too many documents at once');
    let entries: LeafContents['entries'][number][] = [];
    let bytes = 0;
    for (const { id, stateVector } of collection === undefined ? [] : documents) {
      const entry = await collection!.fetch(id, stateVector);
      if (this.#isClosed) return;
      entries.push(entry);
      if (entry.kind === 'content') bytes += entry.parts.reduce((sum, part) => sum + part.length, 0);
      if (bytes < CONTENTS_BYTES) continue;
      this.#send({ type: 'contents', isLast: false, isBehind: collection!.isBehind, entries });
      entries = [];
      bytes = 0;
      await this.#drained();
    }
    this.#isFetching = false;
    this.#send({ type: 'contents', isLast: true, isBehind: collection?.isBehind ?? true, entries });
  }

  /** What was sent has left. */
  async #drained(): Promise<void> {
    while (this.#channel.bufferedBytes >= WINDOW_BYTES && !this.#isClosed) {
      await new Promise<void>((resolve) => void this.#parts.timers.after(10, resolve));
    }
  }

  async #push({ number, nonces, edits }: LeafPush): Promise<void> {
    const writers = this.#prove(nonces);
    if (writers === null) return this.close('MESSAGE_UNEXPECTED', 'too many writers over one connection');
    const outcomes: LeafOutcome[] = [];
    const touched = new Set<Database>();
    for (const edit of edits) {
      const outcome = await this.#take(edit, writers, touched);
      if (outcome.kind === 'taken') this.#editsTaken++;
      outcomes.push(outcome);
    }
    // An edit that was known already may not be durable yet either.
    for (const database of touched) await database.parts.turns.serve(() => database.parts.commit.join(database));
    this.#isPushing = false;
    this.#send({ type: 'pushed', number, outcomes });
  }

  async #take(edit: LeafEdit, writers: ReadonlySet<number>, touched: Set<Database>): Promise<LeafOutcome> {
    const collection = this.#collections.get(edit.subscription);
    if (collection === undefined) return { kind: 'later' };
    if (this.#grant?.mayWrite !== true) {
      return { kind: 'refused', code: 'SYNC_LEAF_FORBIDDEN', message: 'The token of the leaf may read only.' };
    }
    const { database, collection: name, isBehind } = collection;
    touched.add(database);
    return takeEdit({ database, collection: name, isBehind, writers, bytesMax: this.#parts.bytesMax }, edit);
  }

  /** The ids a leaf may write as; null when it asks for too many. */
  #prove(nonces: readonly Uint8Array[]): ReadonlySet<number> | null {
    const { sha256 } = this.#parts;
    return nonces.reduce<Set<number> | null>((writers, nonce) => {
      const key = nonce.join();
      let client = this.#writers.get(key);
      if (client === undefined) {
        if (this.#writers.size >= WRITERS_MAX) return null;
        client = leafClientOf(this.#hello!.secret, nonce, sha256);
        this.#writers.set(key, client);
      }
      return writers?.add(client) ?? null;
    }, new Set());
  }
}
