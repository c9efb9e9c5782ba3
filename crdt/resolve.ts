/**
 * @module
 * Owns settling conflicts: which of the values that concurrent writes left at a path stays (SPEC CF1). A resolution is a write like any
 * other: it takes away what its author observed, and what others wrote meanwhile is a conflict again.
 */
import type { Author, Resolution } from './change.ts';
import { CrdtError } from './errors.ts';
import type { JsonValue } from './json-value.ts';
import type { Candidate } from './candidate.ts';
import { candidatesAt, shownAt } from './candidate.ts';
import { bury, startAnew } from './tombstone.ts';
import type { Transaction } from './transaction.ts';
import { checkValue } from './value-check.ts';
import { findConflicts, findLost, type FoundConflict } from './view.ts';
import { assign, insertElements, settleConflicts } from './write-value.ts';

/** @param check - Refuses what is not a document. */
export function applyResolutions(
  transaction: Transaction,
  resolutions: readonly Resolution[],
  check: (value: unknown) => void,
): void {
  for (const resolution of checked(resolutions)) {
    const conflict = pick(findConflicts(transaction.model), resolution);
    if (conflict.kind === 'orphan') resolveOrphan(transaction, conflict, resolution);
    else resolveShown(transaction, conflict, resolution, check);
  }
}

/** Of a deleted document: it stays deleted, or is there again. */
export function applyLostResolutions(
  transaction: Transaction,
  resolutions: readonly Resolution[],
  policy: Author['deletePolicy'],
  check: (value: unknown) => void,
): void {
  const [first, ...more] = checked(resolutions);
  if (first === undefined || more.length > 0)
    throw missing('', 'a deleted document has one resolution, of the path ""');
  const conflict = pick(findLost(transaction.model), first);
  if ('keep' in first) {
    bury(transaction, policy);
    return;
  }
  const value = chosen(conflict, first);
  check(value);
  if ('value' in first) checkValue(value, '', 1, transaction.limits);
  startAnew(transaction);
  assign(transaction, transaction.model.root, value, false);
}

/** @throws CrdtError `CRDT_PATCH_INVALID` for what is none. */
function checked(resolutions: readonly Resolution[]): readonly Resolution[] {
  const isMeant = Array.isArray(resolutions) && resolutions.every((each: unknown) => isResolution(each));
  if (isMeant) return resolutions;
  throw new CrdtError(
    'CRDT_PATCH_INVALID',
    'resolutions are an array of {"path", "keep": "shown"}, {"path", "restore": {"stamp", "client"}} or {"path", "value"}',
  );
}

function isResolution(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { path, keep, restore } = value as { path?: unknown; keep?: unknown; restore?: unknown };
  if (typeof path !== 'string') return false;
  return keep === 'shown' || (typeof restore === 'object' && restore !== null) || 'value' in value;
}

function pick(conflicts: readonly FoundConflict[], resolution: Resolution): FoundConflict {
  const { path } = resolution;
  const here = conflicts.filter((conflict) => conflict.path === path);
  if (here.some(({ kind }) => kind === 'hidden') && !here.some(({ kind }) => kind !== 'hidden')) {
    throw missing(path, `what is in conflict at ${shorten(path)} is not shown: resolve the path above it first`);
  }
  const found = here.find((conflict) => conflict.kind !== 'hidden' && fits(conflict, resolution));
  if (found !== undefined) return found;
  const what = here.length === 0 ? 'there is no conflict' : 'no such value is in conflict';
  throw missing(path, `${what} at ${shorten(path)}`);
}

function fits({ others }: FoundConflict, resolution: Resolution): boolean {
  if (!('restore' in resolution)) return true;
  const { stamp, client } = resolution.restore;
  return others.some((other) => other.stamp === stamp && other.client === client);
}

function chosen({ others }: FoundConflict, resolution: Exclude<Resolution, { keep: 'shown' }>): JsonValue {
  if ('value' in resolution) return resolution.value;
  const { stamp, client } = resolution.restore;
  return others.find((other) => other.stamp === stamp && other.client === client)!.value;
}

function resolveShown(
  transaction: Transaction,
  conflict: FoundConflict,
  resolution: Resolution,
  check: (value: unknown) => void,
): void {
  const { node } = conflict;
  if ('keep' in resolution) {
    settleConflicts(transaction, node, shownAt(node) as Candidate, conflict.shown as JsonValue);
    return;
  }
  const value = chosen(conflict, resolution);
  if (node.parent === null) check(value);
  if ('value' in resolution) checkValue(value, conflict.path, depthOf(conflict.path) + 1, transaction.limits);
  assign(transaction, node, value, true);
}

/** The element is gone: what was edited in it is dropped, or becomes an element at the end. */
function resolveOrphan(transaction: Transaction, conflict: FoundConflict, resolution: Resolution): void {
  const { node } = conflict;
  const array = node.parent;
  const shown = array === null ? null : (candidatesAt(array).find(({ kind }) => kind === 'array') ?? null);
  if (array === null || shown?.kind !== 'array') throw missing(conflict.path, 'the array is not there any more');
  if (!('keep' in resolution)) {
    const value = chosen(conflict, resolution);
    if ('value' in resolution) checkValue(value, conflict.path, depthOf(conflict.path) + 1, transaction.limits);
    transaction.settleAncestors(array);
    insertElements(transaction, shown.list, shown.list.elements.length, [value]);
    array.invalidate();
  }
  transaction.clearOrphan(array, node);
}

function depthOf(path: string): number {
  return path.split('/').length - 1;
}

function shorten(path: string): string {
  return JSON.stringify(path.slice(0, 200));
}

function missing(path: string, message: string): CrdtError {
  return new CrdtError('CRDT_CONFLICT_MISSING', message, { details: { path: path.slice(0, 200) } });
}
