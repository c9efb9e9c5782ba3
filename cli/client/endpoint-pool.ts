/**
 * @module
 * Owns which nodes can take a request: those that work, that hold the database, and that are not behind what the session has seen.
 * A node that fails is out until `/readyz` says that it is ready. Nodes are probed only while requests are made, so that
 * a client that is not used does nothing and need not be closed. SPEC.md CC3, CC4.
 */
import { Endpoint, type EndpointOptions, type Readiness } from './endpoint.ts';
import { ExpiringSet } from './expiring-set.ts';
import { createBalancer, type Balancer, type Policy } from './policy.ts';
import type { ClientPorts } from './port.ts';

/** Between two probes of a node that works. */
const PROBE_INTERVAL_MS = 5_000;
/** A node that does not say within this time that it is ready is not. */
const PROBE_TIMEOUT_MS = 1_000;
/** Between probes of a node that is out: doubled from the first to the second. */
const RETURN_MS_MIN = 250;
const RETURN_MS_MAX = 5_000;
/** How long a node that is behind is asked last. */
const BEHIND_MS = 1_000;
/** How long a node that does not hold a database is not asked for it. */
const ELSEWHERE_MS = 30_000;
/** Pairs of database and node remembered for each of the two. */
const REMEMBERED_MAX = 1_000;
/** Nodes that the cluster named, beyond those that the application did. */
const DISCOVERED_MAX = 64;

export class EndpointPool {
  readonly #endpoints: Endpoint[];
  readonly #given: number;
  readonly #ports: ClientPorts;
  readonly #balancer: Balancer;
  readonly #behind = new ExpiringSet(REMEMBERED_MAX);
  readonly #elsewhere = new ExpiringSet(REMEMBERED_MAX);
  /** Discovered nodes take requests for databases that no given node holds. */
  readonly #holders = new ExpiringSet(REMEMBERED_MAX);

