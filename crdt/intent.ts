/**
 * @module
 * Owns intent operations: what JSON cannot say, such as "add three" or "insert here". A missing target is created as the number
 * 0, an empty array, set or text.
 */
import { shownAt, type Candidate } from './candidate.ts';
import { canonicalJson } from './canonical-json.ts';
import type { IntentOperation } from './change.ts';
import { raise } from './count-edit.ts';
import { CrdtError } from './errors.ts';
import { checkPlace } from './json-patch.ts';
import { parsePointer } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import { createList, moveElement, removeElement } from './list-edit.ts';
import { locateOrImply } from './locate.ts';
import { KIND, type Entry, type List, type Node } from './model.ts';
import { addMember, createSet, removeMember } from './set-edit.ts';
import { checkTextRange, createSharedText, createText, editText } from './text-edit.ts';
import { plainAdd, plainGet, plainIntent, plainReplace } from './plain-edit.ts';
import { sharedPlace } from './shared-value.ts';
import type { Transaction } from './transaction.ts';
import { render, textContent } from './view.ts';
import { assign, insertElements } from './write-value.ts';

/** Members of each operation besides `op` and `path`. */
const MEMBERS: Readonly<Record<IntentOperation['op'], readonly string[]>> = {
  increment: ['value'],
  append: ['value'],
  insert: ['index', 'value'],
  remove: ['index'],
  move: ['from', 'to'],
  'set-add': ['value'],
  'set-remove': ['value'],
  'text-insert': ['index', 'value'],
  'text-delete': ['index', 'length'],
};

/** @throws CrdtError with details.index, the position of the failing operation, and details.path. */
export function applyIntents(transaction: Transaction, operations: readonly IntentOperation[]): void {
  if (!Array.isArray(operations)) throw new CrdtError('CRDT_PATCH_INVALID', 'operations are an array');
  operations.forEach((operation: IntentOperation, index) => {
    try {
      applyIntent(transaction, operation);
    } catch (error) {
      if (!(error instanceof CrdtError)) throw error;
      const path = String((operation as IntentOperation | null)?.path).slice(0, 200);
      throw new CrdtError(error.code, `operation ${index}: ${error.message}`, {
        details: { path, ...error.details, index },
        cause: error,
      });
    }
  });
}

function applyIntent(transaction: Transaction, operation: IntentOperation): void {
  if (operation === null || typeof operation !== 'object' || typeof operation.path !== 'string') {
    throw invalid('an operation has "op" and "path"', '');
  }
  const { path } = operation;
  checkMembers(operation, path);
  const segments = parsePointer(path);
  if (segments.length === 0)
    throw new CrdtError('CRDT_TYPE_MISMATCH', 'a document is an object', { details: { path } });
  if ('value' in operation) checkPlace(transaction, segments, [operation.value]);
  if (applyWithin(transaction, operation, segments)) return;
  const node = locateOrImply(transaction.model, segments);
  switch (operation.op) {
    case 'increment':
      return increment(transaction, node, operation.value, path);
    case 'append':
    case 'insert':
    case 'remove':
    case 'move':
      return editList(transaction, node, operation, path);
    case 'set-add':
    case 'set-remove':
      return editSet(transaction, node, operation.op, operation.value, path);
    case 'text-insert':
    case 'text-delete':
      return editTextAt(transaction, node, operation, path);
  }
}

/** An intent at or below a member that is a shared type. Of a text it is left to those that edit texts. */
function applyWithin(transaction: Transaction, operation: IntentOperation, segments: readonly string[]): boolean {
  const shared = sharedPlace(transaction.model, segments, true);
  if (shared === null || (shared.rest.length === 0 && shownAt(shared.node)?.kind === 'text')) return false;
  const { node, value, rest } = shared;
  if (rest.length === 0) {
    assign(transaction, node, plainIntent(value, operation), true);
    return true;
  }
  const parent = plainGet(value, rest.slice(0, -1));
  const isThere = Array.isArray(parent) || Object.hasOwn(parent as object, rest.at(-1) as string);
  const target = plainIntent(isThere ? plainGet(value, rest) : undefined, operation);
  if (isThere) plainReplace(value, rest, target);
  else plainAdd(value, rest, target);
  assign(transaction, node, value, true);
  return true;
}

/** Refuses what an operation does not know: a misspelt member would be lost without a word, a missing value stored as none. */
function checkMembers(operation: IntentOperation, path: string): void {
  const { op } = operation;
  if (op === undefined) throw invalid('"op" is missing', path);
  if (!Object.hasOwn(MEMBERS, op)) throw invalid(`unknown op ${JSON.stringify(op)?.slice(0, 50)}`, path);
  const members = MEMBERS[op];
  for (const name of Object.keys(operation)) {
    if (name === 'op' || name === 'path' || members.includes(name)) continue;
    throw invalid(`"${name.slice(0, 50)}" is no member of ${op}, which has op, path, ${members.join(', ')}`, path);
  }
  const given = operation as { readonly value?: JsonValue };
  if (members.includes('value') && given.value === undefined) throw invalid('"value" is missing', path);
}

