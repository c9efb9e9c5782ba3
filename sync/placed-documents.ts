/**
 * @module
 * Owns documents that are written without being opened: first writes of documents that nobody has here, from batches or a snapshot. Until
 * they are durable, whoever opens one goes on with what was placed.
 */
import { assert } from '../crdt/index.ts';
import { computeElement } from './digest.ts';
import { encodeDocumentVector, encodeView, loadDocument } from './document-record.ts';
import type { DocumentVector, FirstContent, ViewRecord } from './document-record.ts';
import type { DocumentSlot, DurableVersion } from './document-slot.ts';
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
  readonly vector: DocumentVector;
  readonly put: StoreOperation & { readonly type: 'put' };
  /** Of who opened it on its way to the disk. */
  slot: DocumentSlot | null = null;
  readonly #record: PlacedRecord;

  constructor({ collection, id, vector }: PlaceableRow, record: PlacedRecord, put: PlacedDocument['put']) {
    this.name = `${collection}\0${id}`;
    this.collection = collection;
    this.id = id;
    this.vector = vector;
    this.put = put;
    this.#record = record;
  }

  get element(): Uint8Array {
    return this.#record.element;
  }

  get json(): Uint8Array {
    return this.#record.json;
  }

  /** A copy: what is kept must not keep the whole message in memory. */
  get content(): FirstContent {
    const [client] = this.vector.keys();
    return { json: this.json.slice(), stamp: this.#record.modified, client: client! };
  }

  /** What readers are shown. */
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
  #open = new Map<string, PlacedDocument>();
  #inFlight: ReadonlyMap<string, PlacedDocument> = new Map();

  constructor(options: PlacedDocumentsOptions) {
    this.#options = options;
  }

  /** It leaves with the open group. Returns the key of its view. */
  place(row: PlaceableRow): Uint8Array {
    const { collection, id, vector, content } = row;
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
    const placed = new PlacedDocument(row, record, put);
    assert(!this.#open.has(placed.name) && !this.#inFlight.has(placed.name), 'a document is placed where none is');
    this.#open.set(placed.name, placed);
    return key;
  }

  /**
   * Gives a slot the document that was placed and is not durable yet.
   *
   * @returns What has to leave with the slot now; null when it is on its way already, and undefined when nothing was placed.
   */
  open(slot: DocumentSlot): FirstContent | null | undefined {
    const placed = this.#open.get(slot.name) ?? this.#inFlight.get(slot.name);
    if (placed === undefined) return undefined;
    const { content } = placed;
    slot.document = loadDocument(content);
    slot.vector = new Map(placed.vector);
    if (this.#open.delete(slot.name)) return content;
    slot.saved = content;
    slot.isInFlight = true;
    slot.pins++;
    placed.slot = slot;
    return null;
  }

  /** What was placed since the last call. */
  seal(): readonly PlacedDocument[] {
    this.#inFlight = this.#open;
    this.#open = new Map();
    return [...this.#inFlight.values()];
  }

  markDurable(placed: readonly PlacedDocument[]): void {
    this.#inFlight = new Map();
    for (const { slot, version } of placed.filter((each) => each.slot !== null)) {
      slot!.durable = version;
      slot!.isInFlight = false;
    }
  }
}
