/**
 * @module
 * Owns one link: handshake, liveness, and the dispatch of messages to its sending and receiving half. A state machine over
 * injected ports: connecting → hello → auth → live → closed. PROTOCOL.md section "States".
 */
import { SyncError } from '../errors.ts';
import type { DurableBatch, OriginId } from '../engine.ts';
import { HOLDS_NOTHING } from '../horizon.ts';
import type { Holding } from '../horizon.ts';
import type { Channel } from '../port.ts';
import type { Word } from '../stability.ts';
import { toHex } from '../protocol/authentication.ts';
import { CLOSE_CODES, describeCloseCode } from '../protocol/close-code.ts';
import { PartAssembler, decodeFrame, encodeFrames } from '../protocol/frame.ts';
import { FRAME_BYTES_MAX_UNAUTHENTICATED, FRAME_HEADER_BYTES, REASON_BYTES_MAX } from '../protocol/limit.ts';
import { MESSAGE_TYPES } from '../protocol/message.ts';
import type { Message, PongMessage } from '../protocol/message.ts';
import { isRepairMessage } from '../protocol/repair-message.ts';
import { Announcer } from './announcer.ts';
import type { LinkContext, LinkShared, PeerHistory, PeerIdentity } from './context.ts';
import { IncomingFlow } from './flow.ts';
import { Handshake } from './handshake.ts';
import type { HandshakeSetup, HandshakeStep } from './handshake.ts';
import { Receiver } from './receiver.ts';
import { Reconciler } from './reconciler.ts';
import { Relay } from './relay.ts';
import { Sender } from './sender.ts';
import type { LinkState, LinkStatus } from './status.ts';

export interface LinkOwner {
  /** The peer proved the secret. The owner may close the link right here (duplicates). */
  handleAuthenticated(link: Link): void;
  /** The link is live: others may be told. */
  handleLive(link: Link): void;
  /** The peer proved a join token; resolves when it may be told the secret. */
  admit(tokenId: string, nodeId: string): Promise<void>;
  /** The cluster told us its secret. */
  handleSecret(secret: Uint8Array): void;
  /** Exactly once. `isRemote`: the other side or the transport closed. */
  handleClosed(link: Link, code: number, reason: string, isRemote: boolean): void;
  /** The peer holds other or more of what this node wrote than this node does. */
  handleHistory(link: Link, history: PeerHistory): void;
}

export interface LinkSetup {
  readonly shared: LinkShared;
  readonly owner: LinkOwner;
  readonly channel: Channel;
  /** The address we dialed. */
  readonly url: string | null;
  /** When it was opened, in moments of the roster. */
  readonly openedAt: number;
  readonly handshake: HandshakeSetup;
}

/** What exists only while live. */
interface Halves {
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly announcer: Announcer;
  readonly reconciler: Reconciler;
  readonly relay: Relay;
}

interface SentPing {
  readonly sentAtMs: number;
  readonly offset: number;
  readonly isProbe: boolean;
}

/** All that is parsed before the proof. */
const EARLY_TYPES: ReadonlySet<number> = new Set([
  MESSAGE_TYPES.hello,
  MESSAGE_TYPES.auth,
  MESSAGE_TYPES.bye,
  MESSAGE_TYPES.admission,
]);
/** Unanswered PINGs remembered. */
const PINGS_MAX = 8;

export class Link {
  readonly role: HandshakeSetup['role'];
  readonly url: string | null;
  readonly #setup: LinkSetup;
  readonly #channel: Channel;
  readonly #handshake: Handshake;
  readonly #assembler: PartAssembler;
  readonly #pings = new Map<number, SentPing>();
  #state: LinkState = 'connecting';
  #sinceMs: number;
  #peer: PeerIdentity | null = null;
  #halves: Halves | null = null;
  #cancelTimer: () => void = () => {};
  #silentTicks = 0;
  #ticks = 0;
  #nextPing = 1;
  #nextPart = 1;
  #sentBytes = 0;
  #receivedBytes = 0;
  #skewMs: number | null = null;
  #roundTripMs: number | null = null;
  #lastError: string | null = null;
  #lastHoldings: ReadonlyMap<string, ReadonlyMap<OriginId, number>> = new Map();

