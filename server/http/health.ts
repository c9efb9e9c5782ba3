/**
 * @module
 * Owns whether a node takes requests: open, draining or failed, and how many requests are in flight. Peers do not matter here:
 * a node that is cut off serves. SPEC.md HT14, HT15.
 */
import type { AtollError } from '../../crdt/index.ts';

export class Health {
  #phase: 'open' | 'draining' | 'refusing' = 'open';
  #inflight = 0;
  #failure: AtollError | null = null;
  #onIdle: (() => void) | null = null;
  readonly #refuseListeners = new Set<() => void>();

  /** The storage failure that ended this node's service; null while it works. */
  get failure(): AtollError | null {
    return this.#failure;
  }

  get isDraining(): boolean {
    return this.#phase !== 'open';
  }

  /** Are requests other than health checks turned away? */
  get isRefusing(): boolean {
    return this.#phase === 'refusing';
  }

  get inflight(): number {
    return this.#inflight;
  }

  fail(error: AtollError): void {
    this.#failure ??= error;
  }

  /** Readiness fails from now on, requests are still served: load balancers get the time to notice. */
  drain(): void {
    if (this.#phase === 'open') this.#phase = 'draining';
  }

  /** Turns new requests away; resolves when none is in flight. */
  async refuse(): Promise<void> {
    this.#phase = 'refusing';
    for (const listener of this.#refuseListeners) listener();
    if (this.#inflight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Calls back when new requests are turned away, so that what is still arriving can be hurried. Returns the unsubscribe. */
  onRefuse(listener: () => void): () => void {
    this.#refuseListeners.add(listener);
    return () => void this.#refuseListeners.delete(listener);
  }

  enter(): void {
    this.#inflight++;
  }

  leave(): void {
    this.#inflight--;
    if (this.#inflight === 0) this.#onIdle?.();
  }
}
