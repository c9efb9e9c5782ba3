/**
 * @module
 * Owns pages of which every part is in memory: entries that say all that is asked for, and the documents behind them. Such a page is read in
 * one go, so nothing can change meanwhile, and nobody has to wait. Where a part is missing, there is none, and a scan reads what is needed.
 */
import type { DocumentTable } from '../document-table.ts';
import { clip } from './plan.ts';
import type { Plan } from './plan.ts';

export interface PageItem {
  readonly id: string;
  readonly etag: string;
  readonly json: Uint8Array;
}

export interface HeldPage {
  readonly items: readonly PageItem[];
  /** Where to go on; null = at its end. */
  readonly end: Uint8Array | null;
  readonly keysExamined: number;
  readonly documentsExamined: number;
}

export interface HeldPageOptions {
  readonly collection: string;
  /** Where the page before ended. */
  readonly after: Uint8Array | null;
  readonly limit: number;
  /** Of documents, after which the page ends. */
  readonly bytesMax: number;
  readonly examinedMax: number;
}

/** What is looked at in one go: others want their turn. */
const ITEMS_MAX = 128;
const RANGES_MAX = 32;

/** Null when not all of it is in memory, or entries do not say enough. */
export function readHeldPage(
  table: Pick<DocumentTable, 'peek'>,
  { index, ranges, order: { isReverse }, sorts, isWhole }: Plan,
  { collection, after, limit, bytesMax, examinedMax }: HeldPageOptions,
): HeldPage | null {
  if (index === null || sorts || !isWhole || index.multiple !== 0 || index.hasOverflow) return null;
  if (limit > Math.min(ITEMS_MAX, examinedMax) || ranges.length > RANGES_MAX) return null;
  const left = clip(isReverse ? [...ranges].reverse() : ranges, after, isReverse);
  const items: PageItem[] = [];
  let bytes = 0;
  for (let i = 0; i < left.length; i++) {
    const { gte, lt } = left[i]!;
    const wanted = limit - items.length;
    const run = index.entries.peek({ gte, lt, reverse: isReverse, limit: wanted });
    if (run === null || (run.next !== null && run.entries.length < wanted)) return null;
    for (const entry of run.entries) {
      const stored = table.peek(collection, entry.id);
      if (!stored) return null;
      const { etag, json } = stored;
      const count = items.push({ id: entry.id, etag, json });
      bytes += json.length;
      if (count < limit && bytes < bytesMax) continue;
      const isLast = run.next === null && i === left.length - 1 && entry === run.entries.at(-1);
      return { items, end: isLast ? null : entry.position, keysExamined: count, documentsExamined: count };
    }
  }
  return { items, end: null, keysExamined: items.length, documentsExamined: items.length };
}
