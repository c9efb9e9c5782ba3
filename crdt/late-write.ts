/**
 * @module
 * Owns what was written to a generation of a document that is gone, as one writes it who knows nothing of the document: by itself, under a
 * client of its own (client-id.ts), next to whatever there is. Its bytes follow from what was written and from nothing else, so all
 * replicas that take it along write the same, and it is there once. It merges as writes do whose authors had not seen each other.
 */
import type { LateWrite } from './change.ts';
import { createList } from './list-edit.ts';
import { KIND, Node } from './model.ts';
import { createSharedText, editText } from './text-edit.ts';
import type { Transaction } from './transaction.ts';
import { insertElements, isScalar, write } from './write-value.ts';

export function writeLate(transaction: Transaction, late: LateWrite): void {
  const node = nodeAt(transaction, late.path);
  switch (late.kind) {
    case 'object':
      if (node.parent !== null) transaction.put(KIND.object, node, null);
      break;
    case 'set':
      transaction.put(KIND.set, node, null);
      break;
    case 'list':
      createList(transaction, node);
      break;
    case 'value':
      transaction.put(KIND.value, node, late.value);
      break;
    case 'json':
      if (isScalar(late.value)) transaction.put(KIND.value, node, late.value);
      else write(transaction, node, late.value);
      break;
    case 'element':
      insertElements(transaction, createList(transaction, node), 0, [late.value]);
      break;
    case 'member':
      transaction.put(KIND.set, node, null);
      transaction.put(KIND.member, node, late.value);
      break;
    case 'count':
      transaction.put(KIND.tally, node, late.value, null, late.operation);
      break;
    default:
      editText(transaction, createSharedText(transaction, node), 0, 0, late.value);
  }
}

/** What is on the way stands, too: a write below it is a write to it. */
function nodeAt(transaction: Transaction, path: LateWrite['path']): Node {
  let node = transaction.model.root;
  for (const segment of path) {
    if (node.parent !== null && typeof segment === 'string') transaction.put(KIND.object, node, null);
    node = typeof segment === 'string' ? node.child(segment) : new Node(node, '', segment);
  }
  return node;
}
