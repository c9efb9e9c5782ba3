/**
 * @module
 * Owns a small world of replicas that compact their document while they write: updates travel in causal order, late and twice, and each
 * replica also keeps the document as it would be had nobody compacted it. What a replica knows of others is what they said. A replica
 * may be set back to what it was at an earlier moment: it breaks its word then, and goes on under another client, as a node does.
 */
import { CrdtDocument, CrdtError, GenerationalDocument, type Author, type Change } from '../../crdt/index.ts';

interface Sent {
  readonly update: Uint8Array;
  /** The same write where nothing is compacted; null for what compaction writes. */
  readonly plain: Uint8Array | null;
  /** Client → records of it that its author held. */
  readonly deps: ReadonlyMap<number, number>;
  /** The successor that was prepared or taken up with it. */
  readonly begins: string | null;
}

interface Log {
  readonly owner: number;
  readonly sent: Sent[];
}

interface World {
  readonly count: number;
  /** By client. */
  readonly logs: Map<number, Log>;
  /** `client of a log/record` → replica → all it held when it came to hold that. */
  readonly words: Map<string, Map<number, ReadonlyMap<number, number>>>;
}

interface Backup {
  readonly parts: readonly [Uint8Array, ...Uint8Array[]];
  readonly plain: Uint8Array;
  readonly applied: ReadonlyMap<number, number>;
}

export class CompactingReplica {
  readonly index: number;
  client: number;
  document: GenerationalDocument = GenerationalDocument.create();
  plain: CrdtDocument = CrdtDocument.create();
  applied: Map<number, number> = new Map();
  /** Where this process prepared or took up a successor. */
  #begun = new Map<string, string>();
  readonly #said: [client: number, count: number][] = [];
  readonly #world: World;
  readonly #types: Author['types'];

  constructor(index: number, world: World, types: Author['types']) {
    this.index = index;
    this.#world = world;
    this.#types = types;
    this.client = this.#beginLog();
  }

  #beginLog(): number {
    const { logs } = this.#world;
    const client = 2 ** 32 + ((this.index * 7919) % 13) * 1000 + 1 + logs.size * 100_003;
    logs.set(client, { owner: this.index, sent: [] });
    return client;
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

  #send(update: Uint8Array, plain: Uint8Array | null, begins: string | null = null): void {
    const { sent } = this.#world.logs.get(this.client)!;
    sent.push({ update, plain, deps: new Map(this.applied), begins });
    this.applied.set(this.client, sent.length);
    if (begins !== null) this.#begun.set(begins, this.#say(this.client, sent.length));
  }

  /** The others know from now on that we hold a record, and all else we hold. */
  #say(client: number, count: number): string {
    const { words } = this.#world;
    const name = `${client}/${count}`;
    const said = words.get(name) ?? new Map<number, ReadonlyMap<number, number>>();
    words.set(name, said);
    if (!said.has(this.index)) said.set(this.index, new Map(this.applied));
    return name;
  }

  pull(from: CompactingReplica): boolean {
    for (const [client, count] of from.applied) {
      const held = this.applied.get(client) ?? 0;
      const next = held < count ? this.#world.logs.get(client)!.sent[held] : undefined;
      if (next === undefined || ![...next.deps].every(([other, seq]) => (this.applied.get(other) ?? 0) >= seq))
        continue;
      if (!this.#take(next.update)) return this.#joinAll(from);
      if (next.plain !== null) this.plain.apply(next.plain);
      this.#hold(client, held + 1);
      this.#takeAlong();
      return true;
    }
    return false;
  }

  /** @returns False when it builds on what is gone here. */
  #take(update: Uint8Array): boolean {
    try {
      this.document.apply(update);
      return true;
    } catch (error) {
      if (error instanceof CrdtError && error.code === 'CRDT_UPDATE_GAP') return false;
      throw error;
    }
  }

  /** Takes all that another one holds, as one does by a snapshot. */
  #joinAll(from: CompactingReplica): boolean {
    this.document.join(from.document.encodeParts());
    this.plain.apply(from.plain.encode());
    for (const [client, count] of from.applied) {
      for (let held = this.applied.get(client) ?? 0; held < count; held++) this.#hold(client, held + 1);
    }
    this.#takeAlong();
    return true;
  }

  #hold(client: number, count: number): void {
    this.applied.set(client, count);
    if (this.#world.logs.get(client)!.sent[count - 1]!.begins !== null) this.#said.push([client, count]);
  }

  #takeAlong(): void {
    // Said when all that came with it is here.
    for (const [client, count] of this.#said.splice(0)) this.#say(client, count);
    const update = this.document.takeAlong();
    if (update !== null) this.#send(update, null);
  }

  /** Something that came before comes again. */
  repeat(choice: number): void {
    const logs = [...this.applied].filter(([, count]) => count > 0);
    const [client, count] = logs[choice % Math.max(1, logs.length)] ?? [0, 0];
    const old = this.#world.logs.get(client)?.sent[choice % Math.max(1, count)];
    if (old !== undefined) this.document.apply(old.update);
  }

  prepare(stamp: number): boolean {
    const id = `${this.client.toString(36)}.${stamp.toString(36)}`;
    const update = this.document.prepare(id);
    if (update !== null) this.#send(update, null, id);
    return update !== null;
  }

  /** Decides on a successor of its own when it may. `isHasty`: does not wait for the others. */
  decide(isHasty: boolean = false): 'succeeded' | 'abandoned' | null {
    for (const id of this.document.successors) {
      if (this.#world.logs.get(Number.parseInt(id, 36))!.owner !== this.index) continue;
      const begun = this.#begun.get(id);
      if (begun === undefined) {
        this.#send(this.document.touch(), null, id);
        continue;
      }
      if (!this.#isStable(begun) && !isHasty) continue;
      this.#begun.delete(id);
      const isFollowed = this.document.isFollowed(id);
      this.#send(isFollowed ? this.document.succeed(id) : this.document.abandon(id), null);
      return isFollowed ? 'succeeded' : 'abandoned';
    }
    return null;
  }

  /** All have said that they hold it, and all that they said is here. */
  #isStable(record: string): boolean {
    const said = this.#world.words.get(record)!;
    const isHere = (word: ReadonlyMap<number, number>): boolean =>
      [...word].every(([client, count]) => (this.applied.get(client) ?? 0) >= count);
    return said.size === this.#world.count && [...said.values()].every(isHere);
  }

  /** Goes to the disk and comes back. */
  reload(): void {
    this.document = GenerationalDocument.load(...this.document.encodeParts());
  }

  backUp(): Backup {
    return { parts: this.document.encodeParts(), plain: this.plain.encode(), applied: new Map(this.applied) };
  }

  /** What it wrote since is with the others, if they have it. */
  setBack({ parts, plain, applied }: Backup): void {
    this.document = GenerationalDocument.load(...parts);
    this.plain = CrdtDocument.load(plain);
    this.applied = new Map(applied);
    this.#begun = new Map();
    this.client = this.#beginLog();
  }
}

export function createCompactingReplicas(count: number, types?: Author['types']): CompactingReplica[] {
  const world: World = { count, logs: new Map(), words: new Map() };
  return Array.from({ length: count }, (_, index) => new CompactingReplica(index, world, types));
}

export function settleAll(replicas: readonly CompactingReplica[]): void {
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const to of replicas) {
      for (const from of replicas) while (from !== to && to.pull(from)) isMoving = true;
    }
  }
}
