/**
 * @module
 * Owns the primitives of a write: every edit of a model goes through a Transaction, which remembers what to add and delete until
 * write-update.ts encodes it. A write deletes what it observed at and below a path, and settles its ancestors (SPEC CR2, CR10).
 */
import type { Author } from './change.ts';
import { talliesKnown } from './counter.ts';
import { formatPointer } from './json-pointer.ts';
import type { JsonScalar } from './json-value.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import {
  KIND,
  REMOVED,
  UNMARKED,
  UNWRITTEN,
  sharedKey,
  type ElementId,
  type Entry,
  type Kind,
  type List,
  type Model,
  type Node,
  type Run,
  type SeenTallies,
  type Tombstone,
  type Written,
} from './model.ts';
import type { SharedEdit } from './shared-edit.ts';
import { textContent, textName } from './view.ts';

/** An edit of a root text, in order. `entry` names it once it is written. */
export interface TextEdit {
  readonly name: string;
  readonly index: number;
  readonly remove: number;
  readonly insert: string;
}

/** What a write lets stand at a node it writes below. */
export type Standing =
  | { readonly kind: 'object' | 'set' }
  | { readonly kind: 'array'; readonly list: List }
  | { readonly kind: 'text' | 'shared'; readonly entry: Entry };

const OBJECT: Standing = { kind: 'object' };

export class Transaction {
  readonly model: Model;
  readonly author: Author;
  readonly limits: Limits;
  readonly run: Run;
  /** New entries in the order to write them. Those removed again have clock REMOVED. */
  readonly added: Entry[] = [];
  readonly removed: ElementId[] = [];
  /** Lists whose slots changed. */
  readonly lists: Set<List> = new Set();
  readonly textEdits: TextEdit[] = [];
  /** After the edits of texts. */
  readonly sharedEdits: SharedEdit[] = [];
  tombstone: Tombstone | null = null;
  /** What it wrote shows in a way that only Yjs knows: the model is to be read anew. */
  isModelStale = false;
  readonly #nextClock: number;
  #textCount = 0;

  constructor(model: Model, author: Author, creation: boolean) {
    this.model = model;
    this.author = author;
    this.limits = author.limits ?? DEFAULT_LIMITS;
    this.#nextClock = model.clocks.get(author.client) ?? 0;
    this.run = { client: author.client, clock: UNWRITTEN, stamp: author.stamp, creation, live: 0 };
  }

  /** Tells whether root types besides our own are edited. */
  get editsRoots(): boolean {
    return this.textEdits.length > 0 || this.sharedEdits.length > 0;
  }

  /** Tells whether anything would be written. */
  get isEmpty(): boolean {
    return (
      this.removed.length === 0 &&
      this.textEdits.length === 0 &&
      this.sharedEdits.length === 0 &&
      this.tombstone === null &&
      this.lists.size === 0 &&
      !this.added.some((entry) => entry.clock === UNWRITTEN)
    );
  }

  /** Adds an entry at a node. */
  put(
    kind: Kind,
    node: Node,
    value: JsonScalar,
    seen: SeenTallies | null = null,
    corrects: number | null = null,
  ): Entry {
    const { run } = this;
    const entry: Entry = { kind, node, run, clock: UNWRITTEN, value, seen, corrects, list: null, slots: 0 };
    node.entries.push(entry);
    this.added.push(entry);
    node.invalidate();
    return entry;
  }

  /** Deletes one written thing. The caller takes it out of the model. */
  drop(written: Written): void {
    if (written.clock >= 0) {
      this.removed.push({ client: written.run.client, clock: written.clock });
      written.run.live--;
    }
    if (written.clock !== UNMARKED) written.clock = REMOVED;
  }

  /** Deletes the entries of a node that `matches` accepts. */
  dropEntries(node: Node, matches: (entry: Entry) => boolean): void {
    const kept: Entry[] = [];
    for (const entry of node.entries) {
      if (matches(entry)) this.#dropEntry(entry);
      else kept.push(entry);
    }
    if (kept.length === node.entries.length) return;
    node.entries = kept;
    node.invalidate();
  }

