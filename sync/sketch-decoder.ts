/**
 * @module
 * Owns the decoding of a difference of two sketches by peeling: a cell with one symbol in it names that symbol, and taking the
 * symbol out of its other cells leaves more such cells. Also the estimate of how many cells would be enough.
 */
import { SyncError } from './errors.ts';
import { CELLS_MAX, CellsOf, checkOf, densityOf, symbolName } from './sketch.ts';
import type { Sketch, Symbol56 } from './sketch.ts';

export type SketchOutcome =
  | {
      readonly outcome: 'decoded';
      /** What only the first set has. */
      readonly ours: readonly Symbol56[];
      /** What only the second set has. */
      readonly theirs: readonly Symbol56[];
    }
  /** Too few cells. */
  | { readonly outcome: 'incomplete'; readonly estimate: number };

/**
 * Finds the symbols of a difference. Consumes `difference`.
 *
 * @param balance - By how many symbols the first set is larger.
 * @throws SyncError `SYNC_FRAME_MALFORMED` when the cells contradict each other: they are no difference of two sets.
 */
export function decodeSketch(difference: Sketch, balance: number): SketchOutcome {
  const estimate = estimateDifference(difference, balance);
  const ours: Symbol56[] = [];
  const theirs: Symbol56[] = [];
  const seen = new Set<string>();
  const pure: number[] = [];
  for (let i = 0; i < difference.length; i++) if (isPure(difference, i)) pure.push(i);
  for (let cell = pure.pop(); cell !== undefined; cell = pure.pop()) {
    if (!isPure(difference, cell)) continue;
    const symbol = { hi: difference.his[cell]!, lo: difference.los[cell]! };
    const name = symbolName(symbol);
    // More symbols than cells cannot be told apart, and none comes out twice: so this ends, whatever the bytes are.
    if (seen.has(name) || seen.size >= difference.length) throw contradiction();
    seen.add(name);
    const isOurs = difference.counts[cell] === 1;
    (isOurs ? ours : theirs).push(symbol);
    takeOut(difference, symbol, isOurs ? -1 : 1, pure);
  }
  return isEmpty(difference) ? { outcome: 'decoded', ours, theirs } : { outcome: 'incomplete', estimate };
}

function takeOut(difference: Sketch, { hi, lo }: Symbol56, weight: 1 | -1, pure: number[]): void {
  const { his, los, checks, counts, length } = difference;
  const check = checkOf(hi, lo);
  const cells = new CellsOf(hi, lo);
  for (let i = 0; i < length; i = cells.next()) {
    his[i] = his[i]! ^ hi;
    los[i] = los[i]! ^ lo;
    checks[i] = checks[i]! ^ check;
    counts[i] = counts[i]! + weight;
    if (isPure(difference, i)) pure.push(i);
  }
}

/** One symbol and nothing else: by its number, its check sum, and because it belongs there. */
function isPure({ his, los, checks, counts }: Sketch, cell: number): boolean {
  const count = counts[cell]!;
  if (count !== 1 && count !== 255) return false;
  const hi = his[cell]!;
  const lo = los[cell]!;
  if (checkOf(hi, lo) !== checks[cell]) return false;
  const cells = new CellsOf(hi, lo);
  let at = 0;
  while (at < cell) at = cells.next();
  return at === cell;
}

function isEmpty({ his, los, checks, counts, length }: Sketch): boolean {
  for (let i = 0; i < length; i++) if (his[i] !== 0 || los[i] !== 0 || checks[i] !== 0 || counts[i] !== 0) return false;
  return true;
}

/**
 * How many symbols a difference has, from the counts of its cells: they scatter around their share of the balance, the more the
 * more symbols there are.
 */
function estimateDifference({ counts, length }: Sketch, balance: number): number {
  let estimate = estimateFrom(counts, 1, length, balance);
  // Counts are known modulo 256: where they scatter too far, only the sparser cells tell something.
  for (let from = 2; estimate * densityOf(from) > 900 && from < length / 2; from *= 2) {
    estimate = estimateFrom(counts, from, length, balance);
  }
  return Math.max(Math.ceil(estimate), Math.abs(balance), 1);
}

function estimateFrom(counts: Uint8Array, from: number, to: number, balance: number): number {
  let sum = 0;
  let cells = 0;
  for (let i = from; i < to; i++) {
    const density = densityOf(i);
    const deviation = signed(counts[i]! - Math.round(balance * density));
    sum += deviation ** 2 / (density * (1 - density));
    cells++;
  }
  return cells === 0 ? 0 : sum / cells;
}

function signed(count: number): number {
  return (count << 24) >> 24;
}

/** Cells that decode a difference of so many symbols in nearly every case: 1.36 each for many, up to 4 for few. */
export function cellsFor(symbols: number): number {
  return Math.min(CELLS_MAX, Math.ceil(1.36 * symbols + 4 * Math.sqrt(symbols) + 12));
}

function contradiction(): SyncError {
  return new SyncError('SYNC_FRAME_MALFORMED', 'A sketch contradicts itself.');
}
