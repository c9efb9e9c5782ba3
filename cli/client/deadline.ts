/**
 * @module
 * Owns how long a call may take, and how that and the signal of the caller end what is under way.
 */
import type { ClientPorts } from './port.ts';

export class Deadline {
  /** The time is over. */
  isOver = false;
  readonly #signal: AbortSignal | undefined;
  readonly #cancelTimer: () => void;
  readonly #listeners = new Set<() => void>();
  readonly #onAbort = (): void => this.#wake();

  /** `timeoutMs` of 0 = no limit. */
  constructor(ports: ClientPorts, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort);
    const onTime = (): void => {
      this.isOver = true;
      this.#wake();
    };
    this.#cancelTimer = timeoutMs > 0 ? ports.after(timeoutMs, onTime) : () => undefined;
  }

  get hasEnded(): boolean {
    return this.isOver || this.#signal?.aborted === true;
  }

  /** @throws the reason of the caller's signal. */
  throwIfAborted(): void {
    this.#signal?.throwIfAborted();
  }

  /** Calls back at the end of the time or at an abort, at once if that was before. Returns the unsubscribe. */
  onEnd(listener: () => void): () => void {
    if (this.hasEnded) listener();
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Waits, but not beyond the end. */
  async wait(ports: ClientPorts, ms: number): Promise<void> {
    let forget: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      const cancel = ports.after(ms, resolve);
      forget = this.onEnd(() => {
        cancel();
        resolve();
      });
    });
    forget();
  }

  dispose(): void {
    this.#cancelTimer();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#listeners.clear();
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }
}
