/**
 * Vectors that list little: over random histories of nodes that write, begin epochs, and take what others wrote in any causal order.
 */
import { describe, expect, test } from 'vitest';
import { Expansion, Frontier, closureOf, foldPositions, foldVector, inOrder } from '../../../sync/lineage.ts';
import type { Base } from '../../../sync/lineage.ts';
import { GENESIS_CHAIN, decodeVector, dominates, encodeVector, sequenceOf } from '../../../sync/version-vector.ts';
import type { VectorEntry } from '../../../sync/version-vector.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';

const entry = (seq: number, base?: readonly (readonly [number, number])[]): VectorEntry => {
  return { seq, chain: GENESIS_CHAIN, ...(base && { base: new Map(base) }) };
};
const listOf = (vector: Iterable<readonly [number, VectorEntry]>): number[] =>
  [...vector].map(([origin]) => origin).sort((a, b) => a - b);
const sequences = (vector: Iterable<readonly [number, VectorEntry]>): Map<number, number> =>
  new Map([...vector].map(([origin, { seq }]) => [origin, seq]));

describe('what a vector lists', () => {
  test('[GC10] an epoch covers what it began with: only it is listed, and the others answer as before', () => {
    const frontier = new Frontier();
    frontier.move([
      [1, entry(9)],
      [2, entry(4)],
    ]);
    const before = frontier.seal();
    frontier.move([
      [
        3,
        entry(1, [
          [1, 9],
          [2, 4],
        ]),
      ],
    ]);
    const after = frontier.seal();
    expect([listOf(before), listOf(after)]).toEqual([[1, 2], [3]]);
    expect([1, 2, 3, 4].map((origin) => sequenceOf(after, origin))).toEqual([9, 4, 1, 0]);
    expect(after.get(1)!.chain).toBe(GENESIS_CHAIN);
    expect([dominates(after, before), dominates(before, after)]).toEqual([true, false]);
    // An older vector stays what it was.
    expect(sequenceOf(before, 3)).toBe(0);
  });

  test('[GC10] an origin that goes on is listed again, and only by who has more than the epoch began with', () => {
    const frontier = new Frontier();
    frontier.move([[1, entry(9)]]);
    frontier.move([[2, entry(1, [[1, 9]])]]);
    const folded = frontier.seal();
    frontier.move([[1, entry(10)]]);
    expect(listOf(frontier)).toEqual([1, 2]);
    frontier.move([
      [
        3,
        entry(1, [
          [1, 10],
          [2, 1],
        ]),
      ],
    ]);
    expect(listOf(frontier)).toEqual([3]);
    expect([sequenceOf(folded, 1), sequenceOf(frontier.seal(), 1)]).toEqual([9, 10]);
  });

  test('[GC10] an epoch that began ahead of its vector, while a snapshot is merged, covers nothing before that is here', () => {
    const frontier = new Frontier();
    frontier.move([[1, entry(5)]]);
    frontier.move([[2, entry(1, [[1, 9]])]]);
    expect(listOf(frontier)).toEqual([1, 2]);
    frontier.move([[1, entry(9)]]);
    expect(listOf(frontier)).toEqual([2]);
  });

  test('bytes have the bases of what is listed', () => {
    const vector = foldVector([
      [1, entry(3)],
      [2, entry(2, [[1, 3]])],
      [7, entry(1)],
    ]);
    expect(decodeVector(encodeVector(vector))).toEqual(
      new Map([
        [2, entry(2, [[1, 3]])],
        [7, entry(1)],
      ]),
    );
  });
});

/** A node in a random history. */
class Author {
  readonly frontier = new Frontier();
  readonly whole = new Map<number, VectorEntry>();
  origin = 0;

  take(origin: number, seq: number, base: Base): void {
    const known = this.whole.get(origin)?.base ?? base;
    const position = { seq, chain: GENESIS_CHAIN, ...(known.size > 0 && { base: known }) };
    this.whole.set(origin, position);
    this.frontier.move([[origin, position]]);
  }
}

interface Written {
  readonly origin: number;
  readonly seq: number;
  readonly base: Base;
  /** What its author had. */
  readonly needs: ReadonlyMap<number, number>;
}

