/**
 * @module
 * Owns the look at every position a peer tells: a process that was set back, or that has a copy, finds out here that others know
 * more of what it wrote, or something else.
 */
import type { OriginId } from '../engine.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import type { Position } from '../protocol/message.ts';
import type { VersionVector } from '../version-vector.ts';
import type { LinkContext } from './context.ts';

/** Reports what concerns this node, and closes the link on a fork. */
export function inspectPosition(
  context: LinkContext,
  database: string,
  vector: VersionVector,
  { origin, seq, chainPrefix }: Position,
): void {
  const ours = vector.get(origin);
  const held = ours?.seq ?? 0;
  if (seq < held || seq === 0) return;
  const isForked = seq === held && !chainPrefix.every((byte, i) => byte === ours?.chain[i]);
  if (seq === held && !isForked) return;
  // Of a database that was dropped here, others know more for a while.
  if (isOurs(context, origin) && context.engine.databases().includes(database)) {
    context.reportHistory({ database, origin, seq, held, isForked });
  }
  if (isForked) context.close(CLOSE_CODES.CHAIN_FORKED, `${database} origin ${origin} differs at ${seq}`);
}

function isOurs(context: LinkContext, origin: OriginId): boolean {
  return origin === context.ownOrigin() || context.nodeOf(origin) === context.selfNode;
}
