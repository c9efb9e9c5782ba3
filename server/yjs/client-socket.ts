/**
 * @module
 * Owns one connection of a client: what is sent to it is bounded, it is kept alive, and it is cut when it does not answer. Knows no
 * messages.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/** Bytes that wait for a client, besides one document on its way. */
const BUFFER_BYTES_MAX = 4_194_304;
/** A client that does not answer a close is cut after this. */
const CLOSE_MS = 2000;
/** A close reason has at most 123 bytes. */
const REASON_MAX = 110;

export interface SocketHooks {
  handleMessage(message: Uint8Array): void;
  handleClose(): void;
  /** The client does not take what it is sent. */
  handleTooSlow(): void;
}

export class ClientSocket {
  readonly #socket: WebSocket;
  readonly #raw: Socket;
  readonly #hooks: SocketHooks;
  #isClosed = false;
  #isAnswering = true;
  #allowance = BUFFER_BYTES_MAX;
  #bytesSeen = 0;
  #waitingBefore = 0;
  /** Sweeps since something was sent. */
  #quiet = 0;

  constructor(socket: WebSocket, raw: Socket, hooks: SocketHooks) {
    this.#socket = socket;
    this.#raw = raw;
    this.#hooks = hooks;
    // Every error is followed by 'close'.
    socket.on('error', () => {});
    socket.on('pong', () => {
      this.#isAnswering = true;
    });
    socket.on('message', (data: Buffer) => {
      this.#isAnswering = true;
      // A copy: what is kept of a message must not keep the chunk it came in.
      if (!this.#isClosed) hooks.handleMessage(new Uint8Array(data));
    });
    socket.once('close', () => {
      this.#isClosed = true;
      hooks.handleClose();
    });
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** True when something came in since the last call: a slow upload is no silence. */
  hasProgress(): boolean {
    const { bytesRead } = this.#raw;
    const isMore = bytesRead > this.#bytesSeen;
    this.#bytesSeen = bytesRead;
    return isMore;
  }

  send(message: Uint8Array): void {
    if (this.#mayTake()) this.#socket.send(message, { binary: true, compress: false }, () => {});
  }

  /** Sends messages that are framed already: what ws would write, which compresses nothing and so holds nothing back. */
  sendFrames(frames: Uint8Array): void {
    if (this.#mayTake() && this.#socket.readyState === this.#socket.OPEN) this.#raw.write(frames);
  }

  /** Sends what may be large; one such message may wait at a time. */
  sendBulk(message: Uint8Array): void {
    this.send(message);
    this.#allowance = Math.max(this.#allowance, message.length + BUFFER_BYTES_MAX);
  }

  #mayTake(): boolean {
    if (this.#isClosed) return false;
    const waiting = this.#socket.bufferedAmount;
    if (waiting === 0) this.#allowance = BUFFER_BYTES_MAX;
    const isTooSlow = waiting > this.#allowance;
    if (isTooSlow) this.#hooks.handleTooSlow();
    else this.#quiet = 0;
    return !isTooSlow;
  }

  pause(): void {
    if (!this.#isClosed) this.#socket.pause();
  }

  resume(): void {
    if (!this.#isClosed) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.resume();
    this.#socket.close(code, reason.slice(0, REASON_MAX).replaceAll(/[^ -~]/g, '?'));
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  /** Asks whether the client is there; cuts it when it did not answer the last time. */
  ping(): void {
    if (this.#isClosed) return;
    const waiting = this.#socket.bufferedAmount;
    const isMoving = this.hasProgress() || waiting < this.#waitingBefore;
    this.#waitingBefore = waiting;
    if (!this.#isAnswering && !isMoving) return this.#socket.terminate();
    this.#isAnswering = false;
    this.#socket.ping();
  }

  /** Sends `frame` when nothing was sent for `sweeps` calls. */
  keepAlive(frame: Uint8Array | null, sweeps: number): void {
    if (++this.#quiet >= sweeps && frame !== null) this.send(frame);
  }
}
