/**
 * @module
 * Owns one document: a JSON object that replicas write without asking each other and that merges. Holds bytes until something
 * has to be read, a model while it is read or written, and a Y.Doc only when updates must be merged.
 */
import * as Y from 'yjs';
import { assert } from './assert.ts';
import { canonicalJson, canonicalOrder } from './canonical-json.ts';
import type { Author, Change, Conflict, DocumentOutline, DocumentView, DuplicateWrite } from './change.ts';
import { checkBytes, checkDocument, checkSize } from './document-check.ts';
import { conflictsOf, viewOf } from './document-view.ts';
import { edit } from './edit.ts';
import { CrdtError } from './errors.ts';
import { readFirstState, restoreFirstState, type FirstState } from './first-state.ts';
import { isSimple } from './fresh-state.ts';
import type { Interior, MergedUpdate } from './interior.ts';
import type { JsonObject } from './json-value.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { mayKeep, UPDATES_MAX } from './kept-updates.ts';
import { isLater, markerAmong, markerOf } from './collected.ts';
import { placeLate } from './late-place.ts';
import { createModel, type Model } from './model.ts';
import { retract } from './retract.ts';
import { plainOrder, readPlainState } from './plain-state.ts';
import { applyPlainUpdate, readPlainParts } from './plain-update.ts';
import { Outline } from './outline.ts';
import { STAMPS_PER_MS } from './stamp.ts';
import { exists } from './tombstone.ts';
import { MARKER_ROOT } from './root-name.ts';
import { Transaction } from './transaction.ts';
import { checkContiguous, decodeUpdate, inspectDecoded } from './update.ts';
import type { UpdateInspection } from './update.ts';
import { checkValue } from './value-check.ts';
import { weigh } from './weight.ts';
import { writeUpdate, type RootOrder } from './write-update.ts';
import {
  applyTo,
  clocksOf,
  diffOf,
  editRoots,
  hasGap,
  hasShared,
  loadDoc,
  misfit,
  orderAfter,
  orderOf,
  readDoc,
  readOwn,
  textRangesOf,
} from './yjs-state.ts';

/** Two seconds between marks of a document that clients edit. */
const MARK_STAMPS = 2000 * STAMPS_PER_MS;
const EMPTY_STATE: Uint8Array = Uint8Array.of(0, 0);
/** JSON is rarely longer than so many times the state. */
const JSON_PER_BYTE = 4;

/** @internal */
export let interiorOf: (document: CrdtDocument) => Interior;

/**
 * A document. Not safe to share between callers that interleave within one call; every call is synchronous.
 *
 * @public
 */
export class CrdtDocument {
  /** Updates not yet in the Y.Doc, in order; the whole state while there is no Y.Doc. */
  #pending: Uint8Array[] = [];
  #doc: Y.Doc | null = null;
  #model: Model | null = null;
  /** Order of the root array where it is known without merging `#pending`. */
  #order: RootOrder | null = null;
  /** With `#updates`, everything as bytes. Null while empty. */
  #state: Uint8Array | null = null;
  /** What came after `#state`: a small write need not encode the whole document again. */
  #updates: Uint8Array[] = [];
  #view: DocumentView | null = null;
  #bytes = 0;
  /** Set while the state is that of a first write. Such a state is not made before it is needed. */
  #first: FirstState | null = null;
  /** Stamp of the last mark. */
  #markedAt = 0;
  /** An editor wrote in it. */
  #isShared = false;
  readonly #outline = new Outline();

  static {
    interiorOf = (document) => ({
      doc: () => document.#merge(),
      bytes: () => document.#bytes,
      exists: () => (document.outline ?? document.view()).exists,
      model: () => document.#read(),
      checkpoint: () => document.#checkpoint(),
      take: (merged, model) => document.#take(merged, model),
      mark: (author) => document.#mark(author),
    });
  }

  private constructor() {}

  /** Creates a document that nobody has written. */
  static create(): CrdtDocument {
    return new CrdtDocument();
  }

  /**
   * Loads a state that `encode` returned, or any Yjs v1 state, and updates that follow it (`encodeParts`). Decodes them when
   * something is first read.
   *
   * @throws CrdtError `CRDT_UPDATE_MALFORMED`, here or at the first use.
   */
  static load(state: Uint8Array, ...updates: readonly Uint8Array[]): CrdtDocument {
    const document = new CrdtDocument();
    if (state.byteLength < 2) throw new CrdtError('CRDT_UPDATE_MALFORMED', 'not a Yjs v1 update: it is too short');
    document.#keep(state);
    for (const update of updates) document.#keep(update);
    document.#isShared = updates.length > UPDATES_MAX;
    document.#pending = [state, ...updates];
    return document;
  }

