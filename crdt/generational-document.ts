/**
 * @module
 * Owns the generations of a document: how its history is left behind. A *successor* is prepared, a copy without history; whoever holds
 * it makes every write twice, once for each; and when every replica is known to hold it, it takes over or is given up. What a replica
 * has is a function of the set of updates it holds, whatever their order: of two generations the later one counts, what is written for
 * a successor is kept with it, and what comes late for a generation that is gone has no effect. SPEC.md CR20–CR24.
 */
import * as Y from 'yjs';
import { assert } from './assert.ts';
import type { Author, Change, Conflict, DocumentOutline, DocumentView, DuplicateWrite, WritePlace } from './change.ts';
import type { ClientAdmission } from './client-update.ts';
import { CrdtDocument } from './document.ts';
import { CrdtError } from './errors.ts';
import type { FirstState } from './first-state.ts';
import { copyFresh, hasClientEdits, parseShown, shownTypes, UNLIMITED } from './fresh-copy.ts';
import {
  compareGenerations,
  COPY_CLIENT_MIN,
  decodeDelta,
  encodeDelta,
  FIRST_GENERATION,
  isDelta,
  type GenerationDelta,
  type GenerationName,
  type SuccessorDelta,
} from './generation-delta.ts';
import { salvage } from './salvage.ts';
import { inspectUpdate } from './update.ts';

/** An update without content. */
const NOTHING: Uint8Array = Uint8Array.of(0, 0);
/** Ids of editors are below. */
const NODE_CLIENT_MIN = 2 ** 32;

/** A generation that is to follow. */
interface Successor {
  /** Clocks up to which the present generation is followed. */
  readonly followed: Map<number, number>;
  readonly document: CrdtDocument;
}

/**
 * A document that can be compacted. As `CrdtDocument`, whose bytes it has until then.
 *
 * @public
 */
export class GenerationalDocument {
  #core: CrdtDocument;
  #generation: GenerationName = FIRST_GENERATION;
  #successors: Map<string, Successor> = new Map();
  /** Successors that were given up: what is still written for them is dropped. */
  #closed: Set<string> = new Set();
  /** The generation before, as it was here when another one took over; what of it was followed, if that is known. */
  #left: { readonly core: CrdtDocument; readonly followed: ReadonlyMap<number, number> | null } | null = null;
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
      delta.successors.length + delta.closed.length === 0 &&
      compareGenerations(delta.generation, whole.generation) === 0;
    const simple = deltas.every(isSimple) ? deltas.map(({ core }) => core as Uint8Array) : null;
    const document = new GenerationalDocument(CrdtDocument.load(whole.core ?? NOTHING, ...(simple ?? [])));
    document.#generation = whole.generation;
    for (const successor of whole.successors) document.#addSuccessor(successor);
    document.#closed = new Set(whole.closed);
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

