/**
 * @module
 * Owns the cheapest HTTP client that can load a server from the same machine: one keep-alive socket, ready-made request bytes,
 * one answer at a time, nothing parsed but the status and the length. A general client would take the processor from the server.
 */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: Buffer;
}

interface Waiter {
  readonly resolve: (answer: RawAnswer) => void;
  readonly reject: (error: Error) => void;
}

export class HttpConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiter: Waiter | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new HttpConnection(socket);
  }

  /** Sends one request and resolves with its answer. One at a time. */
  request(bytes: Buffer): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#waiter = null;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headBytes = this.#received.indexOf('\r\n\r\n');
    if (headBytes < 0) return;
    const head = this.#received.toString('latin1', 0, headBytes);
    const status = Number(head.slice(9, 12));
    const length = status === 204 || status === 304 ? '0' : /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) {
      this.#fail(new Error(`an answer without a length:\n${head}`));
      return;
    }
    const end = headBytes + 4 + Number(length);
    if (this.#received.length < end) return;
    const body = this.#received.subarray(headBytes + 4, end);
    this.#received = this.#received.subarray(end);
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve({ status, head, body });
  }

  #fail(error: Error): void {
    this.#waiter?.reject(error);
    this.#waiter = null;
  }
}

/**
 * The bytes of a request.
 *
 * @param fields - More headers, each with its line break.
 */
export function encodeRequest(
  method: string,
  path: string,
  body?: { readonly type: string; readonly bytes: Buffer },
  fields: string = '',
): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${fields}`;
  if (body === undefined) return Buffer.from(`${head}\r\n`);
  const entity = `content-type: ${body.type}\r\ncontent-length: ${body.bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head + entity), body.bytes]);
}