/** Nodes that write, begin anew and take from each other, for some steps; `look` is called after every one. */
function play(seed: number, look: (authors: readonly Author[]) => void): void {
  const random = new SeededRandom(seed);
  const authors = Array.from({ length: random.int(2, 5) }, () => new Author());
  const log: Written[] = [];
  let origins = 0;
  for (let step = 0; step < 120; step++) {
    const author = random.pick(authors);
    if (author.origin === 0 || random.chance(0.15)) author.origin = ++origins;
    if (random.chance(0.4)) {
      const { origin } = author;
      const seq = sequenceOf(author.frontier.seal(), origin) + 1;
      const base = seq === 1 ? sequences(author.frontier.seal()) : new Map<number, number>();
      log.push({ origin, seq, base, needs: sequences(author.whole) });
      author.take(origin, seq, base);
    } else {
      const next = log.find(({ origin, seq, needs }) => {
        const held = (of: number): number => author.whole.get(of)?.seq ?? 0;
        return held(origin) === seq - 1 && [...needs].every(([of, least]) => held(of) >= least);
      });
      if (next !== undefined && random.chance(0.8)) author.take(next.origin, next.seq, next.base);
    }
    look(authors);
  }
}

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);

describe('over random histories', () => {
  test('[GC10] what is listed stands for all that is held, and who holds the same lists the same', () => {
    for (const seed of SEEDS) {
      const seen = new Map<string, string>();
      let saved = 0;
      play(seed, (authors) => {
        for (const { frontier, whole } of authors) {
          const vector = frontier.seal();
          const baseOf = (origin: number): Base | undefined => whole.get(origin)?.base;
          expect(closureOf(sequences(vector), baseOf)).toEqual(sequences(whole));
          expect(foldPositions(sequences(whole), baseOf)).toEqual(sequences(vector));
          expect(listOf(foldVector(whole))).toEqual(listOf(vector));
          const held = JSON.stringify([...sequences(whole)].sort(([a], [b]) => a - b));
          const listed = JSON.stringify([...sequences(vector)].sort(([a], [b]) => a - b));
          expect(seen.get(listed) ?? held).toBe(held);
          seen.set(listed, held);
          saved = Math.max(saved, whole.size - vector.size);
        }
      });
      expect(saved).toBeGreaterThan(2);
    }
  });

  test('[GC11] what another one lists is never taken for more than he holds, and exactly for that where all of it is known', () => {
    let exact = 0;
    for (const seed of SEEDS) {
      play(seed, (authors) => {
        const [own, other] = authors as [Author, Author];
        const vector = own.frontier.seal();
        const listed = sequences(other.frontier.seal());
        const expansion = new Expansion(vector, listed);
        const isKnown = [...listed].every(([origin, seq]) => sequenceOf(vector, origin) >= seq);
        for (const [origin, { seq }] of [...own.whole, ...other.whole]) {
          const truth = other.whole.get(origin)?.seq ?? 0;
          expect(expansion.get(origin)).toBeLessThanOrEqual(truth);
          if (!isKnown) continue;
          expect(expansion.get(origin)).toBe(truth);
          exact += seq > 0 ? 1 : 0;
        }
        if (!isKnown) return;
        const lacking = [...vector.folded].filter(([origin, { seq }]) => (other.whole.get(origin)?.seq ?? 0) < seq);
        expect(listOf(expansion.lacking())).toEqual(listOf(lacking));
      });
    }
    expect(exact).toBeGreaterThan(500);
  });

  test('[GC14] origins come after those that they began with', () => {
    for (const seed of SEEDS) {
      play(seed, ([author]) => {
        const { whole } = author!;
        const order = inOrder([...whole.keys()].reverse(), (origin) => whole.get(origin)?.base);
        expect(listOf(whole)).toEqual([...order].sort((a, b) => a - b));
        for (const [i, origin] of order.entries()) {
          for (const before of whole.get(origin)!.base?.keys() ?? []) expect(order.indexOf(before)).toBeLessThan(i);
        }
      });
    }
  });
});