  constructor(setup: LinkSetup) {
    this.#setup = setup;
    this.role = setup.handshake.role;
    this.url = setup.url;
    this.#channel = setup.channel;
    this.#handshake = new Handshake(setup.handshake);
    this.#assembler = new PartAssembler(setup.shared.options.messageBytesMax);
    this.#sinceMs = setup.shared.clock.now();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Null before the peer proved the secret. */
  get peer(): PeerIdentity | null {
    return this.#peer;
  }

  /** The origin we said we write as when the link was opened. */
  get ownOrigin(): OriginId {
    return this.#setup.handshake.hello.origin;
  }

  /** See `Roster`. */
  get openedAt(): number {
    return this.#setup.openedAt;
  }

  /** Hex of the nonce we sent. */
  get nonce(): string {
    return toHex(this.#setup.handshake.hello.nonce);
  }

  /** Something was heard within the last heartbeats. */
  get isHeard(): boolean {
    return this.#silentTicks <= this.#setup.shared.options.heartbeatTicks + 1;
  }

  /** What the peer says it is, proven or not. */
  get claimed(): string | null {
    return this.#handshake.claimed?.nodeId ?? null;
  }

  /** What the peer is known to hold durably, or was when the link closed; empty before it said so. */
  holdings(): ReadonlyMap<string, ReadonlyMap<OriginId, number>> {
    return this.#halves?.sender.holdings() ?? this.#lastHoldings;
  }

  /** The same of one database. */
  holding(database: string): Holding {
    return this.#halves?.sender.peerDatabase(database)?.holding ?? HOLDS_NOTHING;
  }

  /** All that the peer held of one database at one moment; null before it said so. */
  word(database: string): Word | null {
    return this.#halves?.sender.peerDatabase(database)?.word ?? null;
  }

  /** Fingerprints of the nodes that the peer is linked to. */
  peerLinks(): readonly string[] {
    return this.#halves?.sender.peerLinks() ?? [];
  }

  /** Bytes held because of this peer (I10). */
  get heldBytes(): number {
    const sending = this.#halves?.sender.heldBytes ?? 0;
    const receiving = (this.#halves?.receiver.pendingBytes ?? 0) + (this.#halves?.reconciler.heldBytes ?? 0);
    return sending + receiving + this.#assembler.heldBytes + this.#channel.bufferedBytes;
  }

  /** Takes the channel over and says HELLO. */
  start(): void {
    this.#channel.onMessage = (frame): void => this.#handleFrame(frame);
    this.#channel.onClose = (code, reason): void => this.#handleClosed(code, reason, true);
    this.#enter('hello');
    const { options, timers } = this.#setup.shared;
    this.#cancelTimer = timers.after(options.handshakeMs, () =>
      this.close(CLOSE_CODES.HANDSHAKE_TIMEOUT, `no proof within ${options.handshakeMs} ms`),
    );
    this.#sendFrame(this.#handshake.helloFrame);
  }

  handleDurable(database: string, batches: readonly DurableBatch[]): void {
    const halves = this.#halves;
    if (halves === null) return;
    this.#guard(() => {
      halves.sender.handleDurable(database, batches);
      halves.announcer.noteChanged(
        database,
        batches.map((batch) => batch.origin),
      );
      halves.receiver.handleDurable(database);
    });
  }

