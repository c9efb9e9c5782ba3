/**
 * @module
 * Owns what we tell a peer about our durable vector: changes soon and coalesced, everything with each heartbeat. What the peer
 * knows already, from our data or acknowledgements, is not repeated before the heartbeat.
 */
import type { OriginId } from '../engine.ts';
import { fromHex } from '../protocol/authentication.ts';
import { CHAIN_PREFIX_BYTES } from '../protocol/limit.ts';
import type { DatabasePositions, Position } from '../protocol/message.ts';
import { GENESIS_CHAIN, sequenceOf } from '../version-vector.ts';
import type { VectorEntry, VersionVector } from '../version-vector.ts';
import type { LinkContext } from './context.ts';

/** Databases that a heartbeat lists in turn, beside those that moved lately. */
const BEAT_DATABASES = 64;
/** Heartbeats that list a database after it moved: should a message about it be lost, the next one heals it. */
const BEATS_AFTER_CHANGE = 6;

const NOTHING: VectorEntry = { seq: 0, chain: GENESIS_CHAIN };

export class Announcer {
  readonly #context: LinkContext;
  readonly #takeOffset: () => number;
  /** Database → origins that moved since we last looked. */
  readonly #changed = new Map<string, Set<OriginId>>();
  readonly #told = new Map<string, Map<OriginId, number>>();
  readonly #declined = new Set<string>();
  /** Database → heartbeats that still list it. */
  readonly #recent = new Map<string, number>();
  #isAnnounced = false;
  /** Of the databases in turn, the next. */
  #turn = 0;
  #areLinksChanged = false;
  #cancel: (() => void) | null = null;
  #isClosed = false;

  /** @param takeOffset - The offset to acknowledge; every VECTOR repeats it, because an ACK may be lost. */
  constructor(context: LinkContext, takeOffset: () => number) {
    this.#context = context;
    this.#takeOffset = takeOffset;
  }

  noteChanged(database: string, origins: Iterable<OriginId>): void {
    let changed = this.#changed.get(database);
    if (changed === undefined) this.#changed.set(database, (changed = new Set()));
    for (const origin of origins) changed.add(origin);
    this.#recent.set(database, BEATS_AFTER_CHANGE);
    this.#arm();
  }

  noteTold(database: string, origin: OriginId, seq: number): void {
    const told = this.#toldOf(database);
    if ((told.get(origin) ?? 0) < seq) told.set(origin, seq);
  }

  /** What we told the peer seems to be lost. */
  noteForgotten(database: string, origin: OriginId): void {
    this.#told.get(database)?.delete(origin);
  }

  /** The peer lists origins that we do not list: it is told at once what we hold of them, also that it is nothing. */
  answer(database: string, origins: readonly OriginId[]): void {
    const vector = this.#context.engine.vector(database);
    this.#send({ complete: false, databases: [this.#describe(database, 'changed', vector, origins)] });
  }

  /** Lists origins besides, so that the peer says what it holds of them. */
  ask(database: string, origins: Iterable<OriginId>): void {
    const vector = this.#context.engine.vector(database);
    const asked = new Set([...vector.keys(), ...origins]);
    this.#send({ complete: false, databases: [this.#describe(database, 'full', vector, asked)] });
  }

  noteLinks(): void {
    this.#areLinksChanged = true;
    this.#arm();
  }

  /** We want nothing of this database: it was dropped, or is placed elsewhere. */
  decline(database: string): void {
    if (this.#declined.has(database)) return;
    this.#declined.add(database);
    this.#changed.delete(database);
    this.#told.delete(database);
    this.#send({ complete: false, databases: [{ database, kind: 'declined', positions: [] }] });
  }

  /** We hold a database again that we declined: the peer gets to know how little. */
  want(database: string): void {
    if (!this.#declined.has(database)) return;
    const vector = this.#context.engine.vector(database);
    this.#send({ complete: false, databases: [this.#describe(database, 'full', vector, vector.keys())] });
  }

  /** Entries that moved and that the peer has not been told, which the caller is going to tell it. */
  takeChanges(): DatabasePositions[] {
    const result: DatabasePositions[] = [];
    for (const [database, origins] of this.#changed) {
      const vector = this.#context.engine.vector(database);
      const told = this.#toldOf(database);
      const news = [...origins].filter((origin) => (told.get(origin) ?? 0) < sequenceOf(vector, origin));
      if (news.length > 0) result.push(this.#describe(database, 'changed', vector, news));
    }
    this.#changed.clear();
    return result;
  }

  /** Sends our whole vector. */
  announceAll(): void {
    this.#isAnnounced = true;
    this.#changed.clear();
    this.#announce(this.#context.engine.databases(), true);
  }

  /** The heartbeat: our whole vector, or of many databases those that moved lately and some of the rest in turn. */
  beat(): void {
    const held = this.#context.engine.databases();
    if (!this.#isAnnounced || held.length <= BEAT_DATABASES) return this.announceAll();
    const known = new Set(held);
    const listed = new Set<string>();
    for (let count = 0; count < BEAT_DATABASES; count++) listed.add(held[(this.#turn + count) % held.length]!);
    this.#turn = (this.#turn + BEAT_DATABASES) % held.length;
    for (const [database, left] of this.#recent) {
      if (known.has(database)) listed.add(database);
      if (left > 1) this.#recent.set(database, left - 1);
      else this.#recent.delete(database);
    }
    this.#announce(listed, false);
  }

  #announce(held: Iterable<string>, complete: boolean): void {
    const databases: DatabasePositions[] = [];
    for (const database of this.#context.engine.unwanted()) this.#declined.add(database);
    for (const database of held) {
      const vector = this.#context.engine.vector(database);
      // What was told of origins that are not listed any more is not worth remembering.
      this.#told.delete(database);
      databases.push(this.#describe(database, 'full', vector, vector.keys()));
    }
    for (const database of this.#declined) databases.push({ database, kind: 'declined', positions: [] });
    this.#areLinksChanged = true;
    this.#send({ complete, databases });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #arm(): void {
    if (this.#cancel !== null || this.#isClosed) return;
    this.#cancel = this.#context.timers.after(this.#context.options.announceMs, () => {
      this.#cancel = null;
      const databases = this.takeChanges();
      if (databases.length > 0 || this.#areLinksChanged) this.#send({ complete: false, databases });
    });
  }

  #send(message: { complete: boolean; databases: readonly DatabasePositions[] }): void {
    const links = this.#areLinksChanged ? this.#context.linkedNodes().map(fromHex) : null;
    this.#areLinksChanged = false;
    this.#context.send({ type: 'vector', offset: this.#takeOffset(), links, ...message });
  }

  #describe(
    database: string,
    kind: 'full' | 'changed',
    vector: VersionVector,
    origins: Iterable<OriginId>,
  ): DatabasePositions {
    const positions: Position[] = [];
    this.#declined.delete(database);
    for (const origin of origins) {
      const { seq, chain } = vector.get(origin) ?? NOTHING;
      positions.push({ origin, seq, chainPrefix: chain.subarray(0, CHAIN_PREFIX_BYTES) });
      this.noteTold(database, origin, seq);
    }
    return { database, kind, positions };
  }

  #toldOf(database: string): Map<OriginId, number> {
    let told = this.#told.get(database);
    if (told === undefined) this.#told.set(database, (told = new Map()));
    return told;
  }
}
