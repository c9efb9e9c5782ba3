/**
 * @module
 * Owns open-loop load: requests at a steady rate, whatever the answers do. A request that waits for its turn has waited, so its
 * latency counts from the moment at which it was due.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HttpConnection } from './http-connection.ts';

export interface PacedLoadOptions {
  readonly port: number;
  readonly perSecond: number;
  readonly connections: number;
  /** Makes the bytes of the next request. */
  readonly next: () => Buffer;
}

/** Requests that are running; `stop` resolves with how long each took, in milliseconds, in the order of their answers. */
export class PacedLoad {
  readonly #options: PacedLoadOptions;
  readonly #clients: readonly HttpConnection[];
  readonly #latencies: number[] = [];
  readonly #startMs = performance.now();
  readonly #running: Promise<unknown>;
  #due = 0;
  #isStopped = false;

  private constructor(options: PacedLoadOptions, clients: readonly HttpConnection[]) {
    this.#options = options;
    this.#clients = clients;
    this.#running = Promise.all(clients.map((client) => this.#drive(client)));
  }

  static async start(options: PacedLoadOptions): Promise<PacedLoad> {
    const opened = Array.from({ length: options.connections }, () => HttpConnection.open(options.port));
    return new PacedLoad(options, await Promise.all(opened));
  }

  /** Answers so far. */
  get answers(): number {
    return this.#latencies.length;
  }

  async stop(): Promise<readonly number[]> {
    this.#isStopped = true;
    await this.#running;
    for (const client of this.#clients) client.close();
    return this.#latencies;
  }

  async #drive(client: HttpConnection): Promise<void> {
    while (!this.#isStopped) {
      const dueMs = this.#startMs + (this.#due++ * 1000) / this.#options.perSecond;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const { status, head } = await client.request(this.#options.next());
      if (status < 200 || status > 299) throw new Error(`unexpected answer:\n${head}`);
      this.#latencies.push(performance.now() - dueMs);
    }
  }
}
