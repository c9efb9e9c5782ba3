/**
 * @module
 * Owns the shapes of database and collection requests and answers. Types only.
 */
import type { JsonObject } from '../../crdt/index.ts';

export interface DatabaseList {
  readonly databases: readonly { readonly name: string }[];
}

export interface DatabaseAnswer {
  readonly name: string;
  readonly collections: readonly CollectionAnswer[];
  readonly documents: number;
  /** Approximate bytes of the JSON of all documents. */
  readonly bytes: number;
  /** Equal on converged nodes. */
  readonly digest: string;
}

/** Body of PUT `/v1/{db}/{collection}`. */
export interface CollectionRequest {
  /** Default `update-wins`: a concurrent update keeps a deleted document alive. */
  readonly deletePolicy?: 'update-wins' | 'delete-wins';
  /** JSON Pointer → what a plain write creates there, and so how it merges. Every number counts, declared a `counter` or not. */
  readonly types?: Readonly<Record<string, 'text' | 'set' | 'array' | 'counter'>>;
  /** JSON Schema, draft 2020-12: what a document must satisfy after a write, at the node that accepts it. */
  readonly schema?: JsonObject;
}

export interface CollectionAnswer extends CollectionRequest {
  readonly name: string;
  readonly documents: number;
  readonly bytes?: number;
}

/** A document that the schema of its collection does not allow. */
export interface ViolationAnswer {
  readonly id: string;
  readonly etag: string;
  /** Pointers into the document. */
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];
}

/** Answer to GET `/v1/{db}/{collection}/violations`. A page may be short of its limit: only a null cursor is the end. */
export interface ViolationList {
  readonly items: readonly ViolationAnswer[];
  readonly cursor: string | null;
}

/** Answer to GET `/v1/{db}/_digest`. */
export interface DigestAnswer {
  readonly digest: string;
  readonly documents: number;
  /** Origin → sequence number held. */
  readonly vector: Readonly<Record<string, number>>;
}
