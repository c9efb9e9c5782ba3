/**
 * @module
 * Owns the smallest edit between two arrays: common start and end first, then a longest common subsequence; what remains is
 * replaced position by position, so that objects at one place are merged rather than exchanged.
 */
import { canonicalJson } from './canonical-json.ts';
import type { JsonValue } from './json-value.ts';

/** One edit. `index` counts in the current array; edits come in ascending order. */
export type ArrayEdit =
  | { readonly op: 'replace'; readonly index: number; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly index: number }
  | { readonly op: 'insert'; readonly index: number; readonly values: readonly JsonValue[] };

/** Above this many cells the middle is replaced position by position instead: 4 MB and a few milliseconds. */
const TABLE_CELLS_MAX = 1_000_000;

/** @param current - Canonical JSON of each element. */
export function diffArray(current: readonly string[], target: readonly JsonValue[]): ArrayEdit[] {
  const wanted = target.map(canonicalJson);
  let start = 0;
  const shortest = Math.min(current.length, wanted.length);
  while (start < shortest && current[start] === wanted[start]) start++;
  let end = 0;
  while (end < shortest - start && current[current.length - 1 - end] === wanted[wanted.length - 1 - end]) end++;
  const edits: ArrayEdit[] = [];
  let from = start;
  let to = start;
  const fromEnd = current.length - end;
  const toEnd = wanted.length - end;
  for (const [index, position] of commonSubsequence(current, wanted, start, fromEnd, toEnd)) {
    editGap(edits, from, index, target, to, position);
    from = index + 1;
    to = position + 1;
  }
  editGap(edits, from, fromEnd, target, to, toEnd);
  return edits;
}

function editGap(
  edits: ArrayEdit[],
  from: number,
  fromEnd: number,
  target: readonly JsonValue[],
  to: number,
  toEnd: number,
): void {
  let index = from;
  let position = to;
  while (index < fromEnd && position < toEnd)
    edits.push({ op: 'replace', index: index++, value: target[position++] as JsonValue });
  while (index < fromEnd) edits.push({ op: 'remove', index: index++ });
  if (position < toEnd) edits.push({ op: 'insert', index, values: target.slice(position, toEnd) });
}

/** Returns matching index pairs of a longest common subsequence of two ranges. */
function commonSubsequence(
  a: readonly string[],
  b: readonly string[],
  start: number,
  aEnd: number,
  bEnd: number,
): [number, number][] {
  const rows = aEnd - start;
  const columns = bEnd - start;
  if (rows === 0 || columns === 0 || rows * columns > TABLE_CELLS_MAX) return [];
  const width = columns + 1;
  // lengths[i * width + j]: longest common subsequence of what follows row i and column j.
  const lengths = new Uint32Array((rows + 1) * width);
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      const cell = row * width + column;
      lengths[cell] =
        a[start + row] === b[start + column]
          ? (lengths[cell + width + 1] as number) + 1
          : Math.max(lengths[cell + width] as number, lengths[cell + 1] as number);
    }
  }
  const pairs: [number, number][] = [];
  let row = 0;
  let column = 0;
  while (row < rows && column < columns) {
    const cell = row * width + column;
    if (a[start + row] === b[start + column]) pairs.push([start + row++, start + column++]);
    else if ((lengths[cell + width] as number) >= (lengths[cell + 1] as number)) row++;
    else column++;
  }
  return pairs;
}
