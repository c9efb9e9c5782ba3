/**
 * @module
 * Owns the tokens by which clients are let in: made, listed and revoked on any node while it runs. They are documents of the system
 * database, so every node learns of them like of any other write; only their hashes are kept. The server decides what a token lets
 * its holder do. SPEC.md AC3.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Change, JsonObject, JsonValue } from '../crdt/index.ts';
import type { Catalog } from './catalog.ts';
import type { Database } from './database.ts';
import { SyncError } from './errors.ts';
import { validateDatabaseName } from './names.ts';
import type { Clock, Random } from './port.ts';

export type AccessRole = 'read' | 'write' | 'admin';

/** What members know of a token. */
export interface AccessTokenEntry {
  /** Hex of SHA-256 of the token. */
  readonly hash: string;
  readonly role: AccessRole;
  /** Names of the databases it is for; `null` = all, and what concerns none. */
  readonly databases: readonly string[] | null;
  /** What it is for, to people. */
  readonly name: string;
  /** Wall clock, ms. */
  readonly createdAt: number;
  /** Wall clock, ms; `null` = never. */
  readonly expiresAt: number | null;
  /** Requests per second; `null` = as the node has it for all. */
  readonly requestsPerSecond: number | null;
  /** Never taken back. */
  readonly isRevoked: boolean;
}

export interface AccessTokenRequest {
  readonly role: AccessRole;
  readonly databases?: readonly string[] | null;
  readonly name?: string;
  readonly validMs?: number | null;
  readonly requestsPerSecond?: number | null;
}

/** Of one cluster, revoked ones not counted. */
export const ACCESS_TOKENS_MAX = 10_000;
/** Revoked and expired tokens are listed for so long. */
const REMEMBERED_MS = 30 * 24 * 3_600_000;
const ID_BYTES = 8;
const TOKEN_BYTES = 24;
const PATTERN = /^atoll_([0-9a-f]{16})_[0-9a-f]{48}$/;
const COLLECTION = 'access-tokens';

/** The id in a token's text; `null` for what is not a token. */
export function accessTokenId(text: string): string | null {
  return PATTERN.exec(text)?.[1] ?? null;
}

export class AccessTokens {
  readonly #catalog: Catalog;
  readonly #system: () => Database;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor({ clock, random }: { clock: Clock; random: Random }, catalog: Catalog, system: () => Database) {
    this.#catalog = catalog;
    this.#system = system;
    this.#clock = clock;
    this.#random = random;
  }

  /** By id, revoked and expired ones included. Live: it changes as the cluster learns. */
  get entries(): ReadonlyMap<string, AccessTokenEntry> {
    return this.#catalog.accessTokens;
  }

  isValid({ isRevoked, expiresAt }: AccessTokenEntry): boolean {
    return !isRevoked && (expiresAt === null || expiresAt > this.#clock.now());
  }

  /**
   * Makes a token; its text is known only to the caller.
   *
   * @param isAnyFirst - May the first one be of any kind? Only where somebody can get in by other means.
   * @throws SyncError `SYNC_ACCESS_TOKEN_CONFLICT`, `SYNC_DATABASE_NAME_INVALID`
   */
  async create(
    request: AccessTokenRequest,
    isAnyFirst: boolean,
  ): Promise<{ token: string; id: string; entry: AccessTokenEntry }> {
    const { role, databases = null, name = '', validMs = null, requestsPerSecond = null } = request;
    databases?.forEach(validateDatabaseName);
    if (!isAnyFirst && this.entries.size === 0 && (role !== 'admin' || databases !== null || validMs !== null)) {
      const message =
        'The first token turns access control on for the whole cluster, so it must be an admin token for all databases that does not expire.';
      throw new SyncError('SYNC_ACCESS_TOKEN_CONFLICT', message);
    }
    await this.#prune();
    if (this.entries.size >= ACCESS_TOKENS_MAX) {
      throw new SyncError('SYNC_ACCESS_TOKEN_CONFLICT', `The cluster has ${ACCESS_TOKENS_MAX} tokens: revoke some.`);
    }
    const id = bytesToHex(this.#random.bytes(ID_BYTES));
    const token = `atoll_${id}_${bytesToHex(this.#random.bytes(TOKEN_BYTES))}`;
    const createdAt = this.#clock.now();
    const value = {
      hash: bytesToHex(sha256(new TextEncoder().encode(token))),
      role,
      databases: databases === null ? null : [...new Set(databases)].sort(),
      name,
      createdAt,
      expiresAt: validMs === null ? null : createdAt + validMs,
      requestsPerSecond,
    };
    await this.#write(id, { kind: 'replace', value });
    return { token, id, entry: readAccessToken(value) };
  }

  /**
   * Revokes a token for ever.
   *
   * @param isLastAllowed - May it be the last admin token? Only where somebody can get in by other means.
   * @throws SyncError `SYNC_ACCESS_TOKEN_NOT_FOUND`, `SYNC_ACCESS_TOKEN_CONFLICT`
   */
  async revoke(id: string, by: string, isLastAllowed: boolean): Promise<void> {
    const entry = this.entries.get(id);
    if (entry === undefined) {
      throw new SyncError('SYNC_ACCESS_TOKEN_NOT_FOUND', `No token has the id "${id.slice(0, 80)}".`);
    }
    if (entry.isRevoked) return;
    if (!isLastAllowed && this.#isMaster(entry) && !this.#hasOtherMaster(id)) {
      throw new SyncError('SYNC_ACCESS_TOKEN_CONFLICT', 'This is the last admin token: make another one first.');
    }
    await this.#write(id, { kind: 'merge-patch', patch: { revoked: { at: this.#clock.now(), by } } });
  }

  #isMaster(entry: AccessTokenEntry): boolean {
    return entry.role === 'admin' && entry.databases === null && this.isValid(entry);
  }

  #hasOtherMaster(id: string): boolean {
    return [...this.entries].some(([other, entry]) => other !== id && this.#isMaster(entry));
  }

  /** Some entry always remains: it is what says that tokens are asked for here. */
  async #prune(): Promise<void> {
    if (![...this.entries.values()].some((entry) => this.isValid(entry))) return;
    const before = this.#clock.now() - REMEMBERED_MS;
    for (const [id, { isRevoked, expiresAt, createdAt }] of this.entries) {
      if ((isRevoked && createdAt < before) || (expiresAt !== null && expiresAt < before)) {
        await this.#write(id, { kind: 'delete' });
      }
    }
  }

  async #write(id: string, change: Change): Promise<void> {
    await this.#system().writeUnchecked(COLLECTION, id, change);
  }
}

const ROLES: readonly unknown[] = ['read', 'write', 'admin'];

/** What cannot be read gives no rights. */
export function readAccessToken(value: JsonObject): AccessTokenEntry {
  const { hash, role, databases, name, createdAt, expiresAt, requestsPerSecond, revoked } = value;
  return {
    hash: typeof hash === 'string' ? hash : '',
    role: ROLES.includes(role) ? (role as AccessRole) : 'read',
    databases: readNames(databases),
    name: typeof name === 'string' ? name : '',
    createdAt: typeof createdAt === 'number' ? createdAt : 0,
    expiresAt: typeof expiresAt === 'number' ? expiresAt : null,
    requestsPerSecond: typeof requestsPerSecond === 'number' ? requestsPerSecond : null,
    isRevoked: revoked !== undefined || !ROLES.includes(role),
  };
}

function readNames(databases: JsonValue | undefined): readonly string[] | null {
  if (databases === null) return null;
  return Array.isArray(databases) ? databases.filter((each) => typeof each === 'string') : [];
}
