/**
 * @module
 * Owns a generation that is to follow the present one of a document: a copy without history, for which every write is made, too, by
 * whoever holds it.
 */
import * as Y from 'yjs';
import type { Author, Change, DocumentView } from './change.ts';
import { coverageOf, joinCoverage, NO_COVERAGE, uncoveredOf, type Coverage } from './coverage.ts';
import { CrdtDocument } from './document.ts';
import { CrdtError } from './errors.ts';
import { hasClientEdits, parseShown, shownTypes, UNLIMITED } from './fresh-copy.ts';
import { NOTHING, type SuccessorDelta } from './generation-delta.ts';
import { inspectUpdate } from './update.ts';

/** A write that was made in the present generation. */
export interface FollowedWrite {
  readonly update: Uint8Array;
  readonly author: Author;
  /** What the document showed before. */
  readonly before: DocumentView;
  /** The document with the write. */
  readonly core: CrdtDocument;
  /** The number of the present generation. */
  readonly generation: number;
}

export class Successor {
  readonly id: string;
  readonly document: CrdtDocument;
  /** What the copy includes that it began with. */
  readonly copied: Coverage;
  #covers: Coverage;

  constructor({ id, covers, copied, bytes }: SuccessorDelta) {
    this.id = id;
    this.copied = copied;
    this.document = CrdtDocument.load(bytes);
    this.#covers = covers;
  }

  /** What it has followed of the present generation, and what that includes of those before. */
  get covers(): Coverage {
    return this.#covers;
  }

  merge({ bytes, covers }: SuccessorDelta): void {
    if (bytes.length > NOTHING.length) this.document.apply(bytes);
    this.#covers = joinCoverage(this.#covers, covers);
  }

  encode(): SuccessorDelta {
    return { id: this.id, covers: this.#covers, copied: this.copied, isWhole: true, bytes: this.document.encode() };
  }

  /** Has it followed all that is here of the present generation, and shows the same? */
  isFollowing(core: CrdtDocument, generation: number): boolean {
    if (uncoveredOf(this.#covers, generation, clocksOf(core)).size > 0) return false;
    const [shown, own] = [core.view(), this.document.view()];
    return shown.exists && showsSame(own, shown) && own.conflicts === shown.conflicts && !hasClientEdits(core);
  }

  /**
   * Makes a write.
   *
   * @param own - What the write is in this generation; null = nothing that could be repeated here.
   */
  follow(own: Change | null, { update, author, before, core, generation }: FollowedWrite): SuccessorDelta {
    const { client, stamp, types, deletePolicy } = author;
    // Nobody is told of its increments again, and the present generation has judged what it may be.
    const by: Author = {
      client,
      stamp,
      ...(types && { types }),
      ...(deletePolicy && { deletePolicy }),
      limits: UNLIMITED,
    };
    const unseen = this.#uncoveredBefore(core, update, generation);
    // What we did not follow so far is in nobody's place but ours: all of it is made again, or none.
    if (unseen.has(client)) return this.#deltaOf(NO_COVERAGE, NOTHING);
    const updates: Uint8Array[] = [];
    const shown = core.view();
    const isAlike = showsSame(this.document.view(), before);
    const isRepeatable = own !== null && (isAlike || isPlaceless(own));
    if (isRepeatable) this.#attempt(updates, () => this.document.change(own, by));
    // What others did not follow is not ours to bring: its writer may do so, too.
    if (unseen.size === 0 && !showsSame(this.document.view(), shown)) {
      this.#attempt(updates, () => {
        const all: Change = shown.exists ? { kind: 'replace', value: parseShown(shown.json) } : { kind: 'delete' };
        return this.document.change(all, { ...by, types: shownTypes(core) });
      });
    }
    // What it cannot follow it lacks, and says so: who decides will give it up.
    const isFollowed = unseen.size > 0 ? isRepeatable : showsSame(this.document.view(), shown);
    const covers = isFollowed ? coverageOf(generation, clocksAfter(update)) : NO_COVERAGE;
    this.#covers = joinCoverage(this.#covers, covers);
    const bytes = updates.length === 0 ? NOTHING : updates.length === 1 ? updates[0]! : Y.mergeUpdates(updates);
    return this.#deltaOf(covers, bytes);
  }

  #deltaOf(covers: Coverage, bytes: Uint8Array): SuccessorDelta {
    return { id: this.id, covers, copied: NO_COVERAGE, isWhole: false, bytes };
  }

  /** What it lacks of what was there before an update: coverage grows without gaps, or a later write would hide an earlier one. */
  #uncoveredBefore(core: CrdtDocument, update: Uint8Array, generation: number): ReadonlyMap<number, number> {
    const clocks = clocksOf(core);
    for (const [client, { from }] of inspectUpdate(update).clients) clocks.set(client, from);
    return uncoveredOf(this.#covers, generation, clocks);
  }

  /** What cannot be made here, as an operation on an element that is not there, shows when the values are compared. */
  #attempt(updates: Uint8Array[], change: () => Uint8Array | null): void {
    try {
      const update = change();
      if (update !== null) updates.push(update);
    } catch (error) {
      if (!(error instanceof CrdtError)) throw error;
    }
  }
}

export function clocksOf(document: CrdtDocument): Map<number, number> {
  return Y.decodeStateVector(document.encodeStateVector());
}

const PLACELESS: ReadonlySet<string> = new Set(['increment', 'append', 'set-add', 'set-remove']);

/** Is a change the same whatever else there is? */
function isPlaceless(change: Change): boolean {
  if (change.kind === 'operations') return change.operations.every(({ op }) => PLACELESS.has(op));
  return change.kind === 'merge-patch' || change.kind === 'retract';
}

function showsSame(a: DocumentView, b: DocumentView): boolean {
  return a.exists === b.exists && a.json === b.json;
}

export function clocksAfter(update: Uint8Array): Map<number, number> {
  return new Map([...inspectUpdate(update).clients].map(([client, { to }]) => [client, to]));
}
