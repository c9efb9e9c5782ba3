/**
 * @module
 * Owns what a client may do with a document.
 */
export interface Grant {
  readonly isReadOnly: boolean;
  /** Tokens are revoked and expire. */
  readonly isCurrent: () => boolean;
}
