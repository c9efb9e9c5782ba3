/**
 * @module
 * Owns what a leaf tells the program that it is part of.
 */
import type { JsonObject } from '../../crdt/index.ts';
import type { LinkState } from './leaf-link.ts';

export interface LeafStatus {
  readonly state: LinkState;
  /** The node that it talks to, or tries next. */
  readonly url: string;
  /** Why it is not online, when that is known. */
  readonly reason: string | null;
  /** Null before a node has said so. */
  readonly mayWrite: boolean | null;
  /** Changes that no node has acknowledged. */
  readonly unsent: number;
  /** Everything is sent, and everything was told. */
  readonly isSettled: boolean;
  /** When that was so last, wall clock, ms. */
  readonly settledAt: number | null;
  /** Subscriptions that the node does not serve, and why. */
  readonly ended: readonly { readonly database: string; readonly collection: string; readonly code: string }[];
}

interface Named {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
}

export type LeafEvent =
  | { readonly type: 'status'; readonly status: LeafStatus }
  /** A document shows something else, durably. */
  | ({ readonly type: 'changed'; readonly by: 'leaf' | 'others' } & Named)
  /** It is not held any more: it was deleted, or is none of those subscribed to. */
  | ({ readonly type: 'left'; readonly reason: 'deleted' | 'unmatched' } & Named)
  /** Changes were refused for good, or what they were made to is gone, and have been taken back. `document` is what it showed with them. */
  | ({
      readonly type: 'refused';
      readonly code: string;
      readonly message: string;
      readonly document: JsonObject | null;
    } & Named);
