/**
 * @module
 * Owns channels over WebSockets; the only file that imports `ws`. Binary messages, no permessage-deflate (it costs 100 µs a
 * message and fragments memory; payloads are deflated by the protocol).
 */
import WebSocket from 'ws';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import type { Channel, Dialer } from '../port.ts';
import { InboundChannel } from './inbound.ts';
import { toSocketUrl } from './socket-url.ts';
import type { SocketPath } from './socket-url.ts';

/** Of members: frames end at 256 KiB, the rest is slack for later versions. Leaves are sent whole documents. */
const PAYLOAD_BYTES_MAX: Readonly<Record<SocketPath, number>> = { sync: 1024 * 1024, leaf: 64 * 1024 * 1024 };
/** TCP, TLS and upgrade. */
const OPEN_MS_MAX = 5000;
/** A peer that does not answer a close is cut after this. */
const CLOSE_MS_MAX = 2000;

export interface WebSocketDialerOptions {
  /** Default: `sync`, of members; `leaf` for leaves. */
  readonly path?: SocketPath;
  /** Extra request headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM: who vouches for peers, and what this node shows them. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Dials `http(s)://host:port[/base]` as `ws(s)://host:port[/base]/sync`, or `/leaf`. */
export function createWebSocketDialer(options: WebSocketDialerOptions = {}): Dialer {
  const { path = 'sync' } = options;
  return {
    dial: (url) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(toSocketUrl(url, path), {
          perMessageDeflate: false,
          maxPayload: PAYLOAD_BYTES_MAX[path],
          handshakeTimeout: OPEN_MS_MAX,
          followRedirects: false,
          headers: { ...options.headers },
          ...options.tls,
        });
        const channel = createWebSocketChannel(socket);
        socket.once('open', () => resolve(channel));
        socket.once('error', reject);
        socket.once('close', (code) => reject(new Error(`closed with ${code} before it was open`)));
      }),
  };
}

/** Wraps a socket, dialed or accepted. Messages that arrive before `onMessage` is set are kept. */
export function createWebSocketChannel(socket: WebSocket): Channel {
  return new WebSocketChannel(socket);
}

class WebSocketChannel extends InboundChannel {
  readonly #socket: WebSocket;
  #isClosing = false;

  constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    // Every error is followed by 'close'.
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      if (isBinary && data instanceof Buffer) {
        this.deliver(new Uint8Array(data.buffer, data.byteOffset, data.length));
      } else {
        this.close(CLOSE_CODES.FRAME_MALFORMED, 'a text message');
      }
    });
    socket.once('close', (code, reason) => {
      this.#isClosing = true;
      this.finish(code, reason.toString());
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: Uint8Array): void {
    if (this.#isClosing || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(message, { binary: true, compress: false }, () => {});
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.mute();
    if (this.#socket.readyState >= WebSocket.CLOSING) return;
    this.#socket.close(isOurs(code) ? code : CLOSE_CODES.GOING_AWAY, reason);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS_MAX);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }
}

function isOurs(code: number): boolean {
  return Number.isInteger(code) && code >= 4000 && code <= 4999;
}
