/**
 * @module
 * Owns the matrix behind the merge rules: two writers and a bystander, every order of stamps, of client ids and of delivery, at
 * several depths. A rule that leans on one of them fails in some case.
 */
import { expect } from 'vitest';
import { normaliseState, type Conflict, type JsonValue } from '../../crdt/index.ts';
import { createReplicas, settle, type DocumentReplica, type ReplicaOptions } from './crdt-replicas.ts';

interface Depth {
  readonly prefix: string;
  readonly wrap: (inner: JsonValue) => JsonValue;
}

const DEPTHS: readonly Depth[] = [
  { prefix: '', wrap: (inner) => inner },
  { prefix: '/deep/er', wrap: (inner) => ({ deep: { er: inner, side: 1 } }) },
  { prefix: '/list/1', wrap: (inner) => ({ list: [0, inner, 2] }) },
  { prefix: '/list/0/0/x', wrap: (inner) => ({ list: [[{ x: inner }]] }) },
];

/** One case of the matrix. `a` and `b` write concurrently; `c` made the document and looks on. */
export class MergeCase {
  readonly a: DocumentReplica;
  readonly b: DocumentReplica;
  readonly c: DocumentReplica;
  readonly stampA: number;
  readonly stampB: number;
  readonly prefix: string;
  readonly #order: readonly DocumentReplica[];
  readonly #wrap: Depth['wrap'];

  constructor(depth: Depth, isALater: boolean, isAHigher: boolean, isAFirst: boolean, options: ReplicaOptions) {
    const clients = isAHigher ? [30, 20, 25] : [20, 30, 25];
    const [a, b, c] = createReplicas(3, (index) => ({ ...options, client: 2 ** 33 + (clients[index] as number) })) as [
      DocumentReplica,
      DocumentReplica,
      DocumentReplica,
    ];
    this.a = a;
    this.b = b;
    this.c = c;
    this.stampA = isALater ? 2000 : 1000;
    this.stampB = isALater ? 1000 : 2000;
    this.prefix = depth.prefix;
    this.#wrap = depth.wrap;
    this.#order = isAFirst ? [a, b, c] : [b, c, a];
  }

  /** Picks what belongs to the later writer. */
  later<T>(ofA: T, ofB: T): T {
    return this.stampA > this.stampB ? ofA : ofB;
  }

  earlier<T>(ofA: T, ofB: T): T {
    return this.stampA > this.stampB ? ofB : ofA;
  }

  /** Lets all three hold a document whose part under test is `inner`. */
  begin(inner: JsonValue): void {
    this.c.put(this.#wrap(inner), 10);
    settle([this.a, this.b, this.c]);
  }

  path(pointer: string): string {
    return this.prefix + pointer;
  }

  /** JSON Patch `add` of the part under test, which is a set. */
  set(replica: DocumentReplica, pointer: string, value: JsonValue, stamp: number = this.stampOf(replica)): void {
    replica.jsonPatch(stamp, { op: 'add', path: this.path(pointer), value });
  }

  remove(replica: DocumentReplica, pointer: string, stamp: number = this.stampOf(replica)): void {
    replica.jsonPatch(stamp, { op: 'remove', path: this.path(pointer) });
  }

  operate(replica: DocumentReplica, pointer: string, operation: object, stamp: number = this.stampOf(replica)): void {
    replica.operate(stamp, { ...operation, path: this.path(pointer) });
  }

  stampOf(replica: DocumentReplica): number {
    return replica === this.a ? this.stampA : replica === this.b ? this.stampB : 3000;
  }

  /** Delivers everything, checks that all replicas agree, and returns the part under test. */
  merge(): JsonValue {
    settle([this.a, this.b, this.c], this.#order);
    for (const replica of [this.b, this.c]) {
      expect(replica.json).toBe(this.a.json);
      expect(replica.document.conflicts()).toEqual(this.a.document.conflicts());
      expect(normaliseState(replica.document.encode())).toEqual(normaliseState(this.a.document.encode()));
    }
    if (this.a.json === '') return null;
    let value: JsonValue | undefined = this.a.value;
    for (const segment of this.prefix.split('/').slice(1))
      value = (value as Record<string, JsonValue> | undefined)?.[segment];
    return value ?? null;
  }

  /** The conflicts of the part under test: path below it, what is shown, and the losing values. */
  conflicts(): { path: string; shown: JsonValue | undefined; others: JsonValue[] }[] {
    return this.a.document.conflicts().map(({ path, shown, others }: Conflict) => ({
      path: path.startsWith(this.prefix) ? path.slice(this.prefix.length) : path,
      shown: plain(shown),
      others: others.map(({ value }) => plain(value) as JsonValue),
    }));
  }
}

/** Runs a check in every case of the matrix. */
export function everyCase(check: (given: MergeCase) => void, options: ReplicaOptions = {}): void {
  for (const depth of DEPTHS) {
    for (const isALater of [true, false]) {
      for (const isAHigher of [true, false]) {
        for (const isAFirst of [true, false]) check(new MergeCase(depth, isALater, isAHigher, isAFirst, options));
      }
    }
  }
}

/** Objects from documents have no prototype; literals in tests do. */
function plain(value: JsonValue | undefined): JsonValue | undefined {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as JsonValue);
}
