/**
 * @module
 * Owns what follows from what. An epoch begins having seen all that its author held, its *base*: nobody takes its first batch without
 * that (I6), so whoever holds anything of the epoch holds its base, and the bases of that. A vector therefore lists only what no
 * base covers; all other origins are *folded* into those that are listed. Who holds the same lists the same. PROTOCOL.md section
 * "Vectors".
 */
import type { OriginId } from './engine.ts';
import type { Holding } from './horizon.ts';
import type { VectorEntry, VersionVector } from './version-vector.ts';

/** Origin → sequence: what the author of an epoch had seen when it began to write, as a vector lists it. */
export type Base = ReadonlyMap<OriginId, number>;

/** A position without its chain. */
type Place = readonly [origin: OriginId, seq: number];
type BaseOf = (origin: OriginId) => Base | undefined;

/** A vector that lists little and answers for all that follows from it. Never modified. */
export class FoldedVector implements VersionVector {
  readonly #listed: ReadonlyMap<OriginId, VectorEntry>;
  readonly folded: ReadonlyMap<OriginId, VectorEntry>;

  constructor(listed: ReadonlyMap<OriginId, VectorEntry>, folded: ReadonlyMap<OriginId, VectorEntry>) {
    this.#listed = listed;
    this.folded = folded;
  }

  get size(): number {
    return this.#listed.size;
  }

  get(origin: OriginId): VectorEntry | undefined {
    return this.#listed.get(origin) ?? this.folded.get(origin);
  }

  keys(): IterableIterator<OriginId> {
    return this.#listed.keys();
  }

  [Symbol.iterator](): IterableIterator<[OriginId, VectorEntry]> {
    return this.#listed[Symbol.iterator]();
  }
}

/** Folds what may be folded of a whole vector: one that lists everything it stands for. */
export function foldVector(whole: Iterable<readonly [OriginId, VectorEntry]>): FoldedVector {
  const frontier = new Frontier();
  frontier.move(whole);
  return frontier.seal();
}

/** A vector that moves. */
export class Frontier {
  #listed = new Map<OriginId, VectorEntry>();
  #folded = new Map<OriginId, VectorEntry>();
  /** A vector that was sealed shares it. */
  #isShared = false;
  /** Epochs whose base is not held as a whole: those of who writes while a snapshot is merged. They fold nothing yet. */
  readonly #uncovered = new Set<OriginId>();

  get(origin: OriginId): VectorEntry | undefined {
    return this.#listed.get(origin) ?? this.#folded.get(origin);
  }

  /** What is listed. */
  [Symbol.iterator](): IterableIterator<[OriginId, VectorEntry]> {
    return this.#listed[Symbol.iterator]();
  }

  isListed(origin: OriginId): boolean {
    return this.#listed.has(origin);
  }

  move(entries: Iterable<readonly [OriginId, VectorEntry]>): void {
    for (const [origin, entry] of entries) {
      const isNew = this.get(origin) === undefined;
      if (this.#folded.has(origin)) this.#own().delete(origin);
      this.#listed.set(origin, entry);
      if (isNew && entry.base !== undefined && entry.base.size > 0) this.#uncovered.add(origin);
    }
    this.#fold();
  }

  /** The vector of this moment. */
  seal(): FoldedVector {
    this.#isShared = true;
    return new FoldedVector(new Map(this.#listed), this.#folded);
  }

  #fold(): void {
    for (const origin of this.#uncovered) {
      const base = this.get(origin)!.base!;
      if ([...base].some(([other, seq]) => (this.get(other)?.seq ?? 0) < seq)) continue;
      this.#uncovered.delete(origin);
      for (const [other, seq] of base) {
        const entry = this.#listed.get(other);
        if (entry === undefined || entry.seq > seq) continue;
        this.#listed.delete(other);
        this.#own().set(other, entry);
      }
    }
  }

  /** Copied when an epoch begins, and not with every commit. */
  #own(): Map<OriginId, VectorEntry> {
    if (this.#isShared) this.#folded = new Map(this.#folded);
    this.#isShared = false;
    return this.#folded;
  }
}

/** Every origin that a vector answers for. */
export function* wholeOf(vector: VersionVector): Generator<readonly [OriginId, VectorEntry]> {
  yield* vector;
  if (vector.folded !== undefined) yield* vector.folded;
}

/** Everything that somebody holds who holds these positions, as far as bases are known. */
export function closureOf(places: Iterable<Place>, baseOf: BaseOf): Map<OriginId, number> {
  const held = new Map<OriginId, number>();
  const open: Place[] = [...places];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const [origin, seq] = place;
    const known = held.get(origin) ?? 0;
    if (seq <= known) continue;
    held.set(origin, seq);
    if (known === 0) open.push(...(baseOf(origin) ?? []));
  }
  return held;
}

/** All that somebody holds, of whom we know what he lists. */
export class Expansion implements Holding {
  readonly #own: VersionVector;
  readonly #listed: ReadonlyMap<OriginId, number>;
  #closure: ReadonlyMap<OriginId, number> | null = null;
  #isWhole: boolean | null = null;

