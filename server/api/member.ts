/**
 * @module
 * Owns the shapes of requests and answers about members of the cluster. Types only.
 */
import type { JsonObject } from '../../crdt/index.ts';

/** `joining`: has not caught up. `draining`: about to stop. `stale`: not waited for. `removed`: out for ever. */
export type MemberStateName = 'joining' | 'live' | 'draining' | 'stale' | 'removed';

/** A member as the answering node sees it. */
export interface MemberAnswer {
  readonly node: string;
  readonly name: string;
  readonly url: string | null;
  readonly state: MemberStateName;
  /** Names of the databases it holds; null = all. */
  readonly databases: readonly string[] | null;
  readonly self: boolean;
  readonly linked: boolean;
  readonly lag: { readonly entries: number; readonly bytes: number; readonly seconds: number } | null;
  /** Milliseconds since the Unix epoch; null = never. */
  readonly lastSeen: number | null;
}

export interface MemberList {
  readonly members: readonly MemberAnswer[];
}

/** Body of POST `/v1/_cluster/members`: keep a link to the node there. */
export interface JoinRequest {
  readonly url: string;
}

/** Body of POST `/v1/_cluster/tokens`. */
export interface JoinTokenRequest {
  /** Default 3600. */
  readonly expiresSeconds?: number;
}

/** The only time the token is shown. */
export interface JoinTokenAnswer {
  readonly token: string;
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** A line of GET `/v1/_cluster/unsent`; without `doc` the document was deleted. */
export interface UnsentLine {
  readonly db: string;
  readonly collection: string;
  readonly id: string;
  readonly doc?: JsonObject;
  readonly deleted?: true;
}