  /** Successors that were prepared and not decided. */
  get successors(): readonly string[] {
    return [...this.#successors.keys()];
  }

  /**
   * Merges an update or a state. Idempotent; throws without having applied anything.
   *
   * @throws CrdtError `CRDT_UPDATE_MALFORMED`, or `CRDT_UPDATE_GAP` when it builds on something not yet here.
   */
  apply(update: Uint8Array): void {
    if (!isDelta(update)) {
      if (this.#generation.number === 0) this.#core.apply(update);
      return;
    }
    const delta = decodeDelta(update);
    const order = compareGenerations(delta.generation, this.#generation);
    if (order < 0) this.#applyLate(delta);
    else if (order > 0) this.#succeedBy(delta);
    else this.#applyPresent(delta);
  }

  /** Of a generation that is gone only that counts which was written for this one. */
  #applyLate({ generation, successors }: GenerationDelta): void {
    if (generation.number + 1 !== this.#generation.number) return;
    const own = successors.find(({ id }) => id === this.#generation.id);
    if (own !== undefined) this.#core.apply(own.bytes);
  }

  #succeedBy(delta: GenerationDelta): void {
    if (!delta.isWhole || delta.core === null) throw gap(delta.generation.id);
    const core = CrdtDocument.load(delta.core);
    const prepared = this.#successors.get(delta.generation.id);
    if (prepared !== undefined) core.apply(prepared.document.encode());
    core.view();
    const next = new GenerationalDocument(core);
    for (const successor of delta.successors) next.#addSuccessor(successor);
    if (!this.#isEmpty) this.#left = { core: this.#core, followed: prepared?.followed ?? null };
    this.#core = core;
    this.#generation = delta.generation;
    this.#successors = next.#successors;
    this.#closed = new Set(delta.closed);
    this.#encoded = null;
  }

  get #isEmpty(): boolean {
    return this.#isPlain && this.#core.encode().length <= NOTHING.length;
  }

  /**
   * What of the generation before went unnoticed when another one took over: only somebody can have written that who had not seen
   * what he had said to hold, as a node whose disk was set back.
   *
   * @param isOf - Did this writer, and nobody else, have to take it along?
   * @returns Writes that make it again. Asked once.
   */
  takeLeft(isOf: (client: number) => boolean): readonly Change[] {
    const left = this.#left;
    this.#left = null;
    if (left === null) return [];
    const strangers = new Map<number, number>();
    for (const [client, clock] of clocksOf(left.core)) {
      const from = left.followed === null ? 0 : (left.followed.get(client) ?? 0);
      if (clock > from && isOf(client)) strangers.set(client, from);
    }
    return strangers.size === 0 ? [] : salvage(left.core, strangers);
  }

  /** Another generation took over, and nobody has asked yet what went unnoticed. */
  get hasLeft(): boolean {
    return this.#left !== null;
  }

  #applyPresent(delta: GenerationDelta): void {
    const isClosed = (id: string): boolean => this.#closed.has(id) || delta.closed.includes(id);
    const open = delta.successors.filter(({ id }) => !isClosed(id));
    const missing = open.find(({ id, isWhole }) => !isWhole && !this.#successors.has(id));
    if (missing !== undefined) throw gap(missing.id);
    const undo = open.length > 0 ? this.encode() : null;
    try {
      if (delta.core !== null) this.#core.apply(delta.core);
      for (const successor of open) this.#mergeSuccessor(successor);
    } catch (error) {
      if (undo !== null) this.#reset(undo);
      throw error;
    }
    for (const id of delta.closed) {
      this.#closed.add(id);
      this.#successors.delete(id);
    }
    this.#encoded = null;
  }

  #mergeSuccessor(delta: SuccessorDelta): void {
    const known = this.#successors.get(delta.id);
    if (known === undefined) return this.#addSuccessor(delta);
    if (delta.bytes.length > NOTHING.length) known.document.apply(delta.bytes);
    join(known.followed, delta.followed);
  }

  #addSuccessor({ id, followed, bytes }: SuccessorDelta): void {
    this.#successors.set(id, { followed: new Map(followed), document: CrdtDocument.load(bytes) });
  }

  #reset(state: Uint8Array): void {
    const before = GenerationalDocument.load(state);
    this.#core = before.#core;
    this.#successors = before.#successors;
    this.#closed = before.#closed;
    this.#encoded = null;
  }

  /** As `CrdtDocument.change`. */
  change(change: Change, author: Author): Uint8Array | null {
    if (this.#successors.size === 0) {
      const own = this.#placed(change, this.#generation.id);
      const update = own === null ? null : this.#core.change(own, author);
      return update === null ? null : this.#ofPresent(update);
    }
    const before = this.#core.view();
    const own = this.#placed(change, this.#generation.id);
    const update = own === null ? null : this.#core.change(own, author);
    if (update === null) return null;
    return this.#follow(update, author, before, change);
  }

