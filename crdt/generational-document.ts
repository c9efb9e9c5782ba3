/**
 * @module
 * Owns the generations of a document: how its history is left behind. A *successor* is prepared, a copy without history; whoever holds
 * it makes every write twice, once for each; and when every replica is known to hold it, it takes over or is given up. What a replica
 * has is a function of the set of updates it holds, whatever their order: of two generations the later one counts, what is written for
 * a successor is kept with it, and what was written without either is taken along (salvage.ts). SPEC.md CR20–CR24.
 */
import * as Y from 'yjs';
import { assert } from './assert.ts';
import type { Author, Change, Conflict, DocumentOutline, DocumentView } from './change.ts';
import { copyClientOf, generationClientOf, isNodeClient } from './client-id.ts';
import { mergeClient, mergeClients } from './client-merge.ts';
import type { ClientAdmission, ClientEdit, ClientMerge } from './client-update.ts';
import { coverageOf, isSameCoverage, joinCoverage, NO_COVERAGE, uncoveredOf, type Coverage } from './coverage.ts';
import { CrdtDocument } from './document.ts';
import { CrdtError } from './errors.ts';
import type { FirstState } from './first-state.ts';
import { copyFresh } from './fresh-copy.ts';
import {
  compareGenerations,
  decodeDelta,
  deltaOf,
  encodeDelta,
  FIRST_GENERATION,
  isDelta,
  NOTHING,
  type GenerationDelta,
  type GenerationName,
} from './generation-delta.ts';
import { isCopyWithin, takeAlongTo, type LeftGeneration } from './left-generation.ts';
import { repetitionsOf } from './salvage.ts';
import { clocksAfter, clocksOf, Successor } from './successor.ts';
import { changeIn } from './write-place.ts';

// Nearly all documents have none.
const NO_SUCCESSORS: ReadonlyMap<string, Successor> = new Map();
const NONE_CLOSED: ReadonlySet<string> = new Set();

function successorsOf({ successors }: GenerationDelta): ReadonlyMap<string, Successor> {
  if (successors.length === 0) return NO_SUCCESSORS;
  return new Map(successors.map((successor) => [successor.id, new Successor(successor)]));
}

function closedOf({ closed }: GenerationDelta): ReadonlySet<string> {
  return closed.length === 0 ? NONE_CLOSED : new Set(closed);
}

/** Copies that are kept of successors that were given up; with so many of them no other is prepared. */
const CLOSED_MAX = 3;

/**
 * A document that can be compacted. As `CrdtDocument`, whose bytes it has until then.
 *
 * @public
 */
export class GenerationalDocument {
  #core: CrdtDocument;
  #generation: GenerationName = FIRST_GENERATION;
  /** What of earlier generations the present one includes. */
  #covers: Coverage = NO_COVERAGE;
  /** What the copy includes that it began with. */
  #copied: Coverage = NO_COVERAGE;
  #successors: ReadonlyMap<string, Successor> = NO_SUCCESSORS;
  /** Successors that were given up. They are not written any more, but kept: should one take over after all, by the word of somebody
   * who did not know, what was written for it is part of it. */
  #closed: ReadonlySet<string> = NONE_CLOSED;
  /** Generations that are gone, and of which nobody has taken along yet what the present one lacks. */
  #left: readonly LeftGeneration[] = [];
  /** The base that was encoded last, and its bytes. */
  #encoded: { readonly base: Uint8Array; readonly bytes: Uint8Array } | null = null;

  private constructor(core: CrdtDocument) {
    this.#core = core;
  }

  /** Creates a document that nobody has written. */
  static create(): GenerationalDocument {
    return new GenerationalDocument(CrdtDocument.create());
  }

