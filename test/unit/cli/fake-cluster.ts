/**
 * @module
 * Owns nodes that exist only as functions, and a clock that a test moves: how the client behaves without sockets and waiting.
 */
import { AtollClient, type ClientOptions, type CollectionClient } from '../../../cli/client.ts';
import { Connection } from '../../../cli/client/connection.ts';
import type { ClientPorts } from '../../../cli/client/port.ts';

export interface SeenRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}
type Behaviour = (request: SeenRequest, signal: AbortSignal) => Response | Promise<Response>;

export const json = (value: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } });
export const written = (headers: Record<string, string> = {}): Response => json({ id: 'x', etag: '"1"' }, 200, headers);
export const problem = (status: number, code: string, more: object = {}, headers = {}): Response =>
  json({ type: '', title: 't', status, detail: 'what happened', code, retryable: false, ...more }, status, headers);

const failing = (code: string) => (): never => {
  throw Object.assign(new TypeError('fetch failed'), { cause: { code } });
};
/** What a node can do besides answering. */
export const refuse: Behaviour = failing('ECONNREFUSED');
export const reset: Behaviour = failing('ECONNRESET');
/** As one that was stopped by SIGSTOP: connections open, nothing comes. */
export const hang: Behaviour = async (_request, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

export class FakeCluster {
  /** Requests in order, without probes. */
  readonly seen: SeenRequest[] = [];
  /** Hosts that were probed. */
  readonly probes: string[] = [];
  readonly #nodes = new Map<string, Behaviour>();
  readonly #unready = new Map<string, Behaviour>();
  #nowMs = 1_000;
  #timers: { readonly atMs: number; readonly work: () => void }[] = [];
  #keys = 0;

  readonly ports: ClientPorts = {
    fetch: (async (url: string, init: RequestInit = {}) => this.#fetch(url, init)) as typeof fetch,
    now: () => this.#nowMs,
    random: () => 0.5,
    after: (ms, work) => {
      const timer = { atMs: this.#nowMs + ms, work };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      };
    },
    key: () => `key-${++this.#keys}`,
  };

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.length;
  }

  /** How a node behaves from now on, to requests and to probes. */
  node(host: string, behaviour: Behaviour, probe: Behaviour = () => json({ status: 'ready' })): void {
    this.#nodes.set(host, behaviour);
    const isDead = behaviour === refuse || behaviour === reset || behaviour === hang;
    this.#unready.set(host, isDead ? behaviour : probe);
  }

  client(options: Omit<ClientOptions, 'endpoints'> & Partial<ClientOptions> = {}): AtollClient {
    const endpoints = options.endpoints ?? [...this.#nodes.keys()].map((host) => `http://${host}`);
    const all = { ...options, endpoints };
    return new AtollClient(all, new Connection(all, this.ports));
  }

  people(options: Omit<ClientOptions, 'endpoints'> & Partial<ClientOptions> = {}): CollectionClient {
    return this.client(options).database('app').collection('people');
  }

  /** Hosts of the requests so far, forgetting them. */
  takeHosts(): string[] {
    return this.seen.splice(0).map(({ host }) => host);
  }

  /** Lets time pass, timer by timer, and what follows from each happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.work();
      await settle();
    }
    this.#nowMs = endMs;
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const { host, pathname, search } = new URL(url);
    const path = pathname + search;
    const body = init.body === undefined ? '' : await new Response(init.body).text();
    const request = { host, method: init.method ?? 'GET', path, headers: new Headers(init.headers), body };
    if (path === '/readyz') this.probes.push(host);
    else this.seen.push(request);
    const behaviour = (path === '/readyz' ? this.#unready : this.#nodes).get(host) ?? refuse;
    return behaviour(request, init.signal ?? new AbortController().signal);
  }
}

/** Everything that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
