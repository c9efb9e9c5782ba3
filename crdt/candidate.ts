/**
 * @module
 * Owns what stands at a path: the candidates that concurrent writes left there, and which of them is shown (SPEC CR1, CR8,
 * CR10). A candidate is one value, or one container of one kind.
 */
import { effectiveTally } from './counter.ts';
import { KIND, UNMARKED, compareWritten, type Entry, type List, type Node, type Written } from './model.ts';

export type Candidate =
  | {
      readonly kind: 'value';
      readonly latest: Written;
      readonly entry: Entry | null;
      readonly value: string | number | boolean | null;
    }
  | { readonly kind: 'object' | 'set'; readonly latest: Written }
  | { readonly kind: 'array'; readonly latest: Written; readonly list: List }
  | { readonly kind: 'text' | 'shared'; readonly latest: Written; readonly entry: Entry };

/** The root is an object even when nobody wrote in it. */
const ROOT_WRITE: Written = { run: { client: 0, clock: 0, stamp: 0, creation: false, live: 1 }, clock: 0 };

/** Tells whether a node holds nothing but its object marker and children: by far the most common container. */
export function isPlainObject(node: Node): boolean {
  if (node.lists !== null || (node.elementId !== null && node.entries.length === 0)) return false;
  for (const entry of node.entries) {
    if (entry.kind !== KIND.object) return false;
  }
  return true;
}

/**
 * Lists what stands at a node, the shown one first. Empty when the path is absent.
 *
 * @remarks `latest` of a single candidate is some write of it, not the latest: see `latestWrite`.
 */
export function candidatesAt(node: Node): Candidate[] {
  const found: Candidate[] = [];
  const kinds = kindsAt(node);
  addValues(node, kinds, found);
  if (kinds.markers.length > 0 || node.parent === null || hasVisibleChild(node)) {
    found.push({ kind: 'object', latest: latestOf(kinds.markers) ?? ROOT_WRITE });
  }
  for (const list of node.lists ?? []) found.push({ kind: 'array', latest: list.headers[0] as Entry, list });
  if (kinds.set.length > 0) found.push({ kind: 'set', latest: latestOf(kinds.set) as Written });
  addTexts(kinds.texts, found);
  for (const entry of kinds.shared) found.push({ kind: 'shared', latest: entry, entry });
  if (found.length === 0 && node.element !== null) {
    const inline = node.element.inline;
    found.push({ kind: 'value', latest: node.element, entry: null, value: inline === undefined ? null : inline });
  }
  if (found.length < 2) return found;
  const standing = found.filter((candidate) => !yields(node, candidate, found));
  return standing.map((candidate) => withLatest(node, candidate)).sort(laterFirst);
}

/** An empty value says that nothing is there yet: what editors put into the root type of its name goes on from it. */
function yields(node: Node, candidate: Candidate, found: readonly Candidate[]): boolean {
  const isOfEditors = (kinds: readonly string[]): boolean =>
    found.some(
      (other) => (other.kind === 'text' || other.kind === 'shared') && kinds.includes(rootKindOf(other.entry)),
    );
  switch (candidate.kind) {
    case 'value':
      return candidate.value === '' && isOfEditors(['text']);
    case 'array':
      return candidate.list.elements.length === 0 && isOfEditors(['array', 'xml']);
    case 'object':
      return !hasVisibleChild(node) && isOfEditors(['map']);
    default:
      return false;
  }
}

/** What editors use a root type as; '' when a write made it. */
function rootKindOf({ kind, clock, value }: Entry): string {
  if (clock !== UNMARKED) return '';
  return kind === KIND.text ? 'text' : (value as string).slice(0, (value as string).indexOf(':'));
}

/** Returns the latest write that makes a candidate what it is, at or below its node. */
export function latestWrite(node: Node, candidate: Candidate): Written {
  return withLatest(node, candidate).latest;
}

/** Looks below containers, which is needed only when there is something to compare. */
function withLatest(node: Node, candidate: Candidate): Candidate {
  if (candidate.kind === 'object')
    return { ...candidate, latest: later(candidate.latest, latestChild(node)) as Written };
  if (candidate.kind === 'array') return { ...candidate, latest: latestInList(candidate.list) ?? candidate.latest };
  return candidate;
}