  /** As `CrdtDocument.load`. */
  static load(state: Uint8Array, ...updates: readonly Uint8Array[]): GenerationalDocument {
    const whole = decodeDelta(state, true);
    const deltas = updates.map((update) => decodeDelta(update));
    const isSimple = (delta: GenerationDelta): boolean =>
      delta.core !== null &&
      delta.successors.length + delta.closed.length + delta.covers.size === 0 &&
      compareGenerations(delta.generation, whole.generation) === 0;
    const simple = deltas.every(isSimple) ? deltas.map(({ core }) => core as Uint8Array) : null;
    const document = new GenerationalDocument(CrdtDocument.load(whole.core ?? NOTHING, ...(simple ?? [])));
    document.#generation = whole.generation;
    document.#covers = whole.covers;
    document.#copied = whole.copied;
    document.#successors = successorsOf(whole);
    document.#closed = closedOf(whole);
    if (isDelta(state) && whole.core !== null) document.#encoded = { base: whole.core, bytes: state };
    if (simple === null) for (const update of updates) document.apply(update);
    return document;
  }

  /** As `CrdtDocument.restore`. */
  static restore(first: FirstState): GenerationalDocument {
    return new GenerationalDocument(CrdtDocument.restore(first));
  }

  /** How often the document was compacted. */
  get generation(): number {
    return this.#generation.number;
  }

  /** What copies of clients tell the present generation by (client-id.ts); 0 is the first one. */
  get generationClient(): number {
    return this.#generation.number === 0 ? 0 : copyClientOf(this.#generation.id);
  }

  /** Successors that were prepared and not decided. */
  get successors(): readonly string[] {
    return this.#successors.size === 0 ? [] : this.#open.map(({ id }) => id);
  }

  get #open(): readonly Successor[] {
    return [...this.#successors.values()].filter(({ id }) => !this.#closed.has(id));
  }

  /**
   * Merges an update or a state. Idempotent; throws without having applied anything. Whoever merges takes along at once (`takeAlong`).
   *
   * @throws CrdtError `CRDT_UPDATE_MALFORMED`, or `CRDT_UPDATE_GAP` when it builds on something not yet here, or on a generation that is
   * gone, of which the present one lacks something: then only a whole state helps (`join`).
   */
  apply(update: Uint8Array): void {
    this.#apply(update, false);
  }

  /** The same of what was merged before. */
  repeat(update: Uint8Array): void {
    this.#apply(update, true);
  }

