/**
 * @module
 * Owns rendering: canonical JSON text of a model, and its conflicts. Text is kept per node, so a small write to a large document
 * renders only the path it touched.
 */
import { candidatesAt, isPlainObject, type Candidate } from './candidate.ts';
import type { Conflict, ConflictingValue } from './change.ts';
import { encodeSegment } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import { KIND, nodePath, type Entry, type List, type Model, type Node } from './model.ts';

/** Returns the canonical JSON text shown at a node, '' when absent; sets `node.text` and `node.conflicts`. */
export function render(node: Node, model: Model): string {
  if (node.text !== undefined) return node.text;
  node.conflicts = 0;
  const single = node.entries.length === 1 ? (node.entries[0] as Entry) : null;
  if (single !== null && single.kind === KIND.value && node.children === null && node.lists === null && node.orphans === null) {
    return (node.text = JSON.stringify(single.value));
  }
  if (node.element !== null && isBare(node)) return (node.text = JSON.stringify(node.element.inline ?? null));
  const text = isPlainObject(node) ? renderObject(node, model) : renderShown(node, model);
  for (const orphan of node.orphans ?? []) {
    if (render(orphan, model) !== '') node.conflicts++;
  }
  return (node.text = text);
}

function isBare(node: Node): boolean {
  return node.entries.length === 0 && node.children === null && node.lists === null && node.orphans === null;
}

function renderShown(node: Node, model: Model): string {
  // Children are rendered in any case: orphans below an absent object are conflicts.
  const objectText = node.children === null ? '' : renderObject(node, model);
  const objectConflicts = node.conflicts;
  const candidates = candidatesAt(node);
  const shown = candidates[0];
  if (shown === undefined) return objectText;
  if (shown.kind !== 'object') node.conflicts = orphanConflicts(node);
  const text = shown.kind === 'object' ? objectText || '{}' : renderCandidate(node, shown, model);
  if (shown.kind === 'object') node.conflicts = objectConflicts;
  if (candidates.length > 1) node.conflicts += losers(node, candidates, text, model).length;
  return text;
}

/** Conflicts below children that are not shown, which only deleted elements can leave. */
function orphanConflicts(node: Node): number {
  let count = 0;
  for (const child of node.children?.values() ?? []) {
    if (child.text === '') count += child.conflicts;
  }
  return count;
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
  if (candidate.kind === 'array') return renderList(node, candidate.list, model);
  if (candidate.kind === 'set') return `[${setMembers(node).join(',')}]`;
  if (candidate.kind === 'text') return JSON.stringify(textContent(candidate.entry, model));
  return renderObject(node, model) || '{}';
}

function renderList(node: Node, list: List, model: Model): string {
  let text = '[';
  for (const element of list.elements) {
    if (text.length > 1) text += ',';
    text += render(element.node, model);
    node.conflicts += element.node.conflicts;
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

/** Lists every conflict of a document, in the order of the document. */
export function listConflicts(model: Model): Conflict[] {
  const conflicts: Conflict[] = [];
  render(model.root, model);
  if (model.root.conflicts > 0) collect(model.root, '', model, conflicts);
  return conflicts;
}

function collect(node: Node, path: string, model: Model, into: Conflict[]): void {
  const shownText = render(node, model);
  const candidates = isPlainObject(node) ? [] : candidatesAt(node);
  const others = candidates.length > 1 ? losers(node, candidates, shownText, model) : [];
  if (others.length > 0) into.push({ path, shown: parseValue(shownText), others: others.map(toConflictingValue) });
  const shown = candidates[0];
  const isObject = shown === undefined || shown.kind === 'object';
  for (const key of node.children === null ? [] : sortedKeys(node.children)) {
    const child = node.children?.get(key) as Node;
    if (child.conflicts > 0 && (isObject || child.text === '')) collect(child, `${path}/${encodeSegment(key)}`, model, into);
  }
  if (shown?.kind === 'array') {
    shown.list.elements.forEach((element, index) => {
      if (element.node.conflicts > 0) collect(element.node, `${path}/${index}`, model, into);
    });
  }
  for (const orphan of node.orphans ?? []) {
    const text = render(orphan, model);
    if (text === '') continue;
    const latest = candidatesAt(orphan)[0]?.latest.run ?? { stamp: 0, client: 0 };
    into.push({ path: `${path}/-`, shown: undefined, others: [toConflictingValue({ text, stamp: latest.stamp, client: latest.client })] });
  }
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
