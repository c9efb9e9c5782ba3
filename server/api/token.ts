/**
 * @module
 * Owns the shapes of requests and answers about tokens of clients. Types only.
 */

/** `read`: GET. `write`: documents. `admin`: what databases and collections are; without `databases` also members, tokens. */
export type AccessRoleName = 'read' | 'write' | 'admin';

/** Body of POST `/v1/_admin/tokens`. The first token of a cluster must be an admin token for everything and for ever. */
export interface NewAccessTokenRequest {
  readonly role: AccessRoleName;
  /** Names of the databases it is for; null or absent = all. They need not exist. */
  readonly databases?: readonly string[] | null;
  /** What it is for, to people. */
  readonly name?: string;
  /** Null or absent = it does not expire. */
  readonly expiresSeconds?: number | null;
  /** Null or absent = as the node has it for all tokens. */
  readonly requestsPerSecond?: number | null;
}

export interface AccessTokenAnswer {
  readonly id: string;
  readonly name: string;
  readonly role: AccessRoleName;
  readonly databases: readonly string[] | null;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly requestsPerSecond: number | null;
  readonly state: 'valid' | 'expired' | 'revoked';
}

/** The only time the token is shown. */
export interface NewAccessTokenAnswer extends AccessTokenAnswer {
  readonly token: string;
}

/** Answer to GET `/v1/_admin/tokens`, oldest first. Revoked and expired ones are listed for 30 days. */
export interface AccessTokenList {
  readonly tokens: readonly AccessTokenAnswer[];
}
