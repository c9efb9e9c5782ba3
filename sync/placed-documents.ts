/**
 * @module
 * Owns documents that are written without being opened: first writes of documents that nobody has here, from batches or a snapshot. Until
 * they are durable, whoever opens one goes on with what was placed.
 */
import { assert } from '../crdt/index.ts';
import { computeElement } from './digest.ts';
import {
  decodeView,
  elementOfView,
  encodeDocumentVector,
  encodeFirstView,
  loadDocument,
  readFirstView,
} from './document-record.ts';
import type { DocumentVector, FirstContent, FirstView } from './document-record.ts';
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

/** The same as it is stored. */
export interface PlaceableView {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What of a placed document leaves with the group. */
export class PlacedDocument implements DocumentName {
  /** `collection NUL id` */
  readonly name: string;
  readonly put: StoreOperation & { readonly type: 'put' };
  /** Of who opened it on its way to the disk. */
  slot: DocumentSlot | null = null;
  readonly #view: FirstView;

  constructor(name: string, { key, value }: PlaceableView) {
    const view = readFirstView(value);
    assert(view, 'what is placed was written once');
    this.name = name;
    this.put = { type: 'put', key, value };
    this.#view = view;
  }

  get collection(): string {
    return this.name.slice(0, this.name.indexOf('\0'));
  }

  get id(): string {
    return this.name.slice(this.name.indexOf('\0') + 1);
  }

  get vector(): DocumentVector {
    return new Map([[this.#view.origin, this.#view.seq]]);
  }

  get element(): Uint8Array {
    return elementOfView(this.put.value)!;
  }

  get json(): Uint8Array {
    return this.#view.json;
  }

  /** A copy: what is kept must not keep the whole message in memory. */
  get content(): FirstContent {
    const { json, stamp, origin } = this.#view;
    return { json: json.slice(), stamp, client: origin };
  }

  /** What readers are shown: a copy, too. */
  get version(): DurableVersion {
    return durableVersionOf(decodeView(this.put.value.slice()));
  }
}

export interface Identified {
  readonly key: Uint8Array;
  readonly version: Uint8Array;
  readonly element: Uint8Array;
}

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

  /** What the view of a document has besides its JSON and stamp, and its key. */
  identify({ collection, id, vector }: DocumentName & { readonly vector: DocumentVector }): Identified {
    const { db, sha256, digestSecret } = this.#options;
    const key = viewKey(db, collection, id);
    const version = encodeDocumentVector(vector);
    return { key, version, element: computeElement(sha256, digestSecret, key.subarray(5), version) };
  }

  viewOf(row: PlaceableRow): PlaceableView {
    const { key, version, element } = this.identify(row);
    const { json, stamp } = row.content;
    return { key, value: encodeFirstView({ element, stamp, version, json }) };
  }

  /** It leaves with the open group. */
  place(name: string, view: PlaceableView): void {
    assert(!this.#open.has(name) && !this.#inFlight.has(name), 'a document is placed where none is');
    this.#open.set(name, new PlacedDocument(name, view));
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
