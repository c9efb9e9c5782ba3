/**
 * @module
 * Owns what a route asks of who calls it. The policy stands next to the route, as `config.access`, and registering a route without
 * one fails: nothing is served by accident. Websockets have theirs in `upgrade.ts`. SPEC.md AC1.
 */
import type { FastifyInstance, RouteOptions } from 'fastify';

/**
 * `open`: nothing, as for probes. `token`: any valid token. `read`, `write`, `admin`: a token with at least this role, for the
 * database `:db` of the path, or for all databases when the path has none. `protocol`: the first message proves who speaks, as on
 * websockets of nodes; only for upgrades.
 */
export type RouteAccess = 'open' | 'token' | 'read' | 'write' | 'admin' | 'protocol';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call this route. Required. */
    access?: RouteAccess;
    /** Its requests last by design, as feeds do: they are neither slow nor a sign of overload. */
    lasting?: boolean;
  }
}

const ACCESSES: readonly unknown[] = ['open', 'token', 'read', 'write', 'admin', 'protocol'] satisfies RouteAccess[];

/** A route as it was registered. */
export type RegisteredRoute = Pick<RouteOptions, 'method' | 'url' | 'schema'> & { readonly access: RouteAccess };

const tables = new WeakMap<FastifyInstance, RegisteredRoute[]>();

/** @throws Error naming the route and what to add, so that a route without a policy never starts. */
export function requirePolicy({ method, url, config }: RouteOptions): RouteAccess {
  const access = config?.access;
  if (access !== undefined && ACCESSES.includes(access)) return access;
  throw new Error(
    `route ${[method].flat().join(',')} ${url} has no access policy. Add it next to the route: ` +
      `app.get(path, { config: { access: 'read' } }, handler); one of ${ACCESSES.join(', ')} (server/http/route-policy.ts)`,
  );
}

/** Keeps what was registered, for the description of the API and for tests. */
export function noteRoute(app: FastifyInstance, { method, url, schema }: RouteOptions, access: RouteAccess): void {
  const table = tables.get(app) ?? [];
  tables.set(app, table);
  table.push({ method, url, access, ...(schema !== undefined && { schema }) });
}

/** Routes in the order of their registration; methods that a path refuses are none. */
export function registeredRoutes(app: FastifyInstance): readonly RegisteredRoute[] {
  return (tables.get(app) ?? []).filter(({ method }) => typeof method === 'string');
}

/** `GET /v1/:db` → policy, refused methods included. */
export function policiesOf(app: FastifyInstance): ReadonlyMap<string, RouteAccess> {
  const routes = tables.get(app) ?? [];
  return new Map(
    routes.flatMap(({ method, url, access }) => [method].flat().map((each) => [`${each} ${url}`, access])),
  );
}
