/**
 * @module
 * Owns the conversation of a leaf with a node: subscriptions, pages one after another, one question and one push at a time.
 */
import type { CollectionConfig } from '../collection-config.ts';
import { SyncError } from '../errors.ts';
import type { Clock, Dialer, Random, Timers } from '../port.ts';
import { databaseOf } from '../token.ts';
import type { LeafCore } from './leaf-core.ts';
import type { LeafStatus } from './leaf-event.ts';
import { LeafIntake } from './leaf-intake.ts';
import { LeafLink } from './leaf-link.ts';
import { LeafPushing } from './leaf-push.ts';
import type { HeldCollection } from './leaf-table.ts';
import { LEAF_VERSION_MAX, LEAF_VERSION_MIN } from './message.ts';
import type {
  LeafChanges,
  LeafContents,
  LeafFetch,
  LeafMessage,
  LeafPush,
  LeafPushed,
  LeafWelcome,
} from './message.ts';

export interface LeafSyncParts {
  readonly core: LeafCore;
  readonly collections: readonly HeldCollection[];
  readonly urls: readonly string[];
  readonly token: string;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly onStatus: () => void;
}

interface Asked<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** A collection that the node does not serve is asked for again after this. */
const ENDED_RETRY_MS = 5000;

export class LeafSync {
  readonly #parts: LeafSyncParts;
  readonly #link: LeafLink;
  readonly #intake: LeafIntake;
  readonly #pushing: LeafPushing;
  /** By the numbers of their subscriptions. */
  readonly #numbered: ReadonlyMap<number, HeldCollection>;
  readonly #numbers: ReadonlyMap<HeldCollection, number>;
  /** Of which everything was told. */
  readonly #current = new Set<HeldCollection>();
  readonly #ended = new Map<HeldCollection, string>();
  /** Whose database is known to be the one that what is held is of. */
  readonly #recognised = new Set<HeldCollection>();
  #token: string;
  mayWrite: boolean | null = null;
  settledAt: number | null = null;
  /** Pages are taken one after another. */
  #pages: Promise<unknown> = Promise.resolve();
  /** Of connections. */
  #generation = 0;
  #answers: LeafContents['entries'][number][] = [];
  #fetch: Asked<LeafContents> | null = null;
  #fetching: Promise<unknown> = Promise.resolve();
  #push: Asked<LeafPushed> | null = null;
  #pushNumber = 0;
  #cancelRetry: () => void = () => {};

