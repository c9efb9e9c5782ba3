/**
 * @module
 * Owns a small world of replicas that compact their document while they write: updates travel in causal order, late and twice, and each
 * replica also keeps the document as it would be had nobody compacted it. What a replica knows of others is what they said (words).
 */
import { CrdtDocument, CrdtError, GenerationalDocument, type Author, type Change } from '../../crdt/index.ts';

interface Sent {
  readonly update: Uint8Array;
  /** The same write where nothing is compacted; null for what compaction writes. */
  readonly plain: Uint8Array | null;
  readonly deps: readonly number[];
}

/** How long the log of each replica was when it came to hold a successor. */
type Words = Map<number, number>;

export class CompactingReplica {
  readonly index: number;
  readonly client: number;
  document: GenerationalDocument = GenerationalDocument.create();
  plain: CrdtDocument = CrdtDocument.create();
  readonly log: Sent[] = [];
  readonly applied: number[];
  readonly #words: Map<string, Words>;
  readonly #types: Author['types'];

  constructor(index: number, count: number, words: Map<string, Words>, types: Author['types']) {
    this.index = index;
    this.client = 2 ** 32 + ((index * 7919) % 13) * 1000 + 1;
    this.applied = Array.from({ length: count }, () => 0);
    this.#words = words;
    this.#types = types;
  }

  /** @returns False when the change was refused. */
  write(change: Change, stamp: number): boolean {
    const author = { client: this.client, stamp, ...(this.#types && { types: this.#types }) };
    try {
      const update = this.document.change(change, author);
      const plain = this.plain.change(change, author);
      if ((update === null) !== (plain === null)) throw new Error('only one of them changed');
      if (update !== null) this.#send(update, plain);
      return true;
    } catch (error) {
      if (error instanceof CrdtError) return false;
      throw error;
    }
  }

  #send(update: Uint8Array, plain: Uint8Array | null): void {
    this.log.push({ update, plain, deps: [...this.applied] });
    this.applied[this.index] = this.log.length;
    this.#say();
  }

  /** What we hold of successors is known to the others as of now. */
  #say(): void {
    for (const id of this.document.successors) {
      const words = this.#words.get(id) ?? new Map<number, number>();
      this.#words.set(id, words);
      if (!words.has(this.index)) words.set(this.index, this.log.length);
    }
  }

  pull(from: CompactingReplica): boolean {
    const next = from.log[this.applied[from.index]!];
    if (next === undefined || next.deps.some((count, i) => i !== from.index && count > this.applied[i]!)) return false;
    this.document.apply(next.update);
    if (next.plain !== null) this.plain.apply(next.plain);
    this.applied[from.index]!++;
    this.#say();
    return true;
  }

  /** Something that came before comes again. */
  repeat(from: CompactingReplica, choice: number): void {
    const old = from.log[choice % Math.max(1, this.applied[from.index]!)];
    if (old !== undefined && this.applied[from.index]! > 0) this.document.apply(old.update);
  }

  prepare(stamp: number): boolean {
    const update = this.document.prepare(`${this.client.toString(36)}.${stamp.toString(36)}`);
    if (update !== null) this.#send(update, null);
    return update !== null;
  }

  /** Decides on a successor of its own when it may. `isHasty`: does not wait for the others. */
  decide(isHasty: boolean = false): 'succeeded' | 'abandoned' | null {
    for (const id of this.document.successors) {
      if (!id.startsWith(`${this.client.toString(36)}.`)) continue;
      const words = this.#words.get(id)!;
      const isStable = this.applied.every((count, i) => words.has(i) && count >= words.get(i)!);
      if (!isStable && !isHasty) continue;
      const isFollowed = this.document.isFollowed(id);
      this.#send(isFollowed ? this.document.succeed(id) : this.document.abandon(id), null);
      return isFollowed ? 'succeeded' : 'abandoned';
    }
    return null;
  }

  /** Goes to the disk and comes back. */
  reload(): void {
    this.document = GenerationalDocument.load(...this.document.encodeParts());
  }
}

export function createCompactingReplicas(count: number, types?: Author['types']): CompactingReplica[] {
  const words = new Map<string, Words>();
  return Array.from({ length: count }, (_, index) => new CompactingReplica(index, count, words, types));
}

export function settleAll(replicas: readonly CompactingReplica[]): void {
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const to of replicas) {
      for (const from of replicas) while (from !== to && to.pull(from)) isMoving = true;
    }
  }
}