  constructor(endpoints: readonly EndpointOptions[], policy: Policy, ports: ClientPorts) {
    this.#endpoints = endpoints.map((options, index) => new Endpoint(options, index));
    // Distances are to be known soon; whether a node works is seen by the first request anyway.
    const firstProbeMs = policy === 'nearest' ? 0 : ports.now() + PROBE_INTERVAL_MS;
    for (const endpoint of this.#endpoints) endpoint.probeAtMs = firstProbeMs;
    this.#given = this.#endpoints.length;
    this.#ports = ports;
    this.#balancer = createBalancer(policy);
  }

  /** As given, without a trailing slash. */
  get urls(): readonly string[] {
    return this.#endpoints.slice(0, this.#given).map(({ url }) => url);
  }

  /** Is there another node to go to? */
  get hasChoice(): boolean {
    return this.#endpoints.length > 1;
  }

  /** The node for a request; null when all that could take it are in `tried`. `takesOut`: also those that are out. */
  choose(database: string | null, tried: ReadonlySet<Endpoint>, takesOut = false): Endpoint | null {
    this.#probeDue();
    const candidates = this.candidates(database, tried, takesOut);
    return candidates.length === 0 ? null : this.#balancer.choose(candidates);
  }

  /** The nodes that could take a request and are not in `tried`. */
  candidates(database: string | null, tried: ReadonlySet<Endpoint>, takesOut = false): readonly Endpoint[] {
    const nowMs = this.#ports.now();
    const isKnown = (set: ExpiringSet, { url }: Endpoint): boolean =>
      database !== null && set.has(pair(database, url), nowMs);
    let candidates = this.#endpoints.filter(
      (endpoint) => endpoint.index < this.#given || isKnown(this.#holders, endpoint),
    );
    candidates = prefer(candidates, (endpoint) => !isKnown(this.#elsewhere, endpoint));
    // When all are out one of them is tried nevertheless: that is better than to fail without.
    if (!takesOut) candidates = prefer(candidates, ({ isOut }) => !isOut);
    candidates = candidates.filter((endpoint) => !tried.has(endpoint));
    return prefer(candidates, (endpoint) => !isKnown(this.#behind, endpoint));
  }

  /** The node failed. `isDoubtful`: one broken connection says little, so it is asked at once. */
  eject(endpoint: Endpoint, isDoubtful = false): void {
    if (endpoint.isOut) return;
    endpoint.isOut = true;
    endpoint.failures = 0;
    endpoint.probeAtMs = this.#ports.now() + (isDoubtful ? 0 : RETURN_MS_MIN);
  }

  /** The node says that it goes away, or is not there yet. */
  leave(endpoint: Endpoint): void {
    endpoint.isUnready = true;
    this.eject(endpoint);
  }

  /** The node answered. */
  restore(endpoint: Endpoint): void {
    if (endpoint.isUnready) return;
    endpoint.isOut = false;
    endpoint.failures = 0;
  }

  noteBehind(database: string, { url }: Endpoint): void {
    this.#behind.add(pair(database, url), this.#ports.now() + BEHIND_MS);
  }

  noteServed(database: string, { url }: Endpoint): void {
    if (this.#behind.size > 0) this.#behind.delete(pair(database, url));
  }

  noteElsewhere(database: string, { url }: Endpoint): void {
    this.#elsewhere.add(pair(database, url), this.#ports.now() + ELSEWHERE_MS);
  }

  /** The cluster says that the nodes at these addresses hold the database. True when that is news. */
  noteHolders(database: string, urls: readonly string[]): boolean {
    let isNews = false;
    const nowMs = this.#ports.now();
    for (const url of urls) {
      let endpoint = this.#endpoints.find((each) => each.url === url.replace(/\/+$/, ''));
      if (endpoint === undefined) {
        if (this.#endpoints.length - this.#given >= DISCOVERED_MAX || !this.#isSafe(url)) continue;
        endpoint = new Endpoint({ url }, this.#endpoints.length);
        endpoint.probeAtMs = nowMs + PROBE_INTERVAL_MS;
        this.#endpoints.push(endpoint);
      }
      const name = pair(database, endpoint.url);
      if (endpoint.index >= this.#given && !this.#holders.has(name, nowMs)) isNews = true;
      if (this.#elsewhere.has(name, nowMs)) continue;
      this.#holders.add(name, nowMs + ELSEWHERE_MS);
    }
    return isNews;
  }

  /** A token that was given for encrypted connections does not travel in the clear because a node says so. */
  #isSafe(url: string): boolean {
    return url.startsWith('https://') || this.urls.some((given) => given.startsWith('http://'));
  }

  /** Asks the node whether it is ready; requests that ask at the same time share one answer. Never rejects. */
  async probe(endpoint: Endpoint): Promise<Readiness> {
    endpoint.probing ??= this.#probe(endpoint).finally(() => {
      endpoint.probing = null;
    });
    return endpoint.probing;
  }

  /** Starts probes that are due, without waiting for them. With one node there is nothing to decide. */
  #probeDue(): void {
    if (!this.hasChoice) return;
    const nowMs = this.#ports.now();
    for (const endpoint of this.#endpoints) {
      if (endpoint.probing === null && endpoint.probeAtMs <= nowMs) void this.probe(endpoint);
    }
  }

  async #probe(endpoint: Endpoint): Promise<Readiness> {
    const startedAtMs = this.#ports.now();
    const readiness = await this.#askReady(endpoint);
    const nowMs = this.#ports.now();
    if (readiness === 'ready') {
      endpoint.measure(nowMs - startedAtMs);
      endpoint.isUnready = false;
      this.restore(endpoint);
      endpoint.probeAtMs = nowMs + PROBE_INTERVAL_MS;
    } else {
      endpoint.isUnready = readiness === 'unready';
      this.eject(endpoint);
      endpoint.failures++;
      const waitMs = Math.min(RETURN_MS_MIN * 2 ** (endpoint.failures - 1), RETURN_MS_MAX);
      endpoint.probeAtMs = nowMs + waitMs;
    }
    return readiness;
  }

  async #askReady({ url }: Endpoint): Promise<Readiness> {
    const abort = new AbortController();
    let cancel: () => void = () => undefined;
    // The signal alone is not enough: see `Attempt`. A probe that never ends would keep the node out for ever.
    const silence = new Promise<Readiness>((resolve) => {
      cancel = this.#ports.after(PROBE_TIMEOUT_MS, () => {
        resolve('silent');
        abort.abort();
      });
    });
    const asking = this.#ports
      .fetch(`${url}/readyz`, { signal: abort.signal, redirect: 'manual' })
      .then(async (response): Promise<Readiness> => {
        await response.text();
        return response.ok ? 'ready' : 'unready';
      })
      .catch((): Readiness => 'silent');
    return Promise.race([asking, silence]).finally(() => cancel());
  }
}

function pair(database: string, url: string): string {
  return `${database} ${url}`;
}

/** Those that fit, or all when none does. */
function prefer(endpoints: readonly Endpoint[], fits: (endpoint: Endpoint) => boolean): Endpoint[] {
  const fitting = endpoints.filter(fits);
  return fitting.length > 0 ? fitting : [...endpoints];
}
