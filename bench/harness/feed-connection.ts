/**
 * @module
 * Owns the cheapest reader of a change feed: one socket, lines found in what arrives, nothing parsed but the id.
 */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

const ID = '"id":"';

export class FeedConnection {
  readonly #socket: Socket;
  #rest = '';
  /** Bytes received. */
  bytes = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * Opens a feed; resolves when it follows.
   *
   * @param onId - Called for every change, if given; else what arrives is only counted.
   */
  static async open(port: number, path: string, onId: ((id: string) => void) | null): Promise<FeedConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const feed = new FeedConnection(socket);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    if (!head.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(head.toString('latin1'));
    socket.on('data', (chunk: Buffer) => {
      feed.bytes += chunk.length;
      if (onId !== null) feed.#find(chunk, onId);
    });
    return feed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #find(chunk: Buffer, onId: (id: string) => void): void {
    const text = this.#rest + chunk.toString('latin1');
    let from = 0;
    for (;;) {
      const start = text.indexOf(ID, from);
      const end = start < 0 ? -1 : text.indexOf('"', start + ID.length);
      if (end < 0) break;
      onId(text.slice(start + ID.length, end));
      from = end + 1;
    }
    // What follows the last whole id may be the beginning of the next.
    this.#rest = text.slice(Math.max(from, text.length - 512));
  }
}
