/**
 * @module
 * Owns rendering: canonical JSON text of a model, and its conflicts. Text is kept per node, so a small write to a large document
 * renders only the path it touched.
 */
import { candidatesAt, isPlainObject, latestWrite, type Candidate } from './candidate.ts';
import type { Conflict, ConflictingValue } from './change.ts';
import { encodeSegment } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import { KIND, nodePath, sharedKey, type Entry, type List, type Model, type Node } from './model.ts';
import { lostWrite } from './tombstone.ts';

/** Returns the canonical JSON text shown at a node, '' when absent; sets `node.text` and `node.conflicts`. */
export function render(node: Node, model: Model): string {
  if (node.text !== undefined) return node.text;
  node.conflicts = 0;
  const single = node.entries.length === 1 ? (node.entries[0] as Entry) : null;
  if (
    single !== null &&
    single.kind === KIND.value &&
    node.children === null &&
    node.lists === null &&
    node.orphans === null
  ) {
    return (node.text = JSON.stringify(single.value));
  }
  if (node.element !== null && isBare(node)) return (node.text = JSON.stringify(node.element.inline ?? null));
  const text = isPlainObject(node) ? renderObject(node, model) : renderShown(node, model);
  for (const orphan of node.orphans ?? []) {
    model.isContested = true;
    if (render(orphan, model) !== '') node.conflicts++;
    node.conflicts += orphan.conflicts;
  }
  return (node.text = text);
}

function isBare(node: Node): boolean {
  return node.entries.length === 0 && node.children === null && node.lists === null && node.orphans === null;
}

function renderShown(node: Node, model: Model): string {
  // Children are rendered in any case: below a value that is not shown there may be conflicts.
  const objectText = node.children === null ? '' : renderObject(node, model);
  const candidates = candidatesAt(node);
  const shown = candidates[0];
  if (shown === undefined) return objectText;
  const text = shown.kind === 'object' ? objectText || '{}' : renderCandidate(node, shown, model);
  if (candidates.length > 1) {
    model.isContested = true;
    node.conflicts += losers(node, candidates, text, model).length;
  }
  for (const list of node.lists ?? []) {
    for (const element of list.elements) {
      render(element.node, model);
      node.conflicts += element.node.conflicts;
    }
  }
  return text;
}

function renderObject(node: Node, model: Model): string {
  const children = node.children;
  let text = '';
  if (children !== null) {
    for (const key of sortedKeys(children)) {
      const child = children.get(key) as Node;
      const value = render(child, model);
      node.conflicts += child.conflicts;
      if (value === '') continue;
      child.keyText ??= `${JSON.stringify(key)}:`;
      text += text === '' ? child.keyText + value : `,${child.keyText}${value}`;
    }
  }
  if (text === '' && node.parent !== null && !node.entries.some((entry) => entry.kind === KIND.object)) return '';
  return `{${text}}`;
}

function sortedKeys(children: ReadonlyMap<string, Node>): string[] {
  return [...children.keys()].sort();
}

function renderCandidate(node: Node, candidate: Candidate, model: Model): string {
  if (candidate.kind === 'value') return JSON.stringify(candidate.value);
  if (candidate.kind === 'array') return renderList(candidate.list, model);
  if (candidate.kind === 'set') return `[${setMembers(node).join(',')}]`;
  if (candidate.kind === 'text') return textJson(candidate.entry, model);
  if (candidate.kind === 'shared') return model.shared.get(candidate.entry.value as string)?.json ?? 'null';
  return renderObject(node, model) || '{}';
}

function renderList(list: List, model: Model): string {
  let text = '[';
  for (const element of list.elements) {
    if (text.length > 1) text += ',';
    text += render(element.node, model);
  }
  return `${text}]`;
}

/** Returns the distinct members of the set at a node as canonical JSON, sorted. */
export function setMembers(node: Node): string[] {
  const members = new Set<string>();
  for (const entry of node.entries) {
    if (entry.kind === KIND.member) members.add(entry.value as string);
  }
  return [...members].sort();
}

/** Names the root text of a text entry. Generation 0 is named by its path, so that an editor can attach to it. */
export function textName(entry: Entry): string {
  return entry.value === '' ? `t${nodePath(entry.node)}` : (entry.value as string);
}

/** A text as a string, or with formats and embedded objects as its operations. */
function textJson(entry: Entry, model: Model): string {
  return model.shared.get(sharedKey('text', textName(entry)))?.json ?? JSON.stringify(textContent(entry, model));
}

export function textContent(entry: Entry, model: Model): string {
  return model.texts.get(textName(entry)) ?? '';
}

