/**
 * @module
 * Owns how changes are written: as lines of JSON, or as Server-Sent Events, whose id is the cursor. What many feeds send is
 * written once. SPEC.md FE1, FE3.
 */
import type { ConflictReport, FeedChange, FeedPage } from '../../sync/index.ts';
import type { Problem } from '../api/index.ts';

export interface FeedFormat {
  readonly events: boolean;
  /** Are documents sent with their changes? */
  readonly documents: boolean;
}

const written = new WeakMap<FeedPage, Map<string, Buffer>>();

/** The changes of a page; of one that feeds share, the same bytes for all. */
export function writePage(page: FeedPage, format: FeedFormat): Buffer {
  const key = `${format.events} ${format.documents}`;
  let forms = written.get(page);
  if (forms === undefined) written.set(page, (forms = new Map()));
  let bytes = forms.get(key);
  if (bytes === undefined) {
    bytes = Buffer.from(page.changes.map((change) => writeChange(change, format)).join(''));
    forms.set(key, bytes);
  }
  return bytes;
}

/** @param conflicts - Losing values, where they are asked for. */
export function writeChange(change: FeedChange, format: FeedFormat, conflicts?: readonly ConflictReport[]): string {
  const { cursor, collection, id, etag, json } = change;
  let text = `{"cursor":"${cursor}","collection":"${collection}","id":${JSON.stringify(id)}`;
  if (etag !== null) text += `,"etag":${JSON.stringify(etag)}`;
  text += `,"deleted":${json === null}`;
  if (format.documents && json !== null) text += `,"doc":${asText(json)}`;
  if (conflicts !== undefined) text += `,"conflicts":${JSON.stringify(conflicts)}`;
  return format.events ? `id: ${cursor}\ndata: ${text}}\n\n` : `${text}}\n`;
}

/** Shows that the connection lives; where the position has moved without a change, it says so. */
export function writeHeartbeat(cursor: string | null, { events }: FeedFormat): string {
  if (cursor === null) return events ? ':\n\n' : '\n';
  // An event without data is not dispatched, but its id is what the browser reconnects with.
  return events ? `id: ${cursor}\n\n` : `${JSON.stringify({ cursor })}\n`;
}

/** The node goes away: come back, to another one, after a while. */
export function writeRetry(cursor: string, retryMs: number, { events }: FeedFormat): string {
  return events ? `retry: ${retryMs}\nid: ${cursor}\n\n` : `${JSON.stringify({ cursor, retryMs })}\n`;
}

/** The feed cannot go on. */
export function writeProblem(problem: Problem, { events }: FeedFormat): string {
  return events ? `event: problem\ndata: ${JSON.stringify(problem)}\n\n` : `${JSON.stringify({ error: problem })}\n`;
}

function asText(json: Uint8Array): string {
  return Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString();
}
