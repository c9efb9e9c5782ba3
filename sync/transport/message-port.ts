/**
 * @module
 * Owns channels over message ports: between the tabs of a browser and a worker that holds the replica, or between threads of Node.
 * A port does not say how much of what was sent waits at the other end, so every message is confirmed.
 *
 * On the port: a string begins and ends (`open`, `closed`), an ArrayBuffer is a message, a number confirms so many bytes, and an array is a
 * close with code and reason.
 */
import type { Channel, Dialer } from '../port.ts';
import { InboundChannel } from './inbound.ts';

const OPEN_MS_MAX = 5000;
/** An end that does not answer a close is not waited for. */
const CLOSE_MS_MAX = 2000;
/** What a connection ends with that was lost and not closed. */
const LOST_CODE = 1006;

/** As a MessagePort of browsers and Node. */
export interface MessagePortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: string, listener: (event: object) => void): void;
  start(): void;
  close(): void;
}

/**
 * Dials through ports: `connect` makes a port whose other end was handed to whoever is at `url`, or throws.
 * The other end gives its port to `createMessagePortChannel`, and the channel to `Replica.accept`.
 */
export function createMessagePortDialer(
  connect: (url: string) => MessagePortLike | Promise<MessagePortLike>,
  openMsMax: number = OPEN_MS_MAX,
): Dialer {
  return {
    async dial(url) {
      const port = await connect(url);
      return new Promise((resolve, reject) => {
        const channel: PortChannel = new PortChannel(port, () => {
          clearTimeout(timer);
          resolve(channel);
        });
        const timer = setTimeout(() => {
          channel.abandon();
          reject(new Error(`nobody answers at ${url}`));
        }, openMsMax);
      });
    },
  };
}

/** Wraps the port of an incoming connection. */
export function createMessagePortChannel(port: MessagePortLike): Channel {
  return new PortChannel(port, () => {});
}

class PortChannel extends InboundChannel {
  readonly #port: MessagePortLike;
  #bufferedBytes = 0;
  #isClosing = false;
  #isEnded = false;

  constructor(port: MessagePortLike, onOpen: () => void) {
    super();
    this.#port = port;
    port.addEventListener('message', (event) => {
      const { data } = event as { readonly data?: unknown };
      if (data === 'open') onOpen();
      else this.#receive(data);
    });
    // Not every browser tells when the other end is gone; links find out by themselves.
    port.addEventListener('close', () => this.#end(LOST_CODE, 'the port was closed'));
    port.start();
    port.postMessage('open', []);
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(message: Uint8Array): void {
    if (this.#isClosing) return;
    this.#bufferedBytes += message.length;
    const { buffer } = new Uint8Array(message);
    this.#port.postMessage(buffer, [buffer]);
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.mute();
    this.#port.postMessage([code, reason], []);
    // Until the other end has read it: a port that closes may drop what it was given.
    const timer = setTimeout(() => this.#end(LOST_CODE, 'the close was not answered'), CLOSE_MS_MAX);
    this.#onEnd = (): void => clearTimeout(timer);
  }

  /** Lets go of a port that nobody answers on. */
  abandon(): void {
    this.#end(LOST_CODE, '');
  }

  #onEnd: () => void = () => {};

  #receive(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      this.#port.postMessage(data.byteLength, []);
      this.deliver(new Uint8Array(data));
    } else if (typeof data === 'number') {
      this.#bufferedBytes -= data;
    } else if (data === 'closed') {
      this.#end(LOST_CODE, 'closed here');
    } else if (Array.isArray(data)) {
      this.#port.postMessage('closed', []);
      this.#end(Number(data[0]), String(data[1]));
    }
  }

  #end(code: number, reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isClosing = true;
    this.#onEnd();
    this.finish(code, reason);
    this.#port.close();
  }
}
