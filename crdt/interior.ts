/**
 * @module
 * Owns what client-merge.ts needs of the inside of a document. To judge what clients send is a function and not a method because pages
 * and leaves do without it, and a bundler cannot leave out methods.
 */
import type * as Y from 'yjs';
import type { Author } from './change.ts';
import type { Model } from './model.ts';

/** What a merge into a Y.Doc did; the effect is null when nothing was new. */
export interface MergedUpdate {
  readonly transaction: Y.Transaction;
  readonly effect: Uint8Array | null;
}

export interface Interior {
  /** The Y.Doc with everything in it. */
  doc(): Y.Doc;
  bytes(): number;
  exists(): boolean;
  model(): Model;
  /** Returns what takes back all that comes now. */
  checkpoint(): () => void;
  take(merged: MergedUpdate, model: Model | null): void;
  /** Marks the time if that was long ago, and returns the update. */
  mark(author: Author): Uint8Array | null;
}