interface Loser {
  readonly text: string;
  readonly stamp: number;
  readonly client: number;
}

/** Lists losing values that differ from what is shown and from each other. */
function losers(node: Node, candidates: readonly Candidate[], shown: string, model: Model): Loser[] {
  const seen = new Set([shown]);
  const found: Loser[] = [];
  const { conflicts } = node;
  for (const candidate of candidates.slice(1)) {
    const text = renderCandidate(node, candidate, model);
    if (seen.has(text)) continue;
    seen.add(text);
    found.push({ text, stamp: candidate.latest.run.stamp, client: candidate.latest.run.client });
  }
  node.conflicts = conflicts;
  return found;
}

/** A conflict, and what it stands at. */
export interface FoundConflict extends Conflict {
  readonly node: Node;
  /** `hidden`: below a value that is not shown. `orphan`: content of an element that was deleted. `lost`: the whole document. */
  readonly kind: 'shown' | 'hidden' | 'orphan' | 'lost';
}

/** Lists every conflict of a document, in the order of the document. */
export function findConflicts(model: Model): FoundConflict[] {
  const conflicts: FoundConflict[] = [];
  render(model.root, model);
  if (model.root.conflicts > 0) collect(model.root, '', true, model, conflicts);
  return conflicts;
}

export function listConflicts(model: Model): Conflict[] {
  return findConflicts(model).map(toConflict);
}

function toConflict({ path, shown, shownBy, others }: FoundConflict): Conflict {
  return { path, shown, ...(shownBy && { shownBy }), others };
}

/** Collects conflicts at and below a node. What lies below a losing value is not shown, but must stay readable (CR15). */
function collect(node: Node, path: string, isShown: boolean, model: Model, into: FoundConflict[]): void {
  const text = render(node, model);
  if (node.conflicts === 0) return;
  const candidates = candidatesAt(node);
  const others = losers(node, candidates, text, model).map(toConflictingValue);
  if (others.length > 0) {
    const { stamp, client } = latestWrite(node, candidates[0] as Candidate).run;
    if (isShown) into.push({ path, shown: parseValue(text), shownBy: { stamp, client }, others, node, kind: 'shown' });
    else into.push({ path, shown: undefined, others, node, kind: 'hidden' });
  }
  const isObject = candidates.length === 0 || candidates[0]?.kind === 'object';
  for (const key of node.children === null ? [] : sortedKeys(node.children)) {
    collect(node.children?.get(key) as Node, `${path}/${encodeSegment(key)}`, isShown && isObject, model, into);
  }
  candidates.forEach((candidate, rank) => {
    if (candidate.kind !== 'array') return;
    candidate.list.elements.forEach((element, index) => {
      collect(element.node, `${path}/${index}`, isShown && rank === 0, model, into);
    });
  });
  for (const orphan of node.orphans ?? []) collectOrphan(orphan, `${path}/-`, model, into);
}

function collectOrphan(orphan: Node, path: string, model: Model, into: FoundConflict[]): void {
  const text = render(orphan, model);
  if (text !== '') {
    const { stamp, client } = latestWrite(orphan, candidatesAt(orphan)[0] as Candidate).run;
    const others = [toConflictingValue({ text, stamp, client })];
    into.push({ path, shown: undefined, others, node: orphan, kind: 'orphan' });
  }
  collect(orphan, path, false, model, into);
}

/** Lists a deleted document that somebody wrote whose write the delete had not seen, and what had lost within it (CR15). */
export function findLost(model: Model): FoundConflict[] {
  const write = lostWrite(model);
  if (write === null) return [];
  const others = [toConflictingValue({ ...write, text: render(model.root, model) })];
  const conflicts: FoundConflict[] = [{ path: '', shown: undefined, others, node: model.root, kind: 'lost' }];
  collect(model.root, '', false, model, conflicts);
  return conflicts;
}

export function listLost(model: Model): Conflict[] {
  return findLost(model).map(toConflict);
}

/** Counts losing values. */
export function countConflicts(conflicts: readonly Conflict[]): number {
  return conflicts.reduce((count, { others }) => count + others.length, 0);
}

function toConflictingValue(loser: Loser): ConflictingValue {
  return { value: parseValue(loser.text) as JsonValue, stamp: loser.stamp, client: loser.client };
}

/** Parses text we rendered; objects come without prototypes. */
export function parseValue(text: string): JsonValue | undefined {
  if (text === '') return undefined;
  return JSON.parse(text, withoutPrototype) as JsonValue;
}

function withoutPrototype(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.assign(Object.create(null) as object, value);
}
