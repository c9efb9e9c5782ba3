/**
 * @module
 * Owns documents that are written without being opened: first writes of documents that nobody has here, from batches or a snapshot. Until
 * they are durable, whoever opens one waits.
 */
import { computeElement } from './digest.ts';
import { encodeDocumentVector, encodeView } from './document-record.ts';
import type { DocumentVector, FirstContent, ViewRecord } from './document-record.ts';
import type { DurableVersion } from './document-slot.ts';
import { durableVersionOf } from './durable-version.ts';
import type { DocumentName } from './equality.ts';
import { viewKey } from './key.ts';
import type { Sha256, StoreOperation } from './port.ts';

/** A document as its first write left it. */
export interface PlaceableRow extends DocumentName {
  readonly vector: DocumentVector;
  readonly content: FirstContent;
}

/** What of a placed document leaves with the group. */
export class PlacedDocument implements DocumentName {
  readonly name: string;
  readonly collection: string;
  readonly id: string;
  readonly put: StoreOperation & { readonly type: 'put' };
  readonly #record: PlacedRecord;

  constructor({ collection, id }: DocumentName, record: PlacedRecord, put: PlacedDocument['put']) {
    this.name = `${collection}\0${id}`;
    this.collection = collection;
    this.id = id;
    this.put = put;
    this.#record = record;
  }

  get element(): Uint8Array {
    return this.#record.element;
  }

  get json(): Uint8Array {
    return this.#record.json;
  }

  /** What readers of changes are shown. */
  get version(): DurableVersion {
    return durableVersionOf({ ...this.#record, json: this.json.slice() });
  }
}

type PlacedRecord = Omit<ViewRecord, 'vector'> & { readonly json: Uint8Array };

export interface PlacedDocumentsOptions {
  readonly db: number;
  readonly digestSecret: Uint8Array;
  readonly sha256: Sha256;
}

export class PlacedDocuments {
  readonly #options: PlacedDocumentsOptions;
  #open: PlacedDocument[] = [];
  /** Names of those not durable yet → when they are. */
  readonly #durable = new Map<string, Promise<void>>();

  constructor(options: PlacedDocumentsOptions) {
    this.#options = options;
  }

  /** When a document that was placed can be read; undefined when it can be. */
  durable(name: string): Promise<void> | undefined {
    return this.#durable.get(name);
  }

  /**
   * @param durable - Of the group that it leaves with.
   * @returns The key of its view.
   */
  place({ collection, id, vector, content }: PlaceableRow, durable: Promise<void>): Uint8Array {
    const { db, sha256, digestSecret } = this.#options;
    const { json, stamp } = content;
    const key = viewKey(db, collection, id);
    const version = encodeDocumentVector(vector);
    const element = computeElement(sha256, digestSecret, key.subarray(5), version);
    const record = {
      exists: true,
      element,
      modified: stamp,
      conflicts: 0,
      json,
      bytes: json.length,
      isFirst: true,
      updates: [],
    };
    const put = { type: 'put', key, value: encodeView(record, version) } as const;
    const placed = new PlacedDocument({ collection, id }, record, put);
    this.#open.push(placed);
    this.#durable.set(placed.name, durable);
    return key;
  }

  /** What was placed since the last call. */
  seal(): readonly PlacedDocument[] {
    const placed = this.#open;
    this.#open = [];
    return placed;
  }

  markDurable(placed: readonly PlacedDocument[]): void {
    for (const { name } of placed) this.#durable.delete(name);
  }
}
