/**
 * @module
 * Owns channels over the WebSocket of browsers, and of whatever else has one as a global. Dials only: nobody can dial a browser.
 */
import { CLOSE_CODES } from '../protocol/close-code.ts';
import type { Dialer } from '../port.ts';
import { InboundChannel } from './inbound.ts';
import { toSocketUrl } from './socket-url.ts';
import type { SocketPath } from './socket-url.ts';

const OPEN_MS_MAX = 5000;
/** A peer that does not answer a close is not waited for. */
const CLOSE_MS_MAX = 2000;
/** What a connection ends with that was lost and not closed. */
const LOST_CODE = 1006;
const OPEN = 1;
/** Browsers throw for longer reasons. */
const REASON_BYTES_MAX = 123;

interface SocketEvent {
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
}

/** As the WebSocket of browsers. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  binaryType: string;
  send(message: Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: object) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/**
 * Dials `http(s)://host:port[/base]` as `ws(s)://host:port[/base]/sync`, or `/leaf`.
 *
 * @param create default: the global `WebSocket`, looked up when it dials
 * @param path default: `sync`, of members
 */
export function createBrowserWebSocketDialer(create?: WebSocketConstructor, path: SocketPath = 'sync'): Dialer {
  return {
    dial: (url) =>
      new Promise((resolve, reject) => {
        const Socket = create ?? (globalThis as { WebSocket?: unknown }).WebSocket;
        if (Socket === undefined) {
          return reject(
            new Error('there is no global WebSocket here: pass a transport, in Node createWebSocketDialer of atolldb'),
          );
        }
        const socket = new (Socket as WebSocketConstructor)(toSocketUrl(url, path));
        const channel = new BrowserChannel(socket);
        const timer = setTimeout(() => {
          channel.close(CLOSE_CODES.GOING_AWAY, '');
          reject(new Error(`${url} does not answer`));
        }, OPEN_MS_MAX);
        socket.addEventListener('open', () => {
          clearTimeout(timer);
          resolve(channel);
        });
        // Why it failed is not told to programs in a browser.
        socket.addEventListener('close', (event) => {
          clearTimeout(timer);
          reject(new Error(`closed with ${(event as SocketEvent).code ?? LOST_CODE} before it was open`));
        });
      }),
  };
}

class BrowserChannel extends InboundChannel {
  readonly #socket: WebSocketLike;
  #isClosing = false;

  constructor(socket: WebSocketLike) {
    super();
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    // Every error is followed by 'close'.
    socket.addEventListener('error', () => {});
    socket.addEventListener('message', (event) => {
      const { data } = event as SocketEvent;
      if (data instanceof ArrayBuffer) this.deliver(new Uint8Array(data));
      else this.close(CLOSE_CODES.FRAME_MALFORMED, 'a text message');
    });
    socket.addEventListener('close', (event) => {
      const { code, reason } = event as SocketEvent;
      this.#isClosing = true;
      this.finish(code ?? LOST_CODE, reason ?? '');
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: Uint8Array): void {
    if (this.#isClosing || this.#socket.readyState !== OPEN) return;
    this.#socket.send(message);
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.mute();
    const isOurs = Number.isInteger(code) && code >= 4000 && code <= 4999;
    this.#socket.close(isOurs ? code : CLOSE_CODES.GOING_AWAY, shorten(reason));
    const timer = setTimeout(() => this.finish(LOST_CODE, 'the close was not answered'), CLOSE_MS_MAX);
    this.#socket.addEventListener('close', () => clearTimeout(timer));
  }
}

/** Without a broken character at the end. */
function shorten(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= REASON_BYTES_MAX) return reason;
  return new TextDecoder().decode(bytes.subarray(0, REASON_BYTES_MAX)).replace(/\uFFFD+$/, '');
}
