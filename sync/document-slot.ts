/**
 * @module
 * Owns one document in memory: the live CRDT with every change made so far, and the version that is durable and may be shown.
 */
import { CrdtDocument } from '../crdt/index.ts';
import { computeElement } from './digest.ts';
import { encodeDocumentVector, isFirstContent, loadDocument, partsOf, updateOf } from './document-record.ts';
import type { DocumentChange, DocumentContent, FirstContent, StoredDocument } from './document-record.ts';
import { compactionKeyOf, conflictKeyOf, stateKeyOf, tombstoneKeyOf, viewKey } from './key.ts';
import type { Sha256 } from './port.ts';

/** What the store holds of a document. */
export interface DurableVersion {
  readonly element: Uint8Array;
  /** False = deleted. */
  readonly exists: boolean;
  /** `null` = deleted, or without JSON (late-views.ts). */
  readonly document: StoredDocument | null;
  /** What the statistics count for it. */
  readonly bytes: number;
  /** Losing values, also of a deleted document. */
  readonly conflicts: number;
  /** Readers see no change: what was forgotten had been deleted before. */
  readonly isSilent?: boolean;
}

export class DocumentSlot {
  readonly name: string;
  readonly collection: string;
  readonly id: string;
  readonly viewKey: Uint8Array;
  /** Includes changes of open commit groups. */
  document: CrdtDocument = CrdtDocument.create();
  vector: Map<number, number> = new Map();
  /** What readers see. `null` = never written. */
  durable: DurableVersion | null = null;
  /** Set while the document is being loaded; nothing else may be touched then. */
  loading: Promise<void> | null = null;
  /** Of the write that came last, while it waits for more than this document. */
  turn: Promise<void> | null = null;
  /** How often it was asked for: a document used once is kept as bytes only. */
  uses = 0;
  /** Opened for one of many writes that were missed: unless somebody else uses it too, it is not kept. */
  isPassing = false;
  /** Users and open changes that keep the slot in memory. */
  pins = 0;
  /** The state as last loaded or sealed; `null` = none. Usually the bytes the document holds anyway. */
  saved: DocumentContent | null = null;
  /** The store says that it is much larger than what it shows (growth.ts). */
  hasGrown = false;
  /** The base that the store holds; null while it holds none. */
  base: Uint8Array | null = null;
  /** Updates since then, of the open group: with `saved` they rebuild the document if a batch has to be undone. */
  unsaved: (Uint8Array | DocumentContent)[] = [];
  /** What the store holds of it, and what was derived from that, cannot be relied on. */
  isRestored = false;
  /** The changes of the group in flight; null when the document was replaced and no update leads to it. */
  sealed: readonly DocumentChange[] | null = [];
  #isReplaced = false;
  /** The group in flight holds changes. */
  isInFlight = false;
  #encodedVector: Uint8Array | null = null;
  #element: Uint8Array | null = null;

  constructor(name: string, db: number, collection: string, id: string) {
    this.name = name;
    this.collection = collection;
    this.id = id;
    this.viewKey = viewKey(db, collection, id);
  }

  get stateKey(): Uint8Array {
    return stateKeyOf(this.viewKey);
  }

  get conflictKey(): Uint8Array {
    return conflictKeyOf(this.viewKey);
  }

  get tombstoneKey(): Uint8Array {
    return tombstoneKeyOf(this.viewKey);
  }

  get compactionKey(): Uint8Array {
    return compactionKeyOf(this.viewKey);
  }

  get hasOpenChanges(): boolean {
    return this.unsaved.length > 0 || this.isInFlight;
  }

  /** Takes back what a batch that is undone left in the document. Synchronous: nothing may be sealed half-way. */
  restore(): void {
    this.document = this.saved ? loadDocument(this.saved) : CrdtDocument.create();
    for (const change of this.unsaved) {
      const updates = change instanceof Uint8Array ? [change] : partsOf(change);
      for (const update of updates) this.document.apply(update);
    }
  }

  /**
   * Forgets what was here: the document is as if nobody had ever written it.
   *
   * @returns Puts it back, until something is sealed.
   */
  forget(): () => void {
    const { document, vector, saved, base, unsaved } = this;
    this.document = CrdtDocument.create();
    this.saved = null;
    this.base = null;
    this.unsaved = [];
    this.#isReplaced = true;
    this.#setVector(new Map());
    return () => {
      Object.assign(this, { document, saved, base, unsaved });
      this.#setVector(vector);
    };
  }

  #setVector(vector: Map<number, number>): void {
    this.vector = vector;
    this.#encodedVector = null;
    this.#element = null;
  }

  /** Takes another state, whatever was here. */
  replace(state: Uint8Array, vector: ReadonlyMap<number, number>): void {
    this.document = CrdtDocument.load(state);
    this.saved = [state];
    this.base = null;
    this.unsaved = [];
    this.#isReplaced = true;
    this.#setVector(new Map(vector));
  }

  /** Everything up to here is on its way to the disk. */
  seal(): void {
    const isMerged = (part: Uint8Array | DocumentContent): boolean =>
      part instanceof Uint8Array || isFirstContent(part);
    this.sealed = !this.#isReplaced && this.unsaved.every(isMerged) ? (this.unsaved as DocumentChange[]) : null;
    this.#isReplaced = false;
    this.isInFlight = true;
    this.unsaved = [];
  }

  /** The group in flight, when all it holds is the first write of the document. */
  get sealedFirst(): FirstContent | null {
    if (this.sealed?.length !== 1 || this.document.first === null) return null;
    const change = this.sealed[0]!;
    return change instanceof Uint8Array ? null : change;
  }

  /** The same as updates. */
  sealedUpdates(): readonly Uint8Array[] | null {
    return this.sealed?.map(updateOf) ?? null;
  }

  /** Notes that sequence `seq` of `origin` touched the document. */
  touch(origin: number, seq: number): void {
    if (seq <= (this.vector.get(origin) ?? 0)) return;
    this.vector.set(origin, seq);
    this.#encodedVector = null;
    this.#element = null;
  }

  get encodedVector(): Uint8Array {
    this.#encodedVector ??= encodeDocumentVector(this.vector);
    return this.#encodedVector;
  }

  /** The digest element of the current version, open changes included. */
  element(sha256: Sha256, digestSecret: Uint8Array): Uint8Array {
    this.#element ??= computeElement(sha256, digestSecret, this.viewKey.subarray(5), this.encodedVector);
    return this.#element;
  }

  /** Approximate bytes of heap. */
  get weight(): number {
    return 600 + this.name.length * 4 + this.document.weight + (this.durable?.document?.json.length ?? 0);
  }
}

/** Waits until every slot is loaded; another user may have begun to load one again meanwhile. */
export async function ready(slots: readonly DocumentSlot[]): Promise<void> {
  for (;;) {
    const loading = slots.find((slot) => slot.loading !== null)?.loading;
    if (!loading) return;
    await loading;
  }
}
