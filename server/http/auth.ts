/**
 * @module
 * Owns finding out who sends a request: the holder of a token, or while the cluster has no tokens, a client of this machine.
 * Tokens are looked up by their id, which is not secret, and compared as digests in constant time. SPEC.md HT16, AC2, AC3.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { accessTokenId, type AccessTokenEntry, type AccessTokens } from '../../sync/index.ts';
import { HttpError } from './errors.ts';
import type { Principal } from './principal.ts';
import { RateLimit } from './rate-limit.ts';

export interface AccessSettings {
  /** SHA-256 of the token of `--admin-token-file`. */
  readonly adminTokenHash: Buffer | null;
  /** Serve clients of other machines although there are no tokens. */
  readonly insecure: boolean;
  /** Other machines reach this node, so tokens are asked for from the start. */
  readonly isExposed: boolean;
  /** Of each token that has no rate of its own; 0 = any number. */
  readonly requestsPerSecond: number;
}

/** What is made once of a token's entry. */
interface Holder {
  readonly hash: Buffer;
  readonly principal: Principal;
}

const DIGEST_BYTES = 32;
/** Compared with what has no entry, so that both take the same time. */
const NO_HASH = Buffer.alloc(DIGEST_BYTES);
/** Subprotocol by which a browser, which cannot set headers on a websocket, sends a token. */
const BEARER_PROTOCOL = 'bearer.';

export function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

export class AccessControl {
  readonly #settings: AccessSettings;
  readonly #tokens: AccessTokens;
  /** Entries are replaced when they change, so what was made of them goes with them. */
  readonly #holders = new WeakMap<AccessTokenEntry, Holder>();
  readonly #local: Principal;
  readonly #file: Principal;

  constructor(settings: AccessSettings, tokens: AccessTokens) {
    this.#settings = settings;
    this.#tokens = tokens;
    this.#local = this.#principal('local', 'admin', null, null);
    this.#file = this.#principal('file', 'admin', null, null);
  }

  /** Are tokens asked for? From the first token on that the cluster has, also when all have been revoked. */
  get isGuarded(): boolean {
    const { adminTokenHash, isExposed } = this.#settings;
    return adminTokenHash !== null || isExposed || this.#tokens.entries.size > 0;
  }

  /** Is there a token that this node knows by itself, whatever happens to those of the cluster? */
  get hasFileToken(): boolean {
    return this.#settings.adminTokenHash !== null;
  }

  /** Who sends this request? @throws HttpError `HTTP_UNAUTHORIZED` or `HTTP_FORBIDDEN`. */
  authenticate(request: IncomingMessage): Principal {
    if (this.isGuarded) return this.#holderOf(bearerOf(request.headers.authorization));
    this.requireReach(request);
    return this.#local;
  }

  /** The same of an upgrade; browsers send the token as a subprotocol `bearer.TOKEN`, and some clients only as `?token=`. */
  authenticateUpgrade(request: IncomingMessage, takesQuery: boolean): Principal {
    if (!this.isGuarded) return this.authenticate(request);
    const { authorization, 'sec-websocket-protocol': protocols } = request.headers;
    const offered = protocols?.split(',').find((each) => each.trim().startsWith(BEARER_PROTOCOL));
    const inQuery = takesQuery ? new URLSearchParams(request.url!.split('?')[1] ?? '').get('token') : null;
    return this.#holderOf(
      bearerOf(authorization) ?? offered?.trim().slice(BEARER_PROTOCOL.length) ?? inQuery ?? undefined,
    );
  }

  /** For doors whose first message brings the token. @throws HttpError `HTTP_UNAUTHORIZED` or `HTTP_FORBIDDEN`. */
  authenticateToken(request: IncomingMessage, token: string | undefined): Principal {
    return this.isGuarded ? this.#holderOf(token) : this.authenticate(request);
  }

  /** Without tokens only this machine is served, unless the operator said `--insecure`. */
  requireReach(request: IncomingMessage): void {
    if (this.isGuarded || this.#settings.insecure || isLoopback(request.socket.remoteAddress)) return;
    throw new HttpError(
      'HTTP_FORBIDDEN',
      'this node has no tokens and therefore serves only clients of its own machine',
    );
  }

  /** Is it still what it was when it was let in? For what lasts: websockets, feeds. */
  isCurrent({ id }: Principal): boolean {
    if (id === 'local') return !this.isGuarded;
    if (id === 'file') return true;
    const entry = this.#tokens.entries.get(id);
    return entry !== undefined && this.#tokens.isValid(entry);
  }

  #holderOf(token: string | undefined): Principal {
    if (token === undefined) throw unauthorized('send Authorization: Bearer with a token', false);
    const digest = hashToken(token);
    const { adminTokenHash } = this.#settings;
    // Digests have equal lengths, and comparing them says nothing about the token.
    if (adminTokenHash !== null && timingSafeEqual(digest, adminTokenHash)) return this.#file;
    const id = accessTokenId(token);
    const entry = id === null ? undefined : this.#tokens.entries.get(id);
    const holder = entry === undefined ? undefined : this.#holder(id!, entry);
    const isSame = timingSafeEqual(digest, holder?.hash ?? NO_HASH);
    if (holder === undefined || !isSame) throw unauthorized('the token is not valid', true);
    if (!this.#tokens.isValid(entry!)) {
      throw unauthorized(entry!.isRevoked ? 'the token was revoked' : 'the token has expired', true);
    }
    return holder.principal;
  }

  #holder(id: string, entry: AccessTokenEntry): Holder | undefined {
    let holder = this.#holders.get(entry);
    if (holder === undefined) {
      const hash = Buffer.from(entry.hash, 'hex');
      if (hash.length !== DIGEST_BYTES) return undefined;
      holder = { hash, principal: this.#principal(id, entry.role, entry.databases, entry.requestsPerSecond) };
      this.#holders.set(entry, holder);
    }
    return holder;
  }

  #principal(
    id: string,
    role: Principal['role'],
    databases: readonly string[] | null,
    ownPerSecond: number | null,
  ): Principal {
    const perSecond = ownPerSecond ?? this.#settings.requestsPerSecond;
    return {
      id,
      role,
      databases: databases === null ? null : new Set(databases),
      rate: perSecond === 0 ? null : new RateLimit(perSecond, performance.now()),
    };
  }
}

function bearerOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^Bearer +([!-~]+) *$/i.exec(authorization)?.[1];
}

function unauthorized(message: string, isWrong: boolean): HttpError {
  const challenge = isWrong ? 'Bearer realm="atoll", error="invalid_token"' : 'Bearer realm="atoll"';
  return new HttpError('HTTP_UNAUTHORIZED', message, { details: { parameter: 'Authorization', challenge } });
}

function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}
