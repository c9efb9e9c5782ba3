/**
 * @module
 * Owns which methods a path takes, so that a wrong method is a 405 that says which ones are right, and not a 404. SPEC.md HT1.
 */
import type { FastifyInstance } from 'fastify';

export class MethodTable {
  readonly #methods = new Map<string, Set<string>>();

  /** Learns every route registered on `app` from now on. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', ({ path, method }) => {
      const known = this.#methods.get(path) ?? new Set();
      for (const name of [method].flat()) known.add(name);
      this.#methods.set(path, known);
    });
  }

  /** Methods of the routes that match a raw URL, sorted; empty when none does. */
  allowed(url: string): readonly string[] {
    const segments = url.split(/[?#]/, 1)[0]!.split('/');
    // As the router does, a path of fixed segments goes before one with parameters.
    const matching = [...this.#methods].filter(([pattern]) => matches(pattern.split('/'), segments));
    const [best] = matching.sort(([a], [b]) => a.split(':').length - b.split(':').length);
    return best === undefined ? [] : [...best[1]].sort();
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false;
  return pattern.every((part, index) => part.startsWith(':') || part === segments[index]);
}
