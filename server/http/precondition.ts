/**
 * @module
 * Owns conditional requests (RFC 9110 section 13): reading If-Match and If-None-Match, and deciding them for reads. Writes hand
 * them to the engine, which decides under the document's lock. They are checked on the accepting node. SPEC.md HT9.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { HttpError } from './errors.ts';

/** `'*'`, or the entity tags with their quotes. */
export type EntityTags = readonly string[] | '*';

export interface Preconditions {
  readonly ifMatch?: EntityTags;
  readonly ifNoneMatch?: EntityTags;
}

const NONE: Preconditions = {};

/** Reads the preconditions of a write. */
export function preconditionsOf(headers: IncomingHttpHeaders): Preconditions {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (headers['if-unmodified-since'] !== undefined) {
    // Seconds do not tell two writes apart, and a condition that is ignored loses one of them.
    throw new HttpError('HTTP_HEADER_INVALID', 'If-Unmodified-Since is not supported for writes: send If-Match', {
      details: { parameter: 'If-Unmodified-Since' },
    });
  }
  if (match === undefined && noneMatch === undefined) return NONE;
  return {
    ...(match !== undefined && { ifMatch: parseEntityTags(match, 'If-Match') }),
    ...(noneMatch !== undefined && { ifNoneMatch: parseEntityTags(noneMatch, 'If-None-Match') }),
  };
}

/** Decides a read of an existing document. */
export function decideRead(headers: IncomingHttpHeaders, etag: string): 'send' | 'not-modified' | 'failed' {
  const match = headers['if-match'];
  if (match !== undefined && !covers(parseEntityTags(match, 'If-Match'), etag)) return 'failed';
  const noneMatch = headers['if-none-match'];
  if (noneMatch === undefined) return 'send';
  return noneMatch === etag || covers(parseEntityTags(noneMatch, 'If-None-Match'), etag) ? 'not-modified' : 'send';
}

/**
 * Parses a list of entity tags. If-Match compares strongly, so weak tags stay weak and match nothing; If-None-Match compares
 * weakly, so their mark is dropped.
 *
 * @throws HttpError `HTTP_HEADER_INVALID`: an unreadable precondition is never taken for none.
 */
export function parseEntityTags(header: string, name: 'If-Match' | 'If-None-Match'): EntityTags {
  const value = header.trim();
  if (value === '*') return '*';
  const tags: string[] = [];
  const pattern = /[ \t]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,[ \t,]*|$)/y;
  while (pattern.lastIndex < value.length) {
    const tag = pattern.exec(value)?.[1];
    if (tag === undefined) {
      const message = `${name} must be * or a list of quoted entity tags`;
      throw new HttpError('HTTP_HEADER_INVALID', message, { details: { parameter: name } });
    }
    tags.push(name === 'If-None-Match' && tag.startsWith('W/') ? tag.slice(2) : tag);
  }
  if (tags.length > 0) return tags;
  throw new HttpError('HTTP_HEADER_INVALID', `${name} is empty`, { details: { parameter: name } });
}

function covers(tags: EntityTags, etag: string): boolean {
  return tags === '*' || tags.includes(etag);
}
