/**
 * @module
 * Owns one end of a simulated connection: queueing at finite bandwidth, delay, loss, repetition, reordering, resets, and
 * connections that are dead on one side only.
 */
import type { Channel } from '../../sync/port.ts';
import { runInProcess } from './sim-host.ts';
import type { Host, HostChannel } from './sim-host.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a socket reports when the connection broke. */
const ABNORMAL_CLOSURE = 1006;
/** An operating system gives up on unacknowledged data after this long. */
const SEND_TIMEOUT_MS = 20_000;
const REORDER_MS_MAX = 400;

export interface NetworkProfile {
  /** `stream` behaves as TCP: in order, a loss resets the connection. `lossy` drops, repeats and reorders single messages. */
  readonly mode: 'stream' | 'lossy';
  readonly latencyMsMin: number;
  readonly latencyMsMax: number;
  /** Per message. */
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Bytes per millisecond and direction. */
  readonly bandwidth: number;
}

/** State of one direction between two nodes. */
export interface Path {
  /** Cuts in force; faults overlap. */
  cuts: number;
  /** Divides the bandwidth. */
  slowdown: number;
}

export interface NetworkObserver {
  onSend(channel: object, from: number, to: number, message: Uint8Array, bufferedBytes: number): void;
  /** A process closed a channel by itself. */
  onClose(from: number, to: number, code: number, reason: string): void;
}

/** What a channel needs of the network it is on. */
export interface ChannelNetwork {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly observer: NetworkObserver;
  readonly profile: NetworkProfile;
  latency(): number;
  path(from: number, to: number): Path;
  isCut(from: number, to: number): boolean;
  isUp(node: number): boolean;
}

type Parcel =
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly code: number; readonly reason: string };

export class SimChannel implements Channel, HostChannel {
  onMessage: (message: Uint8Array) => void = () => {};
  onClose: (code: number, reason: string) => void = () => {};
  bufferedBytes = 0;
  /** False until the dial has resolved, or the accepting process has seen it: nothing arrives before. */
  isEstablished = false;
  readonly #network: ChannelNetwork;
  readonly #host: Host;
  #peer!: SimChannel;
  readonly #queue: Parcel[] = [];
  /** Arrived where nobody can take it yet. */
  readonly #waiting: Parcel[] = [];
  #isTransmitting = false;
  /** Of a stream something was lost: nothing behind it arrives. */
  #isTorn = false;
  /** Closed by our side or theirs: nothing is delivered here any more. */
  #isClosed = false;
  #isCloseReported = false;
  #lastArrivalAt = 0;
  #cancelTimeout: (() => void) | null = null;

  private constructor(network: ChannelNetwork, host: Host) {
    this.#network = network;
    this.#host = host;
    host.channels.add(this);
  }

  /** A fresh connection: the end of the dialling host and the end of the accepting one. */
  static pair(network: ChannelNetwork, dialling: Host, accepting: Host): [SimChannel, SimChannel] {
    const near = new SimChannel(network, dialling);
    const far = new SimChannel(network, accepting);
    near.#peer = far;
    far.#peer = near;
    return [near, far];
  }

  get remoteNode(): number {
    return this.#peer.#host.node;
  }

  send(message: Uint8Array): void {
    if (this.#isClosed || !this.#host.isAlive) return;
    this.bufferedBytes += message.length;
    this.#network.observer.onSend(this, this.#host.node, this.remoteNode, message, this.bufferedBytes);
    this.#network.trace.event(
      this.#network.time.now,
      `send ${this.#host.node}>${this.remoteNode} ${message.length}`,
      message,
    );
    this.#queue.push({ type: 'message', bytes: message });
    this.pump();
  }

