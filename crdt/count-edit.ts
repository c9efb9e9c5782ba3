/**
 * @module
 * Owns edits of numbers that count (SPEC CR8, CR60): what is added raises the running tally of its writer.
 */
import { candidatesAt, type Candidate } from './candidate.ts';
import { currentTally } from './counter.ts';
import type { JsonValue } from './json-value.ts';
import { KIND, nodePath, type Entry, type Node } from './model.ts';
import type { Transaction } from './transaction.ts';

/**
 * Raises this client's tally. Losing values stay readable: an increment does not choose between them.
 *
 * @param shown - What the node shows; 0 for nothing.
 * @returns False, and nothing changed, when the count would leave the range in which it is exact.
 */
export function raise(transaction: Transaction, node: Node, shown: number, amount: number): boolean {
  const { client } = transaction.author;
  const tally = currentTally(node, client) + amount;
  if (Math.abs(tally) > Number.MAX_SAFE_INTEGER || Math.abs(shown + amount) > Number.MAX_SAFE_INTEGER) return false;
  transaction.settleAncestors(node);
  transaction.dropEntries(node, (entry) => isTallyOf(entry, client));
  transaction.put(KIND.tally, node, tally === 0 ? 0 : tally);
  const where = nodePath(node);
  // Elements of this write have no names yet: what is added to them is part of them.
  if (!where.includes('.-')) transaction.author.onIncrement?.([where, amount]);
  return true;
}

/**
 * Makes a declared counter show a whole number by adding to the one it shows, so that what others add meanwhile, or put, adds up.
 *
 * @returns False, and nothing changed, when the value is to be written instead.
 */
export function assignCounter(transaction: Transaction, node: Node, shown: Candidate, value: JsonValue): boolean {
  if (typeof value !== 'number' || shown.kind !== 'value' || typeof shown.value !== 'number') return false;
  if (shown.value === value || transaction.declaredType(node) !== 'counter') return false;
  // Fractions do not add up to what was asked for, and a conflict is settled by a value.
  const isExact = Number.isSafeInteger(value) && Number.isSafeInteger(shown.value) && node.entries.every(isWhole);
  return isExact && candidatesAt(node).length === 1 && raise(transaction, node, shown.value, value - shown.value);
}

function isWhole({ value, seen }: Entry): boolean {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return false;
  return seen === null || [...seen.values()].every(({ tally }) => Number.isSafeInteger(tally));
}

function isTallyOf(entry: Entry, client: number): boolean {
  return entry.kind === KIND.tally && entry.corrects === null && entry.run.client === client;
}
