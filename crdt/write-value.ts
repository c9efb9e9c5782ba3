/**
 * @module
 * Owns writing JSON at a path: as the smallest edit of what stands there (SPEC CR12), or afresh.
 */
import { diffArray } from './array-diff.ts';
import { canonicalJson } from './canonical-json.ts';
import { candidatesAt, shownAt, type Candidate } from './candidate.ts';
import { assignCounter } from './count-edit.ts';
import type { JsonObject, JsonScalar, JsonValue } from './json-value.ts';
import { createList, createListGeneration, insertSlots, removeElement } from './list-edit.ts';
import { KIND, type Element, type List, type Node, type SeenTallies } from './model.ts';
import { assignSet, createSet } from './set-edit.ts';
import { assignText, createText } from './text-edit.ts';
import { assignShared } from './shared-value.ts';
import type { Transaction } from './transaction.ts';
import { render } from './view.ts';

/**
 * Makes a node show a value with the fewest edits.
 *
 * @param settles - An explicit write of this path: it also settles conflicts when the value is already shown. A replace of
 * a whole document is not, for the paths it leaves alone.
 */
export function assign(transaction: Transaction, node: Node, value: JsonValue, settles: boolean): void {
  const shown = shownAt(node);
  if (!isScalar(value) && !Array.isArray(value) && shown?.kind === 'object') {
    assignObject(transaction, node, value as JsonObject, settles);
  } else if (Array.isArray(value) && shown?.kind === 'array') {
    assignArray(transaction, shown.list, value, settles);
  } else if (Array.isArray(value) && shown?.kind === 'set') {
    assignSet(transaction, node, value);
  } else if (shown !== null && assignShared(transaction, node, shown, value)) {
    // What it shows is settled with it.
  } else if (typeof value === 'string' && shown?.kind === 'text') {
    assignText(transaction, shown.entry, value);
  } else if (shown !== null && assignCounter(transaction, node, shown, value)) {
    return;
  } else if (shown === null || !isScalar(value) || !showsScalar(shown, value)) {
    writeAfresh(transaction, node, value);
    return;
  }
  if (settles) settleConflicts(transaction, node, shown as Candidate, value);
}

/** Deletes what stands at a path. */
export function remove(transaction: Transaction, node: Node): void {
  const known = transaction.clear(node);
  transaction.settleAncestors(node);
  if (known !== null) transaction.put(KIND.base, node, null, known);
  else if (node.children === null) node.parent?.children?.delete(node.key);
}

/** Writes a value where nothing stands any more. Its ancestors must be settled. */
export function write(transaction: Transaction, node: Node, value: JsonValue, known: SeenTallies | null = null): void {
  const declared = transaction.declaredType(node);
  if (declared === 'text' && typeof value === 'string') {
    createText(transaction, node, value);
  } else if (isScalar(value)) {
    transaction.put(KIND.value, node, value, known);
    return;
  } else if (!Array.isArray(value)) {
    writeObject(transaction, node, value as JsonObject);
  } else if (declared === 'set') {
    createSet(transaction, node, value);
  } else {
    const list = declared === 'array' ? createList(transaction, node) : createListGeneration(transaction, node);
    insertElements(transaction, list, 0, value);
  }
  if (known !== null) transaction.put(KIND.base, node, null, known);
}

/** Inserts values before the element at `index`. */
export function insertElements(
  transaction: Transaction,
  list: List,
  index: number,
  values: readonly JsonValue[],
): void {
  if (values.length === 0) return;
  insertSlots(transaction, list, index, values).forEach((element, offset) => {
    if (element.inline === undefined) write(transaction, element.node, values[offset] as JsonValue);
  });
}

function writeAfresh(transaction: Transaction, node: Node, value: JsonValue): void {
  const known = transaction.clear(node);
  transaction.settleAncestors(node);
  write(transaction, node, value, known);
}

function writeObject(transaction: Transaction, node: Node, value: JsonObject): void {
  if (node.parent !== null) transaction.put(KIND.object, node, null);
  for (const key of scalarsFirst(value)) {
    write(transaction, node.child(key), value[key] as JsonValue, knownAt(transaction, node.child(key)));
  }
}

/** Keys in writing order: scalars follow the marker of their object, so that their paths can be written relative to it. */
export function scalarsFirst(value: JsonObject): string[] {
  const scalars: string[] = [];
  const containers: string[] = [];
  for (const key of Object.keys(value)) (isScalar(value[key] as JsonValue) ? scalars : containers).push(key);
  return containers.length === 0 ? scalars : scalars.concat(containers);
}

/** A path cleared before may remember tallies; whatever is written there next carries them. */
function knownAt(transaction: Transaction, node: Node): SeenTallies | null {
  return node.entries.length === 0 ? null : transaction.clear(node);
}

function assignObject(transaction: Transaction, node: Node, value: JsonObject, settles: boolean): void {
  for (const [key, child] of node.children ?? []) {
    if (Object.hasOwn(value, key)) continue;
    if (render(child, transaction.model) !== '') remove(transaction, child);
  }
  for (const key of scalarsFirst(value)) assign(transaction, node.child(key), value[key] as JsonValue, settles);
}

/**
 * Makes an array show another. Where only containers at the same places differ, those are edited. Otherwise the array is set
 * as a value: of two set concurrently one is shown whole, and the other is a readable conflict (CR4). Only where the collection
 * declares an array are elements edited one by one, so that concurrent edits of the array itself merge.
 */
function assignArray(transaction: Transaction, list: List, target: readonly JsonValue[], settles: boolean): void {
  const current = list.elements.map((element) => render(element.node, transaction.model));
  if (transaction.declaredType(list.node) === 'array') {
    editArray(transaction, list, current, target, settles);
  } else if (
    current.length === target.length &&
    target.every((value, index) => fits(current[index] as string, value))
  ) {
    target.forEach((value, index) => {
      if (!isScalar(value)) assign(transaction, (list.elements[index] as Element).node, value, settles);
    });
  } else {
    writeAfresh(transaction, list.node, target);
  }
}

/** Tells whether a value can take the place of an element by edits inside it, or is equal to it. */
function fits(current: string, value: JsonValue): boolean {
  if (isScalar(value)) return current === canonicalJson(value);
  return current.startsWith(Array.isArray(value) ? '[' : '{');
}

/** Makes a list show an array with the fewest edits of elements. */
function editArray(
  transaction: Transaction,
  list: List,
  current: readonly string[],
  target: readonly JsonValue[],
  settles: boolean,
): void {
  let shift = 0;
  for (const edit of diffArray(current, target)) {
    const index = edit.index + shift;
    if (edit.op === 'replace') {
      assign(transaction, (list.elements[index] as Element).node, edit.value, settles);
    } else if (edit.op === 'remove') {
      removeElement(transaction, list, index);
      shift--;
    } else {
      insertElements(transaction, list, index, edit.values);
      shift += edit.values.length;
    }
  }
}

function showsScalar(shown: Candidate, value: JsonScalar): boolean {
  return shown.kind === 'value' && shown.value === value;
}

/** Deletes losing values at a node, keeping the one it shows. */
export function settleConflicts(transaction: Transaction, node: Node, shown: Candidate, value: JsonValue): void {
  if (shown.kind === 'value') {
    if (candidatesAt(node).length > 1) writeAfresh(transaction, node, value);
  } else if (candidatesAt(node).length > 1 || node.orphans !== null) {
    transaction.settle(node, shown);
    transaction.settleAncestors(node);
  }
}

export function isScalar(value: JsonValue): value is JsonScalar {
  return value === null || typeof value !== 'object';
}