function increment(transaction: Transaction, node: Node, amount: number, path: string): void {
  if (typeof amount !== 'number' || !Number.isFinite(amount)) throw invalid('"value" is a number', path);
  const shown = shownAt(node);
  if (shown !== null && (shown.kind !== 'value' || typeof shown.value !== 'number'))
    throw mismatch(path, 'number', shown);
  if (raise(transaction, node, shown === null ? 0 : (shown.value as number), amount)) return;
  throw new CrdtError('CRDT_VALUE_INVALID', 'the count would leave ±(2^53 - 1), where it is exact', {
    details: { path },
  });
}

type ListOperation = Extract<IntentOperation, { op: 'append' | 'insert' | 'remove' | 'move' }>;

function editList(transaction: Transaction, node: Node, operation: ListOperation, path: string): void {
  const shown = shownAt(node);
  if (shown !== null && shown.kind !== 'array') throw mismatch(path, 'array', shown);
  const list = shown === null ? createMissingList(transaction, node) : shown.list;
  const { length } = list.elements;
  switch (operation.op) {
    case 'append':
      return insertElements(transaction, list, length, [operation.value]);
    case 'insert':
      checkIndex(operation.index, length, path);
      return insertElements(transaction, list, operation.index, [operation.value]);
    case 'remove':
      checkIndex(operation.index, length - 1, path);
      return removeElement(transaction, list, operation.index);
    case 'move':
      checkIndex(operation.from, length - 1, path);
      checkIndex(operation.to, length - 1, path);
      if (operation.from !== operation.to) moveElement(transaction, list, operation.from, operation.to);
  }
}

function createMissingList(transaction: Transaction, node: Node): List {
  const known = clearMissing(transaction, node);
  const list = createList(transaction, node);
  if (known !== null) transaction.put(KIND.base, node, null, known);
  return list;
}

function editSet(
  transaction: Transaction,
  node: Node,
  op: 'set-add' | 'set-remove',
  value: JsonValue,
  path: string,
): void {
  const shown = shownAt(node);
  if (shown !== null && shown.kind !== 'set' && shown.kind !== 'array') throw mismatch(path, 'set', shown);
  if (shown?.kind !== 'set') {
    // An array written as JSON becomes a set with its first set operation.
    const members = shown === null ? [] : (JSON.parse(render(node, transaction.model)) as JsonValue[]);
    const known = clearMissing(transaction, node);
    createSet(transaction, node, members);
    if (known !== null) transaction.put(KIND.base, node, null, known);
  }
  const member = canonicalJson(value);
  if (op === 'set-add') addMember(transaction, node, member);
  else if (node.entries.some((entry) => entry.kind === KIND.member && entry.value === member))
    removeMember(transaction, node, member);
}

type TextOperation = Extract<IntentOperation, { op: 'text-insert' | 'text-delete' }>;

function editTextAt(transaction: Transaction, node: Node, operation: TextOperation, path: string): void {
  const shown = shownAt(node);
  const plain = shown?.kind === 'value' && typeof shown.value === 'string' ? shown.value : null;
  if (shown !== null && shown.kind !== 'text' && plain === null) throw mismatch(path, 'text', shown);
  const length = operation.op === 'text-delete' ? operation.length : 0;
  const insert = operation.op === 'text-insert' ? operation.value : '';
  if (typeof insert !== 'string') throw invalid('"value" is a string', path);
  const content = shown?.kind === 'text' ? textContent(shown.entry, transaction.model) : (plain ?? '');
  checkTextRange(content, path, operation.index, length);
  let entry: Entry;
  if (shown?.kind !== 'text') {
    const known = clearMissing(transaction, node);
    // A string written as JSON becomes a text with its first text operation; one of this write, as strings do not merge.
    entry = plain === null ? createSharedText(transaction, node) : createText(transaction, node, plain);
    if (known !== null) transaction.put(KIND.base, node, null, known);
  } else {
    entry = shown.entry;
  }
  if (insert !== '' || length > 0) editText(transaction, entry, operation.index, length, insert);
}

/** Prepares a path that shows nothing: what hides there goes, except tallies to remember. */
function clearMissing(transaction: Transaction, node: Node): ReturnType<Transaction['clear']> {
  const known = transaction.clear(node);
  transaction.settleAncestors(node);
  return known;
}

function checkIndex(index: number, max: number, path: string): void {
  if (!Number.isSafeInteger(index) || index < 0) throw invalid('an index is a whole number from 0', path);
  if (index > max) {
    throw new CrdtError('CRDT_PATCH_TARGET_MISSING', `index ${index} is past the end`, {
      details: { path, position: index, actual: max + 1 },
    });
  }
}

function mismatch(path: string, wanted: string, shown: Candidate): CrdtError {
  const actual = shown.kind === 'value' ? (shown.value === null ? 'null' : typeof shown.value) : shown.kind;
  return new CrdtError(
    'CRDT_TYPE_MISMATCH',
    `${path.slice(0, 200)} holds ${withArticle(actual)}, not ${withArticle(wanted)}`,
    {
      details: { path: path.slice(0, 200), actual },
    },
  );
}

function withArticle(noun: string): string {
  if (noun === 'null') return noun;
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

function invalid(reason: string, path: string): CrdtError {
  return new CrdtError('CRDT_PATCH_INVALID', reason, { details: { path: path.slice(0, 200) } });
}
