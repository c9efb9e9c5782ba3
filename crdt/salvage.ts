/**
 * @module
 * Owns what can be taken along from a generation that is gone: what some writers added to it, each as a write by itself
 * (late-write.ts). What they deleted or moved cannot be told from what others did.
 */
import type { LateWrite, WrittenId } from './change.ts';
import { isNodeClient, isRepetition, lateClientOf, lateOperationOf } from './client-id.ts';
import type { Coverage } from './coverage.ts';
import { CrdtDocument } from './document.ts';
import { readModel, UNLIMITED } from './fresh-copy.ts';
import { formatPointer } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import { KIND, nodePath, type Entry, type Model, type Node, type Written } from './model.ts';
import { render, textContent, textName } from './view.ts';
import { applyTo, createDoc, textRangesOf } from './yjs-state.ts';

/** Writers and the first clock of each that counts. */
export type Strangers = ReadonlyMap<number, number>;

interface Salvage {
  readonly model: Model;
  readonly generation: number;
  readonly strangers: Strangers;
  /** Of the generation that it is taken along to. */
  readonly covers: Coverage;
  /** Somebody edited shared types; copies are made of none of these. */
  readonly isShared: boolean;
  /** Path of each text by the name of its root type. */
  readonly texts: Map<string, LateWrite['path']>;
  readonly updates: Uint8Array[];
}

interface Writing extends WrittenId {
  readonly stamp: number;
}

/** What is written of a text, or of shared types, says nothing of when. */
const SOMETIME = 0;

/** @returns Updates, each of which builds on nothing. */
export function salvage(
  document: CrdtDocument,
  strangers: Strangers,
  generation: number,
  covers: Coverage,
): readonly Uint8Array[] {
  const model = readModel(document);
  const isShared = [...strangers.keys()].some((client) => !isNodeClient(client));
  const found: Salvage = { model, generation, strangers, covers, isShared, texts: new Map(), updates: [] };
  visit(found, model.root, []);
  takeTexts(found, document);
  return found.updates;
}

function visit(found: Salvage, node: Node, path: LateWrite['path']): void {
  for (const entry of node.entries) {
    if (entry.kind === KIND.text) found.texts.set(textName(entry), path);
    if (isOf(found, entry)) takeEntry(found, entry, path);
    else if (entry.kind === KIND.shared && found.isShared) takeShared(found, entry, path);
  }
  for (const list of node.lists ?? []) {
    for (const element of list.elements) {
      const { node: content, run, clock } = element;
      if (!isOf(found, element)) visit(found, content, [...path, { client: run.client, clock }]);
      else take(found, { path, kind: 'element', value: parse(render(content, found.model)) }, writingOf(element));
    }
  }
  for (const orphan of node.orphans ?? [])
    if (orphan.elementId !== null) visit(found, orphan, [...path, orphan.elementId]);
  for (const [key, child] of node.children ?? []) visit(found, child, [...path, key]);
}

function takeEntry(found: Salvage, entry: Entry, path: LateWrite['path']): void {
  const { kind, value, corrects, run, node } = entry;
  const by = writingOf(entry);
  if (kind === KIND.value) take(found, { path, kind: 'value', value }, by);
  else if (kind === KIND.object) take(found, { path, kind: 'object' }, by);
  else if (kind === KIND.set) take(found, { path, kind: 'set' }, by);
  else if (kind === KIND.list) take(found, { path, kind: 'list' }, by);
  else if (kind === KIND.member) take(found, { path, kind: 'member', value: value as string }, by);
  else if (kind === KIND.text && textContent(entry, found.model) === '')
    take(found, { path, kind: 'text', value: '' }, by);
  else if (kind === KIND.tally) {
    // Somebody else had taken it back.
    if (corrects !== null && found.covers.has(corrects)) return;
    const operation = corrects ?? lateOperationOf(`${run.client}.${found.generation}${nodePath(node)}`);
    take(found, { path, kind: 'count', value: value as number, operation }, by);
  }
}

/** What an editor made of a shared type, as plain JSON. */
function takeShared(found: Salvage, { value }: Entry, path: LateWrite['path']): void {
  const content = found.model.shared.get(value as string);
  if (content === undefined || content.kind === 'text') return;
  take(found, { path, kind: 'json', value: parse(content.json) }, { client: 0, clock: 0, stamp: SOMETIME });
}

/** Characters of one writer stay together: where they stood means nothing any more. */
function takeTexts(found: Salvage, document: CrdtDocument): void {
  const doc = createDoc();
  applyTo(doc, document.encode());
  for (const [client, from] of found.strangers) {
    const texts = new Map<string, string>();
    for (const { name, index, length } of textRangesOf(doc, { client, from, to: Number.MAX_SAFE_INTEGER })) {
      const part = found.model.texts.get(name)?.slice(index, index + length) ?? '';
      texts.set(name, part + (texts.get(name) ?? ''));
    }
    for (const [name, value] of texts) {
      const path = found.texts.get(name);
      if (path === undefined || value === '') continue;
      take(found, { path, kind: 'text', value }, { client, clock: 0, stamp: SOMETIME });
    }
  }
}

function take(found: Salvage, late: LateWrite, by: Writing): void {
  const { stamp } = by;
  const client = lateClientOf(by, found.generation, JSON.stringify([late, stamp]));
  const author = { client, stamp, limits: UNLIMITED };
  const update = CrdtDocument.create().change({ kind: 'late', late }, author);
  if (update !== null) found.updates.push(update);
}

function writingOf({ run: { client, stamp }, clock }: Written): Writing {
  return { client, clock, stamp };
}

function isOf({ strangers }: Salvage, { run, clock }: Written): boolean {
  const from = strangers.get(run.client);
  return from !== undefined && clock >= from;
}

/**
 * What some writers have added to numbers, by pointer.
 *
 * @param writers - Of whom everything counts that the document has.
 */
export function incrementsOf(document: CrdtDocument, writers: ReadonlySet<number>): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  addIncrements(readModel(document).root, [], writers, sums);
  return sums;
}

function addIncrements(
  node: Node,
  keys: readonly string[],
  writers: ReadonlySet<number>,
  sums: Map<string, number>,
): void {
  for (const { kind, value, corrects, run } of node.entries) {
    if (kind !== KIND.tally || corrects !== null || !writers.has(run.client)) continue;
    const path = formatPointer(keys);
    sums.set(path, (sums.get(path) ?? 0) + (value as number));
  }
  for (const [key, child] of node.children ?? []) addIncrements(child, [...keys, key], writers, sums);
}

/** Repetitions that were taken back, as what stands for them is covered. */
export function repetitionsOf(document: CrdtDocument): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  const add = (operation: number): void => void (isRepetition(operation) && found.set(operation, 1));
  const visitAll = ({ entries, lists, children }: Node): void => {
    for (const { corrects, seen } of entries) for (const each of [corrects ?? 0, ...(seen?.keys() ?? [])]) add(each);
    for (const list of lists ?? []) for (const { node } of list.elements) visitAll(node);
    for (const child of children?.values() ?? []) visitAll(child);
  };
  visitAll(readModel(document).root);
  return found;
}

function parse(json: string): JsonValue {
  return JSON.parse(json) as JsonValue;
}
