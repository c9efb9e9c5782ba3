/**
 * @module
 * Owns remembering names for a while, in bounded memory.
 */

export class ExpiringSet {
  readonly #limit: number;
  /** Name → when it is forgotten; oldest first. */
  readonly #until = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#until.size;
  }

  add(name: string, untilMs: number): void {
    this.#until.delete(name);
    this.#until.set(name, untilMs);
    if (this.#until.size <= this.#limit) return;
    const [oldest] = this.#until.keys();
    this.#until.delete(oldest!);
  }

  has(name: string, nowMs: number): boolean {
    const untilMs = this.#until.get(name);
    if (untilMs === undefined) return false;
    if (untilMs > nowMs) return true;
    this.#until.delete(name);
    return false;
  }

  delete(name: string): void {
    this.#until.delete(name);
  }
}
