/** CR16: operations that were made twice, on replicas that did not know of each other, count once. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CrdtDocument, inspectUpdate } from '../../crdt/index.ts';
import type { Change, DuplicateWrite, Increment, IntentOperation, JsonObject } from '../../crdt/index.ts';

const RUNS = { numRuns: 400, seed: 16 };
const OPERATION = 2 ** 43 + 77;

/** A replica of the document; updates are exchanged whole, in the order they were made. */
class Replica {
  readonly client: number;
  readonly document: CrdtDocument = CrdtDocument.create();
  readonly updates: Uint8Array[] = [];
  increments: Increment[] = [];
  readonly #taken = new Map<Replica, number>();

  constructor(client: number) {
    this.client = client;
  }

  write(change: Change, stamp: number): Uint8Array | null {
    this.increments = [];
    const onIncrement = (increment: Increment): void => void this.increments.push(increment);
    const update = this.document.change(change, { client: this.client, stamp, onIncrement });
    if (update !== null) this.updates.push(update);
    return update;
  }

  operate(operations: readonly IntentOperation[], stamp: number): DuplicateWrite {
    const update = this.write({ kind: 'operations', operations }, stamp)!;
    const { from, to } = inspectUpdate(update).clients.get(this.client)!;
    return {
      client: this.client,
      places: [[0, '', from, to]],
      twins: [],
      increments: this.increments,
      operation: OPERATION,
    };
  }