  close(code: number, reason: string): void {
    if (this.#isClosed || !this.#host.isAlive) return;
    this.#network.trace.event(this.#network.time.now, `close ${this.#host.node}>${this.remoteNode} ${code} ${reason}`);
    this.#network.observer.onClose(this.#host.node, this.remoteNode, code, reason);
    this.#queue.push({ type: 'end', code, reason });
    this.pump();
    this.#isClosed = true;
    this.#report(code, reason, this.#network.latency());
  }

  /** Tells the other end that this connection is gone. */
  resetRemote(): void {
    this.#peer.#break('connection reset', this.#network.latency());
  }

  /** Transmits what is queued, one parcel at a time, as the bandwidth and the cuts allow. */
  pump(): void {
    const parcel = this.#queue[0];
    if (parcel === undefined || this.#isTransmitting || !this.#host.isAlive) return;
    const { profile, time } = this.#network;
    const path = this.#network.path(this.#host.node, this.remoteNode);
    // Unacknowledged data stays with a TCP sender until the connection times out.
    if (path.cuts > 0 && profile.mode === 'stream') return this.#expectProgress();
    this.#isTransmitting = true;
    const size = parcel.type === 'message' ? parcel.bytes.length : 4;
    time.after(((size + 60) * path.slowdown) / profile.bandwidth, () => {
      this.#isTransmitting = false;
      if (!this.#host.isAlive) return;
      if (this.#queue.shift() !== parcel) return;
      if (parcel.type === 'message') this.bufferedBytes -= parcel.bytes.length;
      this.#cancelTimeout?.();
      this.#cancelTimeout = null;
      this.#carry(parcel);
      this.pump();
    });
  }

  #carry(parcel: Parcel): void {
    const { profile, random, trace } = this.#network;
    if (profile.mode === 'stream') {
      if (random.chance(profile.loss)) {
        trace.count('connections reset');
        this.#isTorn = true;
        this.#break('connection reset', this.#network.latency());
        return this.resetRemote();
      }
      return this.#arriveLater(parcel, true);
    }
    if (this.#network.isCut(this.#host.node, this.remoteNode) || random.chance(profile.loss)) {
      return trace.count('messages lost');
    }
    const isReordered = random.chance(profile.reorder);
    if (isReordered) trace.count('messages reordered');
    this.#arriveLater(parcel, !isReordered);
    if (random.chance(profile.duplicate)) {
      trace.count('messages duplicated');
      this.#arriveLater(parcel, random.chance(0.5));
    }
  }

  #arriveLater(parcel: Parcel, isInOrder: boolean): void {
    const { time, random } = this.#network;
    let at = time.now + this.#network.latency();
    if (isInOrder) at = this.#lastArrivalAt = Math.max(at, this.#lastArrivalAt + 0.001);
    else at += random.float() * REORDER_MS_MAX;
    const isVoid = this.#isTorn;
    time.after(at - time.now, () => {
      if (!isVoid) this.#arrive(parcel);
    });
  }

  #arrive(parcel: Parcel): void {
    const peer = this.#peer;
    if (!peer.#host.isAlive) {
      // A restarted machine does not know the connection and says so; one without power says nothing.
      if (this.#network.isUp(peer.#host.node)) this.#break('connection reset', this.#network.latency());
      else this.#expectProgress();
      return;
    }
    if (peer.#isClosed) {
      if (peer.#isCloseReported) this.#break('connection reset', this.#network.latency());
      return;
    }
    const waitMs = peer.#host.pausedUntil - this.#network.time.now;
    if (!peer.isEstablished || waitMs > 0) {
      // A process that is frozen, or has not seen the connection yet, finds everything in its buffers, in order.
      this.#waiting.push(parcel);
      if (this.#waiting.length === 1) this.#drainLater(Math.max(waitMs, this.#network.profile.latencyMsMin));
      return;
    }
    if (this.#waiting.length > 0) {
      this.#waiting.push(parcel);
      return;
    }
    this.#deliver(parcel);
  }

  #drainLater(delayMs: number): void {
    this.#network.time.after(delayMs, () => {
      const waitMs = this.#peer.#host.pausedUntil - this.#network.time.now;
      const isReady = this.#peer.isEstablished && waitMs <= 0;
      if (!isReady && this.#peer.#host.isAlive && !this.#peer.#isClosed) {
        return this.#drainLater(Math.max(waitMs, this.#network.profile.latencyMsMin));
      }
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (this.#peer.#host.isAlive && !this.#peer.#isClosed) this.#deliver(next);
      if (this.#waiting.length > 0) this.#drainLater(0);
    });
  }

  #deliver(parcel: Parcel): void {
    const peer = this.#peer;
    if (parcel.type === 'end') {
      peer.#isClosed = true;
      return peer.#report(parcel.code, parcel.reason, 0);
    }
    this.#network.trace.event(
      this.#network.time.now,
      `recv ${this.#host.node}>${peer.#host.node} ${parcel.bytes.length}`,
    );
    this.#network.trace.count('messages delivered');
    this.#network.trace.count('bytes delivered', parcel.bytes.length);
    // A copy: a receiver may not see what the sender does to its buffer, and repeated deliveries may not share one.
    peer.onMessage(parcel.bytes.slice());
  }

  #expectProgress(): void {
    if (this.#cancelTimeout !== null) return;
    this.#cancelTimeout = this.#network.time.after(SEND_TIMEOUT_MS * (0.5 + this.#network.random.float()), () =>
      this.#break('send timeout', 0),
    );
  }

  #break(reason: string, delayMs: number): void {
    this.#network.time.after(delayMs, () => {
      this.#isClosed = true;
      this.#queue.length = 0;
      this.bufferedBytes = 0;
      this.#report(ABNORMAL_CLOSURE, reason, 0);
    });
  }

  #report(code: number, reason: string, delayMs: number): void {
    if (this.#isCloseReported) return;
    this.#isCloseReported = true;
    runInProcess(this.#network.time, this.#host, delayMs, () => {
      this.#host.channels.delete(this);
      this.#network.trace.event(this.#network.time.now, `closed ${this.#host.node}>${this.remoteNode} ${code}`);
      this.onClose(code, reason);
    });
  }
}
