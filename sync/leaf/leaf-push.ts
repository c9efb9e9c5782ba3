/**
 * @module
 * Owns getting the changes of a leaf to a node: in order, a message at a time, marked as sent before they are. What a node cannot take now
 * waits without holding up other documents; what it refuses is taken back; what was made to a document that is gone begins a new one.
 */
import { AtollError, CrdtDocument, incrementsOf, inspectUpdate, shownTypes } from '../../crdt/index.ts';
import type { Change, JsonObject } from '../../crdt/index.ts';
import { decodeClocks, generationOf, isRelated } from './clocks.ts';
import { differenceOf } from './json-difference.ts';
import type { Merging } from './json-difference.ts';
import type { LeafCore } from './leaf-core.ts';
import type { Fetch, LeafIntake } from './leaf-intake.ts';
import type { HeldCollection, LeafDocument } from './leaf-table.ts';
import type { LeafContent, LeafContents, LeafOutcome, LeafPush as Push, LeafPushed } from './message.ts';
import type { Edit } from './outbox.ts';
import type { Timers } from '../port.ts';

export interface LeafPushParts {
  readonly core: LeafCore;
  readonly intake: LeafIntake;
  readonly fetch: Fetch;
  readonly timers: Timers;
  /** The number of the subscription; null when the node does not serve it now. */
  readonly subscriptionOf: (held: HeldCollection) => number | null;
  /** Sends and waits for the answer. Rejects when the connection ends. */
  readonly push: (message: Omit<Push, 'type' | 'number'>) => Promise<LeafPushed>;
  /** There is nothing more to send just now. */
  readonly onSent: () => void;
}

/** Why a change is taken back. */
type Loss = Exclude<LeafOutcome, { kind: 'taken' | 'later' }>;

/** Until what a node could not take is sent again. */
const RETRY_MS = 2000;
const NOTHING_HELD = new Uint8Array(0);
const GONE = {
  code: 'SYNC_LEAF_GONE',
  message: 'The document was deleted, and the changes may have been seen by whoever deleted it.',
} as const;
const GONE_FOR_GOOD = {
  code: 'SYNC_LEAF_GONE',
  message: 'The document was deleted, and in its collection a delete wins over changes.',
} as const;

export class LeafPushing {
  readonly #parts: LeafPushParts;
  /** What they build on is not where they were sent. */
  #waiting = new Set<LeafDocument>();
  /** Of which all is sent, and what follows from that is not done yet: connections end. */
  readonly #unsettled = new Set<LeafDocument>();
  #isRunning = false;
  #isOnline = false;

  constructor(parts: LeafPushParts) {
    this.#parts = parts;
  }

  /** A node takes changes, from now on or no more. */
  set isOnline(value: boolean) {
    this.#isOnline = value;
    this.#waiting.clear();
    if (value) this.wake();
  }

  /** Nothing is being sent, and what follows from the answers is done. */
  get isIdle(): boolean {
    return !this.#isRunning && this.#unsettled.size === 0;
  }

  /** Goes on with what an earlier connection did not come to. */
  resume(held: HeldCollection): void {
    for (const document of held.documents.values())
      if (document.leaving !== null && document.unsent === 0) this.#unsettled.add(document);
  }

