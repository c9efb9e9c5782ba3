/**
 * @module
 * Owns what can be taken along from a generation that is gone: what some writers added to it that nobody else had seen, as writes that
 * can be made again. Their deletes cannot be told from those of others.
 */
import type { Change, IntentOperation } from './change.ts';
import type { CrdtDocument } from './document.ts';
import { readModel } from './fresh-copy.ts';
import { formatPointer } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import { KIND, type Entry, type Model, type Node, type Written } from './model.ts';
import { render, textName } from './view.ts';
import { applyTo, createDoc, textRangesOf } from './yjs-state.ts';

/** Writers and the first clock of each that counts. */
export type Strangers = ReadonlyMap<number, number>;

interface Salvage {
  readonly model: Model;
  readonly strangers: Strangers;
  readonly hadSeenCopied: boolean;
  readonly changes: Change[];
  /** What was taken back of writes that were made twice: after what it is taken back of. */
  readonly corrections: Change[];
  /** Pointer of each text by the name of its root type. */
  readonly texts: Map<string, string>;
}

/**
 * @param hadSeenCopied - See `LateValue`.
 * @returns Writes, each to be made by itself: what it builds on may be gone.
 */
export function salvage(document: CrdtDocument, strangers: Strangers, hadSeenCopied: boolean): readonly Change[] {
  const model = readModel(document);
  const found: Salvage = { model, strangers, hadSeenCopied, changes: [], corrections: [], texts: new Map() };
  visit(found, model.root, []);
  const doc = createDoc();
  applyTo(doc, document.encode());
  for (const [client, from] of strangers) {
    for (const { name, index, length } of textRangesOf(doc, { client, from, to: Number.MAX_SAFE_INTEGER })) {
      const path = found.texts.get(name);
      const value = model.texts.get(name)?.slice(index, index + length) ?? '';
      if (path !== undefined && value !== '') operate(found, { op: 'text-insert', path, index, value });
    }
  }
  return [...found.changes, ...found.corrections];
}

function visit(found: Salvage, node: Node, keys: readonly string[]): void {
  const path = formatPointer(keys);
  // What stands beside it was not seen by who wrote it, although it may be here by now.
  const hadSeenAll = node.entries.every((entry) => entry.kind !== KIND.value || isOf(found, entry));
  for (const entry of node.entries) {
    if (entry.kind === KIND.text) found.texts.set(textName(entry), path);
    if (isOf(found, entry)) take(found, entry, path, found.hadSeenCopied && hadSeenAll);
  }
  for (const list of node.lists ?? []) {
    for (const element of list.elements) {
      if (!isOf(found, element)) continue;
      operate(found, { op: 'append', path, value: parse(render(element.node, found.model)) });
    }
  }
  for (const [key, child] of node.children ?? []) visit(found, child, [...keys, key]);
}

function take(found: Salvage, { kind, value, corrects, run }: Entry, path: string, hadSeenCopied: boolean): void {
  if (kind === KIND.value)
    found.changes.push({ kind: 'set-beside', late: { path, value, stamp: run.stamp, hadSeenCopied } });
  else if (kind === KIND.tally && corrects === null) operate(found, { op: 'increment', path, value: value as number });
  else if (kind === KIND.tally) found.corrections.push(correctionOf(run.client, path, value as number, corrects!));
  else if (kind === KIND.member) operate(found, { op: 'set-add', path, value: parse(value as string) });
}

/** It names the operation, so that it counts once however many replicas make it again. */
function correctionOf(client: number, path: string, value: number, operation: number): Change {
  return { kind: 'retract', duplicate: { client, places: [['', 0, 0]], increments: [[path, -value]], operation } };
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

function operate({ changes }: Salvage, operation: IntentOperation): void {
  changes.push({ kind: 'operations', operations: [operation] });
}

function parse(json: string): JsonValue {
  return JSON.parse(json) as JsonValue;
}
