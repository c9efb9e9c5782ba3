/**
 * @module
 * Owns the wire between two nodes of a development cluster: a TCP relay that can be cut. Cutting destroys what is open and
 * refuses what comes, in both directions at once, because every link of a pair runs through its relay.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class LinkProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #targetPort: () => number;
  #isCut = false;

  /** `targetPort` is asked at every connection: a node may come back on the same port or not at all. */
  private constructor(targetPort: () => number) {
    this.#targetPort = targetPort;
    this.#server = createServer((socket) => this.#relay(socket));
  }

  static async open(targetPort: () => number): Promise<LinkProxy> {
    const proxy = new LinkProxy(targetPort);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', () => resolve());
    });
    return proxy;
  }

  /** What the dialing node is told to join. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  heal(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #relay(near: Socket): void {
    // Its peer may be gone already; nothing is lost that TCP would have kept.
    near.on('error', () => near.destroy());
    if (this.#isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.#targetPort(), host: '127.0.0.1', noDelay: true });
    far.on('error', () => near.resetAndDestroy());
    near.setNoDelay(true);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
