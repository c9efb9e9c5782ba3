/**
 * @module
 * Owns which methods a path takes, so that a wrong method is a 405 that says which ones are right, and not a 404 or the answer
 * of another path that happens to match. SPEC.md HT1.
 */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { HttpError } from './errors.ts';
import type {} from './route-policy.ts';

/** Methods that some path takes; the others end in the handler of what is not found. */
const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'];

const tables = new WeakMap<FastifyInstance, MethodTable>();

export class MethodTable {
  readonly #methods = new Map<string, Set<string>>();
  readonly #open = new Set<string>();
  #isComplete = false;

  /** Learns every route registered on `app` from now on. */
  watch(app: FastifyInstance): void {
    tables.set(app, this);
    app.addHook('onRoute', ({ path, method, config }) => {
      if (this.#isComplete) return;
      const known = this.#methods.get(path) ?? new Set();
      for (const name of [method].flat()) known.add(name);
      this.#methods.set(path, known);
      if (config?.access === 'open') this.#open.add(path);
    });
  }

  get entries(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#methods;
  }

  /**
   * Refuses every other method of the paths known. Without it the router would give `PUT /v1/_cluster` to `PUT /v1/:db`. Before the
   * body is read: whatever it holds, the method is what is wrong.
   */
  refuseOthers(app: FastifyInstance): void {
    this.#isComplete = true;
    for (const [url, known] of this.#methods) {
      const method = METHODS.filter((name) => !known.has(name));
      const refuse = (_request: unknown, _reply: unknown, done: (error: Error) => void): void => {
        done(refusedMethod(listed(known)));
      };
      // Which methods a path takes is no secret to who may send anything here.
      const config = { access: this.#open.has(url) ? 'open' : 'token' } as const;
      app.route({ method, url, config, exposeHeadRoute: false, onRequest: refuse, handler: () => {} });
    }
  }

  /** Is a name, where that of a database or a collection could stand, one of the API's own? They begin with `_`. */
  isOwn(name: string): boolean {
    return name.startsWith('_') && [...this.#methods.keys()].some((path) => path.split('/').includes(name));
  }

  /** Methods of the routes that match a raw URL, sorted; empty when none does. */
  allowed(url: string): readonly string[] {
    const segments = url.split(/[?#]/, 1)[0]!.split('/');
    // As the router does, a path of fixed segments goes before one with parameters.
    const matching = [...this.#methods].filter(([pattern]) => matches(pattern.split('/'), segments));
    const [best] = matching.sort(([a], [b]) => a.split(':').length - b.split(':').length);
    return best === undefined ? [] : listed(best[1]);
  }
}

/** The routes of an application and their methods. */
export function routesOf(app: FastifyInstance): ReadonlyMap<string, ReadonlySet<string>> {
  return tables.get(app)?.entries ?? new Map();
}

export function refusedMethod(allowed: readonly string[]): HttpError {
  return new HttpError('HTTP_METHOD_NOT_ALLOWED', `this resource takes ${allowed.join(', ')}`, {
    details: { allow: allowed.join(', ') },
  });
}

function listed(methods: ReadonlySet<string>): readonly string[] {
  return [...methods].sort();
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false;
  return pattern.every((part, index) => part.startsWith(':') || part === segments[index]);
}
