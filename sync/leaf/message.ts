/**
 * @module
 * Owns what a leaf and the node that it talks to say to each other. PROTOCOL.md section "Leaves".
 */

/** The versions of this conversation that are spoken here. */
export const LEAF_VERSION_MIN = 1;
export const LEAF_VERSION_MAX = 1;

/** L→N, first: who the leaf is, and what lets it in. */
export interface LeafHello {
  readonly type: 'hello';
  readonly versionMin: number;
  readonly versionMax: number;
  readonly token: string;
  readonly secret: Uint8Array;
}

/** N→L: it is let in. */
export interface LeafWelcome {
  readonly type: 'welcome';
  readonly version: number;
  /** Name of the node. */
  readonly node: string;
  readonly mayWrite: boolean;
}

/** L→N: tell me of a collection, from here on. */
export interface LeafSubscribe {
  readonly type: 'subscribe';
  readonly subscription: number;
  readonly database: string;
  readonly collection: string;
  /** Nothing of it is held: documents may be sent without asking. */
  readonly isEmpty: boolean;
  /** Of the last page that is stored; '' = from the beginning. */
  readonly cursor: string;
  /** JSON of `LeafSelection`. */
  readonly selection: string;
}

/** N→L: how the collection is configured. JSON. */
export interface LeafConfig {
  readonly type: 'config';
  readonly subscription: number;
  readonly config: string;
}

export type LeafEntry =
  /** It was deleted, or is not there. */
  | { readonly kind: 'deleted'; readonly id: string }
  /** It has changed and is not one of those subscribed to. */
  | { readonly kind: 'unmatched'; readonly id: string }
  /** It is to be asked for, unless this version is held. */
  | { readonly kind: 'announced'; readonly id: string; readonly etag: string }
  | LeafContent;

export interface LeafContent {
  readonly kind: 'content';
  readonly id: string;
  readonly etag: string;
  /** It is one of those subscribed to. */
  readonly isMatching: boolean;
  /** All of the document; otherwise what follows the state vector that was sent. */
  readonly isWhole: boolean;
  /** Yjs v1 updates, to be applied in order. */
  readonly parts: readonly Uint8Array[];
}

/** N→L: what has changed. */
export interface LeafChanges {
  readonly type: 'changes';
  readonly subscription: number;
  /** To be acknowledged; ascending. */
  readonly page: number;
  /** To go on from when everything in the page is stored. */
  readonly cursor: string;
  /** The node does not hold all yet that the leaf has seen elsewhere. */
  readonly isBehind: boolean;
  /** There is nothing more to tell just now. */
  readonly isCurrent: boolean;
  /** All documents there are after one id and up to another; null = these are changes. */
  readonly scan: LeafRange | null;
  readonly entries: readonly LeafEntry[];
}

export interface LeafRange {
  /** '' = from the first. */
  readonly after: string;
  /** '' = to the last. */
  readonly until: string;
}

/** L→N: pages up to this one are stored. */
export interface LeafAcknowledge {
  readonly type: 'acknowledge';
  readonly page: number;
}

/** L→N: documents of a collection. One at a time. */
export interface LeafFetch {
  readonly type: 'fetch';
  readonly subscription: number;
  /** With the Yjs state vector of what is held; empty = nothing. */
  readonly documents: readonly { readonly id: string; readonly stateVector: Uint8Array }[];
}

/** N→L: the answer, in one or several. */
export interface LeafContents {
  readonly type: 'contents';
  readonly isLast: boolean;
  readonly isBehind: boolean;
  readonly entries: readonly (LeafContent | Extract<LeafEntry, { readonly kind: 'deleted' }>)[];
}

/** L→N: changes that were made on the leaf, in order. One at a time. */
export interface LeafPush {
  readonly type: 'push';
  readonly number: number;
  /** Together with the secret, whom the updates are written as. */
  readonly nonces: readonly Uint8Array[];
  readonly edits: readonly LeafEdit[];
}

export interface LeafEdit {
  readonly subscription: number;
  readonly id: string;
  /** Nothing of the document was held before. */
  readonly isBeginning: boolean;
  /** … because it was known to have been deleted. */
  readonly isAfterDelete: boolean;
  /** Of the document, that the update is of: `generationClientOf` the copy. */
  readonly generation: number;
  readonly update: Uint8Array;
}

export type LeafOutcome =
  /** It is durable. */
  | { readonly kind: 'taken' }
  /** It cannot be taken now, here: what it builds on is missing, or this node takes nothing. */
  | { readonly kind: 'later' }
  /** It builds on what was deleted and forgotten. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** N→L: what became of each edit of a push. */
export interface LeafPushed {
  readonly type: 'pushed';
  readonly number: number;
  readonly outcomes: readonly LeafOutcome[];
}

/** N→L: a subscription cannot be served, or not any more. */
export interface LeafEnded {
  readonly type: 'ended';
  readonly subscription: number;
  readonly code: string;
  readonly message: string;
}

export type LeafMessage =
  | LeafHello
  | LeafWelcome
  | LeafSubscribe
  | LeafConfig
  | LeafChanges
  | LeafAcknowledge
  | LeafFetch
  | LeafContents
  | LeafPush
  | LeafPushed
  | LeafEnded
  | { readonly type: 'ping' }
  | { readonly type: 'pong' };

export const LEAF_MESSAGE_TYPES: Readonly<Record<LeafMessage['type'], number>> = {
  hello: 1,
  welcome: 2,
  subscribe: 3,
  config: 4,
  changes: 5,
  acknowledge: 6,
  fetch: 7,
  contents: 8,
  push: 9,
  pushed: 10,
  ended: 11,
  ping: 12,
  pong: 13,
};
