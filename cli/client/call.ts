/**
 * @module
 * Owns the shapes of a request and its answer between the calls of the API and the connection.
 */

export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query, from the root, already encoded. */
  readonly path: string;
  /** The database it is about: sessions and placement are kept by database. */
  readonly database?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** It changes nothing although it is no GET. */
  readonly isSafe?: true;
  /** `false`: neither waits for what the session has seen, nor counts as seen. */
  readonly session?: false;
  /** Replaces the time limit of the client. */
  readonly timeoutMs?: number | undefined;
  /** Replaces the generated key of a request that changes something; null = none. */
  readonly key?: string | null | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly endpoint: string;
  readonly text: string;
}

/** An answer that is read as it arrives. */
export interface StreamAnswer {
  readonly endpoint: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array>;
  /** To be called when the body has been read or given up. */
  readonly end: () => void;
  /** To be called when the body broke off. */
  readonly broke: () => void;
}
