/**
 * @module
 * Owns what a token lets a leaf do.
 */
export interface LeafGrant {
  /** Does not say who may use it: for status and logs. */
  readonly tokenId: string;
  readonly mayWrite: boolean;
  mayUse(database: string): boolean;
  /** Tokens are revoked and expire. */
  isCurrent(): boolean;
}

/** Lets a leaf in. @throws AtollError why not; what is retryable may be tried again later. */
export type LeafAuthorise = (token: string) => LeafGrant;