  constructor(parts: LeafSyncParts) {
    const { core, collections, timers } = parts;
    this.#parts = parts;
    this.#token = parts.token;
    this.#numbered = new Map(collections.map((held, i) => [i + 1, held]));
    this.#numbers = new Map(collections.map((held, i) => [held, i + 1]));
    const fetch = this.#ask.bind(this);
    this.#intake = new LeafIntake(core, fetch);
    this.#pushing = new LeafPushing({
      core,
      fetch,
      timers,
      intake: this.#intake,
      subscriptionOf: (held) => (this.#mayPush(held) ? (this.#numbers.get(held) ?? null) : null),
      push: (message) => this.#sendPush(message),
      onSent: () => this.#noteSettled(),
    });
    this.#link = new LeafLink({
      ...parts,
      hello: () => ({
        type: 'hello',
        versionMin: LEAF_VERSION_MIN,
        versionMax: LEAF_VERSION_MAX,
        token: this.#token,
        secret: core.secret,
      }),
      onOpen: (welcome) => this.#open(welcome),
      onMessage: (message) => this.#handle(message),
      onDown: () => this.#down(),
    });
  }

  status(): Omit<LeafStatus, 'unsent'> {
    const ended = [...this.#ended].map(([{ database, collection }, code]) => ({ database, collection, code }));
    const { state, url, reason } = this.#link;
    return { state, url, reason, mayWrite: this.mayWrite, isSettled: this.isSettled, settledAt: this.settledAt, ended };
  }

  /** Everything was told, and sent. */
  get isSettled(): boolean {
    const isTold = this.#parts.collections.every((held) => this.#current.has(held));
    const isSent = this.#parts.core.outbox.size === 0 && this.#pushing.isIdle;
    return this.#link.state === 'online' && isTold && isSent;
  }

  connect(): void {
    this.#link.connect();
  }

  /** Another token, from the next connection on, which begins now. */
  setToken(token: string): void {
    this.#token = token;
    if (this.#link.state === 'online') this.#link.restart('another token');
    else this.#link.connect();
  }

  /** There is something to send. */
  wake(): void {
    this.#pushing.wake();
  }

  /** Ends the connection. What is being taken is finished. */
  async close(): Promise<void> {
    this.#link.close();
    this.#down();
    await this.#pages.catch(() => undefined);
  }

  #open({ mayWrite }: LeafWelcome): void {
    this.mayWrite = mayWrite;
    this.#generation++;
    for (const held of this.#parts.collections) this.#subscribe(held);
    this.#pushing.isOnline = mayWrite;
    this.#parts.onStatus();
  }

  #down(): void {
    this.#generation++;
    this.#cancelRetry();
    this.#pushing.isOnline = false;
    this.#current.clear();
    this.#recognised.clear();
    this.#ended.clear();
    this.#answers = [];
    const [fetch, push] = [this.#fetch, this.#push];
    this.#fetch = null;
    this.#push = null;
    fetch?.reject(ended());
    push?.reject(ended());
    this.#parts.onStatus();
  }

  #subscribe(held: HeldCollection): void {
    const { database, collection, cursor, selection, isEmpty } = held;
    const subscription = this.#numbers.get(held)!;
    this.#link.send({ type: 'subscribe', subscription, database, collection, cursor, selection, isEmpty });
  }

  #handle(message: LeafMessage): void {
    switch (message.type) {
      case 'changes':
        return this.#queue((held) => this.#take(held, message), message.subscription);
      case 'config':
        return this.#queue((held) => this.#configure(held, message.config), message.subscription);
      case 'ended':
        return this.#queue((held) => this.#end(held, message.code), message.subscription);
      case 'contents': {
        this.#answers.push(...message.entries);
        if (!message.isLast) return;
        const fetch = this.#fetch;
        const entries = this.#answers;
        this.#answers = [];
        this.#fetch = null;
        return fetch?.resolve({ ...message, entries });
      }
      case 'pushed': {
        const push = this.#push;
        this.#push = null;
        return push?.resolve(message);
      }
      default:
    }
  }

  #queue(run: (held: HeldCollection) => void | Promise<void>, subscription: number): void {
    const held = this.#numbered.get(subscription);
    const generation = this.#generation;
    if (held === undefined) return;
    this.#pages = this.#pages
      .then(async () => {
        if (generation === this.#generation) await run(held);
      })
      // The connection ended, or what came is of no use: told again from the position that is stored.
      .catch((error: unknown) => {
        if (generation === this.#generation) this.#link.leave(error instanceof Error ? error.message : String(error));
      });
  }

  async #take(held: HeldCollection, message: LeafChanges): Promise<void> {
    const generation = this.#generation;
    this.#current.delete(held);
    const source = sourceOf(message.cursor) ?? held.source;
    if (held.source !== '' && source !== held.source) return this.#beginAnew(held, source);
    held.source = source;
    await this.#intake.take(held, message);
    if (generation !== this.#generation) return;
    // A page of ids that is not the last has no position, and so does not say of which database it is.
    if (message.cursor !== '' && !this.#recognised.has(held)) {
      this.#recognised.add(held);
      this.#pushing.resume(held);
    }
    this.#link.send({ type: 'acknowledge', page: message.page });
    if (held.mustCompare && !message.isBehind && message.scan === null) return this.#compareAgain(held);
    if (message.isCurrent) this.#current.add(held);
    // What could not be taken may be now.
    this.#pushing.wake();
    this.#noteSettled();
  }

  /** Changes are made to documents of one database, and could fall upon others in its successor, whose clocks begin anew. */
  #mayPush(held: HeldCollection): boolean {
    return !this.#ended.has(held) && (held.source === '' || this.#recognised.has(held));
  }

  /** The database was dropped and created again: what is held has nothing to do with what is there now. */
  async #beginAnew(held: HeldCollection, source: string): Promise<void> {
    const kept = await this.#pushing.makeAnew(held);
    for (const document of [...held.documents.values()])
      if (!kept.has(document.id) && document.etag !== '') this.#parts.core.leave(document, 'deleted');
    held.source = source;
    await this.#tellAgain(held, 'the database is another one');
  }

  /** The node has caught up with what it lacked when it named what there is. */
  #compareAgain(held: HeldCollection): Promise<void> {
    return this.#tellAgain(held, 'all documents are to be compared');
  }

  async #tellAgain(held: HeldCollection, reason: string): Promise<void> {
    held.mustCompare = false;
    held.cursor = '';
    this.#parts.core.table.move(held);
    await this.#parts.core.commit();
    this.#link.restart(reason);
  }

  #noteSettled(): void {
    if (this.isSettled) this.settledAt = this.#parts.clock.now();
    this.#parts.onStatus();
  }

  #configure(held: HeldCollection, config: string): void {
    held.config = JSON.parse(config) as CollectionConfig;
    this.#parts.core.table.move(held);
  }

  #end(held: HeldCollection, code: string): void {
    this.#ended.set(held, code);
    this.#current.delete(held);
    const { collections, timers } = this.#parts;
    // Another node may hold what this one does not.
    if (collections.every((each) => this.#ended.has(each))) return this.#link.leave(code);
    this.#cancelRetry();
    this.#cancelRetry = timers.after(ENDED_RETRY_MS, () => {
      const ended = [...this.#ended.keys()];
      this.#ended.clear();
      for (const each of ended) this.#subscribe(each);
      this.#pushing.wake();
    });
    this.#parts.onStatus();
  }

  /** One question at a time. */
  #ask(held: HeldCollection, documents: LeafFetch['documents']): Promise<LeafContents> {
    const generation = this.#generation;
    const asked = this.#fetching.then(
      () =>
        new Promise<LeafContents>((resolve, reject) => {
          // Nobody would answer what is asked between two connections.
          if (generation !== this.#generation || this.#link.state !== 'online') throw ended();
          this.#fetch = { resolve, reject };
          this.#link.send({ type: 'fetch', subscription: this.#numbers.get(held)!, documents });
        }),
    );
    this.#fetching = asked.catch(() => undefined);
    return asked;
  }

  async #sendPush(message: Omit<LeafPush, 'type' | 'number'>): Promise<LeafPushed> {
    if (this.#link.state !== 'online') throw ended();
    const pushed = await new Promise<LeafPushed>((resolve, reject) => {
      this.#push = { resolve, reject };
      this.#link.send({ type: 'push', number: ++this.#pushNumber, ...message });
    });
    return pushed;
  }
}

/** The database that a position is of; null for none. In a cursor the name of a document may follow. */
function sourceOf(cursor: string): string | null {
  return cursor === '' ? null : databaseOf(cursor.split('~', 1)[0]!);
}

function ended(): SyncError {
  return new SyncError('SYNC_CLOSED', 'The connection has ended.', { retryable: true });
}
