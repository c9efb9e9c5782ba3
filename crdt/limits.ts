/**
 * @module
 * Owns the size limits of documents and JSON text. Limits guard writes only: a merge of two accepted writes may exceed them
 * and is never refused.
 */
export interface Limits {
  /** Deepest nesting of objects and arrays; the document itself is level 1. Default 64. */
  readonly depthMax: number;
  /** Canonical JSON of a document, and JSON text given to `parseJson`, in UTF-8 bytes. Default 1 MiB. */
  readonly documentBytesMax: number;
  /** One object key, in UTF-8 bytes. Default 1024. */
  readonly keyBytesMax: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({ depthMax: 64, documentBytesMax: 1_048_576, keyBytesMax: 1024 });
