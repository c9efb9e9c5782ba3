/**
 * @module
 * Owns what was written to a document without having seen that it was to be compacted, by a node that had said to hold that: its disk was
 * set back. Whoever holds it when he hears of the new generation, or hears of it later, takes it along, in the same commit.
 */
import type { Database } from './database.ts';
import type { DocumentSlot } from './document-slot.ts';
import { recordOf } from './forgetting.ts';

/** To be called with every merge that may have brought another generation, or something of one that is gone. */
export function takeAlong(database: Database, slot: DocumentSlot): void {
  const update = slot.document.takeAlong();
  if (update === null) return;
  const { log, table, clock } = database.parts;
  const origin = log.followEpoch(clock.last);
  slot.touch(origin, log.append(recordOf(slot, update, origin), slot.vector));
  table.touch(slot, update);
}
