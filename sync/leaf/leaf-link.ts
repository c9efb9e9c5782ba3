/**
 * @module
 * Owns the connection of a leaf: to one node at a time, to another when that one fails, and again later when none answers. What is said over
 * it is decided elsewhere.
 */
import type { SyncError } from '../errors.ts';
import type { Channel, Clock, Dialer, Random, Timers } from '../port.ts';
import { CLOSE_CODES, describeCloseCode } from '../protocol/close-code.ts';
import { decodeLeafMessage, encodeLeafMessage } from './codec.ts';
import { HELLO_MS, PING_MS, SILENCE_MS } from './limit.ts';
import type { LeafHello, LeafMessage, LeafWelcome } from './message.ts';

export interface LeafLinkParts {
  readonly urls: readonly string[];
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hello: () => LeafHello;
  readonly onOpen: (welcome: LeafWelcome) => void;
  readonly onMessage: (message: LeafMessage) => void;
  /** It was open, or was to be. */
  readonly onDown: () => void;
}

/** `refused`: no node lets the leaf in; it waits for another token. */
export type LinkState = 'offline' | 'connecting' | 'online' | 'refused';

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;

export class LeafLink {
  readonly #parts: LeafLinkParts;
  state: LinkState = 'offline';
  /** Why the last connection ended. */
  reason: string | null = null;
  #url = 0;
  #channel: Channel | null = null;
  #attempt = 0;
  /** Of connections; what belongs to an older one is void. */
  #generation = 0;
  #heardMs = 0;
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(parts: LeafLinkParts) {
    this.#parts = parts;
  }

  get url(): string {
    return this.#parts.urls[this.#url]!;
  }

  send(message: LeafMessage): void {
    this.#channel?.send(encodeLeafMessage(message));
  }

  /** Dials at once, with whatever token there is now. */
  connect(): void {
    if (this.#isClosed || this.state === 'online' || this.state === 'connecting') return;
    this.#attempt = 0;
    this.#dial();
  }

  /** Ends the connection and dials again. */
  restart(reason: string): void {
    if (this.#channel === null) return;
    this.#attempt = 0;
    this.#drop(CLOSE_CODES.GOING_AWAY, reason, false);
  }

  /** Leaves the node for another one. */
  leave(reason: string): void {
    if (this.#channel !== null) this.#drop(CLOSE_CODES.GOING_AWAY, reason, true);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#channel?.close(CLOSE_CODES.GOING_AWAY, 'the leaf is closing');
    this.#channel = null;
    this.#generation++;
    this.state = 'offline';
  }

  #dial(): void {
    this.#cancel();
    this.state = 'connecting';
    const generation = ++this.#generation;
    const isVoid = (): boolean => generation !== this.#generation;
    this.#parts.dialer.dial(this.url).then(
      (channel) => {
        if (isVoid()) return channel.close(CLOSE_CODES.GOING_AWAY, '');
        this.#open(channel, isVoid);
      },
      (error: unknown) => {
        if (!isVoid()) this.#retry(error instanceof Error ? error.message : String(error), true);
      },
    );
  }

  #open(channel: Channel, isVoid: () => boolean): void {
    const { clock, timers, hello } = this.#parts;
    this.#channel = channel;
    this.#heardMs = clock.now();
    channel.onMessage = (bytes) => {
      if (!isVoid()) this.#receive(bytes);
    };
    channel.onClose = (code, reason) => {
      if (isVoid()) return;
      this.#channel = null;
      this.#handleClose(code, reason);
    };
    channel.send(encodeLeafMessage(hello()));
    this.#cancel = timers.after(HELLO_MS, () => this.#drop(CLOSE_CODES.HANDSHAKE_TIMEOUT, 'no WELCOME', true));
  }

  #receive(bytes: Uint8Array): void {
    this.#heardMs = this.#parts.clock.now();
    let message: LeafMessage;
    try {
      message = decodeLeafMessage(bytes);
    } catch (error) {
      return this.#drop(CLOSE_CODES.FRAME_MALFORMED, (error as SyncError).message, true);
    }
    if (message.type === 'pong') return;
    if (message.type !== 'welcome') {
      if (this.state === 'online') this.#parts.onMessage(message);
      return;
    }
    this.state = 'online';
    this.reason = null;
    this.#attempt = 0;
    this.#watch();
    this.#parts.onOpen(message);
  }

  /** Says something from time to time, and notices when nothing comes back. */
  #watch(): void {
    this.#cancel();
    this.#cancel = this.#parts.timers.after(PING_MS, () => {
      const now = this.#parts.clock.now();
      if (now < this.#heardMs) this.#heardMs = now;
      if (now - this.#heardMs > SILENCE_MS) return this.#drop(CLOSE_CODES.PEER_SILENT, 'nothing was heard', true);
      this.send({ type: 'ping' });
      this.#watch();
    });
  }

  #drop(code: number, reason: string, isNext: boolean): void {
    const channel = this.#channel;
    this.#channel = null;
    this.#generation++;
    channel?.close(code, reason);
    this.#retry(reason, isNext);
  }

  #handleClose(code: number, reason: string): void {
    this.#generation++;
    const why = `${describeCloseCode(code)}${reason === '' ? '' : `: ${reason}`}`;
    if (code !== CLOSE_CODES.AUTH_FAILED) return this.#retry(why, true);
    this.#cancel();
    this.state = 'refused';
    this.reason = why;
    this.#parts.onDown();
  }

  #retry(reason: string, isNext: boolean): void {
    const { urls, timers, random } = this.#parts;
    this.#cancel();
    this.state = 'offline';
    this.reason = reason;
    if (isNext) this.#url = (this.#url + 1) % urls.length;
    // All nodes are tried before the leaf waits longer.
    const round = Math.floor(this.#attempt++ / urls.length);
    const delay = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(round, 10));
    const jitter = 0.5 + random.bytes(1)[0]! / 256;
    this.#cancel = timers.after(isNext ? delay * jitter : 0, () => this.#dial());
    this.#parts.onDown();
  }
}
