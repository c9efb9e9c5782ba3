/**
 * @module
 * Owns one address we keep a link to: back-off with jitter, giving up on permanent refusals, and standing by while the node is
 * linked some other way.
 */
import { CLOSE_CODES, describeCloseCode, isPermanent } from '../protocol/close-code.ts';
import type { Channel, Dialer, Random, Timers } from '../port.ts';
import type { LinkOptions } from './options.ts';
import type { DialStatus } from './status.ts';

export interface DialHooks {
  isLinked(node: string): boolean;
  /** An open channel; the owner reports back through `handleLive` and `handleClosed`. */
  handleOpen(dial: Dial, channel: Channel): void;
}

export interface DialPorts {
  readonly dialer: Dialer;
  readonly timers: Timers;
  readonly random: Random;
  readonly options: LinkOptions;
}

export class Dial {
  readonly url: string;
  readonly source: 'join' | 'learned';
  readonly #ports: DialPorts;
  readonly #hooks: DialHooks;
  #node: string | null;
  #state: DialStatus['state'] = 'waiting';
  #attempts = 0;
  /** Counts dials, so that an answer that comes too late is recognised. */
  #generation = 0;
  #lastError: string | null = null;
  #cancelTimer: () => void = () => {};

  constructor(url: string, source: 'join' | 'learned', node: string | null, ports: DialPorts, hooks: DialHooks) {
    this.url = url;
    this.source = source;
    this.#node = node;
    this.#ports = ports;
    this.#hooks = hooks;
  }

  get node(): string | null {
    return this.#node;
  }

  status(): DialStatus {
    const { url, source } = this;
    return {
      url,
      node: this.#node,
      source,
      state: this.#state,
      attempts: this.#attempts,
      lastError: this.#lastError,
    };
  }

  /** Dials now, unless a link or an attempt exists. */
  start(): void {
    if (this.#state === 'stopped' || this.#state === 'dialing') return;
    if (this.#node !== null && this.#hooks.isLinked(this.#node)) {
      this.#state = 'linked';
      return;
    }
    this.#cancelTimer();
    this.#state = 'dialing';
    this.#attempts++;
    const generation = ++this.#generation;
    const { dialer, timers, options } = this.#ports;
    this.#cancelTimer = timers.after(options.handshakeMs * 2, () => this.#fail(generation, 'no answer'));
    dialer.dial(this.url).then(
      (channel) => this.#handleOpen(generation, channel),
      (error: unknown) => this.#fail(generation, error instanceof Error ? error.message : String(error)),
    );
  }

  /** Tries an address again that was given up. */
  restart(): void {
    if (this.#state === 'stopped') this.#state = 'waiting';
    if (this.#state === 'waiting' || this.#state === 'resting') this.start();
  }

  /** The link at this address proved itself. */
  handleLive(node: string): void {
    this.#node = node;
    this.#state = 'linked';
    this.#lastError = null;
    this.#cancelTimer();
    this.#cancelTimer = this.#ports.timers.after(this.#ports.options.healthyMs, () => {
      this.#attempts = 0;
    });
  }

  /** We know who is there although the link was not kept. */
  noteNode(node: string): void {
    this.#node = node;
  }

  /** The link at this address is gone. */
  handleClosed(code: number, reason: string): void {
    if (this.#state === 'stopped' || this.#state === 'resting') return;
    this.#lastError = `${describeCloseCode(code)}${reason === '' ? '' : `: ${reason}`}`;
    this.#cancelTimer();
    if (isPermanent(code)) this.#state = 'stopped';
    else this.#schedule();
  }

  /** Another link to this node closed: this address has to carry it now. */
  handleNodeLost(): void {
    if (this.#state === 'linked') this.#schedule();
  }

  /** Nobody needs this address now: the overlay has others. */
  rest(): void {
    if (this.#state === 'stopped') return;
    this.#state = 'resting';
    this.#generation++;
    this.#cancelTimer();
  }

  /** Links are few: every address counts again. */
  wake(): void {
    if (this.#state === 'resting') this.#schedule();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#generation++;
    this.#cancelTimer();
  }

  #handleOpen(generation: number, channel: Channel): void {
    if (generation !== this.#generation || this.#state !== 'dialing') {
      channel.close(CLOSE_CODES.GOING_AWAY, 'too late');
      return;
    }
    this.#cancelTimer();
    this.#hooks.handleOpen(this, channel);
  }

  #fail(generation: number, reason: string): void {
    if (generation !== this.#generation || this.#state !== 'dialing') return;
    this.#generation++;
    this.#lastError = reason;
    this.#schedule();
  }

  #schedule(): void {
    const { timers, random, options } = this.#ports;
    this.#state = 'waiting';
    this.#cancelTimer();
    const doubled = options.redialMsMin * 2 ** Math.min(20, Math.max(0, this.#attempts - 1));
    const jitter = 0.8 + (random.bytes(1)[0]! / 255) * 0.4;
    this.#cancelTimer = timers.after(Math.round(Math.min(options.redialMsMax, doubled) * jitter), () => this.start());
  }
}
