/**
 * @module
 * Owns what a node wrote to a document without having seen that it was to be compacted, although it had said so before: its disk was set
 * back. Everybody else drops that; the node itself makes it again, in the commit in which it hears of the new generation.
 */
import { CrdtError } from '../crdt/index.ts';
import type { Change } from '../crdt/index.ts';
import type { Database } from './database.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { OriginId } from './engine.ts';
import { recordOf } from './forgetting.ts';

/** @param isUnseen - Was it written by this node, and may others lack it? */
export function takeAlong(database: Database, slot: DocumentSlot, isUnseen: (origin: OriginId) => boolean): void {
  const { log, table, clock, epoch } = database.parts;
  if (!slot.document.hasLeft) return;
  const changes = slot.document.takeLeft(isUnseen);
  if (changes.length === 0 || epoch.end !== null) return;
  const client = log.followEpoch(clock.last);
  for (const change of changes) {
    const update = attempt(slot, change, { client, stamp: clock.tick() });
    if (update === null) continue;
    slot.touch(client, log.append(recordOf(slot, update, client), slot.vector));
    table.touch(slot, update);
  }
}

function attempt(slot: DocumentSlot, change: Change, author: { client: number; stamp: number }): Uint8Array | null {
  try {
    return slot.document.change(change, author);
  } catch (error) {
    if (!(error instanceof CrdtError)) throw error;
    // What it builds on is not there any more. A text may have become shorter.
    const [operation] = change.kind === 'operations' ? change.operations : [];
    if (operation?.op !== 'text-insert' || operation.index === 0) return null;
    return attempt(slot, { kind: 'operations', operations: [{ ...operation, index: 0 }] }, author);
  }
}
