/**
 * @module
 * Owns setting a value beside what stands at a path, as a write that is merged does: nothing goes that its author had not seen. Of values
 * that stand beside each other the later one is shown, and the others are conflicts.
 */
import type { LateValue } from './change.ts';
import { isCopyClient } from './client-id.ts';
import { parsePointer } from './json-pointer.ts';
import { KIND, type Entry } from './model.ts';
import type { Transaction } from './transaction.ts';

export function setBeside(transaction: Transaction, { path, value, hadSeenCopied }: LateValue): void {
  let node = transaction.model.root;
  for (const key of parsePointer(path)) {
    const isMarked = node.parent === null || node.entries.some(({ kind }) => kind === KIND.object);
    if (!isMarked) transaction.put(KIND.object, node, null);
    node = node.child(key);
  }
  const isValue = ({ kind }: Entry): boolean => kind === KIND.value;
  if (node.entries.some((entry) => isValue(entry) && entry.value === value)) return;
  if (hadSeenCopied) transaction.dropEntries(node, (entry) => isValue(entry) && isCopyClient(entry.run.client));
  transaction.put(KIND.value, node, value);
}
