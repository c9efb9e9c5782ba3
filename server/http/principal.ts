/**
 * @module
 * Owns who a request comes from, and what that lets it do. SPEC.md AC2.
 */
import type { AccessRole } from '../../sync/index.ts';
import { HttpError } from './errors.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RouteAccess } from './route-policy.ts';

/** Holder of a token, or a client of this machine while there are no tokens. */
export interface Principal {
  /** Id of the token; not secret. `local` without tokens, `file` for the token of `--admin-token-file`. */
  readonly id: string;
  readonly role: AccessRole;
  /** Names of the databases it may use; null = all. */
  readonly databases: ReadonlySet<string> | null;
  /** Null = any number of requests. */
  readonly rate: RateLimit | null;
}

export const NOBODY: Principal = { id: 'nobody', role: 'read', databases: new Set(), rate: null };

const RANKS: Readonly<Record<AccessRole, number>> = { read: 1, write: 2, admin: 3 };

/**
 * @param database - The one that the path names; undefined when it names none, which takes a token for all.
 * @throws HttpError `HTTP_FORBIDDEN` saying what would be needed.
 */
export function requireRight(principal: Principal, access: RouteAccess, database: string | undefined): void {
  if (access === 'open' || access === 'token' || access === 'protocol') return;
  if (RANKS[principal.role] < RANKS[access]) {
    throw forbidden(`the token has the role ${principal.role}; this takes the role ${access}`, access);
  }
  if (principal.databases === null || (database !== undefined && principal.databases.has(database))) return;
  throw forbidden(
    database === undefined
      ? 'the token is for some databases only; this takes one for all'
      : `the token is not for the database ${database.slice(0, 80)}`,
    access,
  );
}

/** May it see that the database exists? */
export function isVisible({ databases }: Principal, database: string): boolean {
  return databases === null || databases.has(database);
}

function forbidden(message: string, access: RouteAccess): HttpError {
  const challenge = `Bearer realm="atoll", error="insufficient_scope", scope="${access}"`;
  return new HttpError('HTTP_FORBIDDEN', message, { details: { parameter: 'Authorization', challenge } });
}
