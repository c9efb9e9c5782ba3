/**
 * @module
 * Owns one node's address and what the client knows about the node: is it in use, how busy is it, how far away.
 */
import { ClientError } from './error.ts';

/** One node. */
export interface EndpointOptions {
  readonly url: string;
  /** Share of the requests under the policy `weighted`. Default 1; 0 = only when no other node is up. */
  readonly weight?: number;
}

/** What a node says of itself: `unready` while it starts or drains. `silent`: nothing. */
export type Readiness = 'ready' | 'unready' | 'silent';

/** Weight of the newest round trip in the mean. */
const LATENCY_SHARE = 0.3;

/** A node as the client knows it. */
export class Endpoint {
  readonly url: string;
  readonly weight: number;
  /** Place in the list. */
  readonly index: number;
  /** Requests under way. */
  inflight = 0;
  /** It failed, and has not been seen to work since. */
  isOut = false;
  /** It said itself that it is not ready; an answer to an earlier request does not change that. */
  isUnready = false;
  /** Probes that failed in a row. */
  failures = 0;
  /** When it is asked next whether it is ready. */
  probeAtMs = 0;
  /** The probe under way. */
  probing: Promise<Readiness> | null = null;
  /** Mean round trip of probes; null = not measured. */
  latencyMs: number | null = null;
  /** State of the policy `weighted`. */
  credit = 0;
  readonly #silenceListeners = new Set<() => void>();

  constructor(options: EndpointOptions, index: number) {
    this.url = normaliseEndpoint(options.url);
    this.weight = options.weight ?? 1;
    if (!(this.weight >= 0 && Number.isFinite(this.weight)))
      throw new ClientError('CLIENT_ENDPOINT_INVALID', `${this.url}: the weight must be a number of at least 0`);
    this.index = index;
  }

  measure(roundTripMs: number): void {
    this.latencyMs =
      this.latencyMs === null ? roundTripMs : this.latencyMs + (roundTripMs - this.latencyMs) * LATENCY_SHARE;
  }

  /** Calls back when the node is found to answer nothing any more. Returns the unsubscribe. */
  onSilent(listener: () => void): () => void {
    this.#silenceListeners.add(listener);
    return () => void this.#silenceListeners.delete(listener);
  }

  /** Lets go of the requests that wait for this node. */
  abandon(): void {
    for (const listener of [...this.#silenceListeners]) listener();
  }
}

/** The literal that stands for the origin and prefix: no trailing slash, so that paths can be appended. */
function normaliseEndpoint(endpoint: string): string {
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
