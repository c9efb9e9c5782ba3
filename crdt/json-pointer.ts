/**
 * @module
 * Owns JSON Pointers (RFC 6901): `/a/b~1c` names key `b/c` in object `a`; the empty pointer names the whole document.
 */
import { CrdtError } from './errors.ts';
import { isWellFormed } from './utf8.ts';

/**
 * Splits a pointer into decoded segments.
 *
 * @throws CrdtError `CRDT_POINTER_INVALID`.
 */
export function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (typeof pointer !== 'string' || pointer[0] !== '/' || /~(?![01])/.test(pointer) || !isWellFormed(pointer)) {
    throw new CrdtError(
      'CRDT_POINTER_INVALID',
      'a JSON Pointer is empty or starts with "/", and "~" is written "~0", "/" in a key "~1"',
      {
        details: { pointer: String(pointer).slice(0, 200) },
      },
    );
  }
  return pointer.slice(1).split('/').map(decodeSegment);
}

/** Encodes a key or index as one pointer segment, without the slash. */
export function encodeSegment(key: string): string {
  if (!key.includes('~') && !key.includes('/')) return key;
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Decodes one pointer segment. */
export function decodeSegment(segment: string): string {
  return segment.includes('~') ? segment.replaceAll('~1', '/').replaceAll('~0', '~') : segment;
}

/** Joins decoded segments into a pointer. */
export function formatPointer(segments: readonly (string | number)[]): string {
  let pointer = '';
  for (const segment of segments) pointer += `/${encodeSegment(String(segment))}`;
  return pointer;
}