  #apply(update: Uint8Array, isKnown: boolean): void {
    if (this.#generation.number === 0 && !isDelta(update)) return this.#core.apply(update);
    const delta = decodeDelta(update);
    const order = compareGenerations(delta.generation, this.#generation);
    if (order < 0) this.#applyLate(delta, isKnown);
    else if (order > 0) this.#succeedBy(delta);
    else this.#applyPresent(delta);
  }

  /** Of a generation that is gone that counts which was written for this one, too. */
  #applyLate({ generation, core, copied, isWhole, successors }: GenerationDelta, isKnown: boolean): void {
    const own = successors.find(({ id }) => id === this.#generation.id);
    const covers = joinCoverage(this.#covers, own?.covers ?? NO_COVERAGE);
    const isCopyKnown = !isWhole || isCopyWithin({ generation, copied }, covers);
    const isCovered =
      core === null || (isCopyKnown && uncoveredOf(covers, generation.number, clocksAfter(core)).size === 0);
    if (!isCovered && !isKnown) throw gap(generation.id);
    if (own === undefined) return;
    this.#core.apply(own.bytes);
    this.#covers = covers;
    this.#encoded = null;
  }

  #succeedBy(delta: GenerationDelta): void {
    if (!delta.isWhole || delta.core === null) throw gap(delta.generation.id);
    const core = CrdtDocument.load(delta.core);
    const prepared = this.#successors.get(delta.generation.id);
    if (prepared !== undefined) core.apply(prepared.document.encode());
    core.view();
    const successors = successorsOf(delta);
    if (!this.isEmpty) this.#leave(this);
    this.#core = core;
    this.#generation = delta.generation;
    this.#covers = joinCoverage(delta.covers, prepared?.covers ?? NO_COVERAGE);
    this.#copied = delta.copied;
    this.#successors = successors;
    this.#closed = closedOf(delta);
    this.#encoded = null;
  }

  #leave(other: GenerationalDocument): void {
    const left = { core: other.#core, generation: other.#generation, covers: other.#covers, copied: other.#copied };
    this.#left = [...this.#left, left];
  }

  /** Merges what another replica holds, of whichever generation (`encodeParts`). */
  join(parts: readonly [Uint8Array, ...Uint8Array[]]): void {
    if (this.#generation.number === 0 && !isDelta(parts[0])) return parts.forEach((part) => this.apply(part));
    const other = GenerationalDocument.load(...parts);
    if (compareGenerations(other.#generation, this.#generation) >= 0) return this.apply(other.encode());
    const prepared = other.#successors.get(this.#generation.id);
    if (prepared !== undefined) {
      this.#core.apply(prepared.document.encode());
      this.#covers = joinCoverage(this.#covers, prepared.covers);
      this.#encoded = null;
    }
    this.#leave(other);
  }

  /** Nobody has written it. */
  get isEmpty(): boolean {
    return this.#isPlain && this.#core.isEmpty;
  }

  /**
   * Takes along what generations that are gone had and the present one does not include, whoever wrote it. Only somebody can have written
   * that who did not hold what he had said to hold, as a node whose disk was set back, so that he may never hear of it.
   *
   * @returns The update for other replicas: whoever has it knows that it was done. Null when there is nothing.
   */
  takeAlong(): Uint8Array | null {
    if (this.#left.length === 0) return null;
    const { updates, covers } = takeAlongTo(this.#covers, this.#left);
    this.#left = [];
    if (isSameCoverage(covers, this.#covers)) return null;
    const core = updates.length === 0 ? null : Y.mergeUpdates([...updates]);
    const own = core === null ? NO_COVERAGE : coverageOf(this.#generation.number, clocksAfter(core));
    // It builds on nothing, so it is the same for what is to follow.
    const followed = { covers: joinCoverage(covers, own), copied: NO_COVERAGE, isWhole: false, bytes: core ?? NOTHING };
    const successors = this.#open.map(({ id }) => ({ id, ...followed }));
    const delta = encodeDelta(deltaOf(this.#generation, { core, covers, successors }));
    this.apply(delta);
    return delta;
  }

  #applyPresent(delta: GenerationDelta): void {
    const missing = delta.successors.find(({ id, isWhole }) => !isWhole && !this.#successors.has(id));
    if (missing !== undefined) throw gap(missing.id);
    const undo = delta.successors.length > 0 ? this.encode() : null;
    try {
      if (delta.core !== null) this.#core.apply(delta.core);
      for (const successor of delta.successors) {
        const known = this.#successors.get(successor.id);
        if (known !== undefined) known.merge(successor);
        else this.#successors = new Map([...this.#successors, [successor.id, new Successor(successor)]]);
      }
    } catch (error) {
      if (undo !== null) this.#reset(undo);
      throw error;
    }
    if (delta.closed.length > 0) this.#closed = new Set([...this.#closed, ...delta.closed]);
    if (delta.covers.size + delta.closed.length + delta.successors.length === 0) return;
    this.#covers = joinCoverage(this.#covers, delta.covers);
    this.#encoded = null;
  }

  #reset(state: Uint8Array): void {
    const before = GenerationalDocument.load(state);
    this.#core = before.#core;
    this.#successors = before.#successors;
    this.#encoded = null;
  }

  /** As `CrdtDocument.write`. */
  write(change: Change, author: Author): Uint8Array | FirstState | null {
    return this.#isPlain ? this.#core.write(change, author) : this.change(change, author);
  }

  /** As `CrdtDocument.change`. */
  change(change: Change, author: Author): Uint8Array | null {
    const before = this.successors.length === 0 ? null : this.#core.view();
    const present = { id: this.#generation.id, copied: this.#copied, covers: this.#covers };
    const own = changeIn(present, change);
    const update = own === null ? null : this.#core.change(own, author);
    if (update === null) return null;
    return before === null ? this.#ofPresent(update) : this.#follow(change, update, author, before);
  }

  /** Makes a write for the successors, too, and returns both as one. */
  #follow(change: Change | null, update: Uint8Array, author: Author, before: DocumentView): Uint8Array {
    const write = { update, author, before, core: this.#core, generation: this.#generation.number };
    const successors = this.#open.map((successor) => {
      return successor.follow(change === null ? null : changeIn(successor, change), write);
    });
    this.#encoded = null;
    return encodeDelta(deltaOf(this.#generation, { core: update, successors }));
  }

  /** Was an update of a client, which was for an earlier generation, taken along to this one? */
  includes(update: Uint8Array): boolean {
    return [...clocksAfter(update)].every(([client, clock]) => (this.#covers.get(client)?.clock ?? 0) >= clock);
  }

  /** As `mergeClient` (client-merge.ts). */
  mergeClient(update: Uint8Array, admission: ClientAdmission, author: Author): readonly Uint8Array[] {
    const before = this.successors.length === 0 ? null : this.#core.view();
    return this.#ofClients(mergeClient(this.#core, update, admission, author), author, before);
  }

  /** As `mergeClients`. */
  mergeClients(edits: readonly ClientEdit[], author: Author): ClientMerge {
    const before = this.successors.length === 0 ? null : this.#core.view();
    const { updates, refused } = mergeClients(this.#core, edits, author);
    return { updates: this.#ofClients(updates, author, before), refused };
  }

  #ofClients(updates: readonly Uint8Array[], author: Author, before: DocumentView | null): readonly Uint8Array[] {
    if (before === null || updates.length === 0) return updates.map((part) => this.#ofPresent(part));
    return [this.#follow(null, Y.mergeUpdates([...updates]), author, before)];
  }

  #ofPresent(core: Uint8Array): Uint8Array {
    if (this.#generation.number === 0) return core;
    return encodeDelta(deltaOf(this.#generation, { core }));
  }

  // --- compaction

  /**
   * Begins to leave the history behind.
   *
   * @param id - Of this successor, and of nothing else ever.
   * @param ratioMin - Not if the state is less than so many times that of the copy.
   * @returns The update for other replicas; null when the document cannot be copied, or is being compacted already.
   */
  prepare(id: string, ratioMin: number = 0): Uint8Array | null {
    assert(id !== '' && id !== this.#generation.id, 'a successor has an id of its own');
    if (this.successors.length > 0 || this.#successors.size >= CLOSED_MAX) return null;
    const copy = copyFresh(this.#core, copyClientOf(id));
    if (copy === null || this.#core.encode().length < ratioMin * copy.encode().length) return null;
    const included = [...clocksOf(this.#core), ...repetitionsOf(this.#core)];
    const covers = joinCoverage(this.#covers, coverageOf(this.#generation.number, included));
    const successor = { id, covers, copied: covers, isWhole: true, bytes: copy.encode() };
    const delta = encodeDelta(deltaOf(this.#generation, { successors: [successor] }));
    this.apply(delta);
    return delta;
  }

  /** May a successor take over, if all that was written without knowing of it is here? */
  isFollowed(id: string): boolean {
    // Of several that were prepared at the same time one at most may take over: whoever decides on one of them knows of the others.
    const [successor, ...others] = this.#open;
    if (successor?.id !== id || others.length > 0) return false;
    return successor.isFollowing(this.#core, this.#generation.number);
  }

  /** A successor takes over. Returns the update for other replicas. */
  succeed(id: string): Uint8Array {
    const successor = this.#successors.get(id);
    assert(successor, 'the successor was prepared');
    // Of two contrary decisions the one counts that was made by who knew of the other successor.
    const generation = { number: this.#generation.number + 1 + this.#closed.size, id };
    const { covers, copied, document } = successor;
    const delta = encodeDelta(deltaOf(generation, { core: document.encode(), isWhole: true, covers, copied }));
    this.apply(delta);
    return delta;
  }

  /** A successor is given up. Returns the update for other replicas. */
  abandon(id: string): Uint8Array {
    const delta = encodeDelta(deltaOf(this.#generation, { closed: [id] }));
    this.apply(delta);
    return delta;
  }

  /** An update that changes nothing, to be written for its own sake. */
  touch(): Uint8Array {
    return encodeDelta(deltaOf(this.#generation));
  }

  // --- what it shows and what it is stored as

  view(): DocumentView {
    return this.#core.view();
  }

  /** As `CrdtDocument.outline`. */
  get outline(): DocumentOutline | null {
    return this.#core.outline;
  }

  conflicts(): readonly Conflict[] {
    return this.#core.conflicts();
  }

  get first(): FirstState | null {
    return this.#isPlain ? this.#core.first : null;
  }

  get #isPlain(): boolean {
    return this.#generation.number === 0 && this.#successors.size + this.#closed.size === 0;
  }

  /** Returns the full state. */
  encode(): Uint8Array {
    return this.#isPlain ? this.#core.encode() : this.#envelop(this.#core.encode());
  }

  /** As `CrdtDocument.encodeParts`. */
  encodeParts(): readonly [Uint8Array, ...Uint8Array[]] {
    if (this.#isPlain) return this.#core.encodeParts();
    if (this.#successors.size > 0) return [this.encode()];
    const [base, ...updates] = this.#core.encodeParts();
    return [this.#envelop(base), ...updates.map((update) => this.#ofPresent(update))];
  }

  #envelop(core: Uint8Array): Uint8Array {
    if (this.#encoded?.base === core) return this.#encoded.bytes;
    const successors = [...this.#successors.values()].map((successor) => successor.encode());
    const [covers, copied, closed] = [this.#covers, this.#copied, [...this.#closed]];
    const bytes = encodeDelta(deltaOf(this.#generation, { core, isWhole: true, covers, copied, successors, closed }));
    this.#encoded = { base: core, bytes };
    return bytes;
  }

  /** The Yjs updates of the present generation, as `load` takes them. */
  coreParts(): readonly Uint8Array[] {
    return this.#core.encodeParts();
  }

  /** What an update of any generation is in the present one; null when it is nothing, `'whole'` when nothing before it counts. */
  coreOf(update: Uint8Array): Uint8Array | 'whole' | null {
    const { generation, core, isWhole, successors } = decodeDelta(update);
    const order = compareGenerations(generation, this.#generation);
    if (order === 0) return isWhole ? 'whole' : core;
    if (order > 0) return null;
    return successors.find(({ id, isWhole: isCopy }) => id === this.#generation.id && !isCopy)?.bytes ?? null;
  }

  /** What clients of shared types lack after these updates, which are in the document; null when it became another one for them. */
  forClients(updates: readonly Uint8Array[]): readonly Uint8Array[] | null {
    if (this.#isPlain) return updates;
    const parts = updates.map((update) => this.coreOf(update));
    return parts.includes('whole') ? null : parts.filter((part) => part instanceof Uint8Array);
  }

  /** As `CrdtDocument.compact`. */
  compact(): void {
    this.#core.compact();
    for (const { document } of this.#successors.values()) document.compact();
  }

  get weight(): number {
    let weight = this.#core.weight;
    for (const { document } of this.#successors.values()) weight += document.weight;
    return weight;
  }

  /**
   * As `CrdtDocument.encodeDiff`.
   *
   * @throws CrdtError `CRDT_UPDATE_FENCED` to who holds another generation; retryable when that is a later one.
   */
  encodeDiff(stateVector: Uint8Array): Uint8Array {
    this.#checkGeneration(stateVector);
    return this.#core.encodeDiff(stateVector);
  }

  #checkGeneration(stateVector: Uint8Array): void {
    if (stateVector.byteLength <= 1) return;
    let clients: readonly number[];
    try {
      clients = [...Y.decodeStateVector(stateVector).keys()];
    } catch {
      // Reported by who uses it.
      return;
    }
    const held = generationClientOf(clients);
    if (held === this.generationClient || !clients.some(isNodeClient)) return;
    const message = 'the document was compacted since: what the client holds of it belongs to another generation';
    throw new CrdtError('CRDT_UPDATE_FENCED', message, { retryable: this.#generation.number === 0 });
  }

  encodeStateVector(): Uint8Array {
    return this.#core.encodeStateVector();
  }
}

function gap(id: string): CrdtError {
  return new CrdtError('CRDT_UPDATE_GAP', 'the update builds on a generation of the document that is not here', {
    retryable: true,
    details: { generation: id },
  });
}
