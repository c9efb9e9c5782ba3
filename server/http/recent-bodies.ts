/**
 * @module
 * Owns what was understood of requests that are made again and again. What came once is only marked: to keep what is never asked for
 * again costs the collector of garbage more than to understand it anew.
 */

/** So many are kept, and as many that were used since. */
const KEPT_MAX = 250;
const MARKS = 4096;

export class RecentBodies<V> {
  /** Used since the last turn, and before: whoever is in neither is forgotten. */
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  /** Hashes of what came once, each where it leads. A wrong one only makes that something is kept. */
  readonly #marks = new Uint32Array(MARKS);

  get(name: string): V | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.#keep(name, old);
    return old;
  }

  /** Keeps what came before. */
  offer(name: string, value: V): void {
    const hash = hashOf(name);
    const at = hash % MARKS;
    if (this.#marks[at] === hash) this.#keep(name, value);
    else this.#marks[at] = hash;
  }

  #keep(name: string, value: V): void {
    if (this.#young.size >= KEPT_MAX) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, value);
  }
}

/** FNV-1a; never 0, which marks nothing. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0 || 1;
}
