/**
 * @module
 * Owns channels inside one process: ordered, asynchronous, lossless. For tests and for several replicas in one process.
 */
import type { Channel, Dialer, Timers } from '../port.ts';
import { Inbound } from './inbound.ts';

export interface MemoryChannelOptions {
  /** Delivers with this delay, through `timers`; without timers, in a microtask. */
  readonly delayMs?: number;
  readonly timers?: Timers;
}

/** Two ends of one channel. */
export function createMemoryChannels(options: MemoryChannelOptions = {}): [Channel, Channel] {
  const defer = createDefer(options);
  const a = new MemoryChannel(defer);
  const b = new MemoryChannel(defer);
  a.connect(b);
  b.connect(a);
  return [a, b];
}

/** Addresses within one process. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, (channel: Channel) => void>();
  readonly #options: MemoryChannelOptions;

  constructor(options: MemoryChannelOptions = {}) {
    this.#options = options;
  }

  /** Accepts channels at `url`. Returns the function that stops it. */
  listen(url: string, accept: (channel: Channel) => void): () => void {
    this.#listeners.set(url, accept);
    return () => void this.#listeners.delete(url);
  }

  readonly dialer: Dialer = {
    dial: async (url) => {
      const accept = this.#listeners.get(url);
      if (accept === undefined) throw new Error(`nobody listens at ${url}`);
      const [ours, theirs] = createMemoryChannels(this.#options);
      accept(theirs);
      return ours;
    },
  };
}

type Defer = (run: () => void) => void;

class MemoryChannel implements Channel {
  readonly #defer: Defer;
  readonly #inbound = new Inbound();
  #deliver: (message: Uint8Array) => void = () => {};
  #finish: (code: number, reason: string) => void = () => {};
  #bufferedBytes = 0;
  #isClosing = false;

  constructor(defer: Defer) {
    this.#defer = defer;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get onMessage(): (message: Uint8Array) => void {
    return this.#inbound.onMessage;
  }

  set onMessage(listener: (message: Uint8Array) => void) {
    this.#inbound.onMessage = listener;
  }

  get onClose(): (code: number, reason: string) => void {
    return this.#inbound.onClose;
  }

  set onClose(listener: (code: number, reason: string) => void) {
    this.#inbound.onClose = listener;
  }

  connect(other: MemoryChannel): void {
    this.#deliver = (message): void => other.#inbound.deliver(message);
    this.#finish = (code, reason): void => {
      other.#isClosing = true;
      other.#inbound.finish(code, reason);
    };
  }

  send(message: Uint8Array): void {
    if (this.#isClosing) return;
    const copy = message.slice();
    this.#bufferedBytes += copy.length;
    this.#defer(() => {
      this.#bufferedBytes -= copy.length;
      this.#deliver(copy);
    });
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#inbound.mute();
    // Behind what was sent, as on a socket.
    this.#defer(() => {
      this.#inbound.finish(code, reason);
      this.#finish(code, reason);
    });
  }
}

function createDefer({ timers, delayMs = 0 }: MemoryChannelOptions): Defer {
  return timers === undefined ? queueMicrotask : (run): void => void timers.after(delayMs, run);
}
