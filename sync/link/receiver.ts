/**
 * @module
 * Owns the receiving half of a link: batches and snapshot chunks to the engine, acknowledgements back once they are durable (I1,
 * I11), and asking again for what is missing.
 */
import type { OriginId } from '../engine.ts';
import { isWithin } from '../forgotten.ts';
import { wholeOf } from '../lineage.ts';
import type { VersionVector } from '../version-vector.ts';
import type { Holding } from '../horizon.ts';
import { AtollError } from '../../crdt/index.ts';
import { lastSeqOf } from '../batch.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { malformed } from '../protocol/field.ts';
import { CHAIN_PREFIX_BYTES } from '../protocol/limit.ts';
import type { DataMessage, OfferMessage, SnapshotChunkMessage, SnapshotEndMessage } from '../protocol/message.ts';
import type { Announcer } from './announcer.ts';
import type { LinkContext } from './context.ts';
import type { FlowToken, IncomingFlow } from './flow.ts';
import { Inbox, receiveBatch } from './inbox.ts';
import type { InboxHooks, InboxItem } from './inbox.ts';
import { SnapshotFetch } from './snapshot-fetch.ts';

export interface ReceiverHooks {
  /** The peer sent a batch, so it has everything of its origin up to it. */
  noteReceived(database: string, origin: OriginId, seq: number): void;
  /** What the peer is known to hold. */
  holding(database: string): Holding;
  /** It holds something of which we do not know what follows from it. */
  isInDoubt(database: string): boolean;
  /** It holds something that we do not, for all we know. */
  holdsMore(database: string): boolean;
}

export class Receiver {
  readonly #context: LinkContext;
  readonly #hooks: ReceiverHooks;
  readonly #flow: IncomingFlow;
  readonly #announcer: Announcer;
  readonly #inboxes = new Map<string, Inbox>();
  readonly #fetches = new Map<string, SnapshotFetch>();
  /** Databases of which the peer sent changes of documents that were forgotten here. */
  readonly #forgotten = new Set<string>();
  /** Databases of which the peer offered a snapshot although it seemed to hold nothing more. */
  readonly #passedOver = new Set<string>();
  /** Told to the peer since the last tick. */
  readonly #pruned = new Set<string>();
  #duplicates = 0;
  #applied = 0;
  #nextTransfer = 1;
  #cancelAck: (() => void) | null = null;
  #cancelPull: (() => void) | null = null;
  #isClosed = false;

  constructor(context: LinkContext, flow: IncomingFlow, announcer: Announcer, hooks: ReceiverHooks) {
    this.#context = context;
    this.#flow = flow;
    this.#announcer = announcer;
    this.#hooks = hooks;
  }

  /** Batches that were news. */
  get applied(): number {
    return this.#applied;
  }

  get duplicates(): number {
    return this.#duplicates;
  }

