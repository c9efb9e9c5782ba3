/**
 * @module
 * Owns what stands at a path: the candidates that concurrent writes left there, and which of them is shown (SPEC CR1, CR8,
 * CR10). A candidate is one value, or one container of one kind.
 */
import { effectiveTally } from './counter.ts';
import { KIND, compareWritten, type Entry, type List, type Node, type Written } from './model.ts';

export type Candidate =
  | {
      readonly kind: 'value';
      readonly latest: Written;
      readonly entry: Entry | null;
      readonly value: string | number | boolean | null;
    }
  | { readonly kind: 'object' | 'set'; readonly latest: Written }
  | { readonly kind: 'array'; readonly latest: Written; readonly list: List }
  | { readonly kind: 'text'; readonly latest: Written; readonly entry: Entry };

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

/** Lists what stands at a node, the shown one first. Empty when the path is absent. */
export function candidatesAt(node: Node): Candidate[] {
  const found: Candidate[] = [];
  const kinds = kindsAt(node);
  addValues(node, kinds, found);
  const child = node.children === null ? null : latestChild(node);
  if (kinds.markers.length > 0 || child !== null || node.parent === null) {
    const latest = later(latestOf(kinds.markers), child) ?? ROOT_WRITE;
    found.push({ kind: 'object', latest });
  }
  for (const list of node.lists ?? []) {
    const latest = latestInList(list);
    if (latest !== null) found.push({ kind: 'array', latest, list });
  }
  if (kinds.set.length > 0) found.push({ kind: 'set', latest: latestOf(kinds.set) as Written });
  addTexts(kinds.texts, found);
  if (found.length === 0 && node.element !== null) {
    const inline = node.element.inline;
    found.push({ kind: 'value', latest: node.element, entry: null, value: inline === undefined ? null : inline });
  }
  return found.length > 1 ? found.sort((a, b) => compareWritten(b.latest, a.latest)) : found;
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
}

function kindsAt(node: Node): Kinds {
  const kinds: Kinds = { values: [], bases: [], tallies: [], markers: [], set: [], texts: [] };
  for (const entry of node.entries) {
    if (entry.kind === KIND.value) kinds.values.push(entry);
    else if (entry.kind === KIND.object) kinds.markers.push(entry);
    else if (entry.kind === KIND.base) kinds.bases.push(entry);
    else if (entry.kind === KIND.tally) kinds.tallies.push(entry);
    else if (entry.kind === KIND.text) kinds.texts.push(entry);
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
