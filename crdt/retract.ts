/**
 * @module
 * Owns taking back what a repeated write has added (SPEC CR16): elements, characters and counts that its twin has added, too. What it has
 * set is not touched: set twice is set once. Whoever does it writes the same, so that any number of replicas may.
 */
import type { DuplicateWrite } from './change.ts';
import { decodeSegment } from './json-pointer.ts';
import { elementName, KIND, type Element, type List, type Model, type Node } from './model.ts';
import type { Transaction } from './transaction.ts';

/** Characters of a write in a root text, as it stands. */
export interface TextRange {
  readonly name: string;
  readonly index: number;
  readonly length: number;
}

/** A write in one generation of a document; without clocks, if it is in it under another name, because it was copied or made again. */
export interface PlacedWrite extends Omit<DuplicateWrite, 'places' | 'twins'> {
  readonly from: number;
  readonly to: number;
}

/** @param texts - What is left of the write in texts, the last of each text first. */
export function retract(transaction: Transaction, duplicate: PlacedWrite, texts: readonly TextRange[]): void {
  const { model } = transaction;
  for (const list of listsBelow(model.root)) retractElements(transaction, list, duplicate);
  for (const { name, index, length } of texts) {
    if (!name.startsWith(ownTexts(duplicate))) transaction.editText(name, index, length, '');
  }
  for (const [path, amount] of totals(duplicate)) {
    const node = findNode(model, path);
    if (node !== null && amount !== 0) correct(transaction, node, amount, duplicate);
  }
}

/** An array that the write has begun is a value like any other: the twin has begun its own. */
function retractElements(transaction: Transaction, list: List, duplicate: PlacedWrite): void {
  if (
    list.headers.some(
      (header) => isWithin(header.run.client, header.clock, duplicate) && beginsHere(list, header.clock),
    )
  )
    return;
  const doomed = list.elements.filter(({ run, clock }) => isWithin(run.client, clock, duplicate));
  if (doomed.length === 0) return;
  list.elements = list.elements.filter((element) => !doomed.includes(element));
  for (const element of doomed) transaction.dropElement(element);
  list.node.invalidate();

  function beginsHere({ generation }: List, clock: number): boolean {
    return generation === elementName({ client: duplicate.client, clock });
  }
}

function isWithin(client: number, clock: number, { client: of, from, to }: PlacedWrite): boolean {
  return client === of && clock >= from && clock < to;
}

/** Texts that the write has begun are values like any other. */
function ownTexts({ client, from }: PlacedWrite): string {
  return `u${client.toString(36)}.${from.toString(36)}.`;
}

/** Where the count of the write is still known: as a tally, or absorbed by what was set over it. */
function correct(transaction: Transaction, node: Node, amount: number, write: PlacedWrite): void {
  const { client, operation, from, to } = write;
  const isKnown = (of: number): boolean =>
    node.entries.some(
      (entry) =>
        entry.seen?.has(of) === true || (entry.kind === KIND.tally && (entry.corrects ?? entry.run.client) === of),
    );
  if ((from === to || isKnown(client)) && !isKnown(operation))
    transaction.put(KIND.tally, node, -amount, null, operation);
}

/** One for each path: it stands for all the write has added there. */
function totals({ increments }: PlacedWrite): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const [path, amount] of increments) sums.set(path, (sums.get(path) ?? 0) + amount);
  return sums;
}

function* listsBelow(node: Node): Generator<List> {
  for (const list of node.lists ?? []) {
    yield list;
    for (const element of [...list.elements]) yield* listsBelow(element.node);
  }
  for (const child of node.children?.values() ?? []) yield* listsBelow(child);
}

/** The node of a path in the notation of the representation; null when an element on the way is gone. */
function findNode(model: Model, path: string): Node | null {
  let node = model.root;
  for (const segment of path.split('/').slice(1)) {
    const isElement = segment.startsWith('~e');
    const next = isElement ? findElement(node, segment.slice(2)) : node.children?.get(decodeSegment(segment));
    if (next === undefined || next === null) return null;
    node = next;
  }
  return node;
}

function findElement(node: Node, name: string): Node | null {
  const isNamed = ({ run, clock }: Element): boolean => elementName({ client: run.client, clock }) === name;
  for (const list of node.lists ?? []) {
    const element = list.elements.find(isNamed);
    if (element !== undefined) return element.node;
  }
  return null;
}
