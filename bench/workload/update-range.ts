/**
 * @module
 * Owns which clocks an update brings. All clients of a document are sent the same bytes at about the same moment: they are read once, so
 * that a hundred clients leave the machine to the servers.
 */
import * as Y from 'yjs';

/** Clocks of one client. */
export interface Range {
  readonly client: number;
  readonly from: number;
  readonly to: number;
}

/** Updates that are on their way to somebody at one time. */
const RECENT_MAX = 16;

const recent: { readonly update: Uint8Array; readonly ranges: readonly Range[] }[] = [];

export function rangesOf(update: Uint8Array): readonly Range[] {
  const known = recent.find((other) => Buffer.compare(other.update, update) === 0);
  if (known !== undefined) return known.ranges;
  const { from, to } = Y.parseUpdateMeta(update);
  const ranges = Array.from(to, ([client, end]) => ({ client, from: from.get(client) ?? 0, to: end }));
  recent.unshift({ update, ranges });
  recent.length = Math.min(recent.length, RECENT_MAX);
  return ranges;
}
