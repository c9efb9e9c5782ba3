/**
 * @module
 * Owns a collection of a leaf as programs use it: reads and queries of what is held, and writes, with the same rules as on a node. Named
 * as in `atolldb/client`.
 */
import type {
  Change,
  Conflict,
  IntentOperation,
  JsonObject,
  JsonPatchOperation,
  Resolution,
} from '../../crdt/index.ts';
import { validateDocumentId } from '../names.ts';
import type { LeafQuery } from './leaf-query.ts';
import { selectHeld } from './leaf-query.ts';
import type { HeldCollection, LeafDocument } from './leaf-table.ts';

/** A document as the leaf holds it. */
export interface HeldDocument<T extends object = JsonObject> {
  readonly id: string;
  readonly doc: T;
  /** Paths with losing values: see `conflicts`. */
  readonly conflicts: number;
  /** It has changes that no node has acknowledged. */
  readonly isUnsent: boolean;
}

export interface LeafCollectionParts {
  readonly held: HeldCollection;
  /** Makes a change; resolves with whether it had an effect when that is durable. */
  readonly write: (id: string, change: Change) => Promise<boolean>;
  readonly conflictsOf: (id: string) => Promise<readonly Conflict[]>;
}

export class LeafCollection<T extends object = JsonObject> {
  readonly #parts: LeafCollectionParts;

  /** @internal */
  constructor(parts: LeafCollectionParts) {
    this.#parts = parts;
  }

  get database(): string {
    return this.#parts.held.database;
  }

  get name(): string {
    return this.#parts.held.collection;
  }

  /** Null when the leaf holds no such document. */
  get(id: string): HeldDocument<T> | null {
    const document = this.#parts.held.documents.get(id);
    return document === undefined ? null : describe<T>(document);
  }

  /** What is held, in the order of ids. */
  list(): readonly HeldDocument<T>[] {
    return this.query();
  }

  /** @throws SyncError `SYNC_QUERY_INVALID` */
  query(query: LeafQuery = {}): readonly HeldDocument<T>[] {
    return selectHeld(this.#parts.held, query).flatMap((document) => describe<T>(document) ?? []);
  }

  /**
   * Each write resolves when it is durable here, whether a node is reached or not.
   *
   * @throws CrdtError, SyncError `SYNC_DOCUMENT_ID_INVALID`, `SYNC_LEAF_FORBIDDEN`: nothing has changed. StorageError.
   */
  async put(id: string, doc: T): Promise<void> {
    await this.#write(id, { kind: 'replace', value: doc as unknown as JsonObject });
  }

  async mergePatch(id: string, patch: JsonObject): Promise<void> {
    await this.#write(id, { kind: 'merge-patch', patch });
  }

  async jsonPatch(id: string, operations: readonly JsonPatchOperation[]): Promise<void> {
    await this.#write(id, { kind: 'json-patch', operations });
  }

  async apply(id: string, operations: readonly IntentOperation[]): Promise<void> {
    await this.#write(id, { kind: 'operations', operations });
  }

  /** False when there is none. */
  async delete(id: string): Promise<boolean> {
    return this.#write(id, { kind: 'delete' });
  }

  /** Losing values of concurrent writes. */
  conflicts(id: string): Promise<readonly Conflict[]> {
    return this.#parts.conflictsOf(id);
  }

  async resolve(id: string, resolutions: readonly Resolution[]): Promise<void> {
    await this.#write(id, { kind: 'resolve', resolutions });
  }

  async #write(id: string, change: Change): Promise<boolean> {
    validateDocumentId(id);
    return this.#parts.write(id, change);
  }
}

function describe<T extends object>({ id, json, conflicts, unsent }: LeafDocument): HeldDocument<T> | null {
  if (json === null) return null;
  return { id, doc: JSON.parse(json) as T, conflicts, isUnsent: unsent > 0 };
}
