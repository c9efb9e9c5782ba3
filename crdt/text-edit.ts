/**
 * @module
 * Owns edits of texts (SPEC CR5): a root text per path and generation, and a marker entry that makes it stand there.
 */
import { isCopyClient } from './client-id.ts';
import { CrdtError } from './errors.ts';
import { KIND, UNWRITTEN, type Entry, type Node } from './model.ts';
import { isMemberRoot } from './root-name.ts';
import type { Transaction } from './transaction.ts';
import { textContent, textName } from './view.ts';

/**
 * Creates a text that belongs to this write, like any value that is set. That of a copy is the one that every replica means: what is taken
 * along from the generation before belongs to it.
 */
export function createText(transaction: Transaction, node: Node, content: string): Entry {
  const isShared = isCopyClient(transaction.author.client) && isWritten(node);
  const name = isShared ? sharedName(node) : transaction.nextTextName();
  const entry = transaction.put(KIND.text, node, name);
  if (content !== '') transaction.editText(textName(entry), 0, 0, content);
  return entry;
}

/** Creates the text that every replica means by this path, so that concurrent edits of a missing text merge. */
export function createSharedText(transaction: Transaction, node: Node): Entry {
  transaction.settleAncestors(node);
  return transaction.put(KIND.text, node, isWritten(node) ? sharedName(node) : transaction.nextTextName());
}

/** A text that is a member of the document has the root type of that name, so that an editor opens it as it opens its own. */
function sharedName(node: Node): string {
  const isMember = node.parent !== null && node.parent.parent === null && node.elementId === null;
  return isMember && node.key !== '' && isMemberRoot(node.key) ? node.key : '';
}

/** Edits a text and renews its marker, so that an edit survives a concurrent delete (CR2). */
export function editText(transaction: Transaction, entry: Entry, index: number, remove: number, insert: string): Entry {
  const { node, value } = entry;
  const name = textName(entry);
  transaction.settleAncestors(node);
  transaction.settle(node, { kind: 'text', entry });
  let marker = entry;
  if (entry.clock !== UNWRITTEN) {
    // Dropped one by one: dropping a marker through the node would erase its content.
    for (const old of node.entries) {
      if (old.kind === KIND.text) transaction.drop(old);
    }
    node.entries = node.entries.filter((old) => old.kind !== KIND.text);
    marker = transaction.put(KIND.text, node, value);
  }
  transaction.editText(name, index, remove, insert);
  node.invalidate();
  return marker;
}

/** Makes a text show a string with one edit: what lies between the common start and end. */
export function assignText(transaction: Transaction, entry: Entry, target: string): void {
  const current = textContent(entry, transaction.model);
  if (current === target) return;
  const shortest = Math.min(current.length, target.length);
  let start = 0;
  while (start < shortest && current[start] === target[start]) start++;
  if (splitsPair(current, start) || splitsPair(target, start)) start--;
  let end = 0;
  while (end < shortest - start && current[current.length - 1 - end] === target[target.length - 1 - end]) end++;
  if (splitsPair(current, current.length - end) || splitsPair(target, target.length - end)) end--;
  editText(transaction, entry, start, current.length - end - start, target.slice(start, target.length - end));
}

/** Checks a range of a text. @throws CrdtError `CRDT_PATCH_TARGET_MISSING` or `CRDT_PATCH_INVALID`. */
export function checkTextRange(content: string, path: string, index: number, length: number): void {
  const isWhole = Number.isSafeInteger(index) && index >= 0 && Number.isSafeInteger(length) && length >= 0;
  if (!isWhole)
    throw new CrdtError('CRDT_PATCH_INVALID', 'index and length are whole numbers from 0', { details: { path } });
  if (index + length > content.length) {
    throw new CrdtError('CRDT_PATCH_TARGET_MISSING', `the text has ${content.length} UTF-16 units`, {
      details: { path, position: index + length, actual: content.length },
    });
  }
  if (splitsPair(content, index) || splitsPair(content, index + length)) {
    throw new CrdtError('CRDT_PATCH_INVALID', 'the range would cut a character in half', {
      details: { path, position: index },
    });
  }
}

function splitsPair(text: string, index: number): boolean {
  return (
    index > 0 &&
    index < text.length &&
    (text.charCodeAt(index) & 0xfc00) === 0xdc00 &&
    (text.charCodeAt(index - 1) & 0xfc00) === 0xd800
  );
}

/** Tells whether every element on the way to a node has its id already, so that its path names it. */
function isWritten(node: Node): boolean {
  for (let at: Node | null = node; at !== null; at = at.parent) {
    if (at.elementId !== null && at.elementId.clock < 0) return false;
  }
  return true;
}
