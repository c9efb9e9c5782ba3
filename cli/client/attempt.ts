/**
 * @module
 * Owns one attempt to get an answer from one node: sending, giving up on a node that falls silent, and telling a connection that
 * never was from one that broke.
 */
import type { Answer, Call, StreamAnswer } from './call.ts';
import type { Deadline } from './deadline.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { ClientError, problemError, unreachableError } from './error.ts';
import type { ClientPorts } from './port.ts';
import { isRepeatable, retryAfterOf, type Failure } from './retry.ts';

/** After this long without an answer the node is asked whether it is alive. */
const SILENCE_MS = 1_000;
/** The same of an answer that is being read: a feed may have nothing to tell for hours. */
const STREAM_SILENCE_MS = 3_000;
/** The request had no connection to travel on. */
const REFUSED_CODES: readonly string[] = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
];

export class Attempt {
  /** What the answer covers, as the node says. */
  sessionToken: string | null = null;
  readonly #ports: ClientPorts;
  readonly #pool: EndpointPool;
  readonly #endpoint: Endpoint;
  readonly #call: Call;
  readonly #deadline: Deadline;
  readonly #abort = new AbortController();
  readonly #cleanups: (() => void)[] = [];
  /** Rejects when the attempt is given up. The signal of a fetch is not enough: in Node it may be collected with its request. */
  readonly #abandoned: Promise<never>;
  #abandon: () => void = () => undefined;
  #isStreaming = false;

  constructor(ports: ClientPorts, pool: EndpointPool, endpoint: Endpoint, call: Call, deadline: Deadline) {
    this.#ports = ports;
    this.#pool = pool;
    this.#endpoint = endpoint;
    this.#call = call;
    this.#deadline = deadline;
    this.#abandoned = new Promise((_resolve, reject) => {
      this.#abandon = () => {
        this.#abort.abort();
        reject(new DOMException('the request was given up', 'AbortError'));
      };
    });
    this.#abandoned.catch(() => undefined);
  }

  /** Reads the answer to its end. */
  async text(): Promise<Answer | Failure> {
    this.#begin();
    try {
      const response = await this.#fetch();
      const text = await this.#orAbandoned(response.text());
      if (!response.ok) return this.#refusal(response, text);
      return { status: response.status, headers: response.headers, endpoint: this.#endpoint.url, text };
    } catch (error) {
      return this.#failure(error);
    } finally {
      this.#end();
    }
  }

  /** Reads the head of the answer; the rest is the caller's. */
  async stream(): Promise<StreamAnswer | Failure> {
    this.#begin();
    let isOpen = false;
    try {
      const response = await this.#fetch();
      if (!response.ok) return this.#refusal(response, await this.#orAbandoned(response.text()));
      if (response.body === null) {
        const { url: endpoint } = this.#endpoint;
        const error = new ClientError('CLIENT_RESPONSE_INVALID', `${endpoint} sent no body`, { endpoint });
        return { kind: 'answered', error, retryAfterMs: 0 };
      }
      isOpen = true;
      this.#isStreaming = true;
      return {
        endpoint: this.#endpoint.url,
        headers: response.headers,
        body: this.#abandonable(response.body as ReadableStream<Uint8Array>),
        end: () => this.#end(),
        broke: () => this.#pool.eject(this.#endpoint, true),
      };
    } catch (error) {
      return this.#failure(error);
    } finally {
      if (!isOpen) this.#end();
    }
  }

  async #fetch(): Promise<Response> {
    const { method, path, headers = {}, body } = this.#call;
    const response = await this.#orAbandoned(
      this.#ports.fetch(this.#endpoint.url + path, {
        method,
        headers,
        // Never followed. Not `error`, with which Node repeats a request that was answered 421 by itself, with an empty body.
        redirect: 'manual',
        signal: this.#abort.signal,
        ...(body === undefined ? {} : { body, duplex: 'half' as const }),
      }),
    );
    this.sessionToken = response.headers.get('session-token');
    return response;
  }

  async #orAbandoned<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#abandoned]);
  }

  #abandonable(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    const read = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      try {
        const { done, value } = await this.#orAbandoned(reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        // Whoever is told that it is over; the connection may still be there.
        reader.cancel().catch(() => undefined);
        throw error;
      }
    };
    return new ReadableStream({ pull: read, cancel: async (reason) => reader.cancel(reason) }, { highWaterMark: 0 });
  }

  #begin(): void {
    this.#endpoint.inflight++;
    this.#cleanups.push(this.#deadline.onEnd(this.#abandon));
    // Who cannot be sent elsewhere waits as long as it may.
    if (!this.#pool.hasChoice || !isRepeatable(this.#call) || typeof this.#call.body === 'object') return;
    this.#cleanups.push(this.#endpoint.onSilent(this.#abandon), this.#watch());
  }

  /** A request may well take long, as one that waits for other replicas does: what counts is whether the node lives. */
  #watch(): () => void {
    let isOver = false;
    let cancel: () => void;
    const look = async (): Promise<void> => {
      const readiness = await this.#pool.probe(this.#endpoint);
      if (isOver) return;
      if (readiness === 'silent') this.#endpoint.abandon();
      else cancel = this.#ports.after(this.#isStreaming ? STREAM_SILENCE_MS : SILENCE_MS, () => void look());
    };
    cancel = this.#ports.after(SILENCE_MS, () => void look());
    return () => {
      isOver = true;
      cancel();
    };
  }

  #end(): void {
    if (this.#cleanups.length === 0) return;
    this.#endpoint.inflight--;
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
  }

  #refusal(response: Response, text: string): Failure {
    const error = problemError(response.status, text, this.#endpoint.url);
    return { kind: 'answered', error, retryAfterMs: retryAfterOf(response.headers) };
  }

  #failure(error: unknown): Failure {
    const isRefused = REFUSED_CODES.includes(causeCode(error));
    const kind = isRefused ? 'refused' : 'broken';
    return { kind, error: unreachableError([this.#endpoint.url], isRefused, error), retryAfterMs: 0 };
  }
}

function causeCode(error: unknown): string {
  const cause = (error as { cause?: { code?: string } } | null)?.cause;
  return cause?.code ?? (error as { code?: string } | null)?.code ?? '';
}