  /** Our vector moved without batches. */
  handleVectorMoved(database: string): void {
    const halves = this.#halves;
    if (halves === null) return;
    this.#guard(() => {
      const { engine } = this.#setup.shared;
      if (engine.unwanted().includes(database)) return halves.announcer.decline(database);
      if (engine.databases().includes(database)) halves.announcer.want(database);
      halves.announcer.noteChanged(database, engine.vector(database).keys());
      halves.sender.handleVectorMoved(database);
      halves.receiver.handleDurable(database);
    });
  }

  /** The set of nodes we are linked to changed. */
  handleLinksChanged(): void {
    this.#halves?.announcer.noteLinks();
  }

  status(): LinkStatus {
    const claimed = this.#handshake.claimed;
    return {
      node: this.#peer?.nodeId ?? claimed?.nodeId ?? null,
      name: this.#peer?.name ?? claimed?.name ?? null,
      origin: this.#peer?.origin ?? null,
      url: this.url ?? this.#peer?.url ?? null,
      direction: this.role === 'dialer' ? 'dialed' : 'accepted',
      state: this.#state,
      lagging: this.#halves?.sender.isLagging ?? false,
      since: this.#sinceMs,
      lag: this.#halves?.sender.computeLag() ?? { entries: 0, bytes: 0, seconds: 0 },
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      heldBytes: this.heldBytes,
      clockSkewMs: this.#skewMs,
      roundTripMs: this.#roundTripMs,
      applied: this.#halves?.receiver.applied ?? 0,
      duplicates: this.#halves?.receiver.duplicates ?? 0,
      waiting: this.#halves?.receiver.waiting ?? 0,
      snapshots: this.#halves?.receiver.snapshots ?? [],
      comparing: this.#halves?.reconciler.comparing ?? [],
      lastError: this.#lastError,
    };
  }

  close(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    const text = shorten(reason);
    // The reason may tell a stranger about us: before the proof only the code goes out.
    this.#send({ type: 'bye', code, reason: this.#handshake.isProven ? text : '' });
    this.#handleClosed(code, text, false);
  }

  #enter(state: LinkState): void {
    this.#state = state;
    this.#sinceMs = this.#setup.shared.clock.now();
  }

  #handleClosed(code: number, reason: string, isRemote: boolean): void {
    if (this.#state === 'closed') return;
    this.#enter('closed');
    this.#lastError = `${describeCloseCode(code)}${reason === '' ? '' : `: ${reason}`}`;
    this.#cancelTimer();
    this.#lastHoldings = this.holdings();
    this.#halves?.receiver.close();
    this.#halves?.sender.close();
    this.#halves?.announcer.close();
    this.#halves?.reconciler.close();
    this.#halves?.relay.close();
    this.#halves = null;
    this.#channel.close(code, reason);
    this.#setup.owner.handleClosed(this, code, reason, isRemote);
  }

  // --- frames

  #handleFrame(frame: Uint8Array): void {
    if (this.#state === 'closed') return;
    this.#receivedBytes += frame.length;
    this.#silentTicks = 0;
    this.#guard(() => {
      if (this.#halves === null) return this.#handleEarlyFrame(frame);
      const message = decodeFrame(frame);
      const whole = message.type === 'part' ? this.#assembler.add(message) : message;
      if (whole !== null) this.#dispatch(this.#halves, whole);
    });
  }

  /** Before the proof: small frames, and only the three types that may come then are parsed. */
  #handleEarlyFrame(frame: Uint8Array): void {
    if (frame.length > FRAME_BYTES_MAX_UNAUTHENTICATED) {
      return this.close(CLOSE_CODES.FRAME_TOO_LARGE, `${frame.length} bytes before authentication`);
    }
    const type = frame[FRAME_HEADER_BYTES - 1];
    if (!EARLY_TYPES.has(type!)) return;
    const message = decodeFrame(frame);
    if (message.type === 'bye') return this.#handleClosed(message.code, message.reason, true);
    const step = this.#handshake.receive(message, frame);
    if (step.send !== undefined) {
      this.#sendFrame(step.send);
      this.#enter('auth');
    }
    if (step.refusal !== undefined) return this.close(step.refusal.code, step.refusal.reason);
    if (step.peer !== undefined) this.#authenticate(step.peer);
    else if (step.admits !== undefined) this.#admit(step.admits);
    else if (step.secret !== undefined) this.#setup.owner.handleSecret(step.secret);
  }

  /** The secret leaves only when the token is durably marked as used (I1). */
  #admit({ tokenId, nodeId }: NonNullable<HandshakeStep['admits']>): void {
    this.#setup.owner.admit(tokenId, nodeId).then(
      () => {
        if (this.#state === 'closed') return;
        this.#sendFrame(this.#handshake.admissionFrame());
        this.close(CLOSE_CODES.ADMITTED, 'dial again with the secret');
      },
      (error: unknown) => this.close(CLOSE_CODES.TOKEN_REFUSED, error instanceof Error ? error.message : String(error)),
    );
  }

  #dispatch({ sender, receiver, announcer, reconciler, relay }: Halves, message: Message): void {
    if (isRepairMessage(message)) return reconciler.handle(message);
    switch (message.type) {
      case 'vector':
        if (message.links !== null) sender.handleLinks(message.links.map(toHex));
        sender.handleOffset(message.offset);
        sender.handlePositions(message.databases);
        return message.complete ? sender.handleComplete() : undefined;
      case 'data':
        return receiver.handleData(message);
      case 'ack':
        sender.handlePositions(message.databases);
        return sender.handleOffset(message.offset);
      case 'pull':
        return sender.handlePull(message);
      case 'offer':
        return receiver.handleOffer(message);
      case 'snapshot-request':
        return sender.handleSnapshotRequest(message);
      case 'snapshot-chunk':
        return receiver.handleChunk(message);
      case 'snapshot-end':
        return receiver.handleEnd(message);
      case 'ping':
        if (message.probe) announcer.announceAll();
        return this.#send({
          type: 'pong',
          id: message.id,
          wallMs: Math.max(0, Math.round(this.#setup.shared.clock.now())),
          pendingBytes: receiver.pendingBytes,
        });
      case 'pong':
        return this.#handlePong(sender, message);
      case 'prune':
        return sender.handlePrune(message.database, message.origins);
      case 'holdings':
        return relay.receive(message.entries);
      case 'presence':
        return relay.receivePresence(message.rooms);
      case 'bye':
        return this.#handleClosed(message.code, message.reason, true);
      case 'hello':
      case 'auth':
      case 'admission':
        return; // a repetition
      case 'part':
        throw new SyncError('SYNC_FRAME_MALFORMED', 'A part within a part.');
    }
  }

  #handlePong(sender: Sender, message: PongMessage): void {
    const ping = this.#pings.get(message.id);
    if (ping === undefined) return;
    this.#pings.delete(message.id);
    const now = this.#setup.shared.clock.now();
    this.#roundTripMs = Math.max(0, now - ping.sentAtMs);
    // Cristian: the peer read its clock about half a round trip ago.
    this.#skewMs = Math.round(message.wallMs + this.#roundTripMs / 2 - now);
    if (ping.isProbe && message.pendingBytes === 0) sender.handleProbed(ping.offset);
  }

  // --- live

  #authenticate(peer: PeerIdentity): void {
    this.#peer = peer;
    this.#setup.owner.handleAuthenticated(this);
    if (this.#state === 'closed') return;
    this.#cancelTimer();
    this.#enter('live');
    this.#halves = this.#createHalves(peer);
    this.#setup.owner.handleLive(this);
    this.#beat();
    this.#armTick();
  }

  #createHalves(peer: PeerIdentity): Halves {
    const context: LinkContext = {
      ...this.#setup.shared,
      selfNode: this.#setup.handshake.hello.nodeId,
      peer,
      send: (message) => this.#send(message),
      channelBytes: () => this.#channel.bufferedBytes,
      close: (code, reason) => this.close(code, reason),
      reportHistory: (history) => this.#setup.owner.handleHistory(this, history),
    };
    const flow = new IncomingFlow();
    const announcer = new Announcer(context, () => flow.take());
    const sender = new Sender(context, {
      noteTold: (database, origin, seq) => announcer.noteTold(database, origin, seq),
      answer: (database, origins) => announcer.answer(database, origins),
      probe: () => this.#ping(true),
    });
    const receiver = new Receiver(context, flow, announcer, {
      noteReceived: (database, origin, seq) => sender.noteReceived(database, origin, seq),
      holding: (database) => this.holding(database),
      isInDoubt: (database) => (sender.peerDatabase(database)?.unknown.size ?? 0) > 0,
      holdsMore: (database) => sender.peerDatabase(database)?.holdsMore !== false,
    });
    const relay = new Relay(context, () => sender.peerLinks());
    return { sender, receiver, announcer, reconciler: new Reconciler(context), relay };
  }

  /** Ticks count instead of clocks, which may jump. */
  #armTick(): void {
    const { options, timers } = this.#setup.shared;
    this.#cancelTimer = timers.after(options.tickMs, () => {
      this.#armTick();
      this.#guard(() => this.#tick());
    });
  }

  #tick(): void {
    const { options } = this.#setup.shared;
    this.#ticks++;
    this.#silentTicks++;
    if (this.#silentTicks > options.silenceTicksMax) {
      return this.close(CLOSE_CODES.PEER_SILENT, `silent for ${options.silenceTicksMax} ticks of ${options.tickMs} ms`);
    }
    if (this.#ticks % options.heartbeatTicks === 0) this.#beat();
    this.#halves?.receiver.tick();
    this.#halves?.reconciler.tick();
    this.#halves?.sender.tick();
  }

  #beat(): void {
    this.#halves?.announcer.beat();
    this.#halves?.reconciler.beat();
    this.#halves?.relay.beat();
    this.#ping(false);
  }

  #ping(isProbe: boolean): void {
    if (this.#halves === null) return;
    const id = this.#nextPing++;
    this.#pings.set(id, { sentAtMs: this.#setup.shared.clock.now(), offset: this.#halves.sender.offset, isProbe });
    if (this.#pings.size > PINGS_MAX) this.#pings.delete(this.#pings.keys().next().value!);
    this.#send({ type: 'ping', id, probe: isProbe });
  }

  // --- output

  #send(message: Message): void {
    for (const frame of encodeFrames(message, () => this.#nextPart++)) this.#sendFrame(frame);
  }

  #sendFrame(frame: Uint8Array): void {
    this.#sentBytes += frame.length;
    this.#channel.send(frame);
  }

  /** A peer's mistake closes its link and nothing else: this runs inside the engine's commit as well. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      const code = error instanceof SyncError ? CODES_BY_ERROR[error.code] : undefined;
      this.close(code ?? CLOSE_CODES.INTERNAL_ERROR, error instanceof Error ? error.message : String(error));
    }
  }
}

const CODES_BY_ERROR: Readonly<Record<string, number>> = {
  SYNC_FRAME_MALFORMED: CLOSE_CODES.FRAME_MALFORMED,
  SYNC_FRAME_TOO_LARGE: CLOSE_CODES.FRAME_TOO_LARGE,
  SYNC_VERSION_UNSUPPORTED: CLOSE_CODES.VERSION_UNSUPPORTED,
  SYNC_BATCH_MALFORMED: CLOSE_CODES.BATCH_REFUSED,
  SYNC_CHAIN_FORKED: CLOSE_CODES.CHAIN_FORKED,
};

/** Close reasons travel in a WebSocket control frame, which ends at 123 bytes. */
function shorten(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= REASON_BYTES_MAX) return reason;
  return new TextDecoder().decode(bytes.subarray(0, REASON_BYTES_MAX - 4)).replace(/\uFFFD+$/u, '') + '…';
}
