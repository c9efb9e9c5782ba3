/**
 * @module
 * Owns what outlasts the moment in which its token was checked: feeds, streams, websockets. They are looked at every second, and end
 * when their token was revoked, has expired, or when tokens came to be asked for. SPEC.md AC11.
 */
import type { AccessControl } from './auth.ts';
import type { Principal } from './principal.ts';

const LOOK_MS = 1000;

interface Lasting {
  readonly principal: Principal;
  readonly end: () => void;
}

export class AccessWatch {
  readonly #access: AccessControl;
  readonly #lasting = new Set<Lasting>();
  #timer: NodeJS.Timeout | undefined;

  constructor(access: AccessControl) {
    this.#access = access;
  }

  get size(): number {
    return this.#lasting.size;
  }

  /** Ends something when its principal may not go on. Call what it returns when it has ended by itself. */
  add(principal: Principal, end: () => void): () => void {
    const entry = { principal, end };
    this.#lasting.add(entry);
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref();
    return () => {
      this.#lasting.delete(entry);
      if (this.#lasting.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  look(): void {
    for (const { principal, end } of this.#lasting) if (!this.#access.isCurrent(principal)) end();
  }
}