  take(from: Replica): void {
    for (const update of from.updates.slice(this.#taken.get(from) ?? 0)) this.document.apply(update);
    this.#taken.set(from, from.updates.length);
  }

  get value(): { n?: number; deep?: { m: number }; list?: string[]; text?: string } {
    return JSON.parse(this.document.view().json) as JsonObject;
  }
}

const exchange = (replicas: readonly Replica[]): void => {
  for (const to of replicas) for (const from of replicas) if (from !== to) to.take(from);
};

/** Each says by its tag how often it was applied. */
const operation = (tag: string): fc.Arbitrary<IntentOperation> =>
  fc.oneof(
    fc.record({
      op: fc.constant('increment' as const),
      path: fc.constantFrom('/n', '/deep/m'),
      value: fc.integer({ min: -9, max: 9 }),
    }),
    fc.record({ op: fc.constant('append' as const), path: fc.constant('/list'), value: fc.constant(tag) }),
    fc.record({
      op: fc.constant('insert' as const),
      path: fc.constant('/list'),
      index: fc.constant(0),
      value: fc.constant(tag),
    }),
    fc.record({
      op: fc.constant('text-insert' as const),
      path: fc.constant('/text'),
      index: fc.constant(0),
      value: fc.constant(`<${tag}>`),
    }),
  );
const operations = (tag: string): fc.Arbitrary<IntentOperation[]> =>
  fc.array(operation(tag), { minLength: 1, maxLength: 4 });

const count = (all: readonly IntentOperation[], path: string): number =>
  all.reduce((sum, each) => sum + (each.op === 'increment' && each.path === path ? each.value : 0), 0);

function expectOnce(replica: Replica, all: readonly IntentOperation[]): void {
  const { n = 0, deep, list = [], text = '' } = replica.value;
  expect([n, deep?.m ?? 0]).toEqual([count(all, '/n'), count(all, '/deep/m')]);
  const added = all.flatMap((each) => (each.op === 'append' || each.op === 'insert' ? [each.value as string] : []));
  expect([...list].sort()).toEqual([...added].sort());
  const written = all.flatMap((each) => (each.op === 'text-insert' ? [each.value] : []));
  expect((text.match(/<\w+>/g) ?? []).sort()).toEqual([...written].sort());
  expect(text.replaceAll(/<\w+>/g, '')).toBe('');
}

test('[CR16] an operation that two replicas made counts once, whoever takes it back, how often, and whatever else they wrote', () => {
  const scenario = fc.record({
    hasBase: fc.boolean(),
    twice: operations('twice'),
    before: fc.tuple(operations('a1'), operations('b1')),
    after: fc.tuple(operations('a2'), operations('b2')),
    takers: fc.subarray([0, 1, 2, 3], { minLength: 1 }),
  });
  fc.assert(
    fc.property(scenario, ({ hasBase, twice, before, after, takers }) => {
      const replicas = [1, 2, 3, 4].map((n) => new Replica(2 ** 32 + n));
      const [a, b] = replicas as [Replica, Replica];
      const all: IntentOperation[] = [];
      const run = (replica: Replica, some: readonly IntentOperation[], stamp: number): void => {
        all.push(...some);
        replica.operate(some, stamp);
      };
      if (hasBase)
        run(
          a,
          [
            { op: 'append', path: '/list', value: 'base' },
            { op: 'increment', path: '/n', value: 3 },
          ],
          1,
        );
      if (hasBase) exchange(replicas);
      run(a, before[0], 10);
      run(b, before[1], 11);
      run(a, twice, 20);
      const repeated = b.operate(twice, 30);
      run(a, after[0], 40);
      run(b, after[1], 41);
      exchange(replicas);
      // At the same time, not knowing of each other.
      takers.forEach((taker, i) => replicas[taker]!.write({ kind: 'retract', duplicate: repeated }, 50 + i));
      exchange(replicas);
      const texts = new Set(replicas.map(({ document }) => document.view().json));
      expect(texts.size).toBe(1);
      expectOnce(a, all);
      const [reloaded] = [CrdtDocument.load(a.document.encode())];
      expect(reloaded!.view().json).toBe(a.document.view().json);
      // Once more does nothing.
      expect(a.write({ kind: 'retract', duplicate: repeated }, 60)).toBeNull();
      run(b, [{ op: 'increment', path: '/n', value: 5 }], 70);
      exchange(replicas);
      expectOnce(a, all);
    }),
    RUNS,
  );
});

test('[CR16] numbers that were set meanwhile come out as if the operation had been made once', () => {
  const scenario = fc.record({
    setter: fc.constantFrom(0, 1, 2),
    late: fc.boolean(),
    amount: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(scenario, ({ setter, late, amount }) => {
      const replicas = [1, 2, 3].map((n) => new Replica(2 ** 32 + n));
      const [a, b] = replicas as [Replica, Replica];
      a.operate([{ op: 'increment', path: '/n', value: 100 }], 1);
      exchange(replicas);
      a.operate([{ op: 'increment', path: '/n', value: amount }], 2);
      const repeated = b.operate([{ op: 'increment', path: '/n', value: amount }], 3);
      const set = (): unknown => replicas[setter]!.write({ kind: 'merge-patch', patch: { n: 1000 } }, 4);
      if (!late) set();
      exchange(replicas);
      for (const replica of replicas) replica.write({ kind: 'retract', duplicate: repeated }, 5);
      exchange(replicas);
      if (late) set();
      exchange(replicas);
      // Who set it after one of the two had that one in it; who had seen neither gets it on top, once.
      expect(new Set(replicas.map(({ value }) => value.n))).toEqual(
        new Set([late || setter < 2 ? 1000 : 1000 + amount]),
      );
    }),
    { numRuns: 60, seed: 17 },
  );
});

test('[CR16] what the repetition has set stays, arrays and texts included', () => {
  const replicas = [1, 2].map((n) => new Replica(2 ** 32 + n));
  const [a, b] = replicas as [Replica, Replica];
  const put = { kind: 'replace', value: { list: ['x', 'y'], n: 3, text: 'abc' } } as const;
  a.write(put, 1);
  const update = b.write(put, 2)!;
  const { from, to } = inspectUpdate(update).clients.get(b.client)!;
  exchange(replicas);
  const duplicate = {
    client: b.client,
    places: [[0, '', from, to]] as const,
    twins: [],
    increments: [],
    operation: OPERATION,
  };
  a.write({ kind: 'retract', duplicate }, 3);
  exchange(replicas);
  expect([a.value, b.value]).toEqual([put.value, put.value]);
});
