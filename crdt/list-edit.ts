/**
 * @module
 * Owns edits of arrays (SPEC CR4 to CR7). Elements keep their identity through replace and move; new ones are written next to
 * their left neighbour by write-update.ts.
 */
import type { JsonValue } from './json-value.ts';
import { KIND, Node, UNWRITTEN, type Element, type List } from './model.ts';
import type { Transaction } from './transaction.ts';

/** Starts an array that belongs to this write: concurrent ones stay apart (CR4). */
export function createListGeneration(transaction: Transaction, node: Node): List {
  return startList(transaction, node, null);
}

/** Starts the array that every replica means by this path: concurrent list operations merge (CR4). */
export function createList(transaction: Transaction, node: Node): List {
  return startList(transaction, node, '');
}

/** Inserts elements before the one at `index`; the caller writes the content of containers. */
export function insertSlots(
  transaction: Transaction,
  list: List,
  index: number,
  values: readonly JsonValue[],
): Element[] {
  touchList(transaction, list);
  const { client } = transaction.author;
  const elements = values.map((value): Element => {
    const node = new Node(list.node, '', { client, clock: UNWRITTEN });
    const inline = value === null || typeof value !== 'object' ? value : undefined;
    const element: Element = {
      run: transaction.run,
      clock: UNWRITTEN,
      list,
      header: null,
      inline,
      node,
      moves: [],
      at: null,
      position: 0,
    };
    node.element = element;
    return element;
  });
  list.elements.splice(index, 0, ...elements);
  return elements;
}

export function removeElement(transaction: Transaction, list: List, index: number): void {
  touchList(transaction, list);
  const [element] = list.elements.splice(index, 1);
  transaction.dropElement(element as Element);
}

/** Moves an element so that it ends up at `to`. */
export function moveElement(transaction: Transaction, list: List, from: number, to: number): void {
  touchList(transaction, list);
  const [element] = list.elements.splice(from, 1) as [Element];
  list.elements.splice(to, 0, element);
  for (const move of element.moves) {
    transaction.drop(move);
    move.header.slots--;
  }
  element.moves = [];
  element.at = null;
}

/** Claims a list for this write: what else stood at its path is settled, orphaned edits included (CR6). */
export function touchList(transaction: Transaction, list: List): void {
  transaction.lists.add(list);
  if (list.headers.length === 0) return;
  transaction.settleAncestors(list.node);
  transaction.settle(list.node, { kind: 'array', list });
  transaction.clearOrphans(list.node);
  list.node.invalidate();
}

function startList(transaction: Transaction, node: Node, generation: string | null): List {
  const list: List = { node, generation, headers: [], elements: [] };
  node.lists = [list];
  const header = transaction.put(KIND.list, node, null);
  header.list = list;
  list.headers.push(header);
  transaction.lists.add(list);
  return list;
}
