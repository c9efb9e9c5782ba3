/**
 * @module
 * Owns when a document has grown: when what it is stored as is so much more than what it shows that leaving its history behind pays.
 */
import { isFirstContent } from './document-record.ts';
import type { DocumentContent } from './document-record.ts';
import type { DocumentSlot, Growing } from './document-slot.ts';
import { isInternalCollection } from './names.ts';

export interface Growth {
  /** Smaller states are left alone. Default 16 KiB. */
  readonly bytesMin: number;
  /** A state of so many times the JSON has grown. Default 4. */
  readonly ratioMin: number;
}

export const DEFAULT_GROWTH: Growth = { bytesMin: 16 * 1024, ratioMin: 4 };

/**
 * Why the compactor is to look at a document; null = it is not to.
 *
 * @param jsonBytes - Of the JSON shown: about what the document would be stored as, had it no history.
 */
export function growingOf(
  { collection, document }: DocumentSlot,
  content: DocumentContent,
  jsonBytes: number,
  { bytesMin, ratioMin }: Growth,
): Growing | null {
  if (document.successors.length > 0) return 'open';
  if (isFirstContent(content) || isInternalCollection(collection)) return null;
  const bytes = content.reduce((sum, part) => sum + part.length, 0);
  return jsonBytes > 0 && bytes >= bytesMin && bytes >= ratioMin * jsonBytes ? 'grown' : null;
}
