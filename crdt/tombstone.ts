/**
 * @module
 * Owns whether a document exists (SPEC CR11). A tombstone covers what its author had observed; content stays below it, so that a
 * concurrent update can revive the whole document. A pure function of the live content.
 */
import type { Author } from './change.ts';
import { UNWRITTEN, type Model, type Tombstone } from './model.ts';
import type { Transaction } from './transaction.ts';

/** Tells whether a document exists: something was written, and no tombstone covers it. */
export function exists(model: Model): boolean {
  const { tombstones, clocks } = model;
  if (tombstones.length === 0) return clocks.size > 0;
  const covered = coverage(tombstones);
  let hasUnseenWrite = false;
  for (const [client, clock] of clocks) {
    if (clock > (covered.get(client) ?? 0)) hasUnseenWrite = true;
  }
  if (!hasUnseenWrite) return false;
  const final = tombstones.filter((tombstone) => tombstone.deleteWins);
  if (final.length === 0) return true;
  // Delete-wins: only a document created anew by someone who had not seen the delete lives on.
  const finallyCovered = coverage(final);
  for (const run of model.runs) {
    if (run.creation && run.clock >= (finallyCovered.get(run.client) ?? 0)) return true;
  }
  return false;
}

/** The latest write that a delete took without having seen it (delete-wins), or null: what CR15 keeps readable. */
export function lostWrite(model: Model): { readonly stamp: number; readonly client: number } | null {
  if (exists(model)) return null;
  const covered = coverage(model.tombstones);
  const isUnseen = (client: number, clock: number): boolean => clock >= (covered.get(client) ?? 0);
  let latest: { readonly stamp: number; readonly client: number } | null = null;
  for (const [client, next] of model.clocks) {
    if (isUnseen(client, next - 1)) latest = { stamp: 0, client };
  }
  for (const { client, clock, stamp } of model.runs) {
    if (latest === null || !isUnseen(client, clock)) continue;
    if (stamp > latest.stamp || (stamp === latest.stamp && client > latest.client)) latest = { stamp, client };
  }
  return latest;
}

/** Deletes the document: one tombstone takes the place of those it observed. */
export function bury(transaction: Transaction, policy: Author['deletePolicy']): void {
  const { model, run } = transaction;
  dropTombstones(transaction);
  transaction.tombstone = {
    run,
    clock: UNWRITTEN,
    deleteWins: policy === 'delete-wins',
    observed: new Map(model.clocks),
  };
  model.tombstones = [transaction.tombstone];
}

/** Takes away tombstones that a write on a living document has observed. */
export function dropTombstones(transaction: Transaction): void {
  for (const tombstone of transaction.model.tombstones) transaction.drop(tombstone);
  transaction.model.tombstones = [];
}

/** Deletes all that is left below the tombstones of a deleted document, so that a write starts from an empty one. */
export function startAnew(transaction: Transaction): void {
  const { model } = transaction;
  dropTombstones(transaction);
  transaction.clear(model.root);
  for (const run of model.runs) {
    if (run.live > 0) continue;
    model.runs.delete(run);
    transaction.removed.push({ client: run.client, clock: run.clock });
  }
}

/** Clocks below which everything was observed by a tombstone or is part of its own write. */
function coverage(tombstones: readonly Tombstone[]): Map<number, number> {
  const covered = new Map<number, number>();
  const cover = (client: number, clock: number): void => {
    if (clock > (covered.get(client) ?? 0)) covered.set(client, clock);
  };
  for (const { run, clock, observed } of tombstones) {
    cover(run.client, clock + 1);
    for (const [client, seen] of observed) cover(client, seen);
  }
  return covered;
}
