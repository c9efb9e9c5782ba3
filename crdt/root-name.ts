/**
 * @module
 * Owns the names of root types: which are ours, and which path in the document the others stand at. SPEC.md section "Shared types".
 */
import { encodeSegment } from './json-pointer.ts';

/** The root array that holds everything but shared types. No editor calls one of its own so, and it is one byte. */
export const ROOT = '~';
/** The root array that says how often the document was compacted. It shows nowhere. */
export const MARKER_ROOT = '~~';
/** Texts that a write set as a value. */
const OWN_TEXT = /^u[0-9a-z]+\.[0-9a-z]+\.[0-9a-z]+$/;
/** Texts that are named by a path, not by a member. */
const BY_PATH = 't/';

/** Tells whether a text is one that a write set as a value. */
export function isOwnText(name: string): boolean {
  return OWN_TEXT.test(name);
}

/** Tells whether a root type shows as the member of the document that has its name. */
export function isMemberRoot(name: string): boolean {
  return name !== ROOT && name !== MARKER_ROOT && !name.startsWith(BY_PATH) && !isOwnText(name);
}

/** Where a root type shows, as a pointer in the document's own notation; null for one that only a marker can place. */
export function pathOfRoot(name: string): string | null {
  if (name.startsWith(BY_PATH)) return name.slice(BY_PATH.length - 1);
  return isMemberRoot(name) ? `/${encodeSegment(name)}` : null;
}
