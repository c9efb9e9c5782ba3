/**
 * @module
 * Owns one document that clients have open on this node, whatever protocol they speak: their updates in, durable changes out to all of
 * them, and who is there. Nothing about an update leaves before it is on the disk (I1), so an echo is an acknowledgement.
 */
import { CrdtError, mergeUpdates } from '../../crdt/index.ts';
import { SharedDocument, SyncError } from '../../sync/index.ts';
import type { Database, Presence, PresenceEntry, PresenceRoom } from '../../sync/index.ts';
import type { ClientSocket } from './client-socket.ts';
import { Refusal, type CloseReason } from './close-code.ts';
import type { Grant } from './grant.ts';
import { Intake, type Sent } from './intake.ts';
import { Pace } from './pace.ts';
import { frameMessages } from './websocket-frame.ts';
import { encodeAwareness, encodeSync, isState, KEEP_ALIVE, SYNC, withPrefix } from './wire.ts';

/** A client's hold on a document. */
export interface Member {
  readonly socket: ClientSocket;
  /** What frames for it begin with; equal texts stand for equal prefixes. */
  readonly prefix: Uint8Array;
  readonly prefixKey: string;
  readonly grant: Grant;
  /** Every question of it is answered by our own: it counts what is unsaved from there. */
  readonly isAskedBack: boolean;
  /** The client ids it goes by, to be told from those it passes on for others. */
  readonly ids: Set<number>;
  /** Awareness entries that end with it. */
  readonly present: Set<number>;
  /** What it sent could not be merged yet. */
  unresolved: Unresolved | null;
  /** It answered our question what we lack. */
  isSynced: boolean;
  /** One update was taken, durably, or refused because it may only read. */
  acknowledge(isApplied: boolean): void;
  /** What it sent cannot be taken: the connection ends. */
  refuse(error: unknown): void;
  /** The document is taken from it; nothing else of the connection need end. */
  end(reason: CloseReason, message: string): void;
}

export interface Unresolved {
  readonly reason: CloseReason;
  readonly message: string;
  /** Updates that were dropped because the next answer brings them again. */
  dropped: number;
  sweeps: number;
}

/** How long something that is not there yet is waited for, in sweeps. */
const UNRESOLVED_SWEEPS_MAX = 12;
/** Sweeps without use until the document leaves the memory. */
const IDLE_SWEEPS = 40;
/** Sweeps without a message until a client is told that we are here: it gives up after 30 s. */
const QUIET_SWEEPS = 48;
/** To merge and store what fifty people type costs hardly more at once than a character of it. */
const COMMIT_PACE = { msPerClient: 0.2, msMax: 10 };
/** To tell one client takes some 10 µs: a document has a tenth of the processor for that, however many nodes it is edited on. */
const TELL_PACE = { msPerClient: 0.1, msMax: 5 };
/** Above this, updates of one group are sent one by one: merging them costs more than sending. */
const MERGE_BYTES_MAX = 65_536;

export class Room {
  readonly key: string;
  /** Name of the database. */
  readonly database: string;
  readonly #database: Database;
  readonly #name: Omit<PresenceRoom, 'entries'>;
  readonly #presence: Presence;
  readonly #document: SharedDocument;
  readonly #intake: Intake;
  readonly #members = new Set<Member>();
  readonly #commits: Pace;
  readonly #broadcasts: Pace;
  /** What is merged and waits for the next commit. */
  #uncommitted: (() => void)[] = [];
  /** What is durable and not told yet. */
  #untold: Uint8Array[] = [];
  /** The newest of each client. */
  #untoldPresence = new Map<number, PresenceEntry>();
  #opening: Promise<void> | null = null;
  #idle = 0;
  /** Somebody was shown an empty document because it was deleted. */
  #isHidden = false;
  #isClosed = false;

