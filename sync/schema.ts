/**
 * @module
 * Owns the check of documents against the schema of their collection, at the node that accepts a write: of the whole document as the write
 * leaves it. What merges make of valid writes is never refused; it is found by `listViolations`. How a schema is read is an argument.
 */
import type { JsonObject, JsonValue } from '../crdt/index.ts';
import type { CollectionConfig } from './collection-config.ts';
import type { Database } from './database.ts';
import type { DocumentSlot } from './document-slot.ts';
import { SyncError } from './errors.ts';
import { validateCollectionName } from './names.ts';

export interface SchemaFault {
  /** JSON Pointer into the document: of the member at fault, or missing. */
  readonly pointer: string;
  readonly detail: string;
}

/** What is wrong with a document; `null` = nothing. Bounded. */
export type SchemaCheck = (document: JsonValue) => readonly SchemaFault[] | null;

/**
 * Makes a schema ready for use. Pure and bounded: it fetches nothing, and a check ends.
 *
 * @throws SyncError `SYNC_CONFIG_INVALID` with `details.path`, below `/schema`.
 */
export type SchemaCompiler = (schema: JsonObject) => SchemaCheck;

/** Schemas in use, each compiled once. */
export class Schemas {
  readonly #compile: SchemaCompiler | null;
  /** A configuration that changes is another object. */
  readonly #checks = new WeakMap<CollectionConfig, SchemaCheck | null>();

  constructor(compile: SchemaCompiler | null) {
    this.#compile = compile;
  }

  /** @throws SyncError `SYNC_CONFIG_INVALID` */
  validate(schema: JsonObject): void {
    if (this.#compile === null) {
      throw new SyncError('SYNC_CONFIG_INVALID', 'This node has nothing to check schemas with.', {
        details: { path: '/schema' },
      });
    }
    this.#compile(schema);
  }

  /** Null when everything is valid. */
  checkOf(config: CollectionConfig): SchemaCheck | null {
    if (config.schema === undefined) return null;
    let check = this.#checks.get(config);
    if (check === undefined) this.#checks.set(config, (check = this.#read(config.schema)));
    return check;
  }

  /** One that another node took and this one cannot use is as none: refusing every write would help nobody. */
  #read(schema: JsonObject): SchemaCheck | null {
    try {
      return this.#compile?.(schema) ?? null;
    } catch (error) {
      if (error instanceof SyncError) return null;
      throw error;
    }
  }
}

/**
 * Takes a write back that leaves a document its schema does not allow.
 *
 * @throws SyncError `SYNC_SCHEMA_VIOLATION`
 */
export function requireValid(slot: DocumentSlot, check: SchemaCheck): void {
  const { exists, json } = slot.document.view();
  const faults = exists ? check(JSON.parse(json) as JsonValue) : null;
  if (faults === null) return;
  slot.restore();
  const [{ pointer, detail }] = faults as [SchemaFault];
  const message = `The document would violate the schema of ${slot.collection}: ${pointer === '' ? 'it' : pointer} ${detail}`;
  throw new SyncError('SYNC_SCHEMA_VIOLATION', message, {
    details: { errors: faults.map((fault) => ({ pointer: fault.pointer, detail: fault.detail })) },
  });
}

export interface Violation {
  readonly id: string;
  readonly etag: string;
  readonly faults: readonly SchemaFault[];
}

export interface ViolationPage {
  readonly items: readonly Violation[];
  /** Pass as `after` for the next page; `null` = there is none. A page may be short of its limit and have one. */
  readonly next: string | null;
}

const PAGE = 64;

/**
 * Documents that the schema of their collection does not allow, in the order of ids: they were there before it, or are what valid
 * writes of several nodes merged into.
 *
 * @throws SyncError `SYNC_COLLECTION_NAME_INVALID`
 */
export async function listViolations(
  database: Database,
  collection: string,
  options: { readonly after?: string; readonly limit: number; readonly examinedMax: number; pause(): Promise<void> },
): Promise<ViolationPage> {
  validateCollectionName(collection);
  const { catalog, schemas } = database.parts;
  const check = schemas.checkOf(catalog.configOf(database.key, collection));
  if (check === null) return { items: [], next: null };
  const items: Violation[] = [];
  let { after } = options;
  for (let examined = 0; examined < options.examinedMax;) {
    const page = await database.list(collection, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const { id, etag, json } of page.items) {
      examined++;
      after = id;
      const faults = check(JSON.parse(new TextDecoder().decode(json)) as JsonValue);
      if (faults === null) continue;
      items.push({ id, etag, faults });
      if (items.length === options.limit) return { items, next: id };
    }
    if (page.next === null) return { items, next: null };
    await options.pause();
  }
  return { items, next: after ?? null };
}
