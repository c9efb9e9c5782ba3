/**
 * @module
 * Owns which edits of a model each kind of change is.
 */
import type { Change } from './change.ts';
import { checkDocument } from './document-check.ts';
import { applyIntents } from './intent.ts';
import { applyJsonPatch } from './json-patch.ts';
import { writeLate } from './late-write.ts';
import { mergePatch } from './merge-patch.ts';
import { applyLostResolutions, applyResolutions } from './resolve.ts';
import { CrdtError } from './errors.ts';
import { bury, dropTombstones, startAnew } from './tombstone.ts';
import type { Transaction } from './transaction.ts';
import { checkValue } from './value-check.ts';
import { assign } from './write-value.ts';

/** Edits the model; tells whether there is anything to write. */
export function edit(
  transaction: Transaction,
  change: Exclude<Change, { kind: 'retract' }>,
  isCreation: boolean,
): boolean {
  const { model, limits, author } = transaction;
  if (change.kind === 'delete') {
    bury(transaction, author.deletePolicy);
    return true;
  }
  if (change.kind === 'resolve' && isCreation) {
    applyLostResolutions(transaction, change.resolutions, author.deletePolicy, checkDocument);
    return true;
  }
  if (isCreation) startAnew(transaction);
  switch (change.kind) {
    case 'replace':
      checkDocument(change.value);
      checkValue(change.value, '', 1, limits);
      assign(transaction, model.root, change.value, false);
      break;
    case 'merge-patch':
      checkDocument(change.patch);
      checkValue(change.patch, '', 1, limits);
      mergePatch(transaction, model.root, change.patch);
      break;
    case 'json-patch':
      applyJsonPatch(transaction, change.operations);
      break;
    case 'resolve':
      applyResolutions(transaction, change.resolutions, checkDocument);
      break;
    case 'operations':
      applyIntents(transaction, change.operations);
      break;
    case 'late':
      writeLate(transaction, change.late);
      break;
    default:
      throw unknownKind(change);
  }
  // Also a patch that says nothing: what is patched is an empty document, and it is there afterwards.
  if (isCreation) return true;
  if (transaction.isEmpty) return false;
  dropTombstones(transaction);
  return true;
}

/** Not every program is checked by a compiler. */
function unknownKind(change: never): CrdtError {
  const { kind } = change as { readonly kind: unknown };
  const message = 'a change is of kind "replace", "merge-patch", "json-patch", "operations", "resolve" or "delete"';
  return new CrdtError('CRDT_PATCH_INVALID', message, { details: { field: 'kind', kind: String(kind).slice(0, 200) } });
}