  /** There may be something to send. */
  wake(): void {
    if (this.#isRunning || !this.#isOnline) return;
    this.#isRunning = true;
    this.#run()
      // The connection ended, and there may be another one; or the store failed, which is told elsewhere.
      .catch(() => void this.#parts.timers.after(RETRY_MS, () => this.wake()))
      .finally(() => {
        this.#isRunning = false;
        this.#parts.onSent();
      });
  }

  async #run(): Promise<void> {
    const { core, subscriptionOf } = this.#parts;
    while (this.#isOnline) {
      for (const document of this.#unsettled) await this.#settle(document);
      const edits = core.outbox.select(
        (document) => !this.#waiting.has(document) && subscriptionOf(document.collection) !== null,
      );
      if (edits.length === 0) return;
      await this.#send(edits);
    }
  }

  async #send(edits: readonly Edit[]): Promise<void> {
    const { core, push, subscriptionOf } = this.#parts;
    const inDoubt = new Set(edits.filter(({ isSent }) => isSent));
    for (const edit of edits) core.outbox.mark(edit, true);
    await core.commit();
    const nonces = new Map(edits.map(({ nonce }) => [nonce.join(), nonce]));
    const { outcomes } = await push({
      nonces: [...nonces.values()],
      edits: edits.map(({ document, isBeginning, isAfterDelete, generation, update }) => ({
        subscription: subscriptionOf(document.collection) ?? 0,
        id: document.id,
        isBeginning,
        isAfterDelete,
        generation,
        update,
      })),
    });
    const lost = new Map<LeafDocument, Loss>();
    for (const [i, edit] of edits.entries()) {
      const outcome = outcomes[i] ?? { kind: 'later' };
      if (outcome.kind === 'taken') {
        core.outbox.remove(edit);
        this.#unsettled.add(edit.document);
      } else if (outcome.kind === 'later') {
        core.outbox.mark(edit, inDoubt.has(edit));
        this.#wait(edit.document);
      } else if (!lost.has(edit.document)) lost.set(edit.document, outcome);
    }
    await core.commit();
    for (const [document, outcome] of lost) await this.#takeBack(document, outcome, inDoubt);
  }

  #wait(document: LeafDocument): void {
    if (this.#waiting.size === 0) {
      this.#parts.timers.after(RETRY_MS, () => {
        this.#waiting.clear();
        this.wake();
      });
    }
    this.#waiting.add(document);
  }

  /** What was told of it while something was unsent may have changed by that; of what nobody subscribes to nothing may be told. */
  async #settle(document: LeafDocument): Promise<void> {
    if (document.unsent === 0 && (document.leaving !== null || !document.collection.wants(document))) {
      await this.#parts.intake.refresh(document.collection, [document.id]);
      await this.#parts.core.commit();
    }
    this.#unsettled.delete(document);
  }

  /**
   * The documents of a collection are others now: what is unsent is made to these, or begins them.
   *
   * @returns Ids of documents that are as the node has them, but for what is unsent.
   */
  async makeAnew(held: HeldCollection): Promise<ReadonlySet<string>> {
    const { core } = this.#parts;
    // What was begun here, and told by nobody, is part of no database yet.
    const unsent = [...held.documents.values()].filter(({ unsent: count, etag }) => count > 0 && etag !== '');
    for (const document of unsent) {
      const inDoubt = core.outbox.of(document).filter(({ isSent }) => isSent);
      await this.#takeBack(document, { kind: 'gone' }, new Set(inDoubt), true);
    }
    return new Set(unsent.map(({ id }) => id));
  }

  /**
   * Takes the unsent changes of a document back; those that can be made to what is there now are made anew.
   *
   * @param isAnother - What is there is known to be another document, whatever it has in common.
   */
  async #takeBack(
    document: LeafDocument,
    loss: Loss,
    inDoubt: ReadonlySet<Edit>,
    isAnother: boolean = false,
  ): Promise<void> {
    const { core, fetch } = this.#parts;
    const { collection, id } = document;
    const { entries } = await fetch(collection, [{ id, stateVector: NOTHING_HELD }]);
    const entry = entries[0] ?? { kind: 'deleted' };
    await core.table.use(collection, id, (now, crdt) => {
      const edits = core.outbox.of(now);
      if (!isAnother && loss.kind === 'gone' && entry.kind === 'content' && isSame(crdt, entry)) {
        // What it builds on was told before the position that the node was asked to go on from, and is on its way there.
        for (const edit of edits) core.outbox.mark(edit, inDoubt.has(edit));
        return this.#wait(now);
      }
      const increments = incrementsIn(crdt, edits);
      const [first] = edits;
      const shown = now.json;
      for (const edit of edits) core.outbox.remove(edit);
      core.writer.renew();
      if (entry.kind === 'content') this.#show(now, entry);
      else core.leave(now, 'deleted');
      if (loss.kind === 'refused') core.refuse(now, loss, shown);
      else if (first === undefined || (entry.kind === 'content' && !hasBase(first))) core.refuse(now, GONE, shown);
      else if (!isCompacted(first, entry) && edits.every((edit) => inDoubt.has(edit))) core.refuse(now, GONE, shown);
      else this.#begin(collection, id, { base: first.base, shown, increments, isThere: entry.kind === 'content' });
    });
    await core.commit();
  }

  #show(document: LeafDocument, { parts, etag, isMatching }: LeafContent): void {
    this.#parts.core.table.replace(document, parts as readonly [Uint8Array, ...Uint8Array[]]);
    document.etag = etag;
    document.leaving = isMatching ? null : 'unmatched';
  }

  /** Makes the changes anew: all of the document if it is gone, as the merge of a delete and an update would have it. */
  #begin(
    collection: HeldCollection,
    id: string,
    {
      base,
      shown,
      increments,
      isThere,
    }: {
      readonly base: string | null;
      readonly shown: string | null;
      readonly increments: Merging['increments'];
      readonly isThere: boolean;
    },
  ): void {
    // Nothing is awaited from here: what the store would be asked for is known to be new.
    const { core } = this.#parts;
    const document = core.table.obtain(collection, id);
    document.crdt ??= core.table.begin();
    const onto = { json: document.json ?? '{}', types: shownTypes(document.crdt), increments };
    const changes = changesOf(base, shown, isThere ? onto : null);
    if (changes.length === 0) return;
    if (!isThere && collection.config.deletePolicy === 'delete-wins')
      return core.refuse(document, GONE_FOR_GOOD, shown);
    try {
      for (const change of changes) core.change(document, change);
    } catch (error) {
      if (!(error instanceof AtollError)) throw error;
      core.refuse(document, error, shown);
    }
  }
}

