/**
 * @module
 * Owns how a request reaches a node: which endpoint, what happens when it does not answer, and how an answer that is not a
 * success becomes a `ClientError`. Knows nothing about documents.
 */
import { ClientError, problemError } from './error.ts';

/** Milliseconds a request may take until its answer has been read. Streams are exempt. */
export const REQUEST_TIMEOUT_MS = 30_000;

export interface ConnectionOptions {
  /** One URL or several of one cluster. Requests go to one of them until it fails; then the next takes over. */
  readonly endpoints: string | readonly string[];
  /** Bearer token. */
  readonly token?: string;
  /** Milliseconds. Default 30_000; 0 = none. Streams (`bulk`) have no time limit: abort them. */
  readonly timeoutMs?: number;
  /** Replaces the global `fetch`, for tests. */
  readonly fetch?: typeof fetch;
}

export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query, from the root, already encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Statuses besides 2xx that the caller wants to see instead of an error. */
  readonly accept?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly endpoint: string;
  readonly text: string;
}

export class Connection {
  readonly endpoints: readonly string[];
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #fetch: typeof fetch;
  #current = 0;

  constructor(options: ConnectionOptions) {
    const endpoints = typeof options.endpoints === 'string' ? [options.endpoints] : options.endpoints;
    if (endpoints.length === 0)
      throw new ClientError('CLIENT_ENDPOINT_INVALID', 'no endpoint given: pass at least one URL');
    this.endpoints = endpoints.map(normaliseEndpoint);
    this.#headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
    this.#timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    // Looked up at each call, so that a test or a polyfill may replace the global later.
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** Sends a request and reads its answer as text. */
  async send(call: Call): Promise<Answer> {
    // Where the request went last: other calls may move on meanwhile.
    const place = { at: this.#current };
    const timeout = this.#timeoutMs > 0 ? AbortSignal.timeout(this.#timeoutMs) : undefined;
    try {
      const { response, endpoint } = await this.#open(call, anySignal(call.signal, timeout), place);
      return { status: response.status, headers: response.headers, endpoint, text: await response.text() };
    } catch (error) {
      if (error instanceof ClientError) throw error;
      call.signal?.throwIfAborted();
      const endpoint = this.endpoints[place.at] ?? '';
      if (timeout?.aborted === true) {
        this.#moveOn(place.at);
        throw new ClientError('CLIENT_TIMEOUT', `${endpoint} did not answer within ${this.#timeoutMs} ms`, {
          endpoint,
          retryable: true,
          cause: error,
        });
      }
      throw unreachable([endpoint], error);
    }
  }

  /** Sends a request whose answer is read as it arrives. The body of the answer must be consumed or cancelled. */
  async stream(call: Call): Promise<ReadableStream<Uint8Array>> {
    const { response, endpoint } = await this.#open(call, call.signal);
    if (response.body === null)
      throw new ClientError('CLIENT_RESPONSE_INVALID', `${endpoint} sent no body`, {
        status: response.status,
        endpoint,
      });
    return response.body as ReadableStream<Uint8Array>;
  }

  /**
   * Opens the request on the current endpoint, or on the next ones when the connection fails. A refused connection never
   * carried the request, so any request moves on; a broken one may have been applied, so only repeatable requests do.
   */
  async #open(
    call: Call,
    signal: AbortSignal | undefined,
    place = { at: 0 },
  ): Promise<{ response: Response; endpoint: string }> {
    const tried: string[] = [];
    for (;;) {
      const at = this.#current;
      place.at = at;
      const endpoint = this.endpoints[at] as string;
      tried.push(endpoint);
      let response: Response;
      try {
        response = await this.#fetch(endpoint + call.path, this.#init(call, signal));
      } catch (error) {
        if (signal?.aborted === true) throw error;
        this.#moveOn(at);
        const movable = isRefused(error) ? typeof call.body !== 'object' : isRepeatable(call);
        if (!movable || tried.length >= this.endpoints.length) throw unreachable(tried, error);
        continue;
      }
      if (response.ok || call.accept?.includes(response.status) === true) return { response, endpoint };
      throw problemError(response.status, await response.text(), endpoint);
    }
  }

  /** Leaves an endpoint that failed, unless another call has done so already. */
  #moveOn(at: number): void {
    if (this.#current === at) this.#current = (at + 1) % this.endpoints.length;
  }

  #init(call: Call, signal: AbortSignal | undefined): RequestInit {
    return {
      method: call.method,
      headers: { ...this.#headers, ...call.headers },
      redirect: 'error',
      ...(signal === undefined ? {} : { signal }),
      ...(call.body === undefined ? {} : { body: call.body, duplex: 'half' as const }),
    };
  }
}

/** The literal that stands for the origin and prefix: no trailing slash, so that paths can be appended. */
export function normaliseEndpoint(endpoint: string): string {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch (error) {
    throw new ClientError(
      'CLIENT_ENDPOINT_INVALID',
      `${JSON.stringify(endpoint)} is not a URL; use for example http://127.0.0.1:7400`,
      { cause: error },
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ClientError(
      'CLIENT_ENDPOINT_INVALID',
      `${endpoint}: only http and https endpoints are supported, for example http://127.0.0.1:7400`,
    );
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

function anySignal(left: AbortSignal | undefined, right: AbortSignal | undefined): AbortSignal | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return AbortSignal.any([left, right]);
}

/** Whether applying the request twice equals applying it once. A precondition would fail the second time. */
function isRepeatable(call: Call): boolean {
  if (call.method === 'POST' || call.method === 'PATCH' || typeof call.body === 'object') return false;
  return call.headers?.['if-match'] === undefined && call.headers?.['if-none-match'] === undefined;
}

function causeCode(error: unknown): string {
  const cause = (error as { cause?: { code?: string } } | null)?.cause;
  return cause?.code ?? (error as { code?: string } | null)?.code ?? '';
}

function isRefused(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(
    causeCode(error),
  );
}

function unreachable(tried: readonly string[], error: unknown): ClientError {
  const code = causeCode(error);
  const what = isRefused(error) ? 'no node answers at' : 'the connection broke to';
  const reason = (error as { cause?: { message?: string } } | null)?.cause?.message ?? String(error);
  return new ClientError('CLIENT_UNREACHABLE', `${what} ${tried.join(', ')} (${code || reason})`, {
    endpoint: tried.at(-1) ?? '',
    retryable: true,
    cause: error,
    details: { endpoints: [...tried] },
  });
}
