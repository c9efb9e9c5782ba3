import fc from 'fast-check';
import { expect, test } from 'vitest';
import { portableSha256 } from '../../sync/sha256.ts';
import { cellsFor, decodeSketch } from '../../sync/sketch-decoder.ts';
import { CELL_BYTES, Sketch, SymbolHash, symbolName } from '../../sync/sketch.ts';
import type { Symbol56 } from '../../sync/sketch.ts';

const RUNS = { seed: 20261123 };
const HASH = new SymbolHash(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));

function symbolsOf(from: number, count: number): Symbol56[] {
  return Array.from({ length: count }, (_, i) =>
    HASH.of(portableSha256(new TextEncoder().encode(`document ${from + i}`))),
  );
}

function sketchOf(cells: number, symbols: readonly Symbol56[]): Sketch {
  const sketch = new Sketch(cells);
  for (const symbol of symbols) sketch.add(symbol);
  return sketch;
}

const names = (symbols: readonly Symbol56[]): string[] => symbols.map(symbolName).toSorted();

test('[EQ3] two sets are told apart from their sketches, whatever they share, in enough cells', () => {
  const size = fc.integer({ min: 0, max: 300 });
  fc.assert(
    fc.property(size, size, size, fc.nat(1_000_000), (common, mine, yours, from) => {
      const shared = symbolsOf(from, common);
      const ours = symbolsOf(from + 1000, mine);
      const theirs = symbolsOf(from + 2000, yours);
      const cells = cellsFor(mine + yours);
      const difference = sketchOf(cells, [...shared, ...ours]).subtract(sketchOf(cells, [...theirs, ...shared]));
      const result = decodeSketch(difference, mine - yours);
      if (result.outcome === 'incomplete') {
        // Rare, and then more cells do.
        const more = sketchOf(cells * 3, [...shared, ...ours]).subtract(sketchOf(cells * 3, [...theirs, ...shared]));
        const again = decodeSketch(more, mine - yours);
        expect(again.outcome).toBe('decoded');
        return;
      }
      expect(names(result.ours)).toEqual(names(ours));
      expect(names(result.theirs)).toEqual(names(theirs));
    }),
    { ...RUNS, numRuns: 60 },
  );
});

test('[EQ3] the beginning of a sketch is the sketch of fewer cells, and its bytes decode to it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 100 }),
      fc.nat(50),
      (cells, fewer, count) => {
        const symbols = symbolsOf(7, count);
        const long = sketchOf(cells + fewer, symbols);
        const short = sketchOf(fewer, symbols);
        expect(long.encode(0, fewer)).toEqual(short.encode());
        expect(Sketch.decode(long.encode())).toEqual(long);
        expect(long.encode()).toHaveLength((cells + fewer) * CELL_BYTES);
      },
    ),
    { ...RUNS, numRuns: 50 },
  );
});

test('[EQ4] whatever bytes come as a sketch, decoding ends: with symbols, a request for more, or a coded refusal', () => {
  const noise = fc.uint8Array({ minLength: CELL_BYTES, maxLength: CELL_BYTES * 40 });
  fc.assert(
    fc.property(noise, fc.boolean(), fc.integer({ min: -300, max: 300 }), (bytes, isDamaged, balance) => {
      const whole = bytes.subarray(0, bytes.length - (bytes.length % CELL_BYTES));
      let sketch = Sketch.decode(whole);
      if (isDamaged) {
        // A true sketch in which a few bytes are wrong is the harder case.
        const damaged = sketchOf(40, symbolsOf(3, 12)).encode();
        for (const [i, byte] of whole.subarray(0, 4).entries()) damaged[(byte * 7 + i) % damaged.length]! ^= 1 + byte;
        sketch = Sketch.decode(damaged);
      }
      try {
        const result = decodeSketch(sketch, balance);
        if (result.outcome === 'decoded') {
          expect(result.ours.length + result.theirs.length).toBeLessThanOrEqual(40);
        } else expect(result.estimate).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toMatchObject({ code: 'SYNC_FRAME_MALFORMED' });
      }
    }),
    { ...RUNS, numRuns: 500 },
  );
  for (const length of [0, 1, CELL_BYTES - 1, CELL_BYTES + 1, CELL_BYTES * 65_537]) {
    expect(() => Sketch.decode(new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: 'SYNC_FRAME_MALFORMED' }),
    );
  }
});

test('[EQ3] 64 cells find 10 changed documents, and tell within a quarter how many cells more would need', () => {
  const estimates: number[] = [];
  for (let round = 0; round < 40; round++) {
    const ten = sketchOf(64, symbolsOf(round * 100_000, 10)).subtract(
      sketchOf(64, symbolsOf(round * 100_000 + 50, 10)),
    );
    expect(decodeSketch(ten, 0)).toMatchObject({ outcome: 'decoded' });
    const ours = sketchOf(64, symbolsOf(round * 100_000, 1000));
    const many = ours.subtract(sketchOf(64, symbolsOf(round * 100_000 + 5000, 1000)));
    const result = decodeSketch(many, 0);
    if (result.outcome === 'incomplete') estimates.push(result.estimate);
  }
  expect(estimates).toHaveLength(40);
  const mean = estimates.reduce((sum, each) => sum + each, 0) / estimates.length;
  expect(Math.abs(mean / 2000 - 1)).toBeLessThan(0.25);
});