  /** Records that wait for what they depend on. */
  get waiting(): number {
    let records = 0;
    for (const inbox of this.#inboxes.values()) records += inbox.waiting;
    return records;
  }

  /** Databases being fetched from this peer. */
  get snapshots(): readonly string[] {
    return [...this.#fetches.keys()];
  }

  /** Bytes received and not durable yet, apart from messages of which every open batch waits for something it misses. */
  get pendingBytes(): number {
    const held = new Map<FlowToken, number>();
    let working = 0;
    for (const inbox of this.#inboxes.values()) {
      for (const token of inbox.heldTokens) held.set(token, (held.get(token) ?? 0) + 1);
      working += inbox.isWorking ? 1 : 0;
    }
    let waiting = 0;
    for (const [token, count] of held) if (token.open === count) waiting += token.weight;
    return Math.max(working, this.#flow.heldBytes - waiting);
  }

  handleData(message: DataMessage): void {
    if (this.#flow.isOpen(message.offset, message.weight)) return;
    const all = this.#context.payloads.decodeBatches(message.payload);
    if (all.reduce((sum, bytes) => sum + bytes.length, 0) !== message.weight) throw malformed('a weight is wrong');
    const token = this.#receive(message.offset, message.weight, all.length);
    const batches = all.map((bytes) => receiveBatch(bytes, token));
    for (const { header } of batches) this.#hooks.noteReceived(message.database, header.origin, lastSeqOf(header));
    this.#inbox(message.database).push(batches.map((batch): InboxItem => ({ kind: 'batch', batch })));
  }

  handleOffer({ database }: OfferMessage): void {
    if (this.#context.engine.unwanted().includes(database)) return this.#announcer.decline(database);
    // It may have been sent before the peer knew what somebody else has given us meanwhile. One that is repeated is meant.
    const isMeant = this.#hooks.holdsMore(database) || this.#passedOver.delete(database);
    if (isMeant) this.#requestSnapshot(database);
    else this.#passedOver.add(database);
  }

  #requestSnapshot(database: string): void {
    const { fetches, engine } = this.#context;
    if (fetches.has(database) || engine.isMerging(database)) return;
    // What was forgotten here, who has not seen it deleted would bring back.
    const forgotten = engine.forgotten(database);
    if (!isWithin(forgotten, this.#hooks.holding(database))) {
      if (this.#hooks.isInDoubt(database)) this.#announcer.ask(database, forgotten.keys());
      return;
    }
    fetches.set(database, this);
    const fetch = new SnapshotFetch(database, this.#nextTransfer++, engine.receiveSnapshot(database));
    this.#fetches.set(database, fetch);
    // The snapshot covers what they wait for; the log goes on after it.
    this.#inboxes.get(database)?.dropHeld();
    this.#context.send({
      type: 'snapshot-request',
      database,
      transfer: fetch.transfer,
      since: this.#vectorFor(database),
      held: fetch.held,
    });
  }

  /** A peer that does not know what follows from what we list, as it may be when both have begun epochs, is told all of it. */
  #vectorFor(database: string): VersionVector {
    const vector = this.#context.engine.vector(database);
    const holding = this.#hooks.holding(database);
    const isKnown = [...vector.keys()].every((origin) => (holding.get(origin) ?? 0) > 0);
    return isKnown ? vector : new Map(wholeOf(vector));
  }

  handleChunk(message: SnapshotChunkMessage): void {
    if (this.#flow.isOpen(message.offset, message.weight)) return;
    const fetch = this.#findFetch(message.transfer);
    const token = this.#receive(message.offset, message.weight, fetch === undefined ? 0 : 1);
    if (fetch === undefined) return this.#scheduleAck(true);
    fetch.stallTicks = 0;
    const bytes = this.#context.payloads.decodeChunk(message.payload);
    if (bytes.length !== message.weight) throw malformed('a weight is wrong');
    this.#inbox(fetch.database).push([{ kind: 'chunk', fetch, index: message.index, bytes, token }]);
  }

  handleEnd(message: SnapshotEndMessage): void {
    const fetch = this.#findFetch(message.transfer);
    if (fetch === undefined) return;
    fetch.stallTicks = 0;
    const { chunks, vector } = message;
    this.#inbox(fetch.database).push([{ kind: 'end', fetch, chunks, vector }]);
  }

  /** Our vector advanced, through any link. */
  handleDurable(database: string): void {
    this.#inboxes.get(database)?.retryHeld();
  }

  tick(): void {
    this.#pruned.clear();
    for (const inbox of this.#inboxes.values()) inbox.tick();
    this.#relieveCredit();
    for (const database of this.#forgotten) this.#requestSnapshot(database);
    for (const [database, fetch] of this.#fetches) {
      if (this.#inboxes.get(database)?.isWorking === true) continue;
      if (++fetch.stallTicks >= this.#context.options.snapshotStallTicks) this.#endFetch(fetch);
    }
    if ([...this.#inboxes.values()].some((inbox) => inbox.isHolding)) this.#pullMissing();
  }

  close(): void {
    this.#isClosed = true;
    for (const [name, link] of this.#context.upstreams) if (link === this) this.#context.upstreams.delete(name);
    this.#cancelAck?.();
    this.#cancelPull?.();
    for (const inbox of this.#inboxes.values()) inbox.close();
    for (const fetch of [...this.#fetches.values()]) this.#endFetch(fetch);
  }

  #inbox(database: string): Inbox {
    let inbox = this.#inboxes.get(database);
    if (inbox === undefined) {
      const { engine, options } = this.#context;
      inbox = new Inbox(database, engine, options.ingestBytesMax, this.#inboxHooks());
      this.#inboxes.set(database, inbox);
    }
    return inbox;
  }

  #inboxHooks(): InboxHooks {
    return {
      settle: (token: FlowToken) => this.#flow.settle(token),
      noteDurable: (database, origin, isDuplicate) => {
        if (isDuplicate) this.#duplicates++;
        else this.#applied++;
        // A peer that sends what we have does not know that we have it.
        if (isDuplicate) this.#announcer.noteForgotten(database, origin);
        this.#noteSource(database, origin, isDuplicate);
        this.#announcer.noteChanged(database, [origin]);
      },
      handleProgress: (isIdle) => {
        this.#relieveCredit();
        this.#scheduleAck(isIdle);
      },
      handleHeld: () => this.#handleHeld(),
      handleResumed: (database) => this.#announcer.want(database),
      handleDeclined: (database) => this.#announcer.decline(database),
      handleForgotten: (database) => {
        this.#forgotten.add(database);
        this.#requestSnapshot(database);
      },
      handleFetched: (fetch) => {
        this.#forgotten.delete(fetch.database);
        this.#endFetch(fetch);
      },
      handleFailure: (database, error) => this.#handleFailure(database, error),
    };
  }

  /** One upstream per origin: of two that deliver the same, the later one is told to wait. Never the owner itself. */
  #noteSource(database: string, origin: OriginId, isDuplicate: boolean): void {
    const { upstreams, peer } = this.#context;
    const name = `${database} ${origin}`;
    if (!isDuplicate) {
      upstreams.set(name, this);
      return;
    }
    const isOwner = origin === peer.origin || this.#context.nodeOf(origin) === peer.nodeId;
    if (isOwner || (upstreams.get(name) ?? this) === this || this.#pruned.has(name)) return;
    this.#pruned.add(name);
    this.#context.send({ type: 'prune', database, origins: [origin] });
  }

  /** A peer that ignores our window is cut off: what it sends would be ours to hold. */
  #receive(offset: number, weight: number, open: number): FlowToken {
    if (this.#flow.heldBytes > this.#context.options.windowBytes * 2) throw malformed('more than our window in flight');
    return this.#flow.receive(offset, weight, open);
  }

  #findFetch(transfer: number): SnapshotFetch | undefined {
    for (const fetch of this.#fetches.values()) if (fetch.transfer === transfer) return fetch;
    return undefined;
  }

  #endFetch(fetch: SnapshotFetch): void {
    fetch.end();
    if (this.#fetches.get(fetch.database) !== fetch) return;
    this.#fetches.delete(fetch.database);
    if (this.#context.fetches.get(fetch.database) === this) this.#context.fetches.delete(fetch.database);
  }

  /** At once when there is nothing else to wait for or half a window is due; else coalesced. */
  #scheduleAck(isIdle: boolean): void {
    if (this.#isClosed) return;
    if (isIdle || this.#flow.creditBytes >= this.#context.options.windowBytes / 2) return this.#sendAck();
    this.#cancelAck ??= this.#context.timers.after(this.#context.options.ackDelayMs, () => this.#sendAck());
  }

  #sendAck(): void {
    this.#cancelAck?.();
    this.#cancelAck = null;
    const databases = this.#announcer.takeChanges();
    if (databases.length === 0 && this.#flow.creditBytes === 0) return;
    this.#context.send({ type: 'ack', offset: this.#flow.take(), databases });
  }

  #handleHeld(): void {
    this.#cancelPull ??= this.#context.timers.after(this.#context.options.pullDelayMs, () => {
      this.#cancelPull = null;
      this.#pullMissing();
    });
  }

  /** Credit is cumulative: what waits must not keep half a window of what does not. */
  #relieveCredit(): void {
    if (this.#flow.blockedBytes <= this.#context.options.windowBytes / 2) return;
    for (const [database, inbox] of this.#inboxes) {
      if (inbox.isStuck && inbox.giveUp()) this.#announcer.decline(database);
      if (!inbox.isHolding) continue;
      inbox.dropHeld();
      if (!this.#fetches.has(database)) this.#pull(database, []);
    }
    this.#scheduleAck(false);
  }

  #pullMissing(): void {
    for (const [database, inbox] of this.#inboxes) {
      if (!inbox.isHolding || this.#fetches.has(database)) continue;
      inbox.retryHeld();
      const ranges = inbox.computeMissing();
      if (ranges.length > 0) this.#pull(database, ranges);
    }
  }

  #pull(database: string, ranges: ReturnType<Inbox['computeMissing']>): void {
    const positions = [...this.#context.engine.vector(database)].map(([origin, { seq, chain }]) => ({
      origin,
      seq,
      chainPrefix: chain.subarray(0, CHAIN_PREFIX_BYTES),
    }));
    this.#context.send({ type: 'pull', database, positions, ranges });
  }

  #handleFailure(database: string, error: unknown): void {
    const code = error instanceof AtollError ? error.code : '';
    const reason = error instanceof Error ? error.message : String(error);
    const forked = error instanceof AtollError && code === 'SYNC_CHAIN_FORKED' ? error.details['origin'] : undefined;
    // Whose origin that is has to learn of it, and may not list it.
    if (typeof forked === 'number') this.#announcer.answer(database, [forked]);
    if (code === 'SYNC_CLOSED') this.#context.close(CLOSE_CODES.GOING_AWAY, reason);
    else if (code === 'SYNC_CHAIN_FORKED') this.#context.close(CLOSE_CODES.CHAIN_FORKED, reason);
    else if (code.startsWith('SYNC_') || code.startsWith('CRDT_'))
      this.#context.close(CLOSE_CODES.BATCH_REFUSED, reason);
    else this.#context.close(CLOSE_CODES.INTERNAL_ERROR, reason);
  }
}
