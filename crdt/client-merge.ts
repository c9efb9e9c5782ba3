/**
 * @module
 * Owns that what several clients sent at about the same moment is merged together, as long as it only edits shared types: one transaction
 * of Yjs, whose cost is that of looking at every client of the document, and one update for all who are told.
 */
import * as Y from 'yjs';
import { beginsAnew, checkClientUpdate, checkLimit, deletesAnything } from './client-update.ts';
import type { ClientEdit, ClientMerge } from './client-update.ts';
import { CrdtError } from './errors.ts';
import type { RootTouch } from './root-touch.ts';
import { applyTo, hasTombstone, observeUpdate } from './yjs-state.ts';

/** What became of the first of some edits, which were merged together. */
export interface MergedRun extends ClientMerge {
  /** Edits that are done with: taken, without anything new, or refused. */
  readonly done: number;
}

/** The first must be merged alone. */
export const NO_RUN: MergedRun = { done: 0, updates: [], refused: new Map() };

/** What an edit does that has something new in it. */
export interface JudgedEdit {
  readonly touch: RootTouch;
  /** It meets a deleted document. */
  readonly isDeleted: boolean;
  /** The document begins with it. */
  readonly isAnew: boolean;
}

/**
 * Merges edits in order, as many at a time as go together.
 *
 * @param how - `together` merges as many of the first as it can; null when Yjs failed on one of them, and it is to be found out which.
 */
export function mergeEdits(
  edits: readonly ClientEdit[],
  how: {
    readonly alone: (edit: ClientEdit) => readonly Uint8Array[];
    readonly together: (edits: readonly ClientEdit[]) => MergedRun | null;
  },
): ClientMerge {
  const updates: Uint8Array[] = [];
  const refused = new Map<ClientEdit, unknown>();
  let mayGoTogether = true;
  for (let left = edits; left.length > 0;) {
    const run = mayGoTogether && left.length > 1 ? how.together(left) : NO_RUN;
    if (run === null) {
      mayGoTogether = false;
      continue;
    }
    updates.push(...run.updates);
    for (const [edit, error] of run.refused) refused.set(edit, error);
    left = left.slice(run.done);
    const [edit] = left;
    if (run.done > 0 || edit === undefined) continue;
    left = left.slice(1);
    try {
      updates.push(...how.alone(edit));
    } catch (error) {
      refused.set(edit, error);
    }
  }
  return { updates, refused };
}

/**
 * Says what an edit would do to a document; null for nothing.
 *
 * @param held - What the document has: bytes, and whether it exists.
 * @throws CrdtError when it may not.
 */
export function judge(
  doc: Y.Doc,
  { update, admission }: ClientEdit,
  held: { readonly bytes: number; readonly exists: () => boolean },
): JudgedEdit | null {
  const { writers, touch, deletes } = checkClientUpdate(doc, update, admission);
  const isNew = writers.length > 0;
  if (isNew) checkLimit('documentBytes', held.bytes + update.byteLength, admission.bytesMax);
  if (!isNew && !deletesAnything(doc, deletes)) return null;
  if (admission.isReadOnly) throw new CrdtError('CRDT_UPDATE_FORBIDDEN', 'this client may read only');
  const isDeleted = hasTombstone(doc) && !held.exists();
  const isAnew = beginsAnew(admission, touch, { isDeleted, isEmpty: doc.store.clients.size === 0 });
  return isAnew && !isNew ? null : { touch, isDeleted, isAnew };
}

/** What a merge did; the effect is null when nothing was new. */
interface Merged {
  readonly transaction: Y.Transaction;
  readonly effect: Uint8Array | null;
}

/** Merges a judged update: what others need of it is seldom all that a client sends. @throws CrdtError A part may be applied. */
export function mergeObserved(doc: Y.Doc, update: Uint8Array): Merged {
  let transaction!: Y.Transaction;
  try {
    const effect = observeUpdate(doc, () => (transaction = applyTo(doc, update)));
    return { transaction, effect };
  } catch (cause) {
    throw new CrdtError('CRDT_UPDATE_MALFORMED', 'not a Yjs v1 update: it cannot be merged', { cause });
  }
}

/**
 * Merges edits, up to the first that does more than edit shared types.
 *
 * @param look - Judges one on top of those before it, which have so many bytes.
 * @throws unknown when Yjs fails: a part may be applied.
 */
export function mergeRun(
  doc: Y.Doc,
  edits: readonly ClientEdit[],
  look: (edit: ClientEdit, bytesBefore: number) => JudgedEdit | null,
): Merged & Omit<MergedRun, 'updates'> {
  const refused = new Map<ClientEdit, unknown>();
  let [done, bytes] = [0, 0];
  const judgeNext = (edit: ClientEdit): JudgedEdit | null => {
    try {
      return look(edit, bytes);
    } catch (error) {
      refused.set(edit, error);
      return null;
    }
  };
  const merge = (transaction: Y.Transaction): Y.Transaction => {
    for (const edit of edits) {
      const judged = judgeNext(edit);
      if (judged !== null && (judged.touch.isTouched || judged.isAnew)) break;
      done++;
      if (judged === null) continue;
      Y.applyUpdate(doc, edit.update);
      bytes += edit.update.byteLength;
    }
    return transaction;
  };
  let transaction!: Y.Transaction;
  const effect = observeUpdate(doc, () => {
    transaction = Y.transact(doc, merge, null, true);
  });
  return { done, refused, transaction, effect };
}
