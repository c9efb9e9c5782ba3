/**
 * @module
 * Owns what is merged of clients who need not be trusted. What several sent at about the same moment is merged together, as long as it only
 * edits shared types: one transaction of Yjs, whose cost is that of looking at every client of the document, and one update for all who are told.
 */
import * as Y from 'yjs';
import { markerOf } from './collected.ts';
import { beginsAnew, checkClientUpdate, checkLimit, deletesAnything } from './client-update.ts';
import type { ClientAdmission, ClientEdit, ClientMerge } from './client-update.ts';
import type { Author } from './change.ts';
import { interiorOf } from './document.ts';
import type { CrdtDocument } from './document.ts';
import { CrdtError } from './errors.ts';
import type { Interior, MergedUpdate } from './interior.ts';
import { placeLate } from './late-place.ts';
import { checkRegisters, type RegisterAdmission } from './register-check.ts';
import type { RootTouch } from './root-touch.ts';
import { STAMPS_PER_MS } from './stamp.ts';
import { applyTo, hasTombstone, observeUpdate, readDoc } from './yjs-state.ts';

/** The clocks of pages are not those of nodes; a write from further ahead is refused. */
const CLIENT_ADVANCE_STAMPS = 24 * 3_600_000 * STAMPS_PER_MS;

/** What became of the first of some edits, which were merged together. */
interface MergedRun extends ClientMerge {
  /** Edits that are done with: taken, without anything new, or refused. */
  readonly done: number;
}

/** The first must be merged alone. */
const NO_RUN: MergedRun = { done: 0, updates: [], refused: new Map() };

/** What an edit does that has something new in it. */
interface JudgedEdit {
  readonly touch: RootTouch;
  /** It meets a deleted document. */
  readonly isDeleted: boolean;
  /** The document begins with it. */
  readonly isAnew: boolean;
}

/**
 * Merges an update of a Yjs client or leaf, who need not be trusted. A deleted document may begin anew with it.
 *
 * @returns Updates for other replicas, in order: what was new. None when nothing was.
 * @throws CrdtError as `checkClientUpdate` does; nothing was applied.
 * @public
 */
export function mergeClient(
  document: CrdtDocument,
  update: Uint8Array,
  admission: ClientAdmission,
  author: Author,
): readonly Uint8Array[] {
  const interior = interiorOf(document);
  const judged = judge(interior, { update, admission }, 0);
  if (judged === null) return [];
  const restore = interior.checkpoint();
  try {
    const before = markBefore(document, interior, judged, { admission, author });
    const stampMax = author.stamp + CLIENT_ADVANCE_STAMPS;
    const effect = mergeEffect(interior, update, judged.touch, { ...admission, stampMax });
    return [before, effect].filter((part) => part !== null);
  } catch (error) {
    restore();
    throw error;
  }
}

/** What is written before an edit: that the document begins anew, or a mark of the time. */
function markBefore(
  document: CrdtDocument,
  interior: Interior,
  { isAnew, isDeleted }: JudgedEdit,
  { admission, author }: { readonly admission: ClientAdmission; readonly author: Author },
): Uint8Array | null {
  if (isAnew) return document.change({ kind: 'merge-patch', patch: {} }, author);
  return isDeleted || admission.writers !== undefined ? null : interior.mark(author);
}

/** Merges a checked update and returns what was new in it: what others need is seldom all that a client sends. */
function mergeEffect(
  interior: Interior,
  update: Uint8Array,
  { isTouched }: RootTouch,
  may: RegisterAdmission,
): Uint8Array | null {
  const [before, doc] = [isTouched ? interior.model() : null, interior.doc()];
  const merged = mergeObserved(doc, placeIn(doc, update));
  const model = before === null || merged.effect === null ? null : readDoc(doc);
  if (before !== null && model !== null) checkRegisters(doc, before, model, may);
  interior.take(merged, model);
  return merged.effect;
}

/**
 * The same of several, in order, which are refused one by one. Neighbours that only edit shared types become one update.
 *
 * @public
 */
export function mergeClients(document: CrdtDocument, edits: readonly ClientEdit[], author: Author): ClientMerge {
  const interior = interiorOf(document);
  const updates: Uint8Array[] = [];
  const refused = new Map<ClientEdit, unknown>();
  let mayGoTogether = true;
  for (let left = edits; left.length > 0;) {
    const run = mayGoTogether && left.length > 1 ? mergeTogether(interior, left, author) : NO_RUN;
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
      updates.push(...mergeClient(document, edit.update, edit.admission, author));
    } catch (error) {
      refused.set(edit, error);
    }
  }
  return { updates, refused };
}

/**
 * Merges as many of the first as go together.
 *
 * @returns Null when Yjs fails on one of them, and it is to be found out which.
 */
function mergeTogether(interior: Interior, edits: readonly ClientEdit[], author: Author): MergedRun | null {
  if (hasTombstone(interior.doc())) return NO_RUN;
  const restore = interior.checkpoint();
  try {
    const { transaction, effect, done, refused } = mergeRun(interior, edits);
    if (effect === null) return { done, refused, updates: [] };
    interior.take({ transaction, effect }, null);
    const mark = interior.mark(author);
    return { done, refused, updates: mark === null ? [effect] : [effect, mark] };
  } catch {
    restore();
    return null;
  }
}

/**
 * Says what an edit would do to a document; null for nothing.
 *
 * @param bytesBefore - Of edits that are merged with it.
 * @throws CrdtError when it may not.
 */
function judge(interior: Interior, { update, admission }: ClientEdit, bytesBefore: number): JudgedEdit | null {
  const doc = interior.doc();
  const { writers, touch, deletes } = checkClientUpdate(doc, update, admission);
  const isNew = writers.length > 0;
  if (isNew) checkLimit('documentBytes', interior.bytes() + bytesBefore + update.byteLength, admission.bytesMax);
  if (!isNew && !deletesAnything(doc, deletes)) return null;
  if (admission.isReadOnly) throw new CrdtError('CRDT_UPDATE_FORBIDDEN', 'this client may read only');
  const isDeleted = hasTombstone(doc) && !interior.exists();
  const isAnew = beginsAnew(admission, touch, { isDeleted, isEmpty: doc.store.clients.size === 0 });
  return isAnew && !isNew ? null : { touch, isDeleted, isAnew };
}

/** The document may have been compacted since the author of an update read it. */
function placeIn(doc: Y.Doc, update: Uint8Array): Uint8Array {
  return markerOf(doc) === null ? update : placeLate(doc, update);
}

/** @throws CrdtError A part may be applied. */
function mergeObserved(doc: Y.Doc, update: Uint8Array): MergedUpdate {
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
 * @throws unknown when Yjs fails: a part may be applied.
 */
function mergeRun(interior: Interior, edits: readonly ClientEdit[]): MergedUpdate & Omit<MergedRun, 'updates'> {
  const doc = interior.doc();
  const refused = new Map<ClientEdit, unknown>();
  let [done, bytes] = [0, 0];
  const judgeNext = (edit: ClientEdit): JudgedEdit | null => {
    try {
      return judge(interior, edit, bytes);
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
      Y.applyUpdate(doc, placeIn(doc, edit.update));
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