  /** @throws SyncError for a name that cannot be. */
  constructor(key: string, database: Database, place: { collection: string; id: string }, options: RoomOptions) {
    this.key = key;
    this.database = database.name;
    this.#database = database;
    this.#name = { database: database.key, ...place };
    this.#presence = options.presence;
    const clients = (): number => this.#members.size;
    this.#commits = new Pace({ clients, ...COMMIT_PACE }, () => this.#commit());
    this.#broadcasts = new Pace({ clients, ...TELL_PACE }, () => this.#tell());
    this.#document = new SharedDocument(database, place.collection, place.id, (updates, exists) =>
      this.#handleDurable(updates, exists),
    );
    this.#intake = new Intake({
      document: this.#document,
      bytesMax: options.bytesMax,
      isTaken: (client, member) => this.#isTaken(client, member),
      onMerged: (sent, error) => this.#handleMerged(sent, error),
    });
  }

  get size(): number {
    return this.#members.size;
  }

  /** A database that was dropped and created again is another one. */
  isOf(database: Database): boolean {
    return this.#database === database;
  }

  /** May be used without waiting. */
  get isOpen(): boolean {
    return this.#document.isOpen;
  }

  open(): Promise<void> {
    this.#idle = 0;
    const opening = this.#opening ?? this.#document.open();
    this.#opening = opening;
    const forget = (): void => {
      this.#opening = null;
    };
    opening.then(forget, forget);
    return opening;
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  /** Asks a client what it has that we lack, and tells it who is there. */
  greet(member: Member): void {
    if (!member.isAskedBack) this.#ask(member);
    const entries = this.#presence.entriesOf(this.#name);
    if (entries.length > 0) this.#send(member, encodeAwareness(entries));
  }

  remove(member: Member): void {
    if (!this.#members.delete(member)) return;
    const entries: PresenceEntry[] = [];
    for (const client of member.present) {
      const known = this.#presence.entryOf(this.#name, client);
      if (known !== undefined) entries.push({ client, clock: known.clock, state: 'null' });
    }
    if (entries.length > 0) this.#presence.note({ ...this.#name, entries }, null);
  }

  close(): void {
    this.#isClosed = true;
    this.#commits.flush();
    this.#broadcasts.flush();
    // Whoever wrote it is gone, and it becomes durable.
    this.#afterCommit(() => undefined);
    this.#document.close();
  }

  /** Parts with everybody. */
  endAll(reason: CloseReason, message: string): void {
    for (const member of [...this.#members]) member.end(reason, message);
  }

  // --- what clients send; the room is open

  /** Answers with what a client lacks. */
  handleStep1(member: Member, stateVector: Uint8Array): void {
    this.#idle = 0;
    this.#intake.merge();
    if (!this.#document.exists) this.#isHidden = true;
    const answer = encodeSync(
      SYNC.step2,
      this.#call(() => this.#document.diff(stateVector)),
    );
    this.#afterCommit(() => {
      member.socket.sendBulk(withPrefix(member.prefix, answer));
      if (member.isAskedBack && this.isOpen) this.#ask(member);
    });
  }

  handleUpdate(member: Member, update: Uint8Array, isAnswer: boolean): void {
    this.#idle = 0;
    this.#intake.add(member, update, isAnswer);
    if (this.#intake.isFull) this.#commits.now();
    else this.#commits.ask();
  }

  /** Makes what came since the last time durable together. */
  #commit(): void {
    this.#intake.merge();
    const acknowledge = this.#uncommitted;
    this.#uncommitted = [];
    this.#afterCommit(() => {
      // What clients of this node write has kept its pace already.
      this.#broadcasts.flush();
      for (const each of acknowledge) each();
    });
  }

  #handleMerged({ member, isAnswer, writers }: Sent, error: unknown): void {
    if (error !== null) return this.#refuse(member, error, isAnswer);
    // What a client writes while we watch is its own; an answer may bring what others wrote.
    if (!isAnswer && member.ids.size === 0 && writers.size === 1) for (const id of writers) member.ids.add(id);
    const taken = 1 + (isAnswer ? (member.unresolved?.dropped ?? 0) : 0);
    if (isAnswer) {
      member.unresolved = null;
      member.isSynced = true;
    }
    this.#uncommitted.push(() => {
      for (let count = taken; count > 0; count--) member.acknowledge(true);
    });
  }

  #refuse(member: Member, error: unknown, isAnswer: boolean): void {
    try {
      this.#handleRefused(member, error, isAnswer);
    } catch (refusal) {
      member.refuse(refusal);
    }
  }

  #handleRefused(member: Member, error: unknown, isAnswer: boolean): void {
    const { code, message } = error as CrdtError;
    const isGap = code === 'CRDT_UPDATE_GAP';
    // Of who may only read the first change is refused, and so those that build on it have a gap.
    if (member.grant.isReadOnly && (isGap || code === 'CRDT_UPDATE_FORBIDDEN')) return member.acknowledge(false);
    // A gap may be there because what fills it is on its way, by this client or another; a writer, because it passes on what is.
    // What another node wrote comes from there, in a moment or when a partition ends.
    const isAwaited = isGap && isOfNode(error as CrdtError);
    const mayResolve = isGap ? isAwaited || !isAnswer : error instanceof CrdtError && isOfOther(error);
    if (!mayResolve) throw refusalOf(error);
    const reason = isAwaited ? 'unavailable' : isGap ? 'malformed' : 'forbidden';
    member.unresolved ??= { reason, message, dropped: 0, sweeps: 0 };
    member.unresolved.dropped++;
    if (isGap && !isAwaited && member.isSynced) this.#ask(member);
  }

  /** Does another client that is here go by this id? */
  #isTaken(client: number, member: Member): boolean {
    if (member.ids.has(client)) return false;
    for (const other of this.#members) if (other !== member && other.ids.has(client)) return true;
    return false;
  }

  handleAwareness(member: Member, entries: readonly PresenceEntry[]): void {
    // The first message of a client is about itself.
    if (member.ids.size === 0 && entries.length === 1 && entries[0]!.state !== 'null')
      member.ids.add(entries[0]!.client);
    const own = entries.filter((entry) => this.#mayTell(member, entry));
    if (own.length === 0) return;
    for (const { client } of own) member.present.add(client);
    this.#presence.note({ ...this.#name, entries: own }, null);
  }

  /** Clients repeat what they hear of others. It counts only where nobody is here to say it himself. */
  #mayTell(member: Member, { client, clock, state }: PresenceEntry): boolean {
    const known = this.#presence.entryOf(this.#name, client);
    const isNews =
      known === undefined ||
      clock > known.clock ||
      (clock === known.clock && state === 'null' && known.state !== 'null');
    if (!isNews || this.#isTaken(client, member)) return false;
    if (member.ids.has(client) || known === undefined || known.from === null) return isState(state);
    return false;
  }

  answerAwareness(member: Member): void {
    this.#send(member, encodeAwareness(this.#presence.entriesOf(this.#name)));
  }

  // --- what happens

  /** Who is there changed, here or on another node: everybody is told, also who said it. */
  showPresence(entries: readonly PresenceEntry[]): void {
    for (const entry of entries) this.#untoldPresence.set(entry.client, entry);
    this.#broadcasts.ask();
  }

  #handleDurable(updates: readonly Uint8Array[] | null, exists: boolean): void {
    if (this.#members.size === 0) return;
    if (updates === null) return this.endAll('goingAway', 'the document was replaced');
    if (!exists) {
      // Who was shown nothing loses nothing.
      if (!this.#isHidden) this.endAll('deleted', 'the document was deleted');
      return;
    }
    if (this.#isHidden) {
      this.#isHidden = false;
      void this.#showAll();
      return;
    }
    this.#untold.push(...updates);
    // Peers first, who have this commit before them still: they are sent it in this same turn.
    queueMicrotask(() => this.#broadcasts.ask());
  }

  /** Tells everybody what changed since the last time: one write to each. */
  #tell(): void {
    const messages = joined(this.#untold, this.#members.size).map((update) => encodeSync(SYNC.update, update));
    const entries = [...this.#untoldPresence.values()];
    this.#untold = [];
    this.#untoldPresence = new Map();
    if (entries.length > 0) messages.push(encodeAwareness(entries));
    if (messages.length > 0) this.#broadcast(messages);
  }

  /** Who saw an empty document lacks what a change of it builds on. */
  async #showAll(): Promise<void> {
    try {
      await this.open();
      this.#intake.merge();
      const all = encodeSync(SYNC.update, this.#document.diff(Uint8Array.of(0)));
      this.#afterCommit(() => this.#broadcast([all]));
    } catch {
      this.endAll('goingAway', 'the document must be loaded anew');
    }
  }

  /** Looks after what waits too long, what is idle, and who hears nothing. `isSlow`: also after what seldom changes. */
  sweep(isSlow: boolean): void {
    for (const member of [...this.#members]) {
      const { unresolved, socket } = member;
      socket.keepAlive(withPrefix(member.prefix, KEEP_ALIVE), QUIET_SWEEPS);
      if (isSlow && !member.grant.isCurrent()) member.end('unauthorized', 'the token is no longer valid');
      if (unresolved === null) continue;
      // Somebody else may have brought it meanwhile; the client knows what we lack only when we ask.
      const { reason } = unresolved;
      const isDue = unresolved.sweeps++ === 1 || (reason === 'unavailable' && unresolved.sweeps % 2 === 0);
      if (isDue && reason !== 'malformed' && this.isOpen) this.#ask(member);
      if (socket.hasProgress()) continue;
      if (unresolved.sweeps > UNRESOLVED_SWEEPS_MAX) member.end(unresolved.reason, unresolved.message);
    }
    if (++this.#idle === IDLE_SWEEPS) this.#document.rest();
  }

  #ask(member: Member): void {
    member.isSynced = false;
    this.#intake.merge();
    this.#send(member, encodeSync(SYNC.step1, this.#document.stateVector()));
  }

  #send(member: Member, message: Uint8Array): void {
    member.socket.send(withPrefix(member.prefix, message));
  }

  #broadcast(messages: readonly Uint8Array[]): void {
    const framed = new Map<string, Uint8Array>();
    for (const { prefix, prefixKey, socket } of [...this.#members]) {
      let frames = framed.get(prefixKey);
      if (frames === undefined) framed.set(prefixKey, (frames = frameMessages(prefix, messages)));
      socket.sendFrames(frames);
    }
  }

  /** Runs when all that the document shows now is durable. */
  #afterCommit(run: () => void): void {
    this.#document.settled().then(
      () => {
        if (!this.#isClosed) run();
      },
      () => this.endAll('unavailable', 'the storage of this node failed'),
    );
  }

  #call<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw refusalOf(error);
    }
  }
}

export interface RoomOptions {
  readonly presence: Presence;
  /** Bytes of one update, and of a document. */
  readonly bytesMax: number;
}

/** Several small updates travel as one: the cost of a message is the same for all clients. */
function joined(updates: readonly Uint8Array[], members: number): readonly Uint8Array[] {
  const bytes = updates.reduce((sum, update) => sum + update.length, 0);
  return updates.length > 1 && members > 1 && bytes <= MERGE_BYTES_MAX ? [mergeUpdates(updates)] : updates;
}

function isOfOther({ details }: CrdtError): boolean {
  return details['isTaken'] === true;
}

function isOfNode({ details }: CrdtError): boolean {
  return details['isOfNode'] === true;
}

/** What becomes of a client whose message cannot be taken. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof CrdtError) {
    const { code, message } = error;
    if (code === 'CRDT_UPDATE_FORBIDDEN') return new Refusal('forbidden', message);
    return new Refusal(code === 'CRDT_LIMIT_EXCEEDED' ? 'tooLarge' : 'malformed', message);
  }
  if (error instanceof SyncError) return new Refusal('unavailable', error.message);
  throw error;
}