  /** Makes a write for the successors, too, and returns both as one. */
  #follow(update: Uint8Array, author: Author, before: DocumentView, change: Change | null): Uint8Array {
    const followed = clocksAfter(update);
    const successors: SuccessorDelta[] = [];
    for (const [id, successor] of this.#successors) {
      const bytes = this.#followIn(id, successor.document, author, before, change);
      // What it cannot follow it lacks, and says so.
      if (bytes === null) continue;
      join(successor.followed, followed);
      successors.push({ id, followed, isWhole: false, bytes });
    }
    this.#encoded = null;
    return encodeDelta({ generation: this.#generation, core: update, isWhole: false, successors, closed: [] });
  }

  #followIn(
    id: string,
    document: CrdtDocument,
    { client, stamp, types, deletePolicy }: Author,
    before: DocumentView,
    change: Change | null,
  ): Uint8Array | null {
    const updates: Uint8Array[] = [];
    // Nobody is told of its increments again, and the first generation has judged what it may be.
    const author: Author = {
      client,
      stamp,
      ...(types && { types }),
      ...(deletePolicy && { deletePolicy }),
      limits: UNLIMITED,
    };
    const attempt = (own: Change, by: Author): void => {
      try {
        const update = document.change(own, by);
        if (update !== null) updates.push(update);
      } catch (error) {
        // As an operation on an element that is not there: the values are compared afterwards.
        if (!(error instanceof CrdtError)) throw error;
      }
    };
    const own = change === null ? null : this.#placed(change, id);
    if (own !== null && showsSame(document.view(), before)) attempt(own, { ...author, limits: UNLIMITED });
    const shown = this.#core.view();
    if (!showsSame(document.view(), shown)) {
      const all: Change = shown.exists ? { kind: 'replace', value: parseShown(shown.json) } : { kind: 'delete' };
      attempt(all, { ...author, types: shownTypes(this.#core), limits: UNLIMITED });
    }
    if (!showsSame(document.view(), shown)) return null;
    return updates.length === 0 ? NOTHING : updates.length === 1 ? updates[0]! : Y.mergeUpdates(updates);
  }

  /** What a change is in one of the generations; only what is taken back has a place. Null when it is not in it. */
  #placed(change: Change, generation: string): Change | null {
    if (change.kind !== 'retract') return change;
    const { generation: first = '', from, to, elsewhere = [], ...rest } = change.duplicate;
    const places: readonly WritePlace[] = [[first, from, to], ...elsewhere];
    const place = places.find(([id]) => id === generation);
    if (place === undefined) return null;
    const duplicate: DuplicateWrite = { ...rest, from: place[1], to: place[2] };
    return { kind: 'retract', duplicate };
  }

  /** As `CrdtDocument.mergeClient`. @throws CrdtError `CRDT_UPDATE_FENCED` when it is of a generation that is gone. */
  mergeClient(update: Uint8Array, admission: ClientAdmission, author: Author): readonly Uint8Array[] {
    const before = this.#successors.size === 0 ? null : this.#core.view();
    const updates = this.#core.mergeClient(update, admission, author);
    if (before === null || updates.length === 0) return updates.map((part) => this.#ofPresent(part));
    return [this.#follow(Y.mergeUpdates([...updates]), author, before, null)];
  }

  #ofPresent(core: Uint8Array): Uint8Array {
    if (this.#generation.number === 0) return core;
    return encodeDelta({ generation: this.#generation, core, isWhole: false, successors: [], closed: [] });
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
    if (this.#successors.size > 0) return null;
    const copy = copyFresh(this.#core, copyClientOf(id));
    if (copy === null || this.#core.encode().length < ratioMin * copy.encode().length) return null;
    const successor = { id, followed: clocksOf(this.#core), isWhole: true, bytes: copy.encode() };
    const delta = encodeDelta({
      generation: this.#generation,
      core: null,
      isWhole: false,
      successors: [successor],
      closed: [],
    });
    this.apply(delta);
    return delta;
  }

  /** May a successor take over, if all that was written without knowing of it is here? */
  isFollowed(id: string): boolean {
    const successor = this.#successors.get(id);
    // Of several that were prepared at the same time one at most may take over: whoever decides on one of them knows of the others.
    if (successor === undefined || this.#successors.size > 1) return false;
    const { followed, document } = successor;
    for (const [client, clock] of clocksOf(this.#core)) if (clock > (followed.get(client) ?? 0)) return false;
    const shown = this.#core.view();
    const isSame = showsSame(document.view(), shown) && document.view().conflicts === shown.conflicts;
    return shown.exists && isSame && !hasClientEdits(this.#core);
  }

  /** A successor takes over. Returns the update for other replicas. */
  succeed(id: string): Uint8Array {
    const successor = this.#successors.get(id);
    assert(successor, 'the successor was prepared');
    const generation = { number: this.#generation.number + 1, id };
    const delta = encodeDelta({
      generation,
      core: successor.document.encode(),
      isWhole: true,
      successors: [],
      closed: [],
    });
    this.apply(delta);
    this.#left = null;
    return delta;
  }

  /** A successor is given up. Returns the update for other replicas. */
  abandon(id: string): Uint8Array {
    const delta = encodeDelta({
      generation: this.#generation,
      core: null,
      isWhole: false,
      successors: [],
      closed: [id],
    });
    this.apply(delta);
    return delta;
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
    const successors = [...this.#successors].map(([id, { followed, document }]): SuccessorDelta => {
      return { id, followed, isWhole: true, bytes: document.encode() };
    });
    const closed = [...this.#closed];
    const bytes = encodeDelta({ generation: this.#generation, core, isWhole: true, successors, closed });
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
    if (order > 0 || generation.number + 1 !== this.#generation.number) return null;
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

  /** Every generation but the first begins with a client of its own, and whoever holds something of it knows that one. */
  #checkGeneration(stateVector: Uint8Array): void {
    if (stateVector.byteLength <= 1) return;
    let clients: readonly number[];
    try {
      clients = [...Y.decodeStateVector(stateVector).keys()];
    } catch {
      // Reported by who uses it.
      return;
    }
    const nodes = clients.filter((client) => client >= NODE_CLIENT_MIN);
    const present = this.#generation.number === 0 ? null : copyClientOf(this.#generation.id);
    const isLater = nodes.some((client) => client >= COPY_CLIENT_MIN && client !== present);
    const isEarlier = present !== null && nodes.length > 0 && !nodes.includes(present);
    if (!isLater && !isEarlier) return;
    const message = 'the document was compacted since: what the client holds of it belongs to another generation';
    throw new CrdtError('CRDT_UPDATE_FENCED', message, { retryable: present === null });
  }

  encodeStateVector(): Uint8Array {
    return this.#core.encodeStateVector();
  }
}

/** Clocks that a write of a client took, in each generation it was made for; none when it wrote nothing. */
export function placesOf(update: Uint8Array | null, client: number): readonly WritePlace[] {
  if (update === null) return [];
  const { generation, core, successors } = decodeDelta(update);
  const places: WritePlace[] = [];
  const add = (id: string, bytes: Uint8Array): void => {
    const range = inspectUpdate(bytes).clients.get(client);
    if (range !== undefined) places.push([id, range.from, range.to]);
  };
  if (core !== null) add(generation.id, core);
  for (const { id, bytes } of successors) add(id, bytes);
  return places;
}

/** The writer of a copy: no other copy has the same. */
function copyClientOf(id: string): number {
  let hash = 0;
  for (let i = 0; i < id.length; i++) hash = (hash * 131 + id.charCodeAt(i)) % COPY_CLIENT_MIN;
  return COPY_CLIENT_MIN + hash;
}

function showsSame(a: DocumentView, b: DocumentView): boolean {
  return a.exists === b.exists && a.json === b.json;
}

function clocksOf(document: CrdtDocument): Map<number, number> {
  return Y.decodeStateVector(document.encodeStateVector());
}

function clocksAfter(update: Uint8Array): Map<number, number> {
  return new Map([...inspectUpdate(update).clients].map(([client, { to }]) => [client, to]));
}

function join(into: Map<number, number>, clocks: ReadonlyMap<number, number>): void {
  for (const [client, clock] of clocks) if (clock > (into.get(client) ?? 0)) into.set(client, clock);
}

function gap(id: string): CrdtError {
  return new CrdtError('CRDT_UPDATE_GAP', 'the update builds on a generation of the document that is not here', {
    retryable: true,
    details: { generation: id },
  });
}
