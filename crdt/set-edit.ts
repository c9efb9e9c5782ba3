/**
 * @module
 * Owns edits of sets (SPEC CR9): one entry per addition of a member, so that a removal touches only additions it observed.
 */
import { canonicalJson } from './canonical-json.ts';
import type { JsonValue } from './json-value.ts';
import { KIND, type Node } from './model.ts';
import type { Transaction } from './transaction.ts';
import { setMembers } from './view.ts';

export function createSet(transaction: Transaction, node: Node, members: readonly JsonValue[]): void {
  transaction.put(KIND.set, node, null);
  for (const member of new Set(members.map(canonicalJson))) transaction.put(KIND.member, node, member);
}

/** Adds a member, also when it is there already: the new addition outlives a concurrent removal. */
export function addMember(transaction: Transaction, node: Node, member: string): void {
  settleSet(transaction, node);
  transaction.dropEntries(node, (entry) => entry.kind === KIND.member && entry.value === member);
  transaction.put(KIND.member, node, member);
}

export function removeMember(transaction: Transaction, node: Node, member: string): void {
  settleSet(transaction, node);
  transaction.dropEntries(node, (entry) => entry.kind === KIND.member && entry.value === member);
  if (!node.entries.some((entry) => entry.kind === KIND.set)) transaction.put(KIND.set, node, null);
}

/** Makes a set show exactly these members. */
export function assignSet(transaction: Transaction, node: Node, members: readonly JsonValue[]): void {
  const target = new Set(members.map(canonicalJson));
  const current = new Set(setMembers(node));
  for (const member of current) {
    if (!target.has(member)) removeMember(transaction, node, member);
  }
  for (const member of target) {
    if (!current.has(member)) addMember(transaction, node, member);
  }
}

function settleSet(transaction: Transaction, node: Node): void {
  transaction.settleAncestors(node);
  transaction.settle(node, { kind: 'set' });
}