/** What was added to several values is equally late for each of them: then the values themselves decide. */
function laterFirst(a: Candidate, b: Candidate): number {
  return compareWritten(b.latest, a.latest) || compareWritten(writtenOf(b), writtenOf(a));
}

function writtenOf(candidate: Candidate): Written {
  return candidate.kind === 'value' ? (candidate.entry ?? candidate.latest) : candidate.latest;
}

function hasVisibleChild(node: Node): boolean {
  for (const child of node.children?.values() ?? []) {
    if (child.entries.some((entry) => entry.kind !== KIND.base) || hasVisibleChild(child)) return true;
  }
  return false;
}

/** Returns what is shown at a node, or null when the path is absent. */
export function shownAt(node: Node): Candidate | null {
  if (isPlainObject(node) && (node.entries.length > 0 || node.parent === null)) {
    return { kind: 'object', latest: node.entries[0] ?? ROOT_WRITE };
  }
  return candidatesAt(node)[0] ?? null;
}

interface Kinds {
  readonly values: Entry[];
  readonly bases: Entry[];
  readonly tallies: Entry[];
  readonly markers: Entry[];
  readonly set: Entry[];
  readonly texts: Entry[];
  readonly shared: Entry[];
}

function kindsAt(node: Node): Kinds {
  const kinds: Kinds = { values: [], bases: [], tallies: [], markers: [], set: [], texts: [], shared: [] };
  for (const entry of node.entries) {
    if (entry.kind === KIND.value) kinds.values.push(entry);
    else if (entry.kind === KIND.object) kinds.markers.push(entry);
    else if (entry.kind === KIND.base) kinds.bases.push(entry);
    else if (entry.kind === KIND.tally) kinds.tallies.push(entry);
    else if (entry.kind === KIND.text) kinds.texts.push(entry);
    else if (entry.kind === KIND.shared) kinds.shared.push(entry);
    else if (entry.kind !== KIND.list) kinds.set.push(entry);
  }
  return kinds;
}

function addValues(node: Node, kinds: Kinds, found: Candidate[]): void {
  const { values, tallies, bases } = kinds;
  let counted = false;
  for (const entry of values) {
    if (tallies.length === 0 || typeof entry.value !== 'number') {
      found.push({ kind: 'value', latest: entry, entry, value: entry.value });
      continue;
    }
    counted = true;
    const { sum, latest } = effectiveTally(tallies, [entry, ...bases]);
    found.push({ kind: 'value', latest: later(entry, latest) as Written, entry, value: entry.value + sum });
  }
  if (counted || tallies.length === 0) return;
  const { sum, latest } = effectiveTally(tallies, bases);
  if (latest === null) return;
  // Increments of a number that came with its array element count on top of it.
  const inline = values.length === 0 && typeof node.element?.inline === 'number' ? node.element.inline : 0;
  found.push({ kind: 'value', latest, entry: null, value: inline + sum });
}

function addTexts(texts: readonly Entry[], found: Candidate[]): void {
  for (const entry of texts) {
    const same = texts.filter((other) => other.value === entry.value);
    if (same[0] === entry) found.push({ kind: 'text', latest: latestOf(same) as Entry, entry });
  }
}

/** Latest write at or below a node that shows something, or null. */
function latestAt(node: Node): Written | null {
  let latest: Written | null = null;
  for (const entry of node.entries) {
    if (entry.kind !== KIND.base) latest = later(latest, entry);
  }
  latest = later(latest, latestChild(node));
  for (const list of node.lists ?? []) latest = later(latest, latestInList(list));
  return latest;
}

function latestChild(node: Node): Written | null {
  let latest: Written | null = null;
  for (const child of node.children?.values() ?? []) latest = later(latest, latestAt(child));
  return latest;
}

function latestInList(list: List): Written | null {
  let latest = latestOf(list.headers);
  for (const element of list.elements) latest = later(latest, latestAt(element.node));
  return latest;
}

function latestOf(entries: readonly Entry[]): Written | null {
  let latest: Written | null = null;
  for (const entry of entries) latest = later(latest, entry);
  return latest;
}

function later(a: Written | null, b: Written | null): Written | null {
  if (a === null || b === null) return a ?? b;
  return compareWritten(a, b) >= 0 ? a : b;
}
