/**
 * @module
 * Owns JSON Patch (RFC 6902) on documents. Operations run in order on the model; the caller discards it when one fails, so a
 * patch is applied whole or not at all.
 */
import { canonicalJson } from './canonical-json.ts';
import type { JsonPatchOperation } from './change.ts';
import { CrdtError } from './errors.ts';
import { parsePointer } from './json-pointer.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import { moveElement, removeElement } from './list-edit.ts';
import { locateTarget, locateValue, missing } from './locate.ts';
import type { Element } from './model.ts';
import { plainAdd, plainGet, plainRemove, plainReplace } from './plain-edit.ts';
import { sharedPlace, type SharedPlace } from './shared-value.ts';
import type { Transaction } from './transaction.ts';
import { checkDepth, checkKey, checkValue } from './value-check.ts';
import { parseValue, render } from './view.ts';
import { assign, insertElements, remove } from './write-value.ts';

/** @throws CrdtError with details.index, the position of the failing operation, and details.path. */
export function applyJsonPatch(transaction: Transaction, operations: readonly JsonPatchOperation[]): void {
  if (!Array.isArray(operations)) throw new CrdtError('CRDT_PATCH_INVALID', 'a JSON Patch is an array of operations');
  operations.forEach((operation: JsonPatchOperation, index) => {
    try {
      applyOperation(transaction, operation);
    } catch (error) {
      if (!(error instanceof CrdtError)) throw error;
      throw new CrdtError(error.code, `operation ${index}: ${error.message}`, {
        details: { path: '', ...error.details, index },
        cause: error,
      });
    }
  });
}

function applyOperation(transaction: Transaction, operation: JsonPatchOperation): void {
  if (operation === null || typeof operation !== 'object') throw invalid('an operation is an object');
  if (operation.op === undefined) throw invalid('"op" is missing');
  const segments = pointerOf(operation.path, 'path');
  switch (operation.op) {
    case 'add':
      return add(transaction, segments, checkedValue(transaction, operation, segments));
    case 'replace':
      return replace(transaction, segments, checkedValue(transaction, operation, segments));
    case 'remove':
      return removeAt(transaction, segments);
    case 'copy':
      return copy(transaction, pointerOf(operation.from, 'from'), segments);
    case 'move':
      return move(transaction, pointerOf(operation.from, 'from'), segments);
    case 'test':
      return test(transaction, segments, valueOf(operation), operation.path);
    default:
      throw invalid(`unknown op ${JSON.stringify((operation as { op?: unknown }).op)?.slice(0, 50)}`);
  }
}

function add(transaction: Transaction, segments: readonly string[], value: JsonValue): void {
  if (segments.length === 0) return replaceRoot(transaction, value);
  const shared = sharedPlace(transaction.model, segments);
  if (shared !== null) return editPlace(transaction, shared, (member, rest) => plainAdd(member, rest, value));
  const target = locateTarget(transaction.model, segments);
  if (target.kind === 'key') assign(transaction, target.node, value, true);
  else insertElements(transaction, target.list, target.index, [value]);
}

function replace(transaction: Transaction, segments: readonly string[], value: JsonValue): void {
  if (segments.length === 0) return replaceRoot(transaction, value);
  const shared = sharedPlace(transaction.model, segments);
  if (shared !== null) return editPlace(transaction, shared, (member, rest) => plainReplace(member, rest, value));
  assign(transaction, locateValue(transaction.model, segments), value, true);
}

function replaceRoot(transaction: Transaction, value: JsonValue): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid('a document is an object');
  assign(transaction, transaction.model.root, value as JsonObject, true);
}

function removeAt(transaction: Transaction, segments: readonly string[]): void {
  if (segments.length === 0) throw invalid('the document itself is deleted with DELETE');
  const shared = sharedPlace(transaction.model, segments);
  if (shared !== null) return editPlace(transaction, shared, plainRemove);
  const node = locateValue(transaction.model, segments);
  if (node.element === null) remove(transaction, node);
  else removeElement(transaction, node.element.list, indexOf(node.element));
}

function copy(transaction: Transaction, from: readonly string[], to: readonly string[]): void {
  const value = read(transaction, from);
  checkPlace(transaction, to, value);
  add(transaction, to, value);
}

function move(transaction: Transaction, from: readonly string[], to: readonly string[]): void {
  if (to.length > from.length && from.every((segment, depth) => segment === to[depth]))
    throw invalid('a value cannot move into itself');
  if (to.length === from.length && from.every((segment, depth) => segment === to[depth])) return;
  const element = sharedPlace(transaction.model, from) === null ? locateValue(transaction.model, from).element : null;
  if (element !== null && isSameParent(from, to)) return moveWithin(transaction, element, to);
  const value = read(transaction, from);
  checkPlace(transaction, to, value);
  removeAt(transaction, from);
  add(transaction, to, value);
}

function moveWithin(transaction: Transaction, element: Element, to: readonly string[]): void {
  const target = locateTarget(transaction.model, to);
  if (target.kind !== 'element') throw missing(to);
  // RFC 6902: remove, then add; the target index counts without the element, so the end is one less.
  const end = target.list.elements.length - 1;
  const index = to.at(-1) === '-' ? end : target.index;
  if (index > end) throw missing(to);
  const from = indexOf(element);
  if (from !== index) moveElement(transaction, target.list, from, index);
}

function test(transaction: Transaction, segments: readonly string[], value: JsonValue, path: string): void {
  if (canonicalJson(read(transaction, segments)) !== canonicalJson(value))
    throw new CrdtError('CRDT_PATCH_TEST_FAILED', `the value at ${path.slice(0, 200)} differs`, {
      details: { path: path.slice(0, 200) },
    });
}

function read(transaction: Transaction, segments: readonly string[]): JsonValue {
  const shared = sharedPlace(transaction.model, segments);
  if (shared !== null) return plainGet(shared.value, shared.rest);
  return parseValue(render(locateValue(transaction.model, segments), transaction.model)) as JsonValue;
}

/** Edits the JSON of a member that is a shared type. */
function editPlace(
  transaction: Transaction,
  { node, value, rest }: SharedPlace,
  edit: (value: JsonValue, rest: readonly string[]) => void,
): void {
  edit(value, rest);
  assign(transaction, node, value, true);
}

function checkedValue(
  transaction: Transaction,
  operation: { readonly value: JsonValue },
  segments: readonly string[],
): JsonValue {
  const value = valueOf(operation);
  checkPlace(transaction, segments, value);
  return value;
}

function valueOf(operation: { readonly value: JsonValue }): JsonValue {
  if (!Object.hasOwn(operation, 'value') || operation.value === undefined) throw invalid('"value" is missing');
  return operation.value;
}

/** Checks that a value may be stored at a pointer. */
export function checkPlace(transaction: Transaction, segments: readonly string[], value: JsonValue): void {
  const { limits } = transaction;
  checkDepth(segments.length, '', limits);
  for (const segment of segments) checkKey(segment, '', limits);
  checkValue(value, '', segments.length + 1, limits);
}

function pointerOf(pointer: unknown, name: string): string[] {
  if (typeof pointer !== 'string') throw invalid(`"${name}" is missing`);
  return parsePointer(pointer);
}

function isSameParent(from: readonly string[], to: readonly string[]): boolean {
  return from.length === to.length && from.slice(0, -1).every((segment, depth) => segment === to[depth]);
}

function indexOf(element: Element): number {
  return element.list.elements.indexOf(element);
}

function invalid(reason: string): CrdtError {
  return new CrdtError('CRDT_PATCH_INVALID', reason);
}
