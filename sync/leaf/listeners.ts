/**
 * @module
 * Owns telling the functions of a program what happens. What one of them throws is a mistake of the program: it is thrown where nobody of ours
 * is waiting, as that of any callback, and keeps neither the others nor the leaf from going on.
 */
import type { Timers } from '../port.ts';
import type { LeafEvent } from './leaf-event.ts';

type Listener = (event: LeafEvent) => void;

export class Listeners {
  readonly #timers: Timers;
  readonly #listeners = new Set<Listener>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** @returns Ends it. */
  add(listener: Listener): () => void {
    // Of its own, should one listener listen twice.
    const own: Listener = (event) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  tell(event: LeafEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#timers.after(0, () => {
          throw error;
        });
      }
    }
  }
}
