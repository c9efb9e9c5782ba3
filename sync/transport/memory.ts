/**
 * @module
 * Owns channels inside one process: ordered, asynchronous, lossless. For tests and for several replicas in one process.
 */
import type { Channel, Dialer, Timers } from '../port.ts';
import { InboundChannel } from './inbound.ts';

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

class MemoryChannel extends InboundChannel {
  readonly #defer: Defer;
  #deliver: (message: Uint8Array) => void = () => {};
  #finish: (code: number, reason: string) => void = () => {};
  #bufferedBytes = 0;
  #isClosing = false;

  constructor(defer: Defer) {
    super();
    this.#defer = defer;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  connect(other: MemoryChannel): void {
    this.#deliver = (message): void => other.deliver(message);
    this.#finish = (code, reason): void => {
      other.#isClosing = true;
      other.finish(code, reason);
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
    this.mute();
    // Behind what was sent, as on a socket.
    this.#defer(() => {
      this.finish(code, reason);
      this.#finish(code, reason);
    });
  }
}

function createDefer({ timers, delayMs = 0 }: MemoryChannelOptions): Defer {
  return timers === undefined ? (run): void => queueMicrotask(run) : (run): void => void timers.after(delayMs, run);
}
