/**
 * @module
 * Owns the wire between two nodes: a TCP relay that counts bytes and can be cut. A cut is silent, as in a real partition:
 * bytes vanish and connections stay open, so the nodes have to notice by themselves.
 */
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

export interface ProxyCount {
  /** From the dialing node to the dialed one. */
  readonly forwardBytes: number;
  readonly backwardBytes: number;
  /** Of these, what connections began with: the request that makes a websocket of one, and its answer. */
  readonly upgradeBytes: { readonly forward: number; readonly backward: number };
  readonly connections: number;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Port of the dialed node; until it is known, connections are refused. */
  targetPort: number | null;
  #isCut = false;
  #forwardBytes = 0;
  #backwardBytes = 0;
  #upgradeBytes = { forward: 0, backward: 0 };
  #connections = 0;
  #onFirstByte: (() => void) | null = null;

  private constructor(server: Server, targetPort: number | null) {
    this.#server = server;
    this.targetPort = targetPort;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async listen(targetPort: number | null = null): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
  }

  /** Lets bytes through again. Connections that lost bytes cannot go on: they are closed and the nodes dial anew. */
  heal(): void {
    this.#isCut = false;
    this.reset();
  }

  /** Closes every connection. */
  reset(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  counts(): ProxyCount {
    const upgradeBytes = { ...this.#upgradeBytes };
    return {
      forwardBytes: this.#forwardBytes,
      backwardBytes: this.#backwardBytes,
      upgradeBytes,
      connections: this.#connections,
    };
  }

  resetCounts(): void {
    this.#forwardBytes = this.#backwardBytes = this.#connections = 0;
    this.#upgradeBytes = { forward: 0, backward: 0 };
  }

  /** Resolves when the next byte passes. */
  firstByte(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFirstByte = resolve;
    });
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket): void {
    this.#connections++;
    this.#track(near);
    if (this.#isCut) return;
    if (this.targetPort === null) {
      near.destroy();
      return;
    }
    const far = connect({ port: this.targetPort, host: '127.0.0.1', noDelay: true });
    this.#track(far);
    near.once('data', (chunk: Buffer) => (this.#upgradeBytes.forward += headBytes(chunk)));
    far.once('data', (chunk: Buffer) => (this.#upgradeBytes.backward += headBytes(chunk)));
    this.#relay(near, far, (bytes) => (this.#forwardBytes += bytes));
    this.#relay(far, near, (bytes) => (this.#backwardBytes += bytes));
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    // Reads and drops until somebody relays.
    socket.resume();
  }

  #relay(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on('data', (chunk) => {
      if (this.#isCut) return;
      count(chunk.length);
      this.#onFirstByte?.();
      this.#onFirstByte = null;
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => from.resume());
    });
    from.on('close', () => {
      if (!this.#isCut) to.end();
    });
  }
}

/** Bytes of an HTTP head at the beginning of a chunk. */
function headBytes(chunk: Buffer): number {
  const end = chunk.indexOf('\r\n\r\n');
  return end < 0 ? 0 : end + 4;
}
