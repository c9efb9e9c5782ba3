/**
 * @module
 * Owns when a document has grown: when what it is stored as is so much more than what it shows that leaving its history behind pays.
 */
import { isFirstContent } from './document-record.ts';
import type { DocumentContent } from './document-record.ts';
import { isInternalCollection } from './names.ts';

export interface Growth {
  /** Smaller states are left alone. Default 16 KiB. */
  readonly bytesMin: number;
  /** A state of so many times the JSON has grown. Default 4. */
  readonly ratioMin: number;
}

const DEFAULT_GROWTH: Growth = { bytesMin: 16 * 1024, ratioMin: 4 };

/** @param jsonBytes - Of the JSON shown: about what the document would be stored as, had it no history. */
export function hasGrown(
  collection: string,
  content: DocumentContent,
  jsonBytes: number,
  growth: Partial<Growth> | undefined,
): boolean {
  const { bytesMin, ratioMin } = { ...DEFAULT_GROWTH, ...growth };
  if (isFirstContent(content) || isInternalCollection(collection)) return false;
  const bytes = content.reduce((sum, part) => sum + part.length, 0);
  return jsonBytes > 0 && bytes >= bytesMin && bytes >= ratioMin * jsonBytes;
}
