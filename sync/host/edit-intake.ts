/**
 * @module
 * Owns what leaves have written on its way into the documents of a node. An edit is judged as that of an editor and becomes a record of
 * this node; its Yjs client remains the leaf's. The same edit again changes nothing, here or on any other node.
 */
import { AtollError } from '../../crdt/index.ts';
import type { ClientAdmission } from '../../crdt/index.ts';
import type { Database } from '../database.ts';
import { ready } from '../document-slot.ts';
import type { DocumentSlot } from '../document-slot.ts';
import { recordOf } from '../forgetting.ts';
import type { LeafEdit, LeafOutcome } from '../leaf/message.ts';
import { validateDocumentId } from '../names.ts';
import { requireValid } from '../schema.ts';

export interface EditPlace {
  readonly database: Database;
  readonly collection: string;
  /** This node does not hold all yet that the leaf has seen: what is missing may be on its way. */
  readonly isBehind: boolean;
  /** Whom the leaf writes as. */
  readonly writers: ReadonlySet<number>;
  /** Of an update, and of a document. */
  readonly bytesMax: number;
}

/** Reasons of the document or of the sender, which waiting does not mend. */
const REASON_LENGTH_MAX = 300;

/** Merges an edit. It is durable when the next commit of the database is. @throws StorageError */
export async function takeEdit(place: EditPlace, edit: LeafEdit): Promise<LeafOutcome> {
  const { database, collection, isBehind } = place;
  // What was deleted elsewhere stands here as if it had not been: it would come back.
  if (edit.isAfterDelete && isBehind) return { kind: 'later' };
  try {
    validateDocumentId(edit.id);
    database.assertOpen();
    const slot = database.parts.table.acquire(collection, edit.id);
    try {
      await ready([slot]);
      const isOfAnother = !edit.isBeginning && edit.generation !== slot.document.generationClient;
      // It names clocks that are something else here.
      if (isOfAnother && slot.vector.size > 0) return outcomeOfAnother(slot, edit, isBehind);
      merge(place, slot, edit);
      return { kind: 'taken' };
    } finally {
      database.parts.table.release(slot);
    }
  } catch (error) {
    return outcomeOf(error, isBehind);
  }
}

/** Its answer may have been lost: what was written to an earlier generation may have been taken, and taken along. */
function outcomeOfAnother({ document }: DocumentSlot, { update }: LeafEdit, isBehind: boolean): LeafOutcome {
  if (document.includes(update)) return { kind: 'taken' };
  return { kind: isBehind ? 'later' : 'gone' };
}

function merge({ database, writers, bytesMax }: EditPlace, slot: DocumentSlot, edit: LeafEdit): void {
  const { log, clock, table, catalog, epoch, schemas } = database.parts;
  epoch.assertWritable();
  database.assertOpen();
  database.assertTaking();
  const origin = log.followEpoch(clock.last);
  const admission: ClientAdmission = { isReadOnly: false, writers, isBeginning: edit.isBeginning, bytesMax };
  const updates = slot.document.mergeClient(edit.update, admission, { client: origin, stamp: clock.tick() });
  if (updates.length === 0) return;
  const check = schemas.checkOf(catalog.configOf(database.key, slot.collection));
  if (check !== null) requireValid(slot, check);
  clock.observe(slot.document.view().modified);
  for (const update of updates) {
    slot.touch(origin, log.append(recordOf(slot, update, origin), slot.vector));
    table.touch(slot, update);
  }
}

function outcomeOf(error: unknown, isBehind: boolean): LeafOutcome {
  if (!(error instanceof AtollError)) throw error;
  const { code, message } = error;
  if (code === 'CRDT_UPDATE_GAP') return { kind: isBehind ? 'later' : 'gone' };
  if (code.startsWith('STORAGE_') && !error.retryable) throw error;
  if (error.retryable) return { kind: 'later' };
  return { kind: 'refused', code, message: message.slice(0, REASON_LENGTH_MAX) };
}