  /** Loads a document that is as its first write left it; `first` is what `CrdtDocument.first` was. */
  static restore(first: FirstState): CrdtDocument {
    const document = new CrdtDocument();
    document.#begin(first);
    document.#bytes = first.json.length;
    return document;
  }

  #begin(first: FirstState): void {
    this.#discardModel();
    this.#first = first;
    this.#view = { exists: true, json: first.json, modified: first.stamp, conflicts: 0 };
  }

  /**
   * Merges an update. Idempotent; throws without having applied anything.
   *
   * @returns The update as others can take it who hold this document: what came late to a compacted one has another place.
   * @throws CrdtError `CRDT_UPDATE_MALFORMED`, or `CRDT_UPDATE_GAP` when it builds on something not yet here.
   */
  apply(update: Uint8Array): Uint8Array {
    this.#makeState();
    if (this.isEmpty && (this.#applyFirst(update) || this.#readPlain(update))) return update;
    if (this.#applyPlain(update)) return update;
    const decoded = decodeUpdate(update);
    const inspection = inspectDecoded(decoded);
    const doc = this.#merge();
    const [marker, known] = [markerAmong(decoded.structs), markerOf(doc)];
    if (marker !== null && (known === null || isLater(marker, known))) {
      this.#followCompaction(update, inspection);
      return update;
    }
    checkContiguous(inspection, clocksOf(doc));
    const placed = known === null ? update : placeLate(doc, update);
    const transaction = applyTo(doc, placed);
    assert(!hasGap(doc), 'a checked update has no gap');
    this.#keep(placed);
    this.#discardModel();
    this.#outline.follow(transaction);
    return placed;
  }

  /** What the state of a compaction does not cover goes on top of it. */
  #followCompaction(state: Uint8Array, inspection: UpdateInspection): void {
    checkContiguous(inspection, new Map());
    const doc = loadDoc(state);
    const late = diffOf(this.#merge(), Y.encodeStateVector(doc));
    applyTo(doc, placeLate(doc, late));
    assert(!hasGap(doc), 'whoever compacts holds all that it covers');
    this.#replaceState(Y.encodeStateAsUpdate(doc));
  }

  /** Was the document compacted since somebody with these clocks read it? */
  isCompactedSince(clocks: ReadonlyMap<number, number>): boolean {
    const marker = markerOf(this.#merge());
    return marker !== null && (clocks.get(marker.id.client) ?? 0) <= marker.id.clock;
  }

  #replaceState(state: Uint8Array): void {
    [this.#first, this.#view, this.#state, this.#updates] = [null, null, state, []];
    this.#bytes = state.byteLength;
    this.#reload();
  }

  /**
   * Writes.
   *
   * @returns The update for other replicas, or null when the change has no effect.
   * @throws CrdtError when the change is refused; the document is then as it was.
   */
  change(change: Change, author: Author): Uint8Array | null {
    const written = this.write(change, author);
    return written === null || written instanceof Uint8Array ? written : this.encode();
  }

  /** As `change`; of a first write what its update follows from (`restoreFirstState`), because most are never asked for it. */
  write(change: Change, author: Author): Uint8Array | FirstState | null {
    assert(Number.isSafeInteger(author.client) && author.client > 0, 'a client id is a positive integer');
    assert(Number.isSafeInteger(author.stamp) && author.stamp >= 0, 'a stamp is a whole number');
    if (this.isEmpty && change.kind === 'replace' && author.types === undefined) {
      const first = this.#writeFirst(change.value, author);
      if (first !== null) return first;
    }
    const model = this.#read();
    const isCreation = !exists(model);
    if ((change.kind === 'delete' || change.kind === 'retract') && isCreation) return null;
    if (change.kind === 'retract') return this.#retract(model, change.duplicate, author);
    const mayBeOverLimit = this.#bytes * JSON_PER_BYTE > (author.limits ?? DEFAULT_LIMITS).documentBytesMax;
    const before = mayBeOverLimit ? this.view() : this.#view;
    const transaction = new Transaction(model, author, isCreation);
    try {
      if (!edit(transaction, change, isCreation)) {
        if (isCreation) this.#discardModel();
        return null;
      }
      checkSize(model, before, transaction);
      return this.#write(transaction);
    } catch (error) {
      this.#discardModel();
      throw error;
    }
  }

  #retract(model: Model, duplicate: DuplicateWrite, author: Author): Uint8Array | null {
    const transaction = new Transaction(model, author, false);
    try {
      retract(transaction, duplicate, textRangesOf(this.#merge(), duplicate));
      return transaction.isEmpty ? null : this.#write(transaction);
    } finally {
      // What it touched is rendered anew.
      this.#discardModel();
    }
  }

  /** Returns what takes back all that comes now. */
  #checkpoint(): () => void {
    const [state, updates, bytes, markedAt] = [this.#state, [...this.#updates], this.#bytes, this.#markedAt];
    return () => {
      [this.#state, this.#updates, this.#bytes, this.#markedAt] = [state, updates, bytes, markedAt];
      this.#view = null;
      this.#reload();
    };
  }

  /** Updates of clients do not say when they were made: once in a while a write without content does. */
  #mark(author: Author): Uint8Array | null {
    if (author.stamp - this.#markedAt < MARK_STAMPS) return null;
    this.#markedAt = author.stamp;
    const { known } = this.#outline;
    this.#model ??= readOwn(this.#merge());
    const update = this.#write(new Transaction(this.#model, author, false));
    this.#discardModel();
    if (known !== null) this.#outline.mark(known, author.stamp);
    return update;
  }

  /** Takes over what was merged into the Y.Doc, and the model of it if somebody made one. */
  #take({ transaction, effect }: MergedUpdate, model: Model | null): void {
    this.#outline.follow(transaction);
    if (effect === null) return;
    this.#discardModel();
    this.#model = model;
    this.#keep(effect);
  }

  /** Returns what a replica with these clocks lacks, of a document that exists. */
  encodeDiff(stateVector: Uint8Array): Uint8Array {
    const isAll = stateVector.byteLength === 1 && stateVector[0] === 0;
    if (this.#state === null || (isAll && this.#updates.length === 0)) return this.encode();
    return diffOf(this.#merge(), stateVector);
  }

  /** Returns the Yjs state vector. */
  encodeStateVector(): Uint8Array {
    return Y.encodeStateVector(this.#merge());
  }

  /** Returns what the document shows; the same object until the next change. */
  view(): DocumentView {
    if (this.#view !== null) return this.#view;
    const model = this.#read();
    this.#view = viewOf(model);
    if (this.#doc !== null) this.#outline.take(this.#view, model, this.#doc);
    return this.#view;
  }

  /** The view without its JSON. Null when a view is there, or must be made to know. */
  get outline(): DocumentOutline | null {
    return this.#view === null ? this.#outline.known : null;
  }

  /** Lists losing values of concurrent writes; of a deleted document what the delete took without having seen it. */
  conflicts(): readonly Conflict[] {
    return conflictsOf(this.#read());
  }

  /** Returns the full state, for storage and for replicas that have nothing. */
  encode(): Uint8Array {
    this.#makeState();
    if (this.#state === null) return EMPTY_STATE;
    if (this.#updates.length > 0) {
      this.#state = Y.encodeStateAsUpdate(this.#merge());
      this.#updates = [];
      this.#bytes = this.#state.byteLength;
    }
    return this.#state;
  }

  /** Returns a state and the updates that follow it: what `load` takes. Small writes to a document leave the state alone. */
  encodeParts(): readonly [Uint8Array, ...Uint8Array[]] {
    this.#makeState();
    if (this.#state === null) return [EMPTY_STATE];
    if (!mayKeep(this.#state, this.#updates, this.#isShared)) return [this.encode()];
    return [this.#state, ...this.#updates];
  }

  /** Keeps only the bytes and what was shown: a tenth of the memory, for the price of reading them at the next write. */
  compact(): void {
    if (this.#state === null) return;
    this.view();
    // Before the Y.Doc goes: it may be what the parts are encoded from.
    const parts = this.encodeParts();
    this.#discardModel();
    this.#doc = null;
    this.#pending = [...parts];
  }

  /** What the state follows from, when it is that of a first write: `restore` takes it. Null otherwise. */
  get first(): FirstState | null {
    return this.#first;
  }

  /** Approximate heap bytes, for caches that are bounded in bytes. */
  get weight(): number {
    return weigh({ model: this.#model, doc: this.#doc, bytes: this.#bytes, isShared: this.#isShared });
  }

  /** Nobody has written it. */
  get isEmpty(): boolean {
    return this.#doc === null && this.#pending.length === 0 && this.#first === null;
  }

  #makeState(): void {
    if (this.#first === null || this.#state !== null) return;
    this.#state = restoreFirstState(this.#first.json, this.#first);
    this.#bytes = this.#state.byteLength;
    this.#pending = [this.#state];
  }

  #keep(update: Uint8Array): void {
    this.#first = null;
    this.#view = null;
    if (this.#state === null) this.#state = update;
    else this.#updates.push(update);
    this.#bytes += update.byteLength;
  }

  /** Edits are made in place: what an abandoned one left is read again when it is needed. */
  #discardModel(): void {
    this.#model = null;
    this.#order = null;
  }

  #readPlain(state: Uint8Array): boolean {
    const plain = readPlainState(state);
    if (plain === null) return false;
    ({ model: this.#model, order: this.#order } = plain);
    this.#keep(state);
    this.#pending.push(state);
    return true;
  }

  /** Returns the model, reading it by the cheapest way. */
  #read(): Model {
    if (this.#model !== null) return this.#model;
    this.#makeState();
    if (this.isEmpty) {
      this.#order = plainOrder(0, 0);
      return (this.#model = createModel());
    }
    this.#model = this.#readParts() ?? readDoc(this.#merge());
    return this.#model;
  }

  /** Returns the Y.Doc with everything in it. */
  #merge(): Y.Doc {
    this.#makeState();
    const doc = this.#doc ?? loadDoc(this.#pending[0] ?? EMPTY_STATE);
    if (this.#doc === null) this.#pending.shift();
    this.#doc = doc;
    for (const update of this.#pending) applyTo(doc, update);
    this.#pending = [];
    this.#order = null;
    this.#isShared = hasShared(doc);
    return doc;
  }

  /** Makes the Y.Doc anew from the bytes. */
  #reload(): void {
    this.#discardModel();
    this.#outline.forget();
    this.#doc = null;
    this.#pending = this.#state === null ? [] : [this.#state, ...this.#updates];
  }

  /** A write to members, from elsewhere, without a Y.Doc. */
  #applyPlain(update: Uint8Array): boolean {
    // It may stand beside what was collected.
    if (this.#doc?.share.has(MARKER_ROOT) === true) return false;
    const model = this.#model ?? this.#readParts();
    if (model === null || !applyPlainUpdate(model, update)) return false;
    this.#keep(update);
    this.#pending.push(update);
    this.#model = model;
    this.#order = null;
    this.#outline.forget();
    return true;
  }

  /** Reads the model of a state, and of updates that follow it, if that takes no Y.Doc. */
  #readParts(): Model | null {
    const plain = this.#doc === null ? readPlainParts(this.#pending) : null;
    if (plain !== null) this.#order = this.#pending.length === 1 ? plain.order : null;
    return plain?.model ?? null;
  }

  /** The first write of most documents, from elsewhere, without a model. */
  #applyFirst(update: Uint8Array): boolean {
    const first = readFirstState(update);
    if (first === null) return false;
    this.#keep(update);
    this.#pending.push(update);
    this.#begin(first);
    return true;
  }

  /** The first write of most documents, without a model. Null when it needs one. */
  #writeFirst(value: JsonObject, author: Author): FirstState | null {
    const limits = author.limits ?? DEFAULT_LIMITS;
    checkDocument(value);
    checkValue(value, '', 1, limits);
    if (!isSimple(value)) return null;
    const json = canonicalJson(canonicalOrder(value));
    checkBytes(json, null, limits);
    const first = { json, client: author.client, stamp: author.stamp };
    this.#begin(first);
    this.#bytes = json.length;
    return first;
  }

  #write(transaction: Transaction): Uint8Array {
    const { client } = transaction.author;
    const isFirst = this.isEmpty && !transaction.editsRoots;
    const { update, right } = writeUpdate(transaction, this.#order ?? orderOf(this.#merge()));
    this.#pending.push(update);
    this.#view = null;
    this.#outline.forget();
    this.#order = null;
    if (isFirst) {
      // Nothing before and nothing deleted: the update is the state, in one piece.
      this.#keep(update);
      this.#order = plainOrder(client, transaction.model.clocks.get(client) as number);
      return update;
    }
    if (!transaction.editsRoots) {
      this.#keep(update);
      if (this.#pending.length > UPDATES_MAX) return update;
      const last = (transaction.model.clocks.get(client) as number) - 1;
      this.#order = orderAfter({ client, clock: last }, right, () => this.#merge());
      return update;
    }
    // Root types that were opened as another kind before: a new Y.Doc has not opened any.
    if (misfit(this.#merge(), transaction) !== null) {
      this.#reload();
      this.#pending.push(update);
    }
    const doc = this.#merge();
    const edits = editRoots(doc, client, transaction);
    transaction.model.clocks.set(client, clocksOf(doc).get(client) as number);
    const merged = edits === null ? update : Y.mergeUpdates([update, edits]);
    this.#keep(merged);
    if (transaction.isModelStale) this.#discardModel();
    return merged;
  }
}