/** Is it known what the document showed before? */
function hasBase({ base, isBeginning }: Edit): boolean {
  return base !== null || isBeginning;
}

/** The document is there, in another generation: the node would have said so, had the change been taken along to that. */
function isCompacted(
  { generation }: Edit,
  entry: LeafContents['entries'][number] | { readonly kind: 'deleted' },
): boolean {
  if (entry.kind !== 'content') return false;
  const theirs = CrdtDocument.load(...(entry.parts as readonly [Uint8Array, ...Uint8Array[]]));
  return generationOf(theirs.encodeStateVector()) !== generation;
}

function isSame(copy: CrdtDocument, { parts }: LeafContent): boolean {
  const theirs = CrdtDocument.load(...(parts as readonly [Uint8Array, ...Uint8Array[]]));
  return isRelated(decodeClocks(copy.encodeStateVector()), decodeClocks(theirs.encodeStateVector()));
}

/** What was added by changes that nobody else has taken: all of their writers, since a document with writes of leaves is not compacted. */
function incrementsIn(crdt: CrdtDocument, edits: readonly Edit[]): Merging['increments'] {
  return incrementsOf(crdt, new Set(edits.flatMap(({ update }) => [...inspectUpdate(update).clients.keys()])));
}

/** @param onto - What is there now; null = nothing. */
function changesOf(
  base: string | null,
  shown: string | null,
  onto: (Merging & { readonly json: string }) | null,
): readonly Change[] {
  if (shown === null) return [];
  const value = JSON.parse(shown) as JsonObject;
  if (onto === null) return [{ kind: 'replace', value }];
  const before = JSON.parse(base ?? '{}') as JsonObject;
  return differenceOf(before, value, JSON.parse(onto.json) as JsonObject, onto);
}