  /**
   * Deletes everything observed at and below a node, and returns the tallies that whatever replaces it must carry on
   * (CR8). Paths below keep theirs in an entry without a value.
   */
  clear(node: Node): SeenTallies | null {
    const known = talliesKnown(node, this.#nextClock);
    for (const entry of node.entries) this.#dropEntry(entry);
    if (node.entries.length > 0) node.entries = [];
    this.#clearLists(node, null);
    this.#clearChildren(node);
    this.clearOrphans(node);
    node.invalidate();
    return known;
  }

  /** Deletes what concurrent writes left at a node besides the one that stands. */
  settle(node: Node, standing: Standing): void {
    if (!isContested(node, standing)) return;
    // Values go with it, and what they have absorbed must not come back.
    const counts = ({ kind, seen }: Entry): boolean => kind === KIND.tally || (kind === KIND.value && seen !== null);
    const known = node.entries.some(counts) ? talliesKnown(node, this.#nextClock) : null;
    this.dropEntries(node, (entry) => !belongs(entry, standing) && (entry.kind !== KIND.base || known !== null));
    if (known !== null) this.put(KIND.base, node, null, known);
    if (standing.kind !== 'object') this.#clearChildren(node);
    this.#clearLists(node, standing.kind === 'array' ? standing.list : null);
    if (standing.kind !== 'array') this.clearOrphans(node);
    node.invalidate();
  }

  /** Makes the containers above a node stand: a write below them is a write to them. */
  settleAncestors(node: Node): void {
    const parent = node.parent;
    if (parent === null) return;
    this.settleAncestors(parent);
    if (node.element !== null) {
      this.settle(parent, { kind: 'array', list: node.element.list });
      return;
    }
    this.settle(parent, OBJECT);
    if (parent.parent !== null && !parent.entries.some((entry) => entry.kind === KIND.object))
      this.put(KIND.object, parent, null);
  }

  /** Deletes edits below deleted elements. */
  clearOrphans(node: Node): void {
    if (node.orphans === null) return;
    for (const orphan of node.orphans) this.#clearDead(orphan);
    node.orphans = null;
    node.invalidate();
  }

  /** Deletes the edits below one deleted element of an array. */
  clearOrphan(array: Node, orphan: Node): void {
    this.#clearDead(orphan);
    array.orphans = array.orphans?.filter((other) => other !== orphan) ?? null;
    if (array.orphans?.length === 0) array.orphans = null;
    array.invalidate();
  }

  /** Deletes an element and everything below it. The caller takes it out of its list. */
  dropElement(element: NonNullable<Node['element']>): void {
    for (const move of element.moves) {
      this.drop(move);
      move.header.slots--;
    }
    element.moves = [];
    if (element.header !== null) element.header.slots--;
    this.drop(element);
    this.#clearDead(element.node);
    element.node.element = null;
  }

  /** Names a text that only this write can create. */
  nextTextName(): string {
    return `u${this.author.client.toString(36)}.${this.#nextClock.toString(36)}.${(this.#textCount++).toString(36)}`;
  }

  /** Edits a root text and what the model knows of it. */
  editText(name: string, index: number, remove: number, insert: string): void {
    const before = this.model.texts.get(name) ?? '';
    this.model.texts.set(name, before.slice(0, index) + insert + before.slice(index + remove));
    // With formats it shows more than characters: what that is now, the next reading tells.
    if (this.model.shared.delete(sharedKey('text', name))) this.isModelStale = true;
    this.textEdits.push({ name, index, remove, insert });
  }

  /** Edits a shared type; what the model knows of it is the caller's. */
  editShared(edit: SharedEdit): void {
    this.isModelStale = true;
    this.sharedEdits.push(edit);
  }

  /** Returns the type the collection declares for a path, or undefined. */
  declaredType(node: Node): string | undefined {
    const types = this.author.types;
    if (types === undefined) return undefined;
    const keys: string[] = [];
    for (let at = node; at.parent !== null; at = at.parent) {
      if (at.elementId !== null) return undefined;
      keys.unshift(at.key);
    }
    const pointer = formatPointer(keys);
    return Object.hasOwn(types, pointer) ? types[pointer] : undefined;
  }

  #dropEntry(entry: Entry): void {
    if (entry.kind === KIND.text) {
      if (textContent(entry, this.model).length > 0) this.#clearText(textName(entry));
    } else if (entry.kind === KIND.shared) {
      this.#clearShared(entry);
    }
    this.drop(entry);
  }

  /** Whatever else editors have put into it goes, too. */
  #clearText(name: string): void {
    this.model.texts.set(name, '');
    this.model.shared.delete(sharedKey('text', name));
    this.sharedEdits.push({ root: name, kind: 'text', target: null });
  }

  #clearShared(entry: Entry): void {
    const content = this.model.shared.get(entry.value as string);
    if (content === undefined) return;
    this.model.shared.delete(entry.value as string);
    this.editShared({ root: content.root, kind: content.kind, target: null });
  }

  #clearChildren(node: Node): void {
    const children = node.children;
    if (children === null) return;
    for (const [key, child] of children) {
      const known = this.clear(child);
      if (known !== null) this.put(KIND.base, child, null, known);
      else if (child.children === null) children.delete(key);
    }
    if (children.size === 0) node.children = null;
  }

  #clearLists(node: Node, except: List | null): void {
    if (node.lists === null) return;
    for (const list of node.lists) {
      if (list === except) continue;
      this.dropEntries(node, (entry) => entry.list === list);
      for (const element of list.elements) this.dropElement(element);
      list.elements = [];
      this.lists.delete(list);
    }
    node.lists = except === null ? null : [except];
  }

  /** Clears a node that nobody can reach any more: its tallies need no memory. */
  #clearDead(node: Node): void {
    for (const entry of node.entries) this.#dropEntry(entry);
    node.entries = [];
    this.#clearLists(node, null);
    for (const child of node.children?.values() ?? []) this.#clearDead(child);
    node.children = null;
    this.clearOrphans(node);
  }
}

function belongs(entry: Entry, standing: Standing): boolean {
  if (standing.kind === 'object') return entry.kind === KIND.object;
  if (standing.kind === 'array') return entry.list === standing.list;
  if (standing.kind === 'text' || standing.kind === 'shared')
    return entry.kind === standing.entry.kind && entry.value === standing.entry.value;
  return entry.kind === KIND.set || entry.kind === KIND.member;
}

function isContested(node: Node, standing: Standing): boolean {
  for (const entry of node.entries) {
    if (!belongs(entry, standing) && entry.kind !== KIND.base) return true;
  }
  if (node.children !== null && standing.kind !== 'object') return true;
  if (node.orphans !== null && standing.kind !== 'array') return true;
  const lists = node.lists;
  if (lists === null) return false;
  return standing.kind !== 'array' || lists.length > 1;
}
