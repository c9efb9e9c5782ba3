/**
 * @module
 * Owns what nodes tell on its way into the documents of a leaf. A page is acknowledged, and its position kept, when all documents that it
 * names are stored.
 */
import { CrdtDocument } from '../../crdt/index.ts';
import { decodeClocks, generationOf, isBeyond } from './clocks.ts';
import type { LeafCore } from './leaf-core.ts';
import { namesOf } from './leaf-core.ts';
import type { HeldCollection, LeafDocument } from './leaf-table.ts';
import { FETCH_DOCUMENTS_MAX } from './limit.ts';
import type { LeafChanges, LeafContent, LeafContents, LeafFetch, LeafRange } from './message.ts';

/** Asks the node for documents. Rejects when the connection ends. */
export type Fetch = (
  held: HeldCollection,
  documents: LeafFetch['documents'],
) => Promise<{ readonly isBehind: boolean; readonly entries: LeafContents['entries'] }>;

type Parts = readonly [Uint8Array, ...Uint8Array[]];

export class LeafIntake {
  readonly #core: LeafCore;
  readonly #fetch: Fetch;

  constructor(core: LeafCore, fetch: Fetch) {
    this.#core = core;
    this.#fetch = fetch;
  }

  /** Takes a page. It is durable when it returns. */
  async take(held: HeldCollection, { entries, scan, isBehind, cursor }: LeafChanges): Promise<void> {
    const wanted: string[] = [];
    for (const entry of entries) {
      const document = held.held(entry.id);
      if (entry.kind === 'content') await this.merge(held, entry, isBehind);
      else if (entry.kind === 'announced') {
        if (document?.etag !== entry.etag) wanted.push(entry.id);
        else this.#stay(document);
      } else if (document !== undefined) this.#core.leave(document, entry.kind);
    }
    if (scan !== null) this.#compare(held, scan, new Set(entries.map(({ id }) => id)), isBehind);
    for (let at = 0; at < wanted.length; at += FETCH_DOCUMENTS_MAX) {
      await this.refresh(held, wanted.slice(at, at + FETCH_DOCUMENTS_MAX));
    }
    if (cursor !== '') held.cursor = cursor;
    this.#core.table.move(held);
    await this.#core.commit();
  }

  /** Asks for documents as they are now, with what is held of them. */
  async refresh(held: HeldCollection, ids: readonly string[]): Promise<void> {
    const documents: { id: string; stateVector: Uint8Array }[] = [];
    for (const id of ids) {
      const isHeld = held.held(id) !== undefined;
      const stateVector = isHeld
        ? await this.#core.table.use(held, id, (_, crdt) => crdt.encodeStateVector())
        : new Uint8Array(0);
      documents.push({ id, stateVector });
    }
    const { entries, isBehind } = await this.#fetch(held, documents);
    for (const entry of entries) {
      const document = held.held(entry.id);
      if (entry.kind === 'content') await this.merge(held, entry, isBehind);
      else if (document !== undefined) this.#core.leave(document, 'deleted');
    }
  }

  /** Merges what a node gave of a document. */
  async merge(held: HeldCollection, entry: LeafContent, isBehind: boolean): Promise<void> {
    const known = held.held(entry.id);
    if (!entry.isMatching && (known?.unsent ?? 0) === 0) {
      if (known !== undefined) this.#core.leave(known, 'unmatched');
      return;
    }
    await this.#core.table.use(held, entry.id, (document, crdt) => {
      const shown = document.json;
      const { table, clock } = this.#core;
      if (held.held(entry.id) === undefined) {
        if (entry.isWhole) table.replace(document, entry.parts as Parts);
        // Its base was let go of meanwhile: it is told again when it changes.
        else return;
      } else if (entry.isWhole && this.#isOfAnother(crdt, entry.parts as Parts, isBehind)) {
        // Which of two generations is the later one shows when the node has caught up.
        if (isBehind) held.mustCompare = true;
        // What is unsent finds out by itself.
        if (isBehind || document.unsent > 0) return;
        this.#core.writer.renew();
        table.replace(document, entry.parts as Parts);
      } else for (const part of entry.parts) crdt.apply(part);
      document.etag = entry.etag;
      document.leaving = entry.isMatching ? null : 'unmatched';
      table.touch(document);
      clock.observe(document.crdt!.view().modified);
      if (document.json !== shown) this.#core.announce({ type: 'changed', by: 'others', ...namesOf(document) });
    });
  }

  /**
   * The copy here has nothing in common with what comes: the document was compacted meanwhile, or deleted, forgotten and begun anew,
   * which a node that is behind only seems to say.
   */
  #isOfAnother(crdt: CrdtDocument, parts: Parts, isBehind: boolean): boolean {
    const theirs = CrdtDocument.load(...parts).encodeStateVector();
    const ours = crdt.encodeStateVector();
    if (generationOf(ours) !== generationOf(theirs)) return true;
    return !isBehind && isBeyond(decodeClocks(ours), decodeClocks(theirs));
  }

  #stay(document: LeafDocument): void {
    if (document.leaving === null) return;
    document.leaving = null;
    this.#core.table.touch(document);
  }

  /** What lies in a range that was told whole, and was not told, is gone. */
  #compare(held: HeldCollection, { after, until }: LeafRange, told: ReadonlySet<string>, isBehind: boolean): void {
    for (const document of [...held.documents.values()]) {
      const { id, isBuried } = document;
      const isWithin = compareIds(id, after) > 0 && (until === '' || compareIds(id, until) <= 0);
      if (!isWithin || isBuried || told.has(id)) continue;
      // Never told by anybody: it was begun here.
      if (document.etag === '' && document.unsent > 0) continue;
      if (isBehind) held.mustCompare = true;
      else this.#core.leave(document, 'deleted');
    }
  }
}

/** The order of nodes: that of UTF-8, which is that of code points. */
export function compareIds(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    // Surrogates stand for what lies above all other units.
    const [isHighX, isHighY] = [isSurrogate(x), isSurrogate(y)];
    return isHighX === isHighY ? x - y : isHighX ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