  /** @param own - Our vector: we know the bases of what we hold. */
  constructor(own: VersionVector, listed: ReadonlyMap<OriginId, number>) {
    this.#own = own;
    this.#listed = listed;
  }

  get(origin: OriginId): number {
    const folded = this.#own.folded?.get(origin);
    const listed = this.#listed.get(origin) ?? 0;
    if (folded !== undefined && this.#hasAllFolded()) return Math.max(listed, folded.seq);
    return this.#closed().get(origin) ?? 0;
  }

  /** All origins that he holds something of, as far as is known. */
  origins(): OriginId[] {
    return [...this.#closed().keys()];
  }

  #closed(): ReadonlyMap<OriginId, number> {
    return (this.#closure ??= closureOf(this.#listed, (of) => this.#own.get(of)?.base));
  }

  /** What we have folded and he lacks something of. */
  *lacking(): Generator<readonly [OriginId, VectorEntry]> {
    if (this.#own.folded === undefined || this.#hasAllFolded()) return;
    for (const [origin, entry] of this.#own.folded) if (this.get(origin) < entry.seq) yield [origin, entry];
  }

  /** Who lists something of all that we list, as members do that are about in step, holds all that follows from it. */
  #hasAllFolded(): boolean {
    if (this.#isWhole === null) {
      this.#isWhole = [...this.#own].every(([origin, { base }]) => {
        return base === undefined || base.size === 0 || (this.#listed.get(origin) ?? 0) > 0;
      });
    }
    return this.#isWhole;
  }
}

/** All that somebody holds whose vector this is, as far as it follows from what `own` knows. */
export function expand(own: VersionVector, vector: VersionVector): Expansion {
  return new Expansion(own, new Map([...vector].map(([origin, { seq }]) => [origin, seq])));
}

/** Leaves out of positions what follows from the others, as far as bases are known. They stand for the same. */
export function foldPositions(positions: ReadonlyMap<OriginId, number>, baseOf: BaseOf): Map<OriginId, number> {
  const listed = new Map(positions);
  for (const origin of positions.keys()) {
    for (const [other, seq] of baseOf(origin) ?? [])
      if ((positions.get(other) ?? Infinity) <= seq) listed.delete(other);
  }
  return listed;
}

/** Origins, each after those that it builds on. */
export function inOrder(origins: readonly OriginId[], baseOf: BaseOf): OriginId[] {
  const left = new Set(origins);
  const ordered: OriginId[] = [];
  const open: { readonly origin: OriginId; readonly before: OriginId[] }[] = [];
  const enter = (origin: OriginId): void => {
    if (left.delete(origin)) open.push({ origin, before: [...(baseOf(origin)?.keys() ?? [])] });
  };
  for (const first of origins) {
    enter(first);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.before.pop();
      if (next !== undefined) enter(next);
      else ordered.push(open.pop()!.origin);
    }
  }
  return ordered;
}
