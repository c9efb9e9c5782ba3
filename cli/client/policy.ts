/**
 * @module
 * Owns the policies: which of the nodes that could take a request gets it. Which nodes could is not decided here.
 */
import type { Endpoint } from './endpoint.ts';

/**
 * - `failover`: one node, in the order given, until it fails; the next one then stays in use.
 * - `round-robin`: one after the other.
 * - `least-connections`: the one with the fewest requests of this client under way.
 * - `weighted`: in turns, in proportion to their weights.
 * - `nearest`: the one whose `/readyz` answers fastest.
 */
export type Policy = 'failover' | 'round-robin' | 'least-connections' | 'weighted' | 'nearest';

/** Chooses one of the candidates, of which there is at least one. */
export interface Balancer {
  choose(candidates: readonly Endpoint[]): Endpoint;
}

/** A node must be this much nearer before the others are left, so that two equal ones do not alternate. */
const NEARER_FACTOR = 0.8;
const NEARER_MS = 1;

export function createBalancer(policy: Policy): Balancer {
  switch (policy) {
    case 'failover':
      return new Failover();
    case 'round-robin':
      return new RoundRobin();
    case 'least-connections':
      return new LeastConnections();
    case 'weighted':
      return new Weighted();
    case 'nearest':
      return new Nearest();
  }
}

class Failover implements Balancer {
  #current = 0;

  choose(candidates: readonly Endpoint[]): Endpoint {
    const chosen = candidates.find(({ index }) => index >= this.#current) ?? candidates[0]!;
    this.#current = chosen.index;
    return chosen;
  }
}

class RoundRobin implements Balancer {
  #next = 0;

  choose(candidates: readonly Endpoint[]): Endpoint {
    const chosen = candidates.find(({ index }) => index >= this.#next) ?? candidates[0]!;
    this.#next = chosen.index + 1;
    return chosen;
  }
}

class LeastConnections implements Balancer {
  readonly #turns = new RoundRobin();

  choose(candidates: readonly Endpoint[]): Endpoint {
    const least = Math.min(...candidates.map(({ inflight }) => inflight));
    return this.#turns.choose(candidates.filter(({ inflight }) => inflight === least));
  }
}

/** Smooth: weights 3 and 1 give a a b a, not a a a b. */
class Weighted implements Balancer {
  choose(candidates: readonly Endpoint[]): Endpoint {
    const weighted = candidates.filter(({ weight }) => weight > 0);
    if (weighted.length === 0) return candidates[0]!;
    let chosen = weighted[0]!;
    let total = 0;
    for (const endpoint of weighted) {
      endpoint.credit += endpoint.weight;
      total += endpoint.weight;
      if (endpoint.credit > chosen.credit) chosen = endpoint;
    }
    chosen.credit -= total;
    return chosen;
  }
}

class Nearest implements Balancer {
  #current: Endpoint | null = null;

  choose(candidates: readonly Endpoint[]): Endpoint {
    const measured = candidates.filter(({ latencyMs }) => latencyMs !== null);
    if (measured.length === 0) return candidates[0]!;
    const best = measured.reduce((left, right) => (latencyOf(right) < latencyOf(left) ? right : left));
    const current = this.#current !== null && measured.includes(this.#current) ? this.#current : best;
    const isNearer = latencyOf(best) < Math.min(latencyOf(current) * NEARER_FACTOR, latencyOf(current) - NEARER_MS);
    this.#current = isNearer ? best : current;
    return this.#current;
  }
}

function latencyOf({ latencyMs }: Endpoint): number {
  return latencyMs ?? Infinity;
}
