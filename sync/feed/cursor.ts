/**
 * @module
 * Owns positions in the changes of a database, and their text form, the cursor. A position is a version vector, of which what follows
 * from what is listed is left out (lineage.ts), so it means the same on every node, and its text is that of a session token: who sends a cursor as one reads at least what the feed told. While a
 * feed begins with all documents, `~` and the name of the last one told follow (base64url). Opaque to clients.
 */
import * as buffer from 'lib0/buffer';
import { toBase64Url } from '../base64url.ts';
import type { Database } from '../database.ts';
import type { OriginId } from '../engine.ts';
import { SyncError } from '../errors.ts';
import { foldPositions } from '../lineage.ts';
import { CLUSTER_UNKNOWN, decodeToken, encodeToken } from '../token.ts';
import type { Positions, SeenPosition } from '../token.ts';

export interface FeedPosition {
  /** Every change up to there was told. Never modified. */
  readonly vector: Positions;
  /** `collection NUL id`: of the documents that a feed begins with, those after this one are still to be told. '' = all, null = none. */
  readonly scan: string | null;
}

const NO_POSITIONS: Positions = new Map();
/** Positions that a cursor has more than it needs: about 500 characters. */
const BASES_MAX = 48;

export function encodeCursor(database: Database, { vector, scan }: FeedPosition): string {
  const { catalog, log } = database.parts;
  const cluster = catalog.clusterIds[0] ?? CLUSTER_UNKNOWN;
  const listed = withBases(vector, (origin) => log.durableVector.get(origin)?.base);
  const token = encodeToken({ cluster, database: database.key, vector: listed, system: NO_POSITIONS });
  return scan === null ? token : `${token}~${toBase64Url(new TextEncoder().encode(scan))}`;
}

/**
 * What follows from an epoch that has just begun, a node that has nothing of it yet cannot know, and would tell all of it again. So
 * the cursor also says what that began with.
 */
function withBases(vector: Positions, baseOf: (origin: OriginId) => Positions | undefined): Positions {
  const listed = foldPositions(vector, baseOf);
  const all = new Map(listed);
  for (const origin of listed.keys()) {
    for (const [other, seq] of baseOf(origin) ?? []) {
      if (all.size >= listed.size + BASES_MAX) return all;
      all.set(other, Math.max(seq, all.get(other) ?? 0));
    }
  }
  return all;
}

/** @throws SyncError `SYNC_CURSOR_INVALID`, `SYNC_CURSOR_FOREIGN` */
export function decodeCursor(database: Database, cursor: string): FeedPosition {
  const { seen, scan } = decode(cursor);
  const { clusterIds } = database.parts.catalog;
  const isOurs = clusterIds.length === 0 || seen.cluster === CLUSTER_UNKNOWN || clusterIds.includes(seen.cluster);
  if (!isOurs) throw foreign('another cluster');
  if (seen.database !== database.key) throw foreign('another database, or of one that was dropped since');
  return { vector: seen.vector, scan };
}

function decode(cursor: string): { seen: SeenPosition; scan: string | null } {
  try {
    const [token = '', name, ...rest] = cursor.split('~');
    if (rest.length > 0) throw new Error('more than two parts');
    const seen = decodeToken(token);
    if (name === undefined) return { seen, scan: null };
    const scan = new TextDecoder('utf-8', { fatal: true }).decode(buffer.fromBase64UrlEncoded(name));
    if (scan !== '' && !scan.includes('\0')) throw new Error('not the name of a document');
    return { seen, scan };
  } catch (cause) {
    const message = 'This is not a cursor of a change feed. Take one from a change, or leave it out.';
    throw new SyncError('SYNC_CURSOR_INVALID', message, { cause, details: { parameter: 'since' } });
  }
}

function foreign(whose: string): SyncError {
  const message = `The cursor is of ${whose}. Leave it out to read from the beginning.`;
  return new SyncError('SYNC_CURSOR_FOREIGN', message, { details: { parameter: 'since' } });
}
