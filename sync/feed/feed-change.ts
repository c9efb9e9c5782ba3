/**
 * @module
 * Owns what a feed tells: changes, in pages. A change is a document that has changed, as it is when it is told; its cursor is made
 * when somebody asks for it, once for all feeds that share the change.
 */
import type { OriginId } from '../engine.ts';
import { encodeCursor } from './cursor.ts';
import type { Database } from '../database.ts';
import type { Positions } from '../token.ts';

/** Where a change stands. Without `origin` the position is the vector itself. */
export interface Place {
  readonly database: Database;
  /** What was told before. */
  readonly base: Positions;
  readonly scan: string | null;
  readonly origin?: OriginId;
  readonly seq?: number;
}

/** In the place of the JSON of a document that exists. */
export const LEFT_OUT: Uint8Array = new Uint8Array(0);

export interface DocumentVersion {
  readonly collection: string;
  readonly id: string;
  /** Null when nothing is left of the document, not even that it was deleted. */
  readonly etag: string | null;
  /** Canonical JSON; null when the document is deleted, `LEFT_OUT` when nobody asked for it. Do not modify. */
  readonly json: Uint8Array | null;
  /** Losing values. */
  readonly conflicts: number;
}

export class FeedChange implements DocumentVersion {
  readonly collection: string;
  readonly id: string;
  readonly etag: string | null;
  readonly json: Uint8Array | null;
  readonly conflicts: number;
  readonly #place: Place;
  #cursor: string | null = null;

  constructor({ collection, id, etag, json, conflicts }: DocumentVersion, place: Place) {
    this.collection = collection;
    this.id = id;
    this.etag = etag;
    this.json = json;
    this.conflicts = conflicts;
    this.#place = place;
  }

  /** What a feed goes on from after this change, on any node. */
  get cursor(): string {
    return (this.#cursor ??= cursorAt(this.#place));
  }
}

/** Changes that a feed tells together, in order. Shared between feeds: never modified. */
export interface FeedPage {
  readonly changes: readonly FeedChange[];
}

function cursorAt({ database, base, scan, origin, seq }: Place): string {
  const vector = origin === undefined || seq === undefined ? base : new Map(base).set(origin, seq);
  return encodeCursor(database, { vector, scan });
}
