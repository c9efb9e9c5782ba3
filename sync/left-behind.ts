/**
 * @module
 * Owns what a node wrote to a document without having seen that it was to be compacted, although it had said so before: its disk was set
 * back. Everybody else drops that; the node itself makes it again, in the commit in which it hears of the new generation.
 */
import type { Database } from './database.ts';
import type { DocumentSlot } from './document-slot.ts';
import { recordOf } from './forgetting.ts';

/** To be called with every merge that may have brought another generation. */
export function takeAlong(database: Database, slot: DocumentSlot): void {
  const { log, table, clock, epoch, isOwn } = database.parts;
  if (!slot.document.hasLeft || epoch.end !== null) return;
  const client = log.followEpoch(clock.last);
  const update = slot.document.salvage(isOwn, () => ({ client, stamp: clock.tick() }));
  if (update === null) return;
  slot.touch(client, log.append(recordOf(slot, update, client), slot.vector));
  table.touch(slot, update);
}
